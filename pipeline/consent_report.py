"""The consent report: both sides compared completely, whatever we remember of them.

Who opted out in GHL and can be mailed in Mailjet, and whom GHL may mail although
Mailjet has a no. What looks like that is read again, singly, before it is told: both
vendors show lists that lag behind.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.bootstrap import Kit
from pipeline.errors import ConfigError, NotFound, PermanentError
from pipeline.ghl.records import ContactPage
from pipeline.permit import Lane, Permit
from pipeline.preferences import OPTOUT_FILTER, is_dead_token
from pipeline.store.setup import SetupRecord
from pipeline.store.timeline import FoundBy
from pipeline.sync import consent, ghl_dnd
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.reading import read_subscriber, says_no

CONFIRMED_AT_MOST = 500
"""Suspects that are read again, four calls each; any more are told as they look."""


@dataclass(frozen=True)
class Report:
    """What was found.

    Args:
        at_ms: milliseconds since 1970 UTC.
        contacts, subscribers: how many were compared.
        mailable: contacts who opted out in GHL and can be mailed in Mailjet.
        unblocked: contacts whom GHL may mail, and of whom Mailjet has a no.
    """

    at_ms: int
    contacts: int
    subscribers: int
    mailable: tuple[str, ...] = ()
    unblocked: tuple[str, ...] = ()


Progress = Callable[[int, int | None], object]


def compare(
    kit: Kit, record: SetupRecord, *, progress: Progress = lambda done, total: None
) -> Report:
    """Compare both sides, keep the counts, and let whoever differs be synced.

    Args:
        progress: gets how many contacts of how many were compared, page by page.

    Raises:
        ConfigError: GHL's search is refused, and without it nobody can tell.
        VendorError: see `pipeline.errors`.
    """
    report = _Comparer(kit, record, progress).report()
    counts = {**asdict(report), "mailable": len(report.mailable)}
    counts["unblocked"] = len(report.unblocked)
    kit.setup.save_drift(json.dumps(counts))
    return report


def drift_counts(kit: Kit) -> dict[str, float]:
    """The numbers of the last consent report; none before the first."""
    try:
        report = json.loads(kit.setup.drift() or "{}")
    except ValueError:
        return {}
    fields = report.items() if isinstance(report, dict) else ()
    return {name: value for name, value in fields if type(value) in (int, float)}


@dataclass(frozen=True)
class _Place:
    """What Mailjet's lists tell of one address."""

    is_mailable: bool = False
    said_no: bool = False


class _Comparer:
    def __init__(self, kit: Kit, record: SetupRecord, progress: Progress) -> None:
        self._kit = kit
        self._progress = progress
        self._policy = kit.policy(record)
        permit = Permit(Lane.LIVE)
        self._ghl = kit.ghl(permit)
        self._mailjet = kit.mailjet(permit)

    def report(self) -> Report:
        places = self._mailjet_side()
        contacts, mailable, unblocked = 0, [], []
        for contact, blocks in self._ghl_side():
            contacts += 1
            place = places.get(contact.email or "", _Place())
            if blocks and place.is_mailable:
                mailable.append(contact.id)
            elif place.said_no and not blocks:
                unblocked.append(contact.id)
        self._kit.timeline.found([*mailable, *unblocked], FoundBy.REPORT)
        self._kit.ledger.mark(Lane.CONSENT, [*mailable, *unblocked])
        return Report(
            self._policy.carrying.now_ms,
            contacts,
            len(places),
            self._confirmed(mailable, self._is_mailable),
            self._confirmed(unblocked, self._is_unblocked),
        )

    def _ghl_side(self) -> Iterator[tuple[Contact, bool]]:
        """Everybody, and whether GHL mails them not."""
        try:
            # Rows may lack `dndSettings`; the filter answers all the same.
            pages = self._pages(OPTOUT_FILTER)
            optouts = {contact.id for page in pages for contact in page.contacts}
            done = 0
            for page in self._pages(()):
                done += len(page.contacts)
                self._progress(done, page.total)
                for one in page.contacts:
                    yield one, bool(ghl_dnd.ghl_blocks(one)) or one.id in optouts
        except PermanentError as error:
            if is_dead_token(error):
                raise
            problem = f"without GHL's search nobody can tell: {error}"
            raise ConfigError([problem]) from None

    def _pages(self, filters: Sequence[Any]) -> Iterator[ContactPage[list[Any]]]:
        after = None
        while True:
            page = self._ghl.search_contacts(filters=filters, search_after=after)
            yield page
            if page.next is None:
                return
            after = page.next

    def _mailjet_side(self) -> dict[str, _Place]:
        """Everybody in the account, by address."""
        active, gone = self._memberships()
        places: dict[str, _Place] = {}
        offset: int | None = 0
        while offset is not None:
            page = self._mailjet.list_contacts(offset)
            for one in page.subscribers:
                is_active = one.contact_id in active and not one.excluded
                said_no = bool(one.excluded) or one.complained or one.contact_id in gone
                places[one.email] = _Place(is_active, said_no)
            offset = page.next_offset
        return places

    def _memberships(self) -> tuple[set[int], set[int]]:
        """Whom a list of ours mails, and who unsubscribed from one that counts."""
        active: set[int] = set()
        gone: set[int] = set()
        ours, wide = self._policy.managed_lists, self._policy.optout_scope_account
        offset: int | None = 0
        while offset is not None:
            page = self._mailjet.list_recipients(offset)
            for place in page.recipients:
                is_ours = place.list_id in ours
                if place.unsubscribed and (wide or is_ours):
                    gone.add(place.contact_id)
                elif is_ours and not place.unsubscribed:
                    active.add(place.contact_id)
            offset = page.next_offset
        return active, gone

    def _confirmed(
        self, suspects: Sequence[str], differs: Callable[[Contact, Subscriber], bool]
    ) -> tuple[str, ...]:
        sure = (i for i in suspects[:CONFIRMED_AT_MOST] if self._looks(i, differs))
        return (*sure, *suspects[CONFIRMED_AT_MOST:])

    def _looks(
        self, ghl_id: str, differs: Callable[[Contact, Subscriber], bool]
    ) -> bool:
        try:
            contact = self._ghl.get_contact(ghl_id)
        except NotFound:
            return False
        subscriber = read_subscriber(self._mailjet, 0, contact.email or "")
        return differs(contact, subscriber)

    def _is_mailable(self, contact: Contact, subscriber: Subscriber) -> bool:
        lists = subscriber.unsubscribed or {}
        is_active = any(lists.get(i) is False for i in self._policy.managed_lists)
        blocks = ghl_dnd.ghl_blocks(contact)
        return bool(blocks) and is_active and not subscriber.excluded

    def _is_unblocked(self, contact: Contact, subscriber: Subscriber) -> bool:
        if ghl_dnd.ghl_blocks(contact):
            return False
        # An opt-in may answer a no that another list still holds.
        reopened = consent.is_reopened(self._kit.consents.own(contact.id))
        return says_no(subscriber, self._policy, bounced=False) and not reopened
