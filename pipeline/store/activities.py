"""What sweeps saw of tasks and appointments, compared with what was carried.

A sweep reads one kind for the whole location, page by page, and is compared as a whole
with what was carried: rows that agree leave no trace.
"""

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from redis import Redis

from pipeline.store.snapshots import carried_of
from pipeline.store.state import connection_key
from pipeline.sync.activity import Appointment, Carried, Task

Kind = Literal["tasks", "meetings"]
Item = Task | Appointment
RECORDS: Mapping[Kind, type[Item]] = {"tasks": Task, "meetings": Appointment}

SCAN_COUNT = 500
READING_SECONDS = 600
"""Longer than from one page to the next."""
COMMIT_SECONDS = 120
"""Longer than the claim of a page."""
SWEPT_SECONDS = 21_600
"""Longer than a full run of a large location; each row goes at its settlement."""
POINTED_SECONDS = 86_400
COMPLETE = "complete"
"""A field that the first page of a sweep writes: without it, pages have lapsed. No
contact id can be it: GHL's have 20 characters."""


@dataclass(frozen=True)
class Differing:
    """Contacts that a sweep found changed.

    Args:
        sure: the sweep tells more than what was carried.
        doubtful: what was carried may be newer, or more, than what the sweep tells.
        rows: of all of them, the checksum of what the sweep tells.
    """

    sure: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)


