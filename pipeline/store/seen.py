"""Mailjet's side, read in pages and compared with what we remember of it.

What agrees leaves no trace. What differs is kept as the subscriber now seen, until the
contact's next settlement; the full listing that follows finds every such contact.
"""

from collections.abc import Iterable
from typing import Any, cast

from redis import Redis

from pipeline.store.snapshots import pack_side, unpack_snapshot
from pipeline.store.state import connection_key
from pipeline.sync.contact import Subscriber
from pipeline.sync.mapping import CONTACT_ID
from pipeline.sync.ports import Policy
from pipeline.sync.snapshot import UNKNOWN, Snapshot


class SubscriberPages:
    """Compares pages of Mailjet's `contactdata` for one connection."""

    def __init__(self, redis: "Redis", connection: str, policy: Policy) -> None:
        self._redis = redis
        self._snapshots = connection_key(connection, "snapshots")
        self._seen = connection_key(connection, "seen")
        self._policy = policy

    def compare(self, subscribers: Iterable[Subscriber]) -> int:
        """Keep what differs from its snapshot; how many differed."""
        by_id = {
            str(ghl_id): subscriber
            for subscriber in subscribers
            if (ghl_id := (subscriber.properties or {}).get(CONTACT_ID))
        }
        if not by_id:
            return 0
        stored = cast("list[bytes]", self._redis.hmget(self._snapshots, list(by_id)))
        differing: dict[str, bytes] = {}
        for (ghl_id, subscriber), packed in zip(by_id.items(), stored, strict=True):
            snapshot = unpack_snapshot(packed)
            if snapshot is not None and (side := self._differs(subscriber, snapshot)):
                differing[ghl_id] = side
        if differing:
            self._redis.hset(self._seen, mapping=cast("Any", differing))
        return len(differing)

    def _differs(self, subscriber: Subscriber, snapshot: Snapshot) -> bytes | None:
        if snapshot.mailjet_id != subscriber.contact_id:
            return None
        field_map = self._policy.field_map
        if snapshot.digest != field_map.digest:
            return None
        side = self._policy.fingerprint.subscriber(field_map.columns, subscriber)
        pairs = zip(side, snapshot.mailjet, strict=True)
        if all(UNKNOWN in (now, then) or now == then for now, then in pairs):
            return None
        return pack_side(side)
