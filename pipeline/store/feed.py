"""What people write into Mailjet's history for GHL: how far it was read, and for whom.

An entry waits for its contact, which makes it in GHL when it is synced; of an entry
whose person is no contact of GHL yet, the import may still come to that.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, cast

from redis import Redis

from pipeline.store.state import connection_key
from pipeline.sync.activity import HistoryEntry
from pipeline.sync.wishes import NOTE_FEED, TASK_FEED

WAITING_SECONDS = 7 * 86_400
"""How long an entry waits for its contact, and is known to have been seen."""
STRANGERS_MOST = 10_000
"""Another program may write entries about people who will never be in GHL."""
IDS_PER_CALL = 1000


class FeedStore:
    """One connection's share of the feeds `note` and `task`."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._connection = connection

    def _key(self, name: str) -> str:
        return connection_key(self._connection, name)

    def begin(self, at_ms: int) -> None:
        """Read both feeds from this time on, unless they are being read already."""
        for name in (NOTE_FEED, TASK_FEED):
            self._redis.set(self._key(f"feed:{name}"), at_ms, nx=True)

    def since_ms(self, name: str) -> int | None:
        """Up to where a feed was read; None before `begin`."""
        stored = cast("bytes | None", self._redis.get(self._key(f"feed:{name}")))
        return int(stored) if stored else None

    def raise_to(self, name: str, to_ms: int) -> None:
        if to_ms > (self.since_ms(name) or 0):
            self._redis.set(self._key(f"feed:{name}"), to_ms)

    def unseen(self, name: str, entries: Sequence[HistoryEntry]) -> list[HistoryEntry]:
        """Those not seen before in a window that overlaps the last one."""
        if not entries:
            return []
        ids = [str(entry.id) for entry in entries]
        known = self._redis.smismember(self._key(f"listed:{name}"), ids)
        pairs = zip(entries, cast("list[int]", known), strict=True)
        return [entry for entry, was_listed in pairs if not was_listed]

    def saw(self, name: str, entries: Iterable[HistoryEntry]) -> None:
        """These were handed over."""
        self._remember(self._key(f"listed:{name}"), entries, anew=False)

    def saw_all(self, name: str, entries: Iterable[HistoryEntry]) -> None:
        """A window was read to its end: what it lacks is in no later one either."""
        self._remember(self._key(f"listed:{name}"), entries, anew=True)

    def _remember(
        self, key: str, entries: Iterable[HistoryEntry], *, anew: bool
    ) -> None:
        ids = [str(entry.id) for entry in entries]
        pipe = self._redis.pipeline()
        if anew:
            pipe.delete(key)
        for start in range(0, len(ids), IDS_PER_CALL):
            pipe.sadd(key, *ids[start : start + IDS_PER_CALL])
        pipe.expire(key, WAITING_SECONDS)
        pipe.execute()

    def add_incoming(self, ghl_id: str, entries: Iterable[HistoryEntry]) -> None:
        """Entries that ask for a note or a task of this contact."""
        fields = {str(entry.id): json.dumps(asdict(entry)) for entry in entries}
        if not fields:
            return
        pipe = self._redis.pipeline()
        pipe.hset(self._key(f"incoming:{ghl_id}"), mapping=cast("Any", fields))
        pipe.expire(self._key(f"incoming:{ghl_id}"), WAITING_SECONDS)
        pipe.execute()

    def incoming(self, ghl_id: str) -> tuple[HistoryEntry, ...]:
        """What `add_incoming` kept, oldest first."""
        stored = self._redis.hvals(self._key(f"incoming:{ghl_id}"))
        entries = map(_entry, cast("list[bytes]", stored))
        return tuple(sorted(entries, key=lambda entry: entry.id))

    def handled(self, ghl_id: str, entries: Iterable[HistoryEntry]) -> None:
        """These are in GHL now; repeating that would find their references there."""
        if ids := [str(entry.id) for entry in entries]:
            self._redis.hdel(self._key(f"incoming:{ghl_id}"), *ids)

    def add_strangers(self, entries: Iterable[HistoryEntry], now_ms: int) -> int:
        """Keep entries of people who are no contacts of GHL, as far as we know.

        Returns:
            how many there was no room for; those that were kept before stay.
        """
        fields = {
            str(entry.id): json.dumps({"kept_ms": now_ms, **asdict(entry)})
            for entry in entries
        }
        key = self._key("strangers")
        if self._redis.hlen(key) >= STRANGERS_MOST:
            known = self._redis.hmget(key, list(fields)) if fields else []
            return cast("list[bytes | None]", known).count(None)
        pipe = self._redis.pipeline()
        for entry_id, packed in fields.items():
            # A later look must not make it younger.
            pipe.hsetnx(key, entry_id, packed)
        pipe.expire(key, WAITING_SECONDS)
        pipe.execute()
        return 0

    def some_strangers(self, count: int) -> dict[HistoryEntry, int]:
        """Some of them by lot, so that nobody keeps the others waiting.

        With the time since when each is kept, in milliseconds since 1970 UTC.
        """
        key = self._key("strangers")
        drawn = cast("list[bytes]", self._redis.hrandfield(key, count) or [])
        if not drawn:
            return {}
        stored = cast("list[bytes | None]", self._redis.hmget(key, drawn))
        return {
            _entry(packed): int(json.loads(packed)["kept_ms"])
            for packed in stored
            if packed
        }

    def drop_strangers(self, entries: Iterable[HistoryEntry]) -> None:
        if ids := [str(entry.id) for entry in entries]:
            self._redis.hdel(self._key("strangers"), *ids)


def _entry(packed: bytes) -> HistoryEntry:
    fields = json.loads(packed)
    fields.pop("kept_ms", None)
    return HistoryEntry(**fields)
