"""Contacts that we remember and that a complete listing of GHL did not have."""

from typing import cast

from redis import Redis

from pipeline.store.state import connection_key

SCAN_COUNT = 1000
ACCEPTED_SECONDS = 86_400
FEW = 10
SHARE = 0.05
"""Up to ten contacts, or one in twenty, may be missing before somebody is asked: a
token of another location, or a listing cut short, would look like a mass deletion."""


class Presence:
    """One connection's missing contacts."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._connection = connection

    def _key(self, name: str) -> str:
        return connection_key(self._connection, name)

    def missing(self) -> list[str]:
        """Ids with a snapshot that the run under way has not found; empty when held.

        More than a few are held back until `accept` was called within a day.
        """
        missing: list[str] = []
        position, remembered = 0, 0
        while True:
            position, entries = self._redis.hscan(
                self._key("snapshots"), position, count=SCAN_COUNT
            )
            ids = list(cast("dict[bytes, bytes]", entries))
            remembered += len(ids)
            if ids:
                found = self._redis.smismember(self._key("found"), ids)
                pairs = zip(ids, found, strict=True)
                missing += [id_.decode() for id_, there in pairs if not there]
            if not position:
                break
        many = len(missing) > max(FEW, remembered * SHARE)
        if many and not self._redis.exists(self._key("missing:accepted")):
            self._redis.set(self._key("missing"), len(missing))
            return []
        self._redis.delete(self._key("missing"))
        return missing

    def held(self) -> int:
        """How many missing contacts wait for somebody to say that it is right."""
        return int(cast("bytes | None", self._redis.get(self._key("missing"))) or 0)

    def accept(self) -> None:
        """The contacts that are missing were really deleted."""
        self._redis.set(self._key("missing:accepted"), 1, ex=ACCEPTED_SECONDS)
