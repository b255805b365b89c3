"""Contacts that we remember and that a complete listing of GHL did not have."""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import cast

from redis import Redis

from pipeline.store.snapshots import newest_ms, unpack_snapshot
from pipeline.store.state import connection_key
from pipeline.sync.snapshot import Snapshot

SCAN_COUNT = 1000
ACCEPTED_SECONDS = 86_400
TOLD_SECONDS = 7200
NEXT_RUN = b"next"
FEW = 10
SHARE = 0.05
"""Up to ten contacts, or one in twenty, may be missing before somebody is asked: a
token of another location, or a listing cut short, would look like a mass deletion."""
CLOCK_SKEW_MS = 300_000
"""How far GHL's clock may be behind that of Redis."""


@dataclass
class Deleted:
    """Contacts that GHL said were deleted within the hour, of so many."""

    told: set[str]
    remembered: int

    def holds_back(self, ghl_id: str) -> bool:
        """As `Presence.is_one_of_many`, counted here alone."""
        self.told.add(ghl_id)
        return len(self.told) > max(FEW, self.remembered * SHARE)


class Presence:
    """One connection's missing contacts."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._connection = connection

    def _key(self, name: str) -> str:
        return connection_key(self._connection, name)

    def missing(self) -> list[str]:
        """Ids with a snapshot that the run under way has not found; empty when held.

        More than a few are held back until `accept` was called within a day; that holds
        for one run. Who was created or changed since the run began is not missing: the
        listing had passed the place where they would be.
        """
        run_id, started_ms = self._run()
        missing, remembered = [], 0
        for count, old in self._remembered(started_ms):
            remembered += count
            found = self._redis.smismember(self._key("found"), old) if old else []
            pairs = zip(old, found, strict=True)
            missing += [ghl_id for ghl_id, there in pairs if not there]
        many = len(missing) > max(FEW, remembered * SHARE)
        if not self._is_accepted(run_id) and many:
            self._redis.set(self._key("missing"), len(missing))
            return []
        self._redis.delete(self._key("missing"))
        return missing

    def unlisted(
        self, listed: Collection[str], began_ms: int
    ) -> tuple[list[str], bool]:
        """Ids with a snapshot that a complete listing lacks; and whether they are so
        many that a run would stop and ask.

        Args:
            began_ms: when the listing began, milliseconds since 1970 UTC.
        """
        missing: set[str] = set()
        remembered = 0
        for count, old in self._remembered(began_ms):
            remembered += count
            missing |= {ghl_id for ghl_id in old if ghl_id not in listed}
        accepted = self._redis.get(self._key("missing:accepted"))
        many = len(missing) > max(FEW, remembered * SHARE)
        return sorted(missing), many and accepted != NEXT_RUN

    def _remembered(self, began_ms: int) -> Iterator[tuple[int, list[str]]]:
        """In batches: how many have a snapshot, and those of them whom a listing that
        began then must have."""
        since_ms = began_ms - CLOCK_SKEW_MS
        position = 0
        while True:
            position, page = self._redis.hscan(
                self._key("snapshots"), position, count=SCAN_COUNT
            )
            entries = cast("dict[bytes, bytes]", page)
            old = (id_ for id_, one in entries.items() if newest_ms(one) < since_ms)
            yield len(entries), [id_.decode() for id_ in old]
            if not position:
                return

    def _run(self) -> tuple[str, int]:
        """The run under way and when it began."""
        fields = self._redis.hmget(self._key("run"), ["id", "started_ms"])
        id_, started_ms = cast("list[bytes | None]", fields)
        return (id_ or b"").decode(), int(started_ms or 0)

    def _is_accepted(self, run_id: str) -> bool:
        """Whether somebody accepted what this run misses; other runs ask anew."""
        key = self._key("missing:accepted")
        accepted = cast("bytes | None", self._redis.get(key))
        if accepted == NEXT_RUN:
            self._redis.set(key, run_id, keepttl=True)
        return accepted in (NEXT_RUN, run_id.encode())

    def address(self, ghl_id: str) -> bytes:
        """Fingerprint of the address that a contact had; empty where it is unknown."""
        snapshot = self.snapshot(ghl_id)
        return snapshot.address if snapshot else b""

    def snapshot(self, ghl_id: str) -> Snapshot | None:
        """What is remembered of a contact; None where nothing is."""
        packed = self._redis.hget(self._key("snapshots"), ghl_id)
        return unpack_snapshot(cast("bytes", packed or b""))

    def remembers(self, ghl_id: str) -> bool:
        """Whether a sync of this contact ever settled, and GHL still had it then."""
        return bool(self._redis.hexists(self._key("snapshots"), ghl_id))

    def held(self) -> int:
        """How many missing contacts wait for somebody to say that it is right."""
        return int(cast("bytes | None", self._redis.get(self._key("missing"))) or 0)

    def is_one_of_many(self, ghl_id: str) -> bool:
        """Count a contact that GHL says was deleted; whether so many were in an hour
        that somebody is asked, which the next full run does."""
        key = self._deleted_key()
        pipe = self._redis.pipeline(transaction=False)
        pipe.sadd(key, ghl_id)
        pipe.expire(key, TOLD_SECONDS)
        pipe.scard(key)
        pipe.hlen(self._key("snapshots"))
        _, _, told, remembered = pipe.execute()
        return bool(told > max(FEW, remembered * SHARE))

    def deletions(self) -> Deleted:
        """Who was deleted within the hour, to be counted on without a trace."""
        members = cast("set[bytes]", self._redis.smembers(self._deleted_key()))
        remembered = self._redis.hlen(self._key("snapshots"))
        return Deleted({id_.decode() for id_ in members}, int(remembered))

    def _deleted_key(self) -> str:
        return self._key(f"deleted:{int(time.time()) // 3600}")

    def holds_back(self, ghl_id: str) -> bool:
        """Count a contact that GHL has no more, however that was found; whether it is
        one of so many that somebody has to be asked.

        Who the run under way found missing is not, once that was accepted.
        """
        run_id, _ = self._run()
        pipe = self._redis.pipeline(transaction=False)
        pipe.get(self._key("missing:accepted"))
        pipe.sismember(self._key("open"), ghl_id)
        accepted, is_of_run = pipe.execute()
        if is_of_run and accepted == run_id.encode():
            return False
        return self.is_one_of_many(ghl_id)

    def accept(self) -> None:
        """The contacts that the next full run misses were really deleted."""
        self._redis.set(self._key("missing:accepted"), NEXT_RUN, ex=ACCEPTED_SECONDS)
