"""GHL as it was read, and as what is planned would leave it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

from pipeline.errors import NotFound, PipelineError, ScopeMissing
from pipeline.ghl.client import GhlClient
from pipeline.planning.patience import patiently
from pipeline.sync.activity import Appointment, Item, Listing, Note, Task
from pipeline.sync.contact import Contact

Answer = TypeVar("Answer")


class PicturedGhl:
    """Answers as GHL would after the writes so far; writes change it alone.

    Where nothing was read in pages, each answer is a real call, once; what a scope is
    missing for is asked once for everybody.

    Args:
        now_ms: when what is made is made, milliseconds since 1970 UTC.
        knows_enough: whether a row of a search answers for the contact.
        emails: id to address of everybody listed; None where nobody was.
        tasks, appointments: by contact, None where they are to be read singly.
    """

    def __init__(
        self, ghl: GhlClient, now_ms: int, knows_enough: Callable[[Contact], bool]
    ) -> None:
        self.emails: dict[str, str] | None = None
        self.tasks: dict[str, list[Task]] | None = None
        self.appointments: dict[str, list[Appointment]] | None = None
        self._ghl = ghl
        self._now_ms = now_ms
        self._knows_enough = knows_enough
        self._rows: dict[str, Contact] = {}
        self._read: dict[str, Contact] = {}
        self._shown: set[str] = set()
        self._gone: set[str] = set()
        self._items: dict[tuple[str, str], Listing[object]] = {}
        self._refused: dict[str, ScopeMissing] = {}
        self._numbers = count(1)

    def show(self, row: Contact) -> None:
        """A row of a search, which answers for the contact where it is whole."""
        if row.email is not None and self._knows_enough(row):
            self._rows[row.id] = row

    def known(self, contact_id: str) -> Contact | None:
        """The contact as far as it was read."""
        return self._read.get(contact_id) or self._rows.get(contact_id)

    def look_ahead(self, contact_id: str, notes_tag: str) -> None:
        """Read what a turn is going to ask for, from another thread; what goes wrong
        does so again when it is asked for.

        Args:
            notes_tag: as of `Carrying`.
        """
        with suppress(PipelineError):
            contact = self.known(contact_id) or self.get_contact(contact_id)
            if contact.email and notes_tag in ("", *(contact.tags or ())):
                self.list_notes(contact_id)

    def get_contact(self, contact_id: str) -> Contact:
        if contact_id in self._gone:
            raise NotFound("ghl", "GET /contacts/:contactId", 400)
        if contact_id in self._read:
            return self._read[contact_id]
        row = self._rows.get(contact_id)
        # Rows may lack `dndSettings`, which is written whole: who is asked for once
        # more is about to be blocked, or has to be looked at closely.
        if row and (row.dnd_settings is not None or contact_id not in self._shown):
            self._shown.add(contact_id)
            return row
        try:
            found = self._ask("contact", lambda: self._ghl.get_contact(contact_id))
        except NotFound:
            self._gone.add(contact_id)
            raise
        self._read[contact_id] = found
        return found

    def contacts_with_email(self, email: str) -> tuple[str, ...]:
        if self.emails is None:
            return self._ask("search", lambda: self._ghl.contacts_with_email(email))
        found = (id_ for id_, known in self.emails.items() if known == email)
        return tuple(id_ for id_ in found if id_ not in self._gone)

    def list_tasks(self, contact_id: str) -> Listing[Task]:
        def ask() -> Listing[Task]:
            return self._ghl.list_tasks(contact_id)

        return self._listing("tasks", contact_id, self.tasks, ask)

    def list_notes(self, contact_id: str) -> Listing[Note]:
        def ask() -> Listing[Note]:
            return self._ghl.list_notes(contact_id)

        return self._listing("notes", contact_id, None, ask)

    def list_appointments(
        self, contact_id: str, zone: ZoneInfo
    ) -> Listing[Appointment]:
        def ask() -> Listing[Appointment]:
            return self._ghl.list_appointments(contact_id, zone)

        return self._listing("appointments", contact_id, self.appointments, ask)

    def _listing(
        self,
        kind: str,
        contact_id: str,
        read: Mapping[str, Iterable[Item]] | None,
        ask: Callable[[], Listing[Item]],
    ) -> Listing[Item]:
        key = (kind, contact_id)
        if key not in self._items:
            if read is None:
                self._items[key] = cast("Listing[object]", self._ask(kind, ask))
            else:
                self._items[key] = Listing(tuple(read.get(contact_id, ())))
        return cast("Listing[Item]", self._items[key])

    def _ask(self, what: str, ask: Callable[[], Answer]) -> Answer:
        if what in self._refused:
            raise self._refused[what]
        try:
            return patiently(ask)
        except ScopeMissing as error:
            self._refused[what] = error
            raise

    def update_contact(
        self, contact_id: str, values: Mapping[str, object]
    ) -> Contact | None:
        known = self.get_contact(contact_id)
        self._read[contact_id] = _changed(known, values)
        return self._read[contact_id]

    def add_tags(self, contact_id: str, tags: Sequence[str]) -> tuple[str, ...]:
        known = self.get_contact(contact_id)
        after = tuple(dict.fromkeys((*(known.tags or ()), *map(str.lower, tags))))
        self._read[contact_id] = replace(known, tags=after)
        return after

    def remove_tags(self, contact_id: str, tags: Sequence[str]) -> tuple[str, ...]:
        known, gone = self.get_contact(contact_id), {tag.lower() for tag in tags}
        after = tuple(tag for tag in known.tags or () if tag not in gone)
        self._read[contact_id] = replace(known, tags=after)
        return after

    def create_note(self, contact_id: str, body: str) -> Note:
        note = Note(self._new_id("note"), body, self._now_ms, contact_id)
        self._put("notes", contact_id, note)
        return note

    def update_note(self, contact_id: str, note_id: str, body: str) -> Note | None:
        notes = self.list_notes(contact_id)
        changed = (replace(n, body=body) if n.id == note_id else n for n in notes.items)
        self._items["notes", contact_id] = Listing(tuple(changed), notes.bad_rows)
        return None

    def create_task(
        self,
        contact_id: str,
        *,
        title: str,
        due_ms: int,
        body: str = "",
        assigned_to: str = "",
    ) -> Task:
        task_id = self._new_id("task")
        task = Task(task_id, title, body, assigned_to, due_ms, False, contact_id)
        self._put("tasks", contact_id, task)
        return task

    def create_contact(self, values: Mapping[str, object]) -> Contact:
        contact_id = self._new_id("contact")
        made = _changed(Contact(contact_id, tags=()), values)
        self._read[contact_id] = made
        if self.emails is not None:
            self.emails[contact_id] = made.email or ""
        return made

    def delete_contact(self, contact_id: str) -> int:
        self.get_contact(contact_id)
        self._rows.pop(contact_id, None)
        self._read.pop(contact_id, None)
        self._gone.add(contact_id)
        return 200

    def _new_id(self, kind: str) -> str:
        return f"planned-{kind}-{next(self._numbers)}"

    def _put(self, kind: str, contact_id: str, item: object) -> None:
        """Add to what was read: whoever makes something has looked for it before."""
        key = (kind, contact_id)
        if key in self._items:
            before = self._items[key]
            self._items[key] = Listing((*before.items, item), before.bad_rows)


def _changed(contact: Contact, values: Mapping[str, object]) -> Contact:
    """The contact with what a write names; an empty address is known to be empty."""
    given = dict(values)
    settings = given.pop("dndSettings", contact.dnd_settings)
    email = given.pop("email", contact.email)
    tags = cast("Sequence[str] | None", given.pop("tags", contact.tags))
    rows = cast("Sequence[Mapping[str, object]]", given.pop("customFields", ()))
    fields = {str(row["id"]): row.get("field_value") for row in rows}
    own = {**(contact.custom_fields or {}), **fields}
    return replace(
        contact,
        values={**contact.values, **{k: str(v or "") for k, v in given.items()}},
        email=None if email is None else str(email).strip().lower(),
        email_valid=contact.email_valid or bool(email),
        tags=None if tags is None else tuple(tag.lower() for tag in tags),
        dnd_settings=cast("Mapping[str, object] | None", settings),
        custom_fields=own or contact.custom_fields,
    )
