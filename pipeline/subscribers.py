"""Mailjet's side of everybody, read in pages: by a full run, and between runs.

Mailjet tells nobody which property or membership changed, and has no filter for it: the
pages are compared with what we remember. Between runs that is done only where a mapping
leads to GHL, and never takes more than a twentieth of the rate.
"""

from collections.abc import Callable
from zlib import crc32

from pipeline.bootstrap import Kit
from pipeline.paging import Cursor, Found, paged
from pipeline.permit import Lane, Permit
from pipeline.store.setup import SetupRecord
from pipeline.store.timeline import FoundBy
from pipeline.sweeps import news

REST_SECONDS = 900
SHARE_OF_RATE = 0.05
SWEEP = "subscribers"


class Subscribers:
    """The pages of one connection; every method is one short piece of work."""

    def __init__(self, kit: Kit, record: SetupRecord, lane: Lane = Lane.BULK) -> None:
        self._kit = kit
        self._pages = kit.subscriber_pages(record)
        self._mailjet = kit.mailjet(Permit(lane))
        self._differing: dict[str, bytes] = {}
        self.stages: dict[str, Callable[[Cursor], Found]] = {
            "members": self._members,
            "properties": self._properties,
        }

    def _members(self, cursor: Cursor) -> Found:
        """One page of who is on a list that tells something to GHL."""
        lists = cursor.get("lists") or list(self._kit.layout.read_lists)
        offset = cursor.get("offset", 0)
        page = self._mailjet.list_recipients(offset, list_id=lists[0])
        there = [row.contact_id for row in page.recipients if not row.unsubscribed]
        if not self._pages.add_members(lists[0], there, first=offset == 0):
            return Found({"stage": "members"})
        ids = [row.id for row in page.recipients]
        onwards: Cursor = {"stage": "properties"}
        if lists[1:]:
            onwards = {"stage": "members", "lists": lists[1:]}
        return paged({**cursor, "lists": lists}, ids, page.next_offset, onwards)

    def _properties(self, cursor: Cursor) -> Found:
        page = self._mailjet.list_contact_data(cursor.get("offset", 0))
        self._differing |= self._pages.compare(page.subscribers)
        ids = [subscriber.contact_id for subscriber in page.subscribers]
        return paged(cursor, ids, page.next_offset, {"stage": "listing"})

    def look_if_due(self) -> None:
        """Between runs: have those synced whose side of Mailjet's is another now.

        Each once for the same change: where GHL cannot be given what differs, looking
        again and again would change nothing.
        """
        layout, setup = self._kit.layout, self._kit.setup
        if not layout.shared or not setup.claim_due(f"sweep:{SWEEP}", REST_SECONDS):
            return
        cursor: Cursor = {"stage": "members" if layout.read_lists else "properties"}
        calls = 0
        while (stage := self.stages.get(cursor["stage"])) is not None:
            cursor = stage(cursor).next or {"stage": ""}
            calls += 1
        told = {ghl_id: crc32(side) for ghl_id, side in self._differing.items()}
        new, lane = news(self._kit, SWEEP, told)
        self._kit.timeline.found(new, FoundBy.MAILJET)
        self._kit.ledger.mark(lane, new)
        self._kit.activities.point(SWEEP, told)
        allowed = SHARE_OF_RATE * self._kit.connection.mailjet_rate.per_second
        setup.rest(f"sweep:{SWEEP}", max(REST_SECONDS, calls / allowed))
