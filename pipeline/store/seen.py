"""Mailjet's side, read in pages and compared with what we remember of it.

What agrees leaves no trace. What differs is kept as the subscriber now seen, until the
contact's next settlement; the full listing that follows finds every such contact. Whom
Mailjet mails as a contact of ours that we do not remember was synced before state was
lost: if the listing does not have that contact, it was deleted since. Only the first
full run may ask so: later, an address that a contact left looks the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

from redis import Redis

from pipeline.store.optouts import add_to_set_being_read
from pipeline.store.snapshots import pack_side, pack_snapshot, unpack_snapshot
from pipeline.store.state import connection_key
from pipeline.sync.consent import Verdict
from pipeline.sync.contact import Subscriber
from pipeline.sync.fields import LIST
from pipeline.sync.mapping import CONTACT_ID, EMAIL_STATUS, LOCATION_ID
from pipeline.sync.ports import Policy
from pipeline.sync.snapshot import UNKNOWN, Snapshot, bare_snapshot


class SubscriberPages:
    """Compares pages of Mailjet's `contactdata` for one connection.

    Args:
        is_new: no full run was finished since our state began.
    """

    def __init__(
        self, redis: "Redis", connection: str, policy: Policy, *, is_new: bool
    ) -> None:
        self._redis = redis
        self._connection = connection
        self._snapshots = connection_key(connection, "snapshots")
        self._seen = connection_key(connection, "seen")
        self._policy = policy
        self._is_new = is_new

    def add_members(
        self, list_id: int, mailjet_ids: Iterable[int], *, first: bool
    ) -> bool:
        """One page of who is on a list; False where reading has to begin again."""
        key = self._members(list_id)
        return add_to_set_being_read(self._redis, key, [0, *mailjet_ids], first=first)

    def _members(self, list_id: int) -> str:
        return connection_key(self._connection, f"members:{list_id}")

    def _with_lists(
        self, subscribers: Sequence[Subscriber]
    ) -> list[tuple[Subscriber, frozenset[str]]]:
        """Subscribers with what is known of their lists, and the columns of these."""
        ids = [subscriber.contact_id for subscriber in subscribers]
        unsubscribed: list[dict[int, bool]] = [{} for _ in ids]
        columns = set()
        for list_id in self._policy.field_map.layout.read_lists:
            found = self._redis.smismember(self._members(list_id), [0, *ids])
            is_known, *there = cast("list[int]", found)
            if not is_known:
                continue
            columns.add(f"{LIST}{list_id}")
            for lists, is_there in zip(unsubscribed, there, strict=True):
                lists |= {list_id: False} if is_there else {}
        known = frozenset(columns)
        return [
            (replace(subscriber, unsubscribed=lists), known)
            for subscriber, lists in zip(subscribers, unsubscribed, strict=True)
        ]

    def compare(self, subscribers: Iterable[Subscriber]) -> dict[str, bytes]:
        """Keep what differs from its snapshot, and who has none.

        Returns:
            contact id to Mailjet's side, of those that differ.
        """
        by_id = {
            str(ghl_id): known
            for known in self._with_lists(tuple(subscribers))
            if (ghl_id := (known[0].properties or {}).get(CONTACT_ID))
        }
        if not by_id:
            return {}
        stored = cast("list[bytes]", self._redis.hmget(self._snapshots, list(by_id)))
        differing: dict[str, bytes] = {}
        pipe = self._redis.pipeline(transaction=False)
        for (ghl_id, known), packed in zip(by_id.items(), stored, strict=True):
            subscriber, lists = known
            snapshot = unpack_snapshot(packed)
            if snapshot is None and self._is_new and self._is_ours(subscriber):
                bare = pack_snapshot(bare_snapshot(subscriber.contact_id))
                pipe.hsetnx(self._snapshots, ghl_id, cast("str", bare))
            elif snapshot and (side := self._differs(subscriber, lists, snapshot)):
                differing[ghl_id] = side
        if differing:
            pipe.hset(self._seen, mapping=cast("Any", differing))
        pipe.execute()
        return differing

    def _is_ours(self, subscriber: Subscriber) -> bool:
        """Whether it is mailed for this location; who is out needs no unsubscribing."""
        held = subscriber.properties or {}
        ours = self._policy.field_map.location_id
        is_mailed = held.get(EMAIL_STATUS) == Verdict.SUBSCRIBED
        return held.get(LOCATION_ID) == ours and is_mailed

    def _differs(
        self, subscriber: Subscriber, lists: frozenset[str], snapshot: Snapshot
    ) -> bytes | None:
        if snapshot.mailjet_id != subscriber.contact_id:
            return None
        field_map = self._policy.field_map
        if snapshot.digest != field_map.digest:
            return None
        columns = field_map.columns
        told = self._policy.fingerprint.subscriber(columns, subscriber)
        side = tuple(
            UNKNOWN if column.startswith(LIST) and column not in lists else one
            for column, one in zip(columns, told, strict=True)
        )
        pairs = zip(side, snapshot.mailjet, strict=True)
        if all(UNKNOWN in (now, then) or now == then for now, then in pairs):
            return None
        return pack_side(side)
