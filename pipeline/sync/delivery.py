"""Does the address take mail? That belongs to the address, not to the person.

Nothing here is inherited when an address changes, and nothing here is consent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

SOFT_KEPT = 20
"""Soft bounces remembered, at least the largest streak that can be asked for."""


@dataclass(frozen=True)
class Delivery:
    """What Mailjet's events told of an address; times in milliseconds since 1970 UTC.

    Args:
        hard_ms: the newest hard bounce, 0 for none.
        soft: message to the time of its soft bounce, the newest ones.
        alive_ms: the newest sign that mail arrived, 0 for none.
    """

    hard_ms: int = 0
    soft: Mapping[int, int] = field(default_factory=dict)
    alive_ms: int = 0

    def streak(self) -> int:
        """Soft bounces since mail last arrived."""
        return sum(at_ms > self.alive_ms for at_ms in self.soft.values())

    def bounced_ms(self, streak: int) -> int:
        """When the address was given up, 0 while it is not: by a hard bounce, or by
        the soft bounce that was one too many."""
        if self.hard_ms:
            return self.hard_ms
        recent = sorted(at for at in self.soft.values() if at > self.alive_ms)
        return recent[streak - 1] if len(recent) >= streak else 0


def joined(one: Delivery, other: Delivery) -> Delivery:
    """What both tell; in which order they came, and how often, does not matter."""
    soft = dict(one.soft)
    for message, at_ms in other.soft.items():
        soft[message] = max(at_ms, soft.get(message, 0))
    newest = sorted(soft.items(), key=lambda item: (item[1], item[0]))[-SOFT_KEPT:]
    return Delivery(
        hard_ms=max(one.hard_ms, other.hard_ms),
        soft=dict(newest),
        alive_ms=max(one.alive_ms, other.alive_ms),
    )
