"""Statements about consent as bytes, and where they live.

`consent` holds each contact's own, saved with its settlement alone. `told` holds what
events said of an address or a contact, whenever they came; `alive` when an address last
took mail, which is told of almost everybody and therefore kept small.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, cast

from redis import Redis

from pipeline.store.scripts import load
from pipeline.store.snapshots import unpack_snapshot, unsubscribed_id
from pipeline.store.state import connection_key
from pipeline.sync import consent, delivery
from pipeline.sync.consent import Record, Source, Statement
from pipeline.sync.delivery import Delivery
from pipeline.sync.ports import Told
from pipeline.sync.snapshot import Snapshot

SCAN_COUNT = 1000


class Consents:
    """One connection's statements."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._connection = connection
        self._raise = load(redis, "alive")

    def _key(self, name: str) -> str:
        return connection_key(self._connection, name)

    def own(self, ghl_id: str) -> Record:
        """A contact's own statements."""
        return unpack_record(self._get(self._key("consent"), ghl_id))

    def told(self, address: bytes) -> Told:
        """What events said of an address."""
        stored = self._get(self._key("told"), address)
        return unpack_told(stored, self._get(self._key("alive"), address))

    def told_of_contact(self, ghl_id: str) -> Record:
        """What GHL's webhooks said of a contact."""
        return unpack_told(self._get(self._key("told"), ghl_id), None).record

    def forget_told_of_contact(self, ghl_id: str) -> None:
        """The same is true no more; only under the contact's lease."""
        self._redis.hdel(self._key("told"), ghl_id)

    def tell(self, who: bytes | str, told: Told) -> None:
        """Add what an event said of an address or a contact; repeating does no harm."""
        field = cast("str", who)
        if told.record or told.delivery.hard_ms or told.delivery.soft:
            self._add(field, told)
        if told.delivery.alive_ms:
            keys = [self._key("alive")]
            self._raise(keys=keys, args=[field, told.delivery.alive_ms // 1000])

    def _add(self, field: str, told: Told) -> None:
        """Read, join and write, again where somebody came between."""
        key = self._key("told")

        def change(pipe: Any) -> None:
            before = cast("bytes | None", pipe.hget(key, field))
            known = unpack_told(before, None)
            record = consent.joined(known.record, told.record)
            joined = delivery.joined(known.delivery, told.delivery)
            after = pack_told(Told(record, joined))
            pipe.multi()
            if after != before:
                pipe.hset(key, field, after)

        self._redis.transaction(change, key)

    def _get(self, key: str, field: str | bytes) -> bytes | None:
        return cast("bytes | None", self._redis.hget(key, cast("str", field)))

    def replace(self, ghl_id: str, record: Record) -> None:
        """Replace a contact's own statements; only under its lease."""
        key = self._key("consent")
        if record:
            self._redis.hset(key, ghl_id, cast("str", pack_record(record)))
        else:
            self._redis.hdel(key, ghl_id)

    def contacts_of(self, addresses: Iterable[bytes]) -> dict[bytes, list[str]]:
        """Ids of the contacts that have each address, as far as they were synced."""
        asked = list(addresses)
        if not asked:
            return {}
        fields = cast("list[str]", asked)
        stored = self._redis.hmget(self._key("addresses"), fields)
        return {
            address: [i for i in (ids or b"").decode().split(",") if i]
            for address, ids in zip(
                asked, cast("list[bytes | None]", stored), strict=True
            )
        }

    def unsubscribed_by_us(self, mailjet_ids: Iterable[int]) -> set[int]:
        """Those of Mailjet's contacts whom we took off our lists ourselves."""
        asked = set(mailjet_ids)
        found: set[int] = set()
        position = 0
        while asked - found:
            position, entries = self._redis.hscan(
                self._key("snapshots"), position, count=SCAN_COUNT
            )
            packed = cast("dict[bytes, bytes]", entries).values()
            found |= {unsubscribed_id(one) for one in packed} & asked
            if not position:
                break
        return found

    def not_out(self, ids: Iterable[str], *, complained: bool) -> list[str]:
        """Those who are not out already, for as strong a reason, or are new."""
        return self._without(
            ids, lambda one: one.opted_out and (one.complained or not complained)
        )

    def not_excluded(self, ids: Iterable[str]) -> list[str]:
        """Those whom we did not exclude, nor saw excluded."""
        return self._without(ids, lambda one: one.excluded)

    def not_known_as(self, ids: Iterable[str], *, bounced: bool) -> list[str]:
        """Those whose address we do not treat as one that bounces, or that does not."""
        return self._without(ids, lambda one: one.bounced is bounced)

    def _without(
        self, ids: Iterable[str], has: Callable[[Snapshot], bool]
    ) -> list[str]:
        asked = list(ids)
        if not asked:
            return []
        stored = self._redis.hmget(self._key("snapshots"), asked)
        pairs = zip(asked, cast("list[bytes]", stored), strict=True)
        known = ((id_, unpack_snapshot(packed)) for id_, packed in pairs)
        return [id_ for id_, one in known if one is None or not has(one)]

    def are_bounced(self, addresses: Iterable[bytes], streak: int) -> list[bool]:
        """Whether each address was given up because it takes no mail."""
        fields = cast("list[str]", list(addresses))
        if not fields:
            return []
        told = cast("list[bytes | None]", self._redis.hmget(self._key("told"), fields))
        alive = self._redis.hmget(self._key("alive"), fields)
        pairs = zip(told, cast("list[bytes | None]", alive), strict=True)
        return [
            bool(unpack_told(one, last).delivery.bounced_ms(streak))
            for one, last in pairs
        ]


def pack_record(record: Record) -> bytes:
    """About 60 bytes for each statement; empty for none."""
    if not record:
        return b""
    rows = {
        source: [said.at_ms, said.detail, int(said.stands)]
        for source, said in sorted(record.items())
    }
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode()


def unpack_record(packed: bytes | None) -> Record:
    return _record(json.loads(packed)) if packed else {}


def _record(rows: dict[str, list[Any]]) -> Record:
    return {
        Source(name): Statement(Source(name), at_ms, detail, bool(stands))
        for name, (at_ms, detail, stands) in rows.items()
    }


def pack_told(told: Told) -> bytes:
    """What events said; when the address last took mail has a place of its own."""
    rows: dict[str, Any] = {}
    if told.record:
        rows["said"] = json.loads(pack_record(told.record))
    if told.delivery.hard_ms:
        rows["hard"] = told.delivery.hard_ms
    if told.delivery.soft:
        rows["soft"] = {str(k): v for k, v in sorted(told.delivery.soft.items())}
    return json.dumps(rows, separators=(",", ":")).encode() if rows else b""


def unpack_told(packed: bytes | None, alive: bytes | None) -> Told:
    rows = json.loads(packed) if packed else {}
    soft = {int(key): at_ms for key, at_ms in rows.get("soft", {}).items()}
    alive_ms = int.from_bytes(alive, "big") * 1000 if alive else 0
    return Told(
        _record(rows.get("said", {})), Delivery(rows.get("hard", 0), soft, alive_ms)
    )
