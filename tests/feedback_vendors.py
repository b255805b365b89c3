"""Tiny vendors that also tell what happened: feeds, searches, times.

Mailjet's feeds as `pipeline/mailjet/statistics.py` describes them. Whoever changes
something, we or somebody else, is seen in them alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pipeline.ghl.records import ContactPage
from pipeline.mailjet.records import Recipient, RecipientPage, SubscriberPage
from pipeline.mailjet.statistics import EventPage, UnsubscribedPage
from pipeline.preferences import OPTOUT_FILTER
from pipeline.sync import ghl_dnd
from pipeline.sync.activity import Note, Task
from pipeline.sync.contact import Contact, ListAction, Subscriber
from pipeline.sync.mail_event import EventKind, MailEvent
from tests.integration.both_ways import Fates, LosingGhl, LosingMailjet
from tests.tiny_vendors import Person

Clock = Callable[[], int]


class FeedbackMailjet(LosingMailjet):
    """`forced` holds the address of every `addforce`, `happened` events of mails."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(Fates())
        self.forced: list[str] = []
        self.happened: list[MailEvent] = []
        self._clock = clock
        self._excluded_ms: dict[int, int] = {}
        self._complained_ms: dict[int, int] = {}
        self._gone_ms: dict[tuple[int, int], int] = {}

    # What people do.

    def somebody(self, email: str) -> Person:
        return self._find(email) or self.person(email)

    def leave(self, email: str, list_id: int) -> None:
        self._set_place(self.somebody(email), list_id, is_gone=True)

    def join(self, email: str, list_id: int) -> None:
        """An operator subscribes somebody by hand."""
        self._set_place(self.somebody(email), list_id, is_gone=False)

    def complain(self, email: str) -> None:
        self._complained_ms.setdefault(self.somebody(email).id, self.second_ms)

    def exclude(self, email: str, *, excluded: bool) -> None:
        person = self.somebody(email)
        if person.excluded != excluded:
            person.excluded = excluded
            self._excluded_ms[person.id] = self.second_ms

    @property
    def second_ms(self) -> int:
        """Mailjet tells times in whole seconds."""
        return self._clock() // 1000 * 1000

    def _set_place(self, person: Person, list_id: int, *, is_gone: bool) -> None:
        if is_gone and not person.unsubscribed.get(list_id):
            self._gone_ms[person.id, list_id] = self.second_ms
        person.unsubscribed[list_id] = is_gone

    # What we do.

    def _act(self, person: Person, list_id: int, action: str) -> None:
        if action == ListAction.UNSUBSCRIBE:
            self._set_place(person, list_id, is_gone=True)
        if action == ListAction.ADD_AGAIN:
            self.forced.append(person.email)
        super()._act(person, list_id, action)

    def update_contact(
        self, contact_id: int, *, name: str | None = None, excluded: bool | None = None
    ) -> None:
        super().update_contact(contact_id, name=name)
        if excluded is not None:
            self.exclude(self.people[contact_id].email, excluded=excluded)

    def read(self, email: str) -> Subscriber:
        found = super().read(email)
        return replace(
            found,
            complained=found.contact_id in self._complained_ms,
            excluded_ms=self._excluded_ms.get(found.contact_id),
        )

    def list_contacts(
        self, offset: int, *, excluded: bool | None = None
    ) -> SubscriberPage:
        rows = (self.read(person.email) for person in self.people.values())
        wanted = (row for row in rows if excluded in (None, row.excluded))
        shown = (replace(r, properties=None, unsubscribed=None) for r in wanted)
        return SubscriberPage(tuple(shown), None)

    @property
    def _places(self) -> dict[int, tuple[Person, int]]:
        """Every place in a list, by its id."""
        return {
            person.id * 1000 + list_id: (person, list_id)
            for person in self.people.values()
            for list_id in person.unsubscribed
        }

    def list_recipients(
        self, offset: int, *, unsubscribed: bool | None = None
    ) -> RecipientPage:
        rows = map(self.get_recipient, self._places)
        wanted = (row for row in rows if unsubscribed in (None, row.unsubscribed))
        return RecipientPage(tuple(wanted), None)

    def get_recipient(self, recipient_id: int) -> Recipient:
        person, list_id = self._places[recipient_id]
        gone_ms = self._gone_ms.get((person.id, list_id))
        is_gone = person.unsubscribed[list_id]
        return Recipient(recipient_id, person.id, list_id, is_gone, gone_ms)

    def list_unsubscriptions(self, offset: int, since_ms: int) -> UnsubscribedPage:
        rows = map(self.get_recipient, self._places)
        found = (row.id for row in rows if (row.unsubscribed_ms or 0) >= since_ms)
        return UnsubscribedPage(tuple(found), None)

    def list_spam_complaints(self, offset: int, since_ms: int) -> EventPage:
        told = self._complained_ms.items()
        events = (MailEvent(EventKind.SPAM, at, mailjet_id=i) for i, at in told)
        return EventPage(tuple(e for e in events if e.at_ms >= since_ms), None)

    def list_bounces(self, offset: int, from_ms: int, to_ms: int) -> EventPage:
        return self._events(EventKind.BOUNCE, from_ms, to_ms)

    def list_opens(self, offset: int, from_ms: int, to_ms: int) -> EventPage:
        return self._events(EventKind.OPEN, from_ms, to_ms)

    def list_clicks(self, offset: int, from_ms: int, to_ms: int) -> EventPage:
        return self._events(EventKind.CLICK, from_ms, to_ms)

    def _events(self, kind: EventKind, from_ms: int, to_ms: int) -> EventPage:
        """No feed tells the address, nor what the sender calls the campaign."""
        found = [
            replace(event, email="", campaign="", mailjet_id=person.id)
            for event in self.happened
            if event.kind is kind and from_ms <= event.at_ms <= to_ms
            if (person := self._find(event.email))
        ]
        return EventPage(tuple(found), None)


