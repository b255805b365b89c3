"""What Mailjet tells of its mails, brought to the contacts it is about.

An event comes by webhook or is read back from Mailjet's feeds, whichever is first, and
acts once. What it says of an address is kept under the address, whoever has it; the
contacts then look for themselves, in the same sync as for everything else.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from pipeline.bootstrap import Kit
from pipeline.errors import NotFound, PermanentError
from pipeline.permit import Lane, Permit
from pipeline.preferences import stops_everything
from pipeline.store.setup import SetupRecord
from pipeline.store.timeline import Entry, FoundBy, Kind
from pipeline.sync import rules
from pipeline.sync.consent import Source, Statement
from pipeline.sync.contact import Subscriber
from pipeline.sync.delivery import Delivery
from pipeline.sync.mail_event import SIGNS_OF_LIFE, EventKind, MailEvent, latest
from pipeline.sync.ports import Told

logger = logging.getLogger(__name__)

OF_THE_SENDER = frozenset({"sender blocked", "content blocked", "policy issue"})
"""Reasons of a bounce that tell nothing of the address, however permanent they are
(Mailjet guides, _event-api.md, read 2026-11)."""
SAID = {EventKind.UNSUB: Source.MAILJET_LIST, EventKind.SPAM: Source.MAILJET_SPAM}


class Feedback:
    """The events of one connection."""

    def __init__(self, kit: Kit, record: SetupRecord) -> None:
        self._kit = kit
        self._key = record.key
        self._policy = kit.policy(record)
        self._now_ms = self._policy.carrying.now_ms
        # Few calls, for what somebody did a moment ago: not behind a resync.
        permit = Permit(Lane.LIVE)
        self._mailjet = kit.mailjet(permit)
        self._ghl = kit.ghl(permit)

    def apply(self, events: Iterable[MailEvent]) -> int:
        """Act on events that were not heard before; how many these were.

        What breaks off in the middle is repeated whole, and comes to the same.

        Raises:
            VendorError, BudgetSpent: whose address it is could not be found out.
        """
        fresh = self._kit.happened.unheard(events, self._key)
        by_person: dict[str | int, list[MailEvent]] = defaultdict(list)
        for event in fresh:
            by_person[event.email or event.mailjet_id].append(event)
        for person, theirs in by_person.items():
            if email := self._email(person):
                self._hear(email, theirs)
            self._kit.happened.heard(theirs, self._key)
        return len(fresh)

    def dnd(self, ghl_id: str, opted_out: bool | None, at_ms: int | None) -> None:
        """GHL says that a contact's DND changed.

        A no counts from that time on, even where it is taken back before we look.
        """
        if opted_out:
            said = Statement(Source.GHL_EMAIL, at_ms or self._now_ms, "webhook")
            self._kit.consents.tell(ghl_id, Told({Source.GHL_EMAIL: said}))
        self._kit.ledger.mark(Lane.CONSENT, [ghl_id])

    def excluded(self, people: Iterable[Subscriber]) -> None:
        """Mark contacts whom somebody else excluded in Mailjet; we know whom we did."""
        fingerprint, consents = self._policy.fingerprint, self._kit.consents
        excluded = {fingerprint.address(one.email): one for one in people}
        ids = consents.contacts_of(excluded)
        news = set(consents.not_excluded(i for each in ids.values() for i in each))
        for address, theirs in ids.items():
            if not news & set(theirs):
                continue
            told_ms = excluded[address].excluded_ms or self._now_ms
            at_ms = latest(told_ms, self._now_ms)
            said = Statement(Source.MAILJET_EXCLUDED, at_ms)
            consents.tell(address, Told({said.source: said}))
            self._kit.timeline.found(theirs, FoundBy.EXCLUSIONS)
            self._kit.ledger.mark(Lane.CONSENT, theirs)

    def _email(self, person: str | int) -> str:
        """The address; "" where Mailjet has nobody under that id any more."""
        if isinstance(person, str):
            return person
        try:
            found = self._mailjet.get_contact(person) if person else None
        except NotFound:
            return ""
        return "" if found is None or found.is_erased else found.email

    def _hear(self, email: str, events: Sequence[MailEvent]) -> None:
        """Keep what was said of an address, and let its contacts look.

        What is done here follows from what is known, not from what is new: after a
        failure it is done again.
        """
        address = self._policy.fingerprint.address(email)
        told, consents = self._told(events), self._kit.consents
        consents.tell(address, told)
        waits = self._kit.engagement.add(address, events)
        ids = consents.contacts_of([address])[address]
        bounces = bool(told.delivery.hard_ms or told.delivery.soft)
        if not ids and (told.record or bounces or waits):
            ids = self._find(email)
        for entry in _entries(events):
            self._kit.timeline.add(ids, entry)
        if told.record:
            complained = Source.MAILJET_SPAM in told.record
            news = consents.not_out(ids, complained=complained)
            self._kit.ledger.mark(Lane.CONSENT, news)
        if bounces or told.delivery.alive_ms:
            delivery = consents.told(address).delivery
            is_bounced = delivery.bounced_ms(self._policy.soft_bounces) > 0
            if is_bounced or delivery.soft:
                turned = consents.not_known_as(ids, bounced=is_bounced)
                self._kit.ledger.mark(Lane.CONSENT, turned)
        if waits:
            self._kit.ledger.point_at(ids, rules.EVENT, Lane.LIVE)

    def _told(self, events: Sequence[MailEvent]) -> Told:
        """What events of one address say of it."""
        said: dict[Source, Statement] = {}
        hard_ms, alive_ms, soft = 0, 0, {}
        for event in sorted(events, key=lambda event: event.at_ms):
            at_ms = min(event.at_ms, self._now_ms)
            if event.kind in SAID and self._counts(event):
                source = SAID[event.kind]
                detail = str(event.list_id) if event.list_id else ""
                said_ms = latest(event.at_ms, self._now_ms)
                said[source] = Statement(source, said_ms, detail)
            elif event.kind in SIGNS_OF_LIFE:
                alive_ms = at_ms
            elif event.kind is EventKind.BOUNCE and event.error not in OF_THE_SENDER:
                if event.hard:
                    hard_ms = at_ms
                else:
                    soft[event.message_id or at_ms] = at_ms
        return Told(said, Delivery(hard_ms, soft, alive_ms))

    def _counts(self, event: MailEvent) -> bool:
        """Whether an unsubscription is a no to us; one from no list is one to all."""
        lists = (0, *self._policy.managed_lists)
        return self._policy.optout_scope_account or event.list_id in lists

    def _find(self, email: str) -> list[str]:
        """Contacts of GHL that we have not synced yet; they are asked for once, and
        what was said waits under the address for whoever comes to have it."""
        try:
            return list(self._ghl.contacts_with_email(email))
        except PermanentError as error:
            if stops_everything(error):
                raise
            return []


def _entries(events: Sequence[MailEvent]) -> Iterator[Entry]:
    """What a timeline tells of them: each kind once, with its newest time. That a mail
    was sent is no news: a campaign sends one to everybody."""
    newest = {event.kind: event.at_ms for event in sorted(events, key=_time)}
    for kind, at_ms in newest.items():
        if kind is not EventKind.SENT:
            yield Entry(at_ms, Kind.EVENT, kind)


def _time(event: MailEvent) -> int:
    return event.at_ms
