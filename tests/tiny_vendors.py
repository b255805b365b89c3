"""A Mailjet and a GHL of a few lines, written from the vendors' own words.

Mailjet, guides (_newsletter.md, _contacts.md), read 2026-11: `addnoforce` adds and
keeps an existing subscription status; `unsub` unsubscribes; `remove` deletes the row,
and the memory of an opt-out with it; a property has to exist before its use; the
answer of `managecontact` lists all properties as they were stored.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import cast
from zoneinfo import ZoneInfo

from pipeline.errors import NotFound, Rejected
from pipeline.sync.activity import Appointment, HistoryEntry, Listing, Note, Task
from pipeline.sync.contact import Contact, ListAction, Subscriber
from pipeline.sync.mapping import Layout

Rewrite = Callable[[str], str]
DEFINED = Layout(note_excerpt=True).datatypes
NOW_MS = 1_795_449_600_000  # 2026-11-23T16:00:00Z


def as_it_is(text: str) -> str:
    return text


@dataclass
class Person:
    id: int
    email: str
    name: str = ""
    properties: dict[str, object] = field(default_factory=dict)
    excluded: bool = False
    unsubscribed: dict[int, bool] = field(default_factory=dict)


class TinyMailjet:
    """One API key; `sent` holds every list action in the order of its arrival, `writes`
    counts the calls that write.

    Args:
        rewrite: what Mailjet makes of a name or a property's text before it stores it.
    """

    def __init__(self, rewrite: Rewrite = as_it_is) -> None:
        self.people: dict[int, Person] = {}
        self.sent: list[tuple[int, str]] = []
        self.written: list[object] = []
        self.writes = 0
        self.entries: list[HistoryEntry] = []
        self.defined = set(DEFINED)
        self._rewrite = rewrite
        self._ids = count(1)

    def erase(self, email: str) -> None:
        """Somebody is deleted for good; their id is not given again."""
        if person := self._find(email):
            del self.people[person.id]

    def person(
        self,
        email: str,
        *,
        properties: Mapping[str, str] | None = None,
        unsubscribed: Mapping[int, bool] | None = None,
        excluded: bool = False,
    ) -> Person:
        """Somebody whom Mailjet knows already."""
        person = Person(next(self._ids), email, excluded=excluded)
        person.properties.update(properties or {})
        person.unsubscribed.update(unsubscribed or {})
        self.people[person.id] = person
        return person

    def read(self, email: str) -> Subscriber:
        """All that the three reads of one contact tell."""
        person = self._find(email)
        if person is None:
            return Subscriber(0, properties={}, excluded=False, unsubscribed={})
        return Subscriber(
            person.id,
            person.email,
            name=person.name,
            properties=dict(person.properties),
            excluded=person.excluded,
            unsubscribed=dict(person.unsubscribed),
        )

    def manage_contact(
        self,
        list_id: int,
        email: str,
        action: ListAction,
        *,
        name: str | None = None,
        properties: Mapping[str, object] | None = None,
    ) -> Subscriber:
        self.writes += 1
        given = dict(properties or {})
        if not given.keys() <= self.defined:
            raise Rejected("mailjet", "managecontact", 400, "Property not defined")
        person = self._find(email) or self.person(email)
        if name is not None:
            person.name = self._rewrite(name)
        self.written += [*given.values(), *([] if name is None else [name])]
        self._store(person, given)
        self._act(person, list_id, action)
        return Subscriber(person.id, email, person.name, dict(person.properties))

    def manage_lists(self, contact_id: int, actions: Mapping[int, ListAction]) -> None:
        self.writes += 1
        person = self._known(contact_id)
        for list_id, action in actions.items():
            self._act(person, list_id, action)

    def update_contact(
        self, contact_id: int, *, name: str | None = None, excluded: bool | None = None
    ) -> None:
        self.writes += 1
        person = self._known(contact_id)
        person.name = person.name if name is None else name
        person.excluded = person.excluded if excluded is None else excluded

    def delete_contact(self, contact_id: int) -> int:
        self.writes += 1
        del self.people[self._known(contact_id).id]
        return 200

    def update_contact_data(
        self, contact_id: int, properties: Mapping[str, object]
    ) -> None:
        self.writes += 1
        person = self._known(contact_id)
        self.written += properties.values()
        self._store(person, properties)

    def contact_history(self, contact_id: int, name: str) -> list[HistoryEntry]:
        return [
            entry
            for entry in self.entries
            if (entry.contact_id, entry.name) == (contact_id, name)
        ]

    def create_history(self, contact_id: int, name: str, data: str) -> HistoryEntry:
        self.writes += 1
        self._known(contact_id)
        entry = HistoryEntry(next(self._ids), contact_id, name, data, NOW_MS)
        self.entries.append(entry)
        return entry

    def contact_lists(self, contact_id: int) -> Mapping[int, bool]:
        return dict(self._known(contact_id).unsubscribed)

    def contact_data(self, contact_id: int) -> Mapping[str, object]:
        return dict(self._known(contact_id).properties)

    def get_contact(self, id_or_email: int | str) -> Subscriber:
        if isinstance(id_or_email, int):
            return self.read(self._known(id_or_email).email)
        if self._find(id_or_email) is None:
            raise NotFound("mailjet", "GET /contact/:contact", 404)
        return self.read(id_or_email)

    def _store(self, person: Person, given: Mapping[str, object]) -> None:
        """Numbers stay numbers, and null unassigns."""
        for name, value in given.items():
            if value is None:
                person.properties.pop(name, None)
            else:
                text = isinstance(value, str)
                person.properties[name] = self._rewrite(str(value)) if text else value

    def _act(self, person: Person, list_id: int, action: str) -> None:
        self.sent.append((list_id, str(action)))
        match str(action):
            case "addforce":
                person.unsubscribed[list_id] = False
            case "addnoforce":
                person.unsubscribed.setdefault(list_id, False)
            case "unsub":
                person.unsubscribed[list_id] = True
            case "remove":
                person.unsubscribed.pop(list_id, None)
            case _:
                raise Rejected("mailjet", "managecontact", 400, "Action")

    def _find(self, email: str) -> Person | None:
        return next((p for p in self.people.values() if p.email == email), None)

    def _known(self, contact_id: int) -> Person:
        if contact_id not in self.people:
            raise NotFound("mailjet", "GET /contact/:contactId", 404)
        return self.people[contact_id]


class TinyGhl:
    """One location; adding a tag that is there already changes nothing."""

    def __init__(self, contacts: Iterable[Contact] = ()) -> None:
        self.contacts = {contact.id: contact for contact in contacts}
        self.tags: dict[str, list[str]] = {}
        self.tasks: dict[str, list[Task]] = {}
        self.notes: dict[str, list[Note]] = {}
        self.appointments: dict[str, list[Appointment]] = {}
        self.reads: list[str] = []
        self.writes = 0
        self._ids = count(1)

    def list_tasks(self, contact_id: str) -> Listing[Task]:
        self.reads.append("tasks")
        self.get_contact(contact_id)
        return Listing(tuple(self.tasks.get(contact_id, ())))

    def list_notes(self, contact_id: str) -> Listing[Note]:
        self.reads.append("notes")
        self.get_contact(contact_id)
        return Listing(tuple(self.notes.get(contact_id, ())))

    def list_appointments(
        self, contact_id: str, zone: ZoneInfo
    ) -> Listing[Appointment]:
        self.reads.append("appointments")
        self.get_contact(contact_id)
        return Listing(tuple(self.appointments.get(contact_id, ())))

    def create_note(self, contact_id: str, body: str) -> Note:
        self.get_contact(contact_id)
        note = Note(f"note{next(self._ids)}", body, NOW_MS, contact_id)
        self.notes.setdefault(contact_id, []).append(note)
        return note

    def update_note(self, contact_id: str, note_id: str, body: str) -> None:
        self.get_contact(contact_id)
        self.notes[contact_id] = [
            replace(note, body=body) if note.id == note_id else note
            for note in self.notes.get(contact_id, [])
        ]

    def create_task(
        self,
        contact_id: str,
        *,
        title: str,
        due_ms: int,
        body: str = "",
        assigned_to: str = "",
    ) -> Task:
        self.get_contact(contact_id)
        task_id = f"task{next(self._ids)}"
        task = Task(task_id, title, body, assigned_to, due_ms, False, contact_id)
        self.tasks.setdefault(contact_id, []).append(task)
        return task

    def get_contact(self, contact_id: str) -> Contact:
        if contact_id not in self.contacts:
            raise NotFound("ghl", "GET /contacts/:contactId", 400)
        return self.contacts[contact_id]

    def update_contact(
        self, contact_id: str, values: Mapping[str, object]
    ) -> Contact | None:
        """What is named changes, null is nothing; `dndSettings` is replaced whole."""
        contact = self.get_contact(contact_id)
        rest = dict(values)
        channels = rest.pop("dndSettings", contact.dnd_settings)
        custom = dict(contact.custom_fields or {})
        for entry in cast("list[dict[str, object]]", rest.pop("customFields", [])):
            custom[str(entry["id"])] = entry["field_value"]
        self.writes += 1
        self.contacts[contact_id] = replace(
            contact,
            values={**contact.values, **{k: str(v or "") for k, v in rest.items()}},
            dnd_settings=cast("Mapping[str, object] | None", channels),
            custom_fields=custom if "customFields" in values else contact.custom_fields,
        )
        return self.contacts[contact_id]

    def create_contact(self, values: Mapping[str, object]) -> Contact:
        """A location that takes no second contact with an address."""
        email = str(values["email"])
        self.writes += 1
        if known := self.contacts_with_email(email):
            refusal = Rejected("ghl", "POST /contacts/", 400, "duplicated")
            refusal.duplicate_of, refusal.duplicate_field = known[0], "email"
            raise refusal
        texts = {k: v for k, v in values.items() if k != "email"}
        contact = Contact(
            f"made{next(self._ids)}",
            cast("Mapping[str, str]", texts),
            email,
            email_valid=True,
            tags=(),
            dnd=False,
            dnd_settings={},
            date_added_ms=NOW_MS,
        )
        self.contacts[contact.id] = contact
        return contact

    def delete_contact(self, contact_id: str) -> int:
        self.writes += 1
        del self.contacts[self.get_contact(contact_id).id]
        return 200

    def contacts_with_email(self, email: str) -> tuple[str, ...]:
        return tuple(id_ for id_, one in self.contacts.items() if one.email == email)

    def add_tags(self, contact_id: str, tags: Sequence[str]) -> tuple[str, ...]:
        kept = self.tags.setdefault(contact_id, [])
        kept += [tag for tag in tags if tag not in kept]
        had = self._tags_of(contact_id)
        self._set_tags(contact_id, [*had, *(tag for tag in tags if tag not in had)])
        return tuple(kept)

    def remove_tags(self, contact_id: str, tags: Sequence[str]) -> tuple[str, ...]:
        left = [tag for tag in self._tags_of(contact_id) if tag not in tags]
        self._set_tags(contact_id, left)
        return tuple(left)

    def _tags_of(self, contact_id: str) -> Sequence[str]:
        return self.contacts[contact_id].tags or () if self.contacts else ()

    def _set_tags(self, contact_id: str, tags: Sequence[str]) -> None:
        if self.contacts:
            contact = self.contacts[contact_id]
            self.contacts[contact_id] = replace(contact, tags=tuple(tags))
