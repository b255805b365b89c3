"""Who said no: complete sets of both sides, read before anybody is listed.

Three stages of a full run, each one page at a time; `setup` and Beat read them whole.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from pipeline.bootstrap import Kit
from pipeline.errors import PermanentError, Reach, ScopeMissing
from pipeline.ghl.records import ContactPage
from pipeline.paging import Cursor, Found, paged
from pipeline.permit import Lane, Permit
from pipeline.store.setup import SetupRecord
from pipeline.store.timeline import FoundBy
from pipeline.sync.ghl_dnd import is_bounce_block

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


class Preferences:
    """Reads the sets of one connection."""

    def __init__(self, kit: Kit, record: SetupRecord, lane: Lane = Lane.BULK) -> None:
        self._kit = kit
        self._record = record
        self._policy = kit.policy(record)
        self._ghl = kit.ghl(Permit(lane))
        self._mailjet = kit.mailjet(Permit(lane))
        self.after = "members" if kit.layout.read_lists else "properties"
        self.stages: dict[str, Callable[[Cursor], Found]] = {
            "optouts": self._optouts,
            "unsubscribed": self._unsubscribed,
            "subscribers": self._subscribers,
        }

    def _optouts(self, cursor: Cursor) -> Found:
        onwards: Cursor = {"stage": "tasks"}
        if not self._record.optout_filter:
            return Found(onwards)
        after, reader = cursor.get("after"), _reader(cursor)
        try:
            page = self._ghl.search_contacts(filters=OPTOUT_FILTER, search_after=after)
        except PermanentError as error:
            if is_dead_token(error):
                raise
            # Refused since `setup`: the old set lapses, and contacts are read singly.
            return Found(onwards)
        optouts = self._kit.optouts
        ids, known = self.said_no(page)
        if not optouts.add_ghl(reader, ids, known, first=after is None):
            return Found({"stage": "optouts"})
        if page.next is not None:
            return Found({"stage": "optouts", "reader": reader, "after": page.next})
        newcomers = optouts.complete_ghl(reader)
        optouts.expect(newcomers)
        self._kit.timeline.found(newcomers, FoundBy.OPTOUTS)
        self._kit.ledger.mark(Lane.CONSENT, newcomers)
        return Found(onwards)

    def said_no(self, page: ContactPage[list[Any]]) -> tuple[list[str], list[bytes]]:
        """Ids and addresses of those on a page who said no themselves.

        We set the same DND for an address that bounces; where a row does not show who
        set it, what we know of the address tells.
        """
        rows = page.contacts
        addresses = [self._policy.fingerprint.address(r.email or "") for r in rows]
        streak = self._policy.soft_bounces
        bounced = self._kit.consents.are_bounced(addresses, streak)
        kept = [
            (row, address)
            for row, address, is_bounced in zip(rows, addresses, bounced, strict=True)
            if not (is_bounce_block(row) or (row.dnd_settings is None and is_bounced))
        ]
        ids = [*(row.id for row, _ in kept), *filter(None, page.bad_rows)]
        return ids, [address for row, address in kept if row.email]

    def read_optouts(self) -> None:
        """Read the whole set of people who opted out in GHL; newcomers go first."""
        self._read("optouts", until="tasks")

    def _unsubscribed(self, cursor: Cursor) -> Found:
        offset, reader = cursor.get("offset", 0), _reader(cursor)
        page = self._mailjet.list_recipients(offset, unsubscribed=True)
        account_wide = self._kit.settings.optout_scope_account
        ours = self._policy.managed_lists
        gone = [
            row.contact_id
            for row in page.recipients
            if row.unsubscribed and (account_wide or row.list_id in ours)
        ]
        if not self._kit.optouts.add_unsubscribed(reader, gone, first=offset == 0):
            return Found({"stage": "unsubscribed"})
        ids = [row.id for row in page.recipients]
        onwards = {"stage": "subscribers", "reader": reader}
        return paged({**cursor, "reader": reader}, ids, page.next_offset, onwards)

    def _subscribers(self, cursor: Cursor) -> Found:
        offset, reader = cursor.get("offset", 0), _reader(cursor)
        page = self._mailjet.list_contacts(offset)
        ids = [subscriber.contact_id for subscriber in page.subscribers]
        optouts = self._kit.optouts
        unsubscribed = optouts.are_unsubscribed(reader, ids)
        if unsubscribed is None:
            return Found({"stage": "unsubscribed"})
        people = page.subscribers
        addresses = [self._policy.fingerprint.address(one.email) for one in people]
        streak = self._policy.soft_bounces
        bounced = self._kit.consents.are_bounced(addresses, streak)
        rows = zip(people, addresses, unsubscribed, bounced, strict=True)
        gone = [
            address
            for one, address, is_gone, is_bounced in rows
            if is_gone or one.complained or (one.excluded and not is_bounced)
        ]
        if not optouts.add_mailjet(reader, gone, first=offset == 0):
            return Found({"stage": "unsubscribed"})
        if page.next_offset is None:
            optouts.complete_mailjet(reader)
        return paged(cursor, ids, page.next_offset, {"stage": self.after})

    def read_mailjet_optouts(self) -> None:
        """Read the whole set of people whom Mailjet has a no from."""
        self._read("unsubscribed", until=self.after)

    def _read(self, stage: str, *, until: str) -> None:
        cursor: Cursor | None = {"stage": stage}
        while cursor is not None and cursor["stage"] != until:
            cursor = self.stages[cursor["stage"]](cursor).next


def _reader(cursor: Cursor) -> str:
    """The name of the set that is being filled; a new one where reading begins."""
    return cursor.get("reader") or uuid4().hex[:8]


def stops_everything(error: PermanentError) -> bool:
    """Whether the refusal was of the connection, and not of one thing to read."""
    return error.reach is Reach.CONNECTION and not isinstance(error, ScopeMissing)


def is_dead_token(error: PermanentError) -> bool:
    """Whether the refusal was of us, and not of search, which we can do without."""
    return error.status == 401 and not isinstance(error, ScopeMissing)
