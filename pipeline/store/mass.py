"""So many contacts within an hour that it may be a slip: somebody has to say that it is
meant, because what follows cannot be taken back."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from redis import Redis

from pipeline.store.state import connection_key

LEAST = 10
SHARE = 0.05
"""More contacts than both are a mass."""
HOUR_SECONDS = 3600
CONFIRMED_SECONDS = 86_400


@dataclass
class Mass:
    """What a guard decides from, to be counted on without a trace.

    Args:
        confirmed: an operator said that they are meant.
        held: who waits for that.
        counted: who was counted within the hour.
        contacts: how many contacts there are.
    """

    confirmed: bool
    held: set[str]
    counted: set[str]
    contacts: int

    def holds_back(self, ghl_id: str) -> bool:
        """As `MassGuard.holds_back`, counted here alone."""
        self.counted.add(ghl_id)
        if self.confirmed:
            return False
        too_many = len(self.counted) > max(LEAST, SHARE * self.contacts)
        return ghl_id in self.held or too_many


@dataclass(frozen=True)
class GuardKeys:
    """Where a guard keeps what it knows.

    Args:
        hour: the key of an hour, counted since 1970 UTC.
    """

    snapshots: str
    confirmed: str
    held: str
    hour: Callable[[int], str]


class MassGuard:
    """One connection's guard against one kind of slip."""

    def __init__(self, redis: "Redis", keys: GuardKeys) -> None:
        self._redis = redis
        self._keys = keys

    def _hour_key(self) -> str:
        return self._keys.hour(int(time.time()) // HOUR_SECONDS)

    def expect(self, ids: Iterable[str]) -> None:
        """These are about to be looked at: a mass is one from its first contact on."""
        if new := list(ids):
            self._redis.sadd(self._hour_key(), *new)
            self._redis.expire(self._hour_key(), 2 * HOUR_SECONDS)

    def holds_back(self, ghl_id: str) -> bool:
        """Count a contact; whether it is one of a mass.

        Who was held stays so until an operator decides.
        """
        pipe = self._redis.pipeline(transaction=False)
        pipe.exists(self._keys.confirmed)
        pipe.sismember(self._keys.held, ghl_id)
        pipe.sadd(self._hour_key(), ghl_id)
        pipe.expire(self._hour_key(), 2 * HOUR_SECONDS)
        pipe.scard(self._hour_key())
        pipe.hlen(self._keys.snapshots)
        confirmed, held, _, _, count, contacts = pipe.execute()
        if confirmed:
            return False
        if held or count > max(LEAST, SHARE * contacts):
            self._redis.sadd(self._keys.held, ghl_id)
            return True
        return False

    def mass(self) -> Mass:
        """What `holds_back` decides from, without counting anything."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.exists(self._keys.confirmed)
        pipe.smembers(self._keys.held)
        pipe.smembers(self._hour_key())
        pipe.hlen(self._keys.snapshots)
        confirmed, held, counted, contacts = pipe.execute()
        return Mass(
            bool(confirmed),
            {id_.decode() for id_ in held},
            {id_.decode() for id_ in counted},
            contacts,
        )

    def held(self) -> list[str]:
        """Contacts that are held back."""
        members = cast("set[bytes]", self._redis.smembers(self._keys.held))
        return sorted(id_.decode() for id_ in members)

    def holds(self, ghl_id: str) -> bool:
        """Whether the contact is one of them."""
        return bool(self._redis.sismember(self._keys.held, ghl_id))

    def confirm(self) -> None:
        """The mass was meant; what comes within a day passes too."""
        self._redis.set(self._keys.confirmed, 1, ex=CONFIRMED_SECONDS)

    def release(self, ids: Sequence[str]) -> None:
        """Decided: these are held no more."""
        if ids:
            self._redis.srem(self._keys.held, *ids)
            self._redis.srem(self._hour_key(), *ids)


class Emptying(MassGuard):
    """Against taking values and tags from many: a field that somebody deleted in GHL,
    or a list in Mailjet, looks as if everybody had lost it."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        keys = GuardKeys(
            snapshots=connection_key(connection, "snapshots"),
            confirmed=connection_key(connection, "emptying:confirmed"),
            held=connection_key(connection, "emptying:held"),
            hour=lambda hour: connection_key(connection, f"emptying:mass:{hour}"),
        )
        super().__init__(redis, keys)
