"""Mailjet's own feeds, read back: what webhooks lost, and what no webhook tells.

Each by its own time filter, in windows that overlap. Without any webhook this is how
everything comes home.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from pipeline.bootstrap import Kit
from pipeline.errors import BadPayload, NotFound, PermanentError, VendorDown
from pipeline.feedback import Feedback
from pipeline.mailjet.records import Recipient
from pipeline.mailjet.statistics import EventPage
from pipeline.permit import Lane, Permit
from pipeline.preferences import stops_everything
from pipeline.store.engagement import WAITING_SECONDS
from pipeline.store.setup import SetupRecord
from pipeline.sync.contact import Subscriber
from pipeline.sync.deeds import KeepSummary
from pipeline.sync.mail_event import EventKind, MailEvent

logger = logging.getLogger(__name__)

Row = TypeVar("Row")

OVERLAP_MS = 1_800_000
"""Statistics show an event some time after it."""
UNSUBSCRIBED_OVERLAP_MS = 120_000
"""Each of these costs a call."""
READ_SINGLY = 20
"""More unsubscriptions than these are looked up in pages of a thousand."""


class Polls:
    """The feeds of one connection."""

    def __init__(self, kit: Kit, record: SetupRecord) -> None:
        self._kit = kit
        self._rules = kit.rules
        self._now_ms = kit.policy(record).carrying.now_ms
        self._mailjet = kit.mailjet(Permit(Lane.LIVE))
        self._feedback = Feedback(kit, record)

    @property
    def parts(self) -> tuple[Callable[[], object], ...]:
        """Each feed; opens and clicks only where a rule wants to know of them."""
        mailjet, read = self._mailjet, self._read_events
        feeds: list[Callable[[], object]] = [
            self._read_unsubscriptions,
            self._read_exclusions,
            self._read_complaints,
            partial(read, "bounces", mailjet.list_bounces),
        ]
        if self._is_wanted(EventKind.OPEN):
            feeds.append(partial(read, "opens", mailjet.list_opens))
        if self._is_wanted(EventKind.CLICK):
            feeds.append(partial(read, "clicks", mailjet.list_clicks))
        return tuple(feeds)

    def read(self) -> None:
        """Read every feed.

        Raises:
            VendorDown: a feed broke down; the others were read all the same.
        """
        read_each(self.parts)

    def _is_wanted(self, kind: EventKind) -> bool:
        return any(kind in rule.on or rule.deeds(KeepSummary) for rule in self._rules)

    def _read_events(
        self, name: str, listing: Callable[[int, int, int], EventPage]
    ) -> None:
        since_ms = self._kit.happened.begin(name, self._now_ms) - OVERLAP_MS
        # A rule that was off for a year does not wake up with a year of clicks.
        since_ms = max(since_ms, self._now_ms - WAITING_SECONDS * 1000)
        self._apply(name, lambda offset: listing(offset, since_ms, self._now_ms))

    def _read_complaints(self) -> None:
        since_ms = self._kit.happened.begin("spam", self._now_ms) - OVERLAP_MS
        listing = self._mailjet.list_spam_complaints
        self._apply("spam", lambda offset: listing(offset, since_ms))

    def _apply(self, name: str, listing: Callable[[int], EventPage]) -> None:
        for events in _pages(name, lambda offset: _of_events(listing(offset))):
            self._feedback.apply(events)
        self._kit.happened.read_to(name, self._now_ms)

    def _read_unsubscriptions(self) -> None:
        """Those of all lists, ours among them: whom we unsubscribed is no news."""
        begun_ms = self._kit.happened.begin("unsub", self._now_ms)
        since_ms = begun_ms - UNSUBSCRIBED_OVERLAP_MS

        def listing(offset: int) -> tuple[Sequence[int], int | None]:
            page = self._mailjet.list_unsubscriptions(offset, since_ms)
            return page.recipient_ids, page.next_offset

        ids = {one for page in _pages("unsub", listing) for one in page}
        places = [place for place in self._places(ids) if place.unsubscribed]
        ours = self._kit.consents.unsubscribed_by_us(p.contact_id for p in places)
        self._feedback.apply(
            MailEvent(
                EventKind.UNSUB,
                place.unsubscribed_ms or self._now_ms,
                mailjet_id=place.contact_id,
                list_id=place.list_id,
            )
            for place in places
            if place.contact_id not in ours
        )
        self._kit.happened.read_to("unsub", self._now_ms)

    def _places(self, ids: set[int]) -> Iterator[Recipient]:
        """Whose places in which lists they are."""
        if len(ids) > READ_SINGLY:
            yield from self._places_among_all(ids)
            return
        for recipient_id in ids:
            try:
                yield self._mailjet.get_recipient(recipient_id)
            except NotFound:
                continue

    def _places_among_all(self, ids: set[int]) -> Iterator[Recipient]:
        def listing(offset: int) -> tuple[Sequence[Recipient], int | None]:
            page = self._mailjet.list_recipients(offset, unsubscribed=True)
            return page.recipients, page.next_offset

        for page in _pages("listrecipient", listing):
            yield from (place for place in page if place.id in ids)

    def _read_exclusions(self) -> None:
        """Everybody who is excluded: Mailjet cannot tell since when it changed."""

        def listing(offset: int) -> tuple[Sequence[Subscriber], int | None]:
            page = self._mailjet.list_contacts(offset, excluded=True)
            return page.subscribers, page.next_offset

        for people in _pages("exclusions", listing):
            self._feedback.excluded(one for one in people if one.excluded)


def read_each(parts: Iterable[Callable[[], object]]) -> None:
    """Do each part; what is refused to one, or breaks down, holds up no other.

    Raises:
        VendorDown: of one of them, after all; at once where nobody answers.
        PermanentError: the connection was refused, and no other part would do better.
    """
    down: VendorDown | None = None
    for part in parts:
        try:
            part()
        except PermanentError as error:
            if stops_everything(error):
                raise
            logger.warning("left out until the next time: %s", error)
        except VendorDown as error:
            if error.status is None:
                raise
            down = error
    if down is not None:
        raise down


def _of_events(page: EventPage) -> tuple[Sequence[MailEvent], int | None]:
    return page.events, page.next_offset


def _pages(
    feed: str, listing: Callable[[int], tuple[Sequence[Row], int | None]]
) -> Iterator[Sequence[Row]]:
    """All pages of a feed; some accounts were answered one page for every offset
    (mailjet-apiv3-nodejs#291, read 2026-11)."""
    offset: int | None = 0
    before: Sequence[Row] = ()
    while offset is not None:
        rows, offset = listing(offset)
        if rows and rows == before:
            detail = "one page comes again and again"
            raise BadPayload("mailjet", feed, None, detail)
        yield rows
        before = rows
