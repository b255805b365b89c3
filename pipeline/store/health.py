"""Whether a connection can work at all: failures in a row, the pause, its probes.

A pause ends with a probe that succeeds. The next contact then goes alone, rather one
that has not failed yet, so a vendor that answers the probe and nothing else costs one
attempt of one contact, and a contact that always fails is tried to its end.
"""

from dataclasses import dataclass
from typing import cast

from redis import Redis

from pipeline.retry import Cause, Trouble
from pipeline.store import scripts
from pipeline.store.state import connection_key

FAILURES_TO_PAUSE = 5
"""Fewer than a contact's attempts, so that nobody becomes a dead letter of an outage. A
contact takes half a dozen calls: of a vendor that stumbles at one in twenty, three
contacts in a row fail about once a minute, five once in a quarter of an hour."""
PROBE_SECONDS = 60.0
FIRST_PROBE_SECONDS = 10.0


@dataclass(frozen=True)
class Pause:
    """Why nothing is synced; times are milliseconds since 1970 UTC.

    Args:
        since_ms: when it first paused of this; a probe that succeeds in vain between
            two failures does not make it younger.
    """

    vendor: str
    cause: Cause
    reason: str
    since_ms: int
    probe_at_ms: int


class Health:
    """One connection's health; all changes may be replayed."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._keys = [
            connection_key(connection, name)
            for name in ("health", "suspects", "attempts")
        ]
        self._script = scripts.load(redis, "health")

    def pause(self, trouble: Trouble) -> None:
        """Nobody can be synced: dead credential, unknown list, missing property."""
        self._script(keys=self._keys, args=["pause", *_told(trouble), *_LOOKS])

    def stumble(self, trouble: Trouble, occurrence: str) -> None:
        """A vendor failed; several failures in a row pause the connection.

        Args:
            occurrence: names this failure, without `;`, so that it counts once.
        """
        counted = ("stumble", occurrence, FAILURES_TO_PAUSE)
        self._script(keys=self._keys, args=[*counted, *_told(trouble), *_LOOKS])

    def claim_probe(self) -> bool:
        """Whether the caller should probe the vendors now; one caller is told so."""
        return bool(self._script(keys=self._keys, args=["claim", *_LOOKS]))

    def resume(self) -> None:
        """The probe succeeded: work again, carefully."""
        self._script(keys=self._keys, args=["resume"])

    def still_down(self, trouble: Trouble) -> None:
        """The probe failed: no attempt since the pause was a contact's fault."""
        self._script(keys=self._keys, args=["still_down", *_told(trouble)])

    def paused(self) -> Pause | None:
        """The pause, None when the connection works."""
        fields = cast("dict[bytes, bytes]", self._redis.hgetall(self._keys[0]))
        if b"paused_ms" not in fields:
            return None
        return Pause(
            fields[b"vendor"].decode(),
            Cause(fields[b"cause"].decode()),
            fields[b"reason"].decode(),
            int(fields[b"since_ms"]),
            int(fields[b"probe_at"]),
        )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _told(trouble: Trouble) -> tuple[str, str, str, int]:
    wait_ms = _ms(trouble.wait_seconds)
    return trouble.vendor, trouble.cause, trouble.reason, wait_ms


_LOOKS = (_ms(FIRST_PROBE_SECONDS), _ms(PROBE_SECONDS))
"""The first look after a pause, and the longest time between two."""