class FeedbackGhl(LosingGhl):
    """Every change is dated; `announce` hears of ours by GHL's words for them.

    Args:
        announce: gets `ContactDndUpdate`, ..., the contact's id, and that of a note or
            task.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(Fates())
        self.announce: Callable[[str, str, str], object] = lambda *event: None
        self._clock = clock

    def search_contacts(
        self, *, filters: Sequence[object] = (), search_after: object = None
    ) -> ContactPage[list[object]]:
        rows = self.contacts.values()
        if filters is OPTOUT_FILTER:
            rows = [row for row in rows if ghl_dnd.ghl_blocks(row)]
        return ContactPage(tuple(rows), None)

    def edit(self, contact_id: str, **fields: object) -> None:
        """What somebody changes, or we."""
        self.contacts[contact_id] = replace(
            self.contacts[contact_id], date_updated_ms=self._clock(), **fields
        )

    def update_contact(
        self, contact_id: str, values: Mapping[str, object]
    ) -> Contact | None:
        super().update_contact(contact_id, values)
        self.edit(contact_id)
        self.announce("ContactDndUpdate", contact_id, "")
        return self.contacts[contact_id]

    def add_tags(self, contact_id: str, tags: Sequence[str]) -> tuple[str, ...]:
        known = self.get_contact(contact_id).tags or ()
        self.writes += 1
        new = tuple(tag for tag in tags if tag not in known)
        if new:
            self.edit(contact_id, tags=(*known, *new))
            self.announce("ContactTagUpdate", contact_id, "")
        return (*known, *new)

    def remove_tags(self, contact_id: str, tags: Sequence[str]) -> tuple[str, ...]:
        known = self.get_contact(contact_id).tags or ()
        self.writes += 1
        left = tuple(tag for tag in known if tag not in tags)
        self.edit(contact_id, tags=left)
        self.announce("ContactTagUpdate", contact_id, "")
        return left

    def create_note(self, contact_id: str, body: str) -> Note:
        note = super().create_note(contact_id, body)
        self.writes += 1
        self.edit(contact_id)
        self.announce("NoteCreate", contact_id, note.id)
        return note

    def update_note(self, contact_id: str, note_id: str, body: str) -> None:
        super().update_note(contact_id, note_id, body)
        self.writes += 1
        self.announce("NoteUpdate", contact_id, note_id)

    def create_task(self, contact_id: str, **facts: object) -> Task:
        task = super().create_task(contact_id, **facts)
        self.writes += 1
        self.announce("TaskCreate", contact_id, task.id)
        return task
