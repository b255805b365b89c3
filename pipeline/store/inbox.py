"""What vendors told us and nobody has handled yet: the receiver's durable inbox.

Whoever gets 200 may forget the event, so it is here before that is answered. An entry
holds what was sent until it is handled; afterwards its id alone is left for a week, to
know a repeat by. All changes are one script (`inbox.lua`).
"""

import json
import secrets
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Self, cast

from redis import Redis

from pipeline.store import scripts
from pipeline.store.state import process_key

MOST_WAITING = 100_000
"""Beyond that vendors are told to come again: nobody has worked for days."""
MOST_TRIES = 10
FIRST_WAIT_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 6 * 3600.0
"""Tripled with every try, the ten take 15 hours: a vendor's bad day."""
RING_SECONDS = 60.0
"""While nobody opens, one message a minute is enough; Beat's tick rings in any case."""
WORKER_LOST = "the worker was lost each time while it held this entry"
LISTED_AT_A_TIME = 100
KEY_BYTES, ID_BYTES = 32, 12


class Source(StrEnum):
    """Who sent it, and in what form."""

    MAILJET = "mailjet"
    GHL = "ghl"
    WORKFLOW = "workflow"


class InboxFull(Exception):
    """There is no room: whoever sent it has to keep it for now."""


@dataclass(frozen=True)
class Entry:
    """One request as it was sent.

    Args:
        place: the connection's name; of GHL's own webhooks the location's id.
        received_ms: milliseconds since 1970 UTC.
        what: of a workflow's webhook, what it is about.
        delivery: what the sender calls this delivery in every repeat; "" where it has
            no name: then an equal body is a repeat.
    """

    source: Source
    place: str
    received_ms: int
    body: bytes = field(repr=False)
    what: str = ""
    delivery: str = field(default="", repr=False)

    @property
    def can_repeat(self) -> bool:
        """Whether an equal one later is the same event.

        A workflow sends nothing that changes from one event to the next, and what it
        asks for does no harm twice.
        """
        return self.source is not Source.WORKFLOW

    def identify(self, key: bytes) -> str:
        """Its id, which tells nobody without the key what was sent."""
        told = self.delivery.encode("utf-8", "replace") or self.body
        kind = b"name" if self.delivery else b"body"
        once = b"" if self.can_repeat else secrets.token_bytes(ID_BYTES)
        place = f"{self.source}\0{self.place}\0{self.what}\0".encode("utf-8", "replace")
        parts = b"\0".join((kind, once, place, told))
        return blake2b(parts, key=key, digest_size=ID_BYTES).hexdigest()

    def pack(self) -> bytes:
        fields = {**asdict(self), "body": "", "delivery": ""}
        return json.dumps(fields).encode() + b"\n" + zlib.compress(self.body, 1)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        head, _, body = packed.partition(b"\n")
        fields: dict[str, Any] = json.loads(head)
        fields["source"] = Source(fields["source"])
        return cls(**{**fields, "body": zlib.decompress(body)})


@dataclass(frozen=True)
class Claimed:
    """The right to handle an entry for a while.

    Args:
        attempt: counts from one; a later one makes this claim void.
    """

    id: str
    attempt: int
    entry: Entry


@dataclass(frozen=True)
class Failed:
    """An entry that was not handled, and why."""

    id: str
    source: Source
    place: str
    received_ms: int
    attempts: int
    reason: str
    failed_ms: int


@dataclass(frozen=True)
class Counts:
    """How many wait, how many of those are due now, how many failed for good."""

    waiting: int
    due: int
    failed: int