class ActivityStore:
    """One connection's sweeps, and whose turn it is to have their notes read."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._connection = connection

    def _key(self, name: str) -> str:
        return connection_key(self._connection, name)

    def add(
        self,
        kind: Kind,
        reader: str,
        rows: Mapping[str, Iterable[Item]],
        *,
        first: bool,
    ) -> bool:
        """One page of a sweep, by contact id; False where it has to begin again.

        A page that is repeated after a crash changes nothing.
        """
        key = self._key(f"sweep:{kind}:{reader}")
        earlier: list[bytes | None] = [None] * len(rows)
        if rows and not first:
            earlier = cast("list[bytes | None]", self._redis.hmget(key, list(rows)))
        fields: dict[str, bytes] = {COMPLETE: b""} if first else {}
        for (ghl_id, items), packed in zip(rows.items(), earlier, strict=True):
            merged = {item.id: item for item in unpack_items(kind, packed or b"")}
            merged |= {item.id: item for item in items}
            fields[ghl_id] = pack_items(merged.values())
        pipe = self._redis.pipeline()
        if first:
            pipe.delete(key)
        if fields:
            pipe.hset(key, mapping=cast("Any", fields))
        pipe.expire(key, READING_SECONDS)
        # Only the first page writes it: pages that lapsed in between are not there.
        pipe.hexists(key, COMPLETE)
        if pipe.execute()[-1]:
            return True
        self._redis.delete(key)
        return False

    def differing(
        self,
        kind: Kind,
        reader: str,
        differs: Callable[[Carried, tuple[Item, ...]], bool],
        doubts: Callable[[Carried], bool],
    ) -> Differing:
        """Contacts whose rows in a sweep are not what was carried.

        Who was carried and is in no row has none any more. The rows stay until `drop`,
        for the case that this is repeated; none differ where they lapsed meanwhile.
        """
        key = self._key(f"sweep:{kind}:{reader}")
        result = self._key(f"differing:{kind}:{reader}")
        self._redis.delete(result)
        # It tells those who do not differ that there was a sweep.
        kept = {COMPLETE: b""}
        # A scan may come to a field twice.
        sure: dict[str, None] = {}
        doubtful: dict[str, None] = {}
        checksums: dict[str, int] = {}
        for ghl_id, rows, before in self._compared(key, kind):
            if not differs(before, unpack_items(kind, rows)):
                continue
            checksums[ghl_id] = zlib.crc32(rows)
            if doubts(before):
                doubtful[ghl_id] = None
            else:
                sure[ghl_id] = None
                kept[ghl_id] = rows
            if len(kept) >= SCAN_COUNT:
                self._put(result, kept)
                kept = {}
        self._put(result, kept)
        if self._redis.hexists(key, COMPLETE):
            return Differing(tuple(sure), tuple(doubtful), checksums)
        self._redis.delete(result)
        return Differing()

    def _compared(self, key: str, kind: Kind) -> Iterator[tuple[str, bytes, Carried]]:
        """Each contact that was swept or carried: its packed rows, what was carried."""
        for ids, packed in self._scan(key):
            yield from zip(ids, packed, self._carried(ids), strict=True)
        nothing = pack_items(())
        for ids, packed in self._scan(self._key("snapshots")):
            there = cast("list[bytes | None]", self._redis.hmget(key, ids))
            for ghl_id, before, row in zip(ids, packed, there, strict=True):
                if row is None:
                    yield ghl_id, nothing, carried_of(before)

    def _put(self, key: str, rows: Mapping[str, bytes]) -> None:
        if rows:
            pipe = self._redis.pipeline()
            pipe.hset(key, mapping=cast("Any", rows))
            pipe.expire(key, READING_SECONDS)
            pipe.execute()

    def keep(self, kind: Kind, reader: str) -> None:
        """Let the contacts that differ find their rows until they are settled."""
        swept = self._swept(kind)
        pipe = self._redis.pipeline()
        # Where the sweep lapsed nothing is copied, and the one before is no answer.
        pipe.delete(swept)
        # A copy may be repeated by redis-py; a second rename would find nothing.
        pipe.copy(self._key(f"differing:{kind}:{reader}"), swept, replace=True)
        pipe.expire(swept, SWEPT_SECONDS)
        # Until the page is committed it may be fetched again, and needs them.
        pipe.expire(self._key(f"sweep:{kind}:{reader}"), COMMIT_SECONDS)
        pipe.expire(self._key(f"differing:{kind}:{reader}"), COMMIT_SECONDS)
        pipe.execute()

    def drop(self, kind: Kind, reader: str) -> None:
        """Forget the rows of a sweep."""
        self._redis.delete(
            self._key(f"sweep:{kind}:{reader}"),
            self._key(f"differing:{kind}:{reader}"),
        )

    def forget(self, kind: Kind) -> None:
        """There was no sweep: a contact's own rows have to be read."""
        self._redis.delete(self._swept(kind))

    def _swept(self, kind: Kind) -> str:
        if kind == "tasks":
            return self._key("swept:tasks")
        return self._key("swept:meetings")

    def doubted(
        self, ids: Sequence[str], doubts: Callable[[Carried], bool]
    ) -> list[str]:
        """Those of whom more may be known by now than a sweep tells."""
        batches = (ids[i : i + SCAN_COUNT] for i in range(0, len(ids), SCAN_COUNT))
        return [
            ghl_id
            for batch in batches
            for ghl_id, known in zip(batch, self._carried(batch), strict=True)
            if doubts(known)
        ]

    def pointed(self, kind: str) -> dict[str, int]:
        """Whom the last sweep between runs pointed at, by which rows."""
        stored = self._redis.hgetall(self._key(f"pointed:{kind}"))
        fields = cast("dict[bytes, bytes]", stored)
        return {ghl_id.decode(): int(told) for ghl_id, told in fields.items()}

    def point(self, kind: str, rows: Mapping[str, int]) -> None:
        key = self._key(f"pointed:{kind}")
        pipe = self._redis.pipeline()
        pipe.delete(key)
        if rows:
            pipe.hset(key, mapping=cast("Any", rows))
            pipe.expire(key, POINTED_SECONDS)
        pipe.execute()

    def notes_turn(self) -> int | None:
        """The day, since 1970, of the last turn of the notes; None before the first."""
        stored = cast("bytes | None", self._redis.get(self._key("turn:notes")))
        return int(stored) if stored else None

    def notes_had_turn(self, day: int) -> None:
        self._redis.set(self._key("turn:notes"), day)

    def with_notes(self) -> Iterator[list[str]]:
        """Everybody whose notes were ever read, in batches."""
        for ids, packed in self._scan(self._key("snapshots")):
            pairs = zip(ids, packed, strict=True)
            yield [i for i, known in pairs if carried_of(known).notes is not None]

    def everybody(self) -> Iterator[tuple[str, bytes]]:
        """Each contact's packed snapshot; a scan may come to one twice."""
        for ids, packed in self._scan(self._key("snapshots")):
            yield from zip(ids, packed, strict=True)

    def _scan(self, key: str) -> Iterator[tuple[list[str], list[bytes]]]:
        position = 0
        while True:
            position, entries = self._redis.hscan(key, position, count=SCAN_COUNT)
            pairs = [
                (ghl_id.decode(), packed)
                for ghl_id, packed in cast("dict[bytes, bytes]", entries).items()
                if ghl_id != COMPLETE.encode()
            ]
            if pairs:
                yield [ghl_id for ghl_id, _ in pairs], [packed for _, packed in pairs]
            if not position:
                return

    def _carried(self, ids: Sequence[str]) -> list[Carried]:
        stored = cast("list[bytes]", self._redis.hmget(self._key("snapshots"), ids))
        return [carried_of(packed) for packed in stored]


def pack_items(items: Iterable[Item]) -> bytes:
    return zlib.compress(json.dumps([asdict(item) for item in items]).encode(), level=1)


def unpack_items(kind: Kind, packed: bytes) -> tuple[Item, ...]:
    if not packed:
        return ()
    record = RECORDS[kind]
    return tuple(record(**row) for row in json.loads(zlib.decompress(packed)))
