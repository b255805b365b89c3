"""Find contacts: one page of one listing at a time, committed to the ledger whole.

A full run goes through the stages below in order. Its cursor says where it is, lives in
the ledger, and moves in the same step in which the page's ids are committed: a crash
repeats a page and never skips one.

1. `optouts`       who opted out in GHL, by search filter: before anybody is listed
2. `unsubscribed`  who unsubscribed in Mailjet, any list
3. `subscribers`   whom those ids stand for, and who is excluded
4. `properties`    Mailjet's side of everybody, compared with what we remember
5. `listing`       GHL's contacts, 100 a page, with whole rows from search, 500 a page
6. `businesses`    contacts by business, where businesses are named
7. `missing`       whom we remember and nobody listed: deleted, once a GET confirms it
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from pipeline.bootstrap import Kit
from pipeline.errors import BadPayload, NotFound, PermanentError, Reach
from pipeline.ghl.client import GhlClient
from pipeline.ghl.records import ContactPage, ListCursor
from pipeline.mailjet.client import MailjetClient
from pipeline.permit import Lane, Permit
from pipeline.store.setup import SetupRecord
from pipeline.sync.consent import mailjet_opt_out
from pipeline.sync.contact import Contact

logger = logging.getLogger(__name__)

MISSING_PER_PAGE = 1000
OVERLAP_MS = 120_000
"""Search shows a change only seconds after it (GHL, Contacts Search API, 2026-11)."""

Cursor = dict[str, Any]
OPTOUT_FILTER = (
    {
        "group": "OR",
        "filters": [
            {"field": "dndSettings.Email.status", "operator": "eq", "value": "active"},
            {
                "field": "dndSettings.Email.status",
                "operator": "eq",
                "value": "permanent",
            },
            {"field": "dnd", "operator": "eq", "value": True},
        ],
    },
)
"""`dnd` is only the all-channel flag; the e-mail channel has had its own filter since
2026-06 (GoHighLevel/highlevel-api-docs#279, read 2026-11)."""


@dataclass(frozen=True)
class Found:
    """One page: ids to sync, rows worth caching, where to go on (None = the end)."""

    next: Cursor | None
    ids: Sequence[str] = ()
    rows: Sequence[Contact] = field(default=())


class Discovery:
    """Discovery for one connection; every method is one short piece of work."""

    def __init__(self, kit: Kit, record: SetupRecord, lane: Lane = Lane.BULK) -> None:
        permit = Permit(lane)
        self._kit = kit
        self._record = record
        self._ghl: GhlClient = kit.ghl(permit)
        self._mailjet: MailjetClient = kit.mailjet(permit)
        self._stages: dict[str, Callable[[Cursor], Found]] = {
            "optouts": self._optouts,
            "unsubscribed": self._unsubscribed,
            "subscribers": self._subscribers,
            "properties": self._properties,
            "listing": self._listing,
            "businesses": self._businesses,
            "missing": self._missing,
        }

    def fetch(self, cursor: Cursor) -> Found:
        """Fetch the page at the cursor."""
        return self._stages[cursor["stage"]](cursor)

    def _optouts(self, cursor: Cursor) -> Found:
        onwards: Cursor = {"stage": "unsubscribed"}
        if not self._record.optout_filter:
            return Found(onwards)
        after, reader = cursor.get("after"), _reader(cursor)
        try:
            page = self._ghl.search_contacts(filters=OPTOUT_FILTER, search_after=after)
        except PermanentError as error:
            if _is_dead_token(error):
                raise
            # Refused since `setup`: the old set lapses, and contacts are read singly.
            return Found(onwards)
        optouts = self._kit.optouts
        if not optouts.add_ghl(reader, _ids(page), first=after is None):
            return Found({"stage": "optouts"})
        if page.next is not None:
            return Found({"stage": "optouts", "reader": reader, "after": page.next})
        self._kit.ledger.mark(Lane.CONSENT, optouts.complete_ghl(reader))
        return Found(onwards)

    def read_optouts(self) -> None:
        """Read the whole set of people who opted out in GHL; newcomers go first."""
        self._read("optouts", until="unsubscribed")

    def _unsubscribed(self, cursor: Cursor) -> Found:
        offset, reader = cursor.get("offset", 0), _reader(cursor)
        page = self._mailjet.list_recipients(offset, unsubscribed=True)
        account_wide = self._kit.settings.optout_scope_account
        ours = self._kit.policy(self._record).managed_lists
        gone = [
            row.contact_id
            for row in page.recipients
            if row.unsubscribed and (account_wide or row.list_id in ours)
        ]
        if not self._kit.optouts.add_unsubscribed(reader, gone, first=offset == 0):
            return Found({"stage": "unsubscribed"})
        ids = [row.id for row in page.recipients]
        onwards = {"stage": "subscribers", "reader": reader}
        return _paged({**cursor, "reader": reader}, ids, page.next_offset, onwards)

    def _subscribers(self, cursor: Cursor) -> Found:
        offset, reader = cursor.get("offset", 0), _reader(cursor)
        page = self._mailjet.list_contacts(offset)
        ids = [subscriber.contact_id for subscriber in page.subscribers]
        optouts = self._kit.optouts
        unsubscribed = optouts.are_unsubscribed(reader, ids)
        if unsubscribed is None:
            return Found({"stage": "unsubscribed"})
        address = self._kit.policy(self._record).fingerprint.address
        gone = [
            address(subscriber.email)
            for subscriber, is_gone in zip(page.subscribers, unsubscribed, strict=True)
            if is_gone or mailjet_opt_out(subscriber, account_wide=True)
        ]
        if not optouts.add_mailjet(reader, gone, first=offset == 0):
            return Found({"stage": "unsubscribed"})
        if page.next_offset is None:
            optouts.complete_mailjet(reader)
        return _paged(cursor, ids, page.next_offset, {"stage": "properties"})

    def read_mailjet_optouts(self) -> None:
        """Read the whole set of people whom Mailjet has a no from."""
        self._read("unsubscribed", until="properties")

    def _read(self, stage: str, *, until: str) -> None:
        cursor: Cursor | None = {"stage": stage}
        while cursor is not None and cursor["stage"] != until:
            cursor = self.fetch(cursor).next

    def _properties(self, cursor: Cursor) -> Found:
        page = self._mailjet.list_contact_data(cursor.get("offset", 0))
        self._kit.subscriber_pages(self._record).compare(page.subscribers)
        ids = [subscriber.contact_id for subscriber in page.subscribers]
        return _paged(cursor, ids, page.next_offset, {"stage": "listing"})

    def _listing(self, cursor: Cursor) -> Found:
        """List; and take whole rows once the listing has reached where rows end."""
        rows_until = cursor.get("rows_until")
        if rows_until is None or (rows_until > 0 and _position(cursor) <= rows_until):
            return self._rows(cursor)
        after = cursor.get("after")
        page = self._ghl.list_contacts(ListCursor(*after) if after else None)
        ids = _ids(page)
        if page.next is not None:
            here = [page.next.start_after, page.next.start_after_id]
            return Found({**cursor, "after": here}, ids)
        if self._kit.connection.ghl_business_ids:
            return Found({"stage": "businesses", "full": True}, ids)
        return Found({"stage": "missing"}, ids)

    def _rows(self, cursor: Cursor) -> Found:
        """Rows of search come in the listing's order: newest `dateAdded` first."""
        no_more = {**cursor, "rows_until": 0}
        if self._kit.settings.details_always:
            return Found(no_more)
        try:
            page = self._ghl.search_contacts(search_after=cursor.get("rows_after"))
        except PermanentError as error:
            if _is_dead_token(error):
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
        after_all = {"stage": "missing"} if cursor.get("full") else None
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
            return Found(here, _ids(page))
        return Found(onwards if rest else after_all, _ids(page))

    def _all_businesses(self, cursor: Cursor) -> Found:
        skip = cursor.get("skip", 0)
        page = self._ghl.list_businesses(skip)
        ids = [*cursor.get("found", []), *(business.id for business in page.businesses)]
        if page.next is not None:
            return Found({**cursor, "found": ids, "skip": page.next})
        return Found({"stage": "businesses", "waiting": ids, "full": True})

    def _missing(self, cursor: Cursor) -> Found:
        missing = self._kit.presence.missing()
        more = len(missing) > MISSING_PER_PAGE
        return Found(cursor if more else None, missing[:MISSING_PER_PAGE])

    def changes(self) -> int:
        """Find what changed in GHL since the watermark; how many contacts did.

        The window overlaps the last one, and what the snapshots already know is left
        out, so nothing is missed that search showed late.
        """
        watermark = self._kit.setup.watermark_ms()
        if watermark is None:
            return 0
        since = {"gte": _iso(watermark - OVERLAP_MS)}
        where = {"field": "dateUpdated", "operator": "range", "value": since}
        after, marked, newest = None, 0, watermark
        while True:
            page = self._ghl.search_contacts(
                filters=(where,), sort=(("dateUpdated", "asc"),), search_after=after
            )
            fresh = self._kit.ledger.unseen(page.contacts)
            self._kit.ledger.mark(Lane.LIVE, fresh)
            marked += len(fresh)
            newest = max([newest, *(c.date_updated_ms or 0 for c in page.contacts)])
            self._kit.setup.raise_watermark(newest)
            if page.next is None:
                return marked
            after = page.next


def _reader(cursor: Cursor) -> str:
    """The name of the set that is being filled; a new one where reading begins."""
    return cursor.get("reader") or uuid4().hex[:8]


def _ids(page: ContactPage[Any]) -> list[str]:
    """Rows that cannot be read are contacts too: reading them singly tells more."""
    return [*(contact.id for contact in page.contacts), *filter(None, page.bad_rows)]


def _is_dead_token(error: PermanentError) -> bool:
    """Whether the refusal was of us, and not of what we asked for."""
    return error.status == 401 and error.reach is Reach.CONNECTION


def _position(cursor: Cursor) -> float:
    """The `dateAdded` that the listing has come down to."""
    after = cursor.get("after")
    return after[0] if after else float("inf")


def _paged(
    cursor: Cursor, ids: Sequence[int], next_offset: int | None, onwards: Cursor
) -> Found:
    """The cursor after one page of Mailjet; a page that comes again ends the scan.

    Some accounts were answered the first page for every offset
    (mailjet-apiv3-nodejs#291, read 2026-11).
    """
    stage, first = cursor["stage"], ids[0] if ids else None
    if first is not None and first == cursor.get("first"):
        raise BadPayload("mailjet", stage, None, "one page comes again and again")
    if next_offset is None:
        return Found(onwards)
    return Found({**cursor, "offset": next_offset, "first": first})


def _iso(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:03d}Z"