class Inbox:
    """The inbox of one installation."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._script = scripts.load(redis, "inbox")
        self._keys = [
            process_key("inbox"),
            process_key("inbox-due"),
            process_key("inbox-tries"),
            process_key("inbox-failed"),
            process_key("inbox-seen"),
            process_key("inbox-key"),
            process_key("inbox-rung"),
            process_key("handled"),
        ]
        self._id_key = secrets.token_bytes(KEY_BYTES)

    def _call(self, *args: str | bytes | int) -> Any:
        return self._script(keys=self._keys, args=list(args))

    def put(self, entry: Entry) -> bool:
        """Keep an entry; False for a repeat, which changes nothing.

        Raises:
            InboxFull: it was not kept.
        """
        packed, remember = entry.pack(), int(entry.can_repeat)
        while True:
            key = self._id_key
            id_ = entry.identify(key)
            answer = self._call("put", key, id_, packed, MOST_WAITING, remember)
            match answer:
                case [b"key", self_made_elsewhere]:
                    self._id_key = cast("bytes", self_made_elsewhere)
                case [b"full"]:
                    raise InboxFull
                case [word]:
                    return bool(word == b"new")

    def probe(self) -> None:
        """Do what `put` needs: write.

        Raises:
            RedisError: an event could not be kept at the moment.
            InboxFull: there is no room.
        """
        self._redis.set(process_key("inbox-probe"), 1, ex=60)
        if self.counts().waiting >= MOST_WAITING:
            raise InboxFull

    def claim(self, count: int, lease_seconds: float) -> list[Claimed]:
        """Take up to `count` due entries; what is not ended comes back by itself."""
        flat = self._call("claim", count, _ms(lease_seconds), MOST_TRIES, WORKER_LOST)
        claims = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        return [
            Claimed(id_.decode(), int(attempt), Entry.unpack(packed))
            for id_, attempt, packed in claims
        ]

    def renew(self, claimed: Claimed, lease_seconds: float) -> bool:
        """Go on with it; False when the claim is void."""
        lease_ms = _ms(lease_seconds)
        return bool(self._call("renew", claimed.id, claimed.attempt, lease_ms))

    def done(self, id_: str, outcome: str) -> None:
        """It is handled: forget what was sent, and count the outcome."""
        self._call("done", id_, outcome)

    def fail(self, claimed: Claimed, reason: str, *, for_good: bool = False) -> None:
        """It was not handled: later again, after ten tries kept until replayed.

        Args:
            reason: without anything that was sent.
            for_good: another try would end in the same way.
        """
        wait = min(
            FIRST_WAIT_SECONDS * 3 ** (claimed.attempt - 1), LONGEST_WAIT_SECONDS
        )
        gives_up = for_good or claimed.attempt >= MOST_TRIES
        wait_ms = -1 if gives_up else _ms(wait)
        self._call("fail", claimed.id, claimed.attempt, wait_ms, reason)

    def put_off(self, claimed: Claimed, reason: str, wait_seconds: float) -> None:
        """Later again, through no fault of the entry: that was no try."""
        wait_ms = _ms(wait_seconds)
        self._call("put_off", claimed.id, claimed.attempt, wait_ms, reason)

    def replay(self, ids: Iterable[str]) -> int:
        """Let failed entries be tried anew; how many of the ids had failed."""
        batch, replayed = list(ids), 0
        for start in range(0, len(batch), 1000):
            replayed += int(self._call("replay", *batch[start : start + 1000]))
        return replayed

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """All that is here with what was sent; one that comes meanwhile may lack."""
        for id_, packed in self._redis.hscan_iter(process_key("inbox")):
            yield id_.decode(), Entry.unpack(packed)

    def rewrite(self, id_: str, entry: Entry | None) -> None:
        """Hold less of an entry, or nothing; one that has ended stays so."""
        self._call("rewrite", id_, entry.pack() if entry else b"")

    def counts(self) -> Counts:
        return Counts(*self._call("counts"))

    def waiting(self) -> int:
        """Entries that are not handled yet, those being handled included."""
        return self.counts().waiting

    def claim_ring(self) -> bool:
        """Whether to ring now: something is due, and nobody has rung for it."""
        return bool(self._call("ring", _ms(RING_SECONDS)))

    def failed(self) -> list[Failed]:
        """What failed for good, oldest first."""
        key = process_key("inbox-failed")
        pairs = self._redis.zrange(key, 0, -1, withscores=True)
        since = {
            i.decode(): int(at) for i, at in cast("list[tuple[bytes, float]]", pairs)
        }
        found: list[Failed] = []
        ids = list(since)
        for start in range(0, len(ids), LISTED_AT_A_TIME):
            found += self._read(ids[start : start + LISTED_AT_A_TIME], since)
        return found

    def _read(self, ids: list[str], since: dict[str, int]) -> list[Failed]:
        pipe = self._redis.pipeline(transaction=False)
        pipe.hmget(process_key("inbox"), ids)
        pipe.hmget(process_key("inbox-tries"), ids)
        packed, tries = cast("list[list[bytes | None]]", pipe.execute())
        return [
            _failed(id_, one, told, since[id_])
            for id_, one, told in zip(ids, packed, tries, strict=True)
            # Replayed or given up since.
            if one and told
        ]

    def handled(self) -> dict[str, int]:
        """How many entries ended in which way."""
        return _numbers(self._redis.hgetall(process_key("handled")))

    def count_received(self, answers: dict[str, int]) -> None:
        """Add requests that were answered, by `source:status class`."""
        pipe = self._redis.pipeline()
        for name, count in answers.items():
            pipe.hincrby(process_key("received"), name, count)
        pipe.execute()

    def received(self) -> dict[str, int]:
        """All requests that were ever answered, by `source:status class`."""
        return _numbers(self._redis.hgetall(process_key("received")))


def _failed(id_: str, packed: bytes, told: bytes, failed_ms: int) -> Failed:
    entry = Entry.unpack(packed)
    attempts, _, reason = told.decode().partition(" ")
    sent = (entry.source, entry.place, entry.received_ms)
    return Failed(id_, *sent, int(attempts), reason, failed_ms)


def _numbers(stored: Any) -> dict[str, int]:
    return {name.decode(): int(count) for name, count in stored.items()}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
