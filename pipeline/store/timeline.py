"""What happened to one contact, in our own words: found, synced, failed, told of.

Ids, routes, statuses and kinds only, never a value, an address or a name. A contact
that a run found unchanged leaves nothing, or each night would write an entry for
everybody.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self, cast

from redis import Redis

from pipeline.permit import Call
from pipeline.store import scripts
from pipeline.store.state import connection_key

MOST_ENTRIES = 50
DAYS_KEPT = 14
IDS_PER_CALL = 1000
LONGEST_DETAIL = 300
EMPTY: tuple[Any, ...] = (0, "", "", "", "", (), ())


class Kind(StrEnum):
    """What an entry tells."""

    FOUND = "found"
    ENDED = "ended"
    """A sync came to its end: `word` is the outcome."""
    RETRY = "retry"
    DEAD = "dead letter"
    EVENT = "event"
    """Of a mail: `word` is Mailjet's."""


class FoundBy(StrEnum):
    """What put a contact to wait."""

    CHANGES = "changes in GHL"
    WEBHOOK = "a webhook of GHL's"
    WORKFLOW = "a workflow of GHL's"
    OPTOUTS = "the set of people who opted out in GHL"
    EXCLUSIONS = "exclusions in Mailjet"
    REPORT = "the consent report"
    MAILJET = "what differs in Mailjet"
    SWEEP = "tasks or appointments that differ"
    INCOMING = "a note or task written in Mailjet"
    ADDRESS = "the sync of another with its address"
    ITSELF = "its own sync, to look again"
    ORDER = "an operator"
    REPLAY = "an operator's replay"


@dataclass(frozen=True)
class Entry:
    """One thing that happened.

    Args:
        at_ms: milliseconds since 1970 UTC.
        word: who found it, the outcome, the cause, or the event.
        detail: the reason, or which webhook; as it may be logged.
        lane: that it waited in; "" where it did not.
        calls: requests that were to change something, or that failed.
        noes: who says that this contact must not be mailed, see `consent.Source`.
    """

    at_ms: int
    kind: Kind
    word: str
    detail: str = ""
    lane: str = ""
    calls: tuple[Call, ...] = ()
    noes: tuple[str, ...] = ()

    def dump(self) -> str:
        """As it is stored, without what is empty at its end."""
        calls = [[call.vendor, call.route, call.status] for call in self.calls]
        detail = self.detail[:LONGEST_DETAIL]
        fields: list[object] = [self.at_ms, self.kind, self.word, detail, self.lane]
        fields += [calls, list(self.noes)]
        while not fields[-1]:
            fields.pop()
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def load(cls, stored: bytes) -> Self:
        """What `dump` made."""
        fields: list[Any] = json.loads(stored)
        fields += EMPTY[len(fields) :]
        at_ms, kind, word, detail, lane, calls, noes = fields
        made = tuple(Call(*call) for call in calls)
        return cls(at_ms, Kind(kind), word, detail, lane, made, tuple(noes))


class Timeline:
    """What happened to each contact of one connection."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._prefix = connection_key(connection, "timeline:")
        self._add = scripts.load(redis, "timeline")

    def add(self, ids: Iterable[str], entry: Entry) -> None:
        """Add an entry to each; repeated, it is there once."""
        batch, limits = list(ids), (MOST_ENTRIES, DAYS_KEPT * 86_400)
        for start in range(0, len(batch), IDS_PER_CALL):
            some = batch[start : start + IDS_PER_CALL]
            self._add([self._prefix], [entry.dump(), *limits, *some])

    def found(self, ids: Iterable[str], by: FoundBy, detail: str = "") -> None:
        """Tell by what contacts were found, which wait from now on."""
        now_ms = round(time.time() * 1000)
        self.add(ids, Entry(now_ms, Kind.FOUND, by, detail))

    def forget(self, ghl_id: str) -> None:
        """Leave nothing of somebody whom nobody knows."""
        self._redis.delete(self._prefix + ghl_id)

    def of(self, ghl_id: str) -> list[Entry]:
        """The last entries of one contact, newest last."""
        stored = self._redis.lrange(self._prefix + ghl_id, 0, -1)
        return [Entry.load(entry) for entry in cast("list[bytes]", stored)]
