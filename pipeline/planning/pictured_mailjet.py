"""Mailjet as it was read, and as what is planned would leave it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from pipeline.errors import NotFound
from pipeline.mailjet.client import MailjetClient
from pipeline.planning.patience import patiently
from pipeline.sync.activity import HistoryEntry
from pipeline.sync.contact import ListAction, Subscriber


@dataclass
class Person:
    """One contact of the account; None is not read as yet."""

    id: int
    email: str
    name: str | None = None
    excluded: bool | None = None
    complained: bool = False
    excluded_ms: int | None = None
    updated_ms: int | None = None
    properties: dict[str, object] | None = None
    lists: dict[int, bool] | None = None
    history: dict[str, list[HistoryEntry]] = field(default_factory=dict)


class PicturedMailjet:
    """Answers as Mailjet would after the writes so far; writes change it alone.

    Where nobody was read in pages, each answer is a real call, once.

    Args:
        is_whole: everybody of the account was read: who is not here is not there.
    """

    def __init__(self, mailjet: MailjetClient) -> None:
        self.is_whole = False
        self._mailjet = mailjet
        self._people: dict[int, Person] = {}
        self._ids: dict[str, int] = {}
        self._new_ids = count(-1, -1)

    def show(self, one: Subscriber) -> Person:
        """Somebody was read."""
        person = Person(
            one.contact_id,
            one.email,
            one.name,
            one.excluded,
            one.complained,
            one.excluded_ms,
            one.updated_ms,
        )
        self._people[person.id] = person
        self._ids[person.email] = person.id
        return person

    def person(self, contact_id: int) -> Person | None:
        """Whoever is known to have this ContactID."""
        return self._people.get(contact_id)

    def with_email(self, email: str) -> Person | None:
        """Whoever is known to have this address."""
        return self._people.get(self._ids.get(email, 0))

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def get_contact(self, id_or_email: int | str) -> Subscriber:
        person = self._find(id_or_email)
        return Subscriber(
            person.id,
            person.email,
            person.name,
            excluded=person.excluded,
            complained=person.complained,
            excluded_ms=person.excluded_ms,
            updated_ms=person.updated_ms,
        )

    def _find(self, id_or_email: int | str) -> Person:
        if isinstance(id_or_email, int):
            person = self.person(id_or_email)
        else:
            person = self.with_email(id_or_email)
        if person is not None:
            return person
        if isinstance(id_or_email, str) and self.is_whole:
            raise NotFound("mailjet", "GET /v3/REST/contact/:contact", 404)
        found = patiently(lambda: self._mailjet.get_contact(id_or_email))
        return self.person(found.contact_id) or self.show(found)

    def contact_data(self, contact_id: int) -> Mapping[str, object]:
        return dict(self._data(self._find(contact_id)))

    def _data(self, person: Person) -> dict[str, object]:
        if person.properties is None:
            read = patiently(lambda: self._mailjet.contact_data(person.id))
            person.properties = dict(read)
        return person.properties

    def contact_lists(self, contact_id: int) -> Mapping[int, bool]:
        return dict(self._lists(self._find(contact_id)))

    def _lists(self, person: Person) -> dict[int, bool]:
        if person.lists is None:
            read = patiently(lambda: self._mailjet.contact_lists(person.id))
            person.lists = dict(read)
        return person.lists

    def contact_history(self, contact_id: int, name: str) -> Iterable[HistoryEntry]:
        return tuple(self._history(self._find(contact_id), name))

    def _history(self, person: Person, name: str) -> list[HistoryEntry]:
        if name not in person.history:
            read: list[HistoryEntry] = []
            if person.id > 0:
                read = patiently(
                    lambda: list(self._mailjet.contact_history(person.id, name))
                )
            person.history[name] = read
        return person.history[name]

    def manage_contact(
        self,
        list_id: int,
        email: str,
        action: ListAction,
        *,
        name: str | None = None,
        properties: Mapping[str, object] | None = None,
    ) -> Subscriber:
        person = self.with_email(email)
        if person is None:
            new = Subscriber(next(self._new_ids), email, "", excluded=False)
            person = self.show(new)
            person.properties, person.lists = {}, {}
        if name is not None:
            person.name = name
        self._store(person, properties or {})
        self._act(person, list_id, action)
        held = dict(self._data(person))
        return Subscriber(person.id, email, person.name, held)

    def manage_lists(self, contact_id: int, actions: Mapping[int, ListAction]) -> None:
        person = self._find(contact_id)
        for list_id, action in actions.items():
            self._act(person, list_id, action)

    def update_contact_data(
        self, contact_id: int, properties: Mapping[str, object]
    ) -> None:
        self._store(self._find(contact_id), properties)

    def update_contact(
        self, contact_id: int, *, name: str | None = None, excluded: bool | None = None
    ) -> None:
        person = self._find(contact_id)
        person.name = person.name if name is None else name
        person.excluded = person.excluded if excluded is None else excluded

    def create_history(self, contact_id: int, name: str, data: str) -> HistoryEntry:
        person = self._find(contact_id)
        # A time of its own would be the clock's; entries are sorted by number then.
        entry = HistoryEntry(next(self._new_ids), person.id, name, data, None)
        self._history(person, name).append(entry)
        return entry

    def delete_contact(self, contact_id: int) -> int:
        person = self._find(contact_id)
        del self._people[person.id], self._ids[person.email]
        return 200

    def _store(self, person: Person, properties: Mapping[str, object]) -> None:
        """Null unassigns (Mailjet guides, _contacts_bulk.md, read 2026-11)."""
        held = self._data(person)
        for name, value in properties.items():
            if value is None:
                held.pop(name, None)
            else:
                held[name] = value

    def _act(self, person: Person, list_id: int, action: ListAction) -> None:
        lists = self._lists(person)
        match action:
            case ListAction.ADD:
                lists.setdefault(list_id, False)
            case ListAction.ADD_AGAIN:
                lists[list_id] = False
            case ListAction.UNSUBSCRIBE:
                lists[list_id] = True
            case ListAction.REMOVE:
                lists.pop(list_id, None)
