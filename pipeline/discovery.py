"""Find contacts: one page of one listing at a time, committed to the ledger whole.

A full run goes through the stages below in order. Its cursor says where it is, lives in
the ledger, and moves in the same step in which the page's ids are committed: a crash
repeats a page and never skips one.

1. `optouts`       who opted out in GHL, by search filter: before anybody is listed
2. `tasks`         all tasks of the location, 500 a page
3. `appointments`  all appointments, a calendar at a time
4. `notes`         whose turn it is to have their notes read
5. `unsubscribed`  who unsubscribed in Mailjet, any list
6. `subscribers`   whom those ids stand for, and who is excluded
7. `members`       who is on a list that stands for a tag, where one leads to GHL
8. `properties`    Mailjet's side of everybody, compared with what we remember
9. `listing`       GHL's contacts, 100 a page, with whole rows from search, 500 a page
10. `businesses`   contacts by business, where businesses are named
11. `newcomers`    who is on the list and of no contact that we know, where wanted
12. `missing`      whom we remember and nobody listed: deleted, once a GET confirms it

Mailjet is read last before the listing: contacts cost it most calls, and every moment
between its first page and the first contact would be lost to it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from pipeline.bootstrap import Kit
from pipeline.errors import NotFound, PermanentError, ScopeMissing
from pipeline.feed import Feed
from pipeline.ghl.client import GhlClient
from pipeline.ghl.records import ListCursor
from pipeline.mailjet.client import MailjetClient
from pipeline.paging import Cursor, Found, paged
from pipeline.permit import Lane, Permit
from pipeline.polls import Polls, read_each
from pipeline.preferences import Preferences, is_dead_token
from pipeline.store.setup import SetupRecord
from pipeline.store.timeline import FoundBy
from pipeline.subscribers import Subscribers
from pipeline.sweeps import Sweeps
from pipeline.sync import newcomers

logger = logging.getLogger(__name__)

MISSING_PER_PAGE = 1000
CROSSINGS_AT_MOST = 100
"""Times a thousand contacts; the rest comes a minute later."""
OVERLAP_MS = 120_000
"""Search shows a change only seconds after it (GHL, Contacts Search API, 2026-11)."""


class Discovery:
    """Discovery for one connection; every method is one short piece of work."""

    def __init__(self, kit: Kit, record: SetupRecord, lane: Lane = Lane.BULK) -> None:
        permit = Permit(lane)
        self._kit = kit
        self._record = record
        self._ghl: GhlClient = kit.ghl(permit)
        self._mailjet: MailjetClient = kit.mailjet(permit)
        self.preferences = Preferences(kit, record, lane)
        self._feed = Feed(kit, record, lane)
        self._sweeps = Sweeps(kit, record, lane)
        self._subscribers = Subscribers(kit, record, lane)
        self.polls = Polls(kit, record)
        self._stages: dict[str, Callable[[Cursor], Found]] = {
            **self.preferences.stages,
            **self._subscribers.stages,
            **self._sweeps.stages,
            "listing": self._listing,
            "businesses": self._businesses,
            "newcomers": self._newcomers,
            "missing": self._missing,
        }
        wants_newcomers = kit.connection.create_contacts
        self._after_all = {"stage": "newcomers" if wants_newcomers else "missing"}

    def fetch(self, cursor: Cursor) -> Found:
        """Fetch the page at the cursor."""
        return self._stages[cursor["stage"]](cursor)

    def _listing(self, cursor: Cursor) -> Found:
        """List; and take whole rows once the listing has reached where rows end."""
        rows_until = cursor.get("rows_until")
        if rows_until is None or (rows_until > 0 and _position(cursor) <= rows_until):
            return self._rows(cursor)
        after = cursor.get("after")
        page = self._ghl.list_contacts(ListCursor(*after) if after else None)
        ids = page.ids
        if page.next is not None:
            here = [page.next.start_after, page.next.start_after_id]
            return Found({**cursor, "after": here}, ids)
        if self._kit.connection.ghl_business_ids:
            return Found({"stage": "businesses", "full": True}, ids)
        return Found(self._after_all, ids)

    def _rows(self, cursor: Cursor) -> Found:
        """Rows of search come in the listing's order: newest `dateAdded` first."""
        no_more = {**cursor, "rows_until": 0}
        if self._kit.settings.details_always:
            return Found(no_more)
        try:
            page = self._ghl.search_contacts(search_after=cursor.get("rows_after"))
        except PermanentError as error:
            if is_dead_token(error):
                raise
            return Found(no_more)
        dates = [row.date_added_ms for row in page.contacts if row.date_added_ms]
        if page.next is None or not dates:
            return Found(no_more, rows=page.contacts)
        until = {**cursor, "rows_after": page.next, "rows_until": min(dates)}
        return Found(until, rows=page.contacts)

    def _businesses(self, cursor: Cursor) -> Found:
        waiting = cursor.get("waiting")
        if waiting is None:
            waiting = list(self._kit.connection.ghl_business_ids)
            if waiting == ["*"]:
                return self._all_businesses(cursor)
        after_all = self._after_all if cursor.get("full") else None
        if not waiting:
            return Found(after_all)
        rest, full = waiting[1:], bool(cursor.get("full"))
        onwards = {"stage": "businesses", "waiting": rest, "full": full}
        try:
            page = self._ghl.business_contacts(waiting[0], cursor.get("skip", 0))
        except NotFound:
            logger.warning("business %s is unknown in GHL: left out", waiting[0])
            return Found(onwards if rest else after_all)
        if page.next is not None:
            here = {**cursor, "waiting": waiting, "skip": page.next}
            return Found(here, page.ids)
        return Found(onwards if rest else after_all, page.ids)

    def _all_businesses(self, cursor: Cursor) -> Found:
        skip = cursor.get("skip", 0)
        page = self._ghl.list_businesses(skip)
        ids = [*cursor.get("found", []), *(business.id for business in page.businesses)]
        if page.next is not None:
            return Found({**cursor, "found": ids, "skip": page.next})
        return Found({"stage": "businesses", "waiting": ids, "full": True})

    def _newcomers(self, cursor: Cursor) -> Found:
        """Members of the list whose address no contact that was synced has.

        Of them each is read singly; whoever is known to be out is not worth that.
        """
        kit, policy = self._kit, self._kit.policy(self._record)
        page = self._mailjet.list_contacts(
            cursor.get("offset", 0), excluded=False, list_id=self._record.list_id
        )
        address = policy.fingerprint.address
        mailed = [one for one in page.subscribers if not one.complained]
        by_address = {address(one.email): one.contact_id for one in mailed}
        known = kit.consents.contacts_of(by_address)
        unknown = [one for one, ghl_ids in known.items() if not ghl_ids]
        open_ = kit.optouts.without_no_in_mailjet(unknown)
        bounced = kit.consents.are_bounced(open_, policy.soft_bounces)
        pairs = zip(open_, bounced, strict=True)
        new = [by_address[one] for one, is_bounced in pairs if not is_bounced]
        ids = [one.contact_id for one in page.subscribers]
        found = paged(cursor, ids, page.next_offset, {"stage": "missing"})
        return replace(found, ids=[newcomers.ledger_id(one) for one in new])

    def _missing(self, cursor: Cursor) -> Found:
        missing = self._kit.presence.missing()
        more = len(missing) > MISSING_PER_PAGE
        return Found(cursor if more else None, missing[:MISSING_PER_PAGE])

    def changes(self) -> int:
        """Find what changed in GHL since the watermark; how many contacts did.

        The window overlaps the last one, and what the snapshots already know is left
        out, so nothing is missed that search showed late. No scope, no changes found.
        """
        watermark = self._kit.setup.watermark_ms()
        if watermark is None:
            return 0
        since = {"gte": iso(watermark - OVERLAP_MS)}
        where = {"field": "dateUpdated", "operator": "range", "value": since}
        after, marked, newest = None, 0, watermark
        while True:
            try:
                page = self._ghl.search_contacts(
                    filters=(where,), sort=(("dateUpdated", "asc"),), search_after=after
                )
            except ScopeMissing as error:
                logger.warning("no changes found: %s", error)
                return marked
            fresh = self._kit.ledger.unseen(page.contacts)
            self._kit.timeline.found(fresh, FoundBy.CHANGES)
            self._kit.ledger.mark(Lane.LIVE, fresh)
            marked += len(fresh)
            newest = max([newest, *(c.date_updated_ms or 0 for c in page.contacts)])
            self._kit.setup.raise_watermark(newest)
            if page.next is None:
                self._kit.freshness.looked()
                return marked
            after = page.next

    def feedback(self) -> None:
        """Between runs: what Mailjet tells of its mails, and of its contacts."""
        self.polls.read()
        if self._kit.operator_pause.since_ms() is None:
            self._subscribers.look_if_due()

    def activities(self) -> None:
        """Between runs: what fell due, what was written in Mailjet, what changed."""
        for _ in range(CROSSINGS_AT_MOST):
            if not self._kit.ledger.cross():
                break
        read_each((*self._feed.parts, *self._sweeps.parts))


def _position(cursor: Cursor) -> float:
    """The `dateAdded` that the listing has come down to."""
    after = cursor.get("after")
    return after[0] if after else float("inf")


def iso(milliseconds: int) -> str:
    """The time as GHL's filters take it."""
    seconds, rest = divmod(milliseconds, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:03d}Z"
