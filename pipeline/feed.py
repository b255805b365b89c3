"""What people write into Mailjet's history, handed to the contacts it is about.

`MinCreatedAt` makes it a feed of what is new; an entry comes at most once, or after a
crash a second time, and what it asks for is looked for in GHL before it is made.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from pipeline.bootstrap import Kit
from pipeline.errors import BadPayload, NotFound
from pipeline.permit import Lane, Permit
from pipeline.store.feed import WAITING_SECONDS
from pipeline.store.setup import SetupRecord
from pipeline.store.timeline import FoundBy
from pipeline.sync.activity import HistoryEntry
from pipeline.sync.around import INCOMING
from pipeline.sync.mapping import CONTACT_ID, LOCATION_ID
from pipeline.sync.wishes import NOTE_FEED, TASK_FEED

logger = logging.getLogger(__name__)

OVERLAP_MS = 300_000
"""An entry may be listed a little later than its time, which is Mailjet's."""
STRANGERS_INTERVAL_SECONDS = 900
STRANGERS_AT_A_TIME = 50


class Feed:
    """The feeds of one connection."""

    def __init__(self, kit: Kit, record: SetupRecord, lane: Lane = Lane.BULK) -> None:
        self._kit = kit
        self._names = [n for n in (NOTE_FEED, TASK_FEED) if n in record.historic]
        self._mailjet = kit.mailjet(Permit(lane))
        self._now_ms = kit.policy(record).carrying.now_ms

    @property
    def parts(self) -> tuple[Callable[[], object], ...]:
        """Each by itself: what is refused to one does not hold up the others."""
        feeds = (partial(self._read, name) for name in self._names)
        return (*feeds, self._look_for_strangers_if_due) if self._names else ()

    def read(self) -> None:
        """Read what is new of all feeds."""
        for part in self.parts:
            part()

    def _read(self, name: str) -> None:
        store = self._kit.feed
        store.begin(self._now_ms)
        since_ms = store.since_ms(name) or self._now_ms
        offset: int | None = 0
        listed: dict[int, HistoryEntry] = {}
        known_ms = since_ms
        while offset is not None:
            page = self._mailjet.list_history(
                offset, name=name, created_from_ms=since_ms - OVERLAP_MS
            )
            ids = {entry.id for entry in page.entries}
            if ids and ids <= listed.keys():
                detail = "one page comes again and again"
                raise BadPayload("mailjet", "contacthistorydata", None, detail)
            listed |= {entry.id: entry for entry in page.entries}
            fresh = store.unseen(name, page.entries)
            for asked in _by_subscriber(fresh):
                self._hand_over(asked)
                store.saw(name, asked)
            new_ids = {entry.id for entry in fresh}
            old = (e.created_ms or 0 for e in page.entries if e.id not in new_ids)
            known_ms = max([known_ms, *(ms for ms in old if ms <= self._now_ms)])
            offset = page.next_offset
        # An entry that is deleted while pages are read hides another behind it: up to
        # what was known before, everything was listed twice.
        store.raise_to(name, known_ms)
        store.saw_all(name, listed.values())

    def _hand_over(self, asked: Sequence[HistoryEntry]) -> bool:
        """Give entries of one subscriber to the contact; False where there is none."""
        properties = self._properties(asked[0].contact_id)
        here = self._kit.connection.ghl_location_id
        if (properties.get(LOCATION_ID) or here) != here:
            # Of another connection to the same account of Mailjet, which reads it too.
            return True
        if ghl_id := str(properties.get(CONTACT_ID) or ""):
            self._kit.feed.add_incoming(ghl_id, asked)
            self._kit.timeline.found([ghl_id], FoundBy.INCOMING)
            self._kit.ledger.point_at([ghl_id], INCOMING, Lane.LIVE)
            return True
        if lost := self._kit.feed.add_strangers(asked, self._now_ms):
            logger.warning("%d entries in Mailjet of nobody in GHL: no room", lost)
        return False

    def _properties(self, mailjet_id: int) -> Mapping[str, object]:
        try:
            return self._mailjet.contact_data(mailjet_id)
        except NotFound:
            return {}

    def _look_for_strangers_if_due(self) -> None:
        """Whether the import has come to people whose entries wait for that."""
        if not self._kit.setup.claim_due("strangers", STRANGERS_INTERVAL_SECONDS):
            return
        waiting = self._kit.feed.some_strangers(STRANGERS_AT_A_TIME)
        too_old_ms = self._now_ms - WAITING_SECONDS * 1000
        for asked in _by_subscriber(waiting):
            is_known = self._hand_over(asked)
            done = [e for e in asked if is_known or waiting[e] <= too_old_ms]
            if done and not is_known:
                logger.warning(
                    "%d entries in Mailjet are of nobody in GHL: given up", len(done)
                )
            self._kit.feed.drop_strangers(done)


def _by_subscriber(entries: Iterable[HistoryEntry]) -> Iterable[list[HistoryEntry]]:
    found: dict[int, list[HistoryEntry]] = defaultdict(list)
    for entry in entries:
        found[entry.contact_id].append(entry)
    return found.values()
