"""Both vendors, with somebody who sees each call: counts it, notes it, refuses it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from pipeline.sync.activity import Appointment, HistoryEntry, Listing, Note, Task
from pipeline.sync.contact import Contact, ListAction, Subscriber
from pipeline.sync.ports import Ghl, Mailjet

Answer = TypeVar("Answer")

CONTACT = "/contacts/:contactId"
PERSON = "/v3/REST/contact/:contactId"
HISTORY = "/v3/REST/contacthistorydata"
ROUTES: Mapping[tuple[str, str], str] = {
    ("ghl", "get_contact"): f"GET {CONTACT}",
    ("ghl", "contacts_with_email"): "POST /contacts/search",
    ("ghl", "list_tasks"): f"GET {CONTACT}/tasks",
    ("ghl", "list_notes"): f"GET {CONTACT}/notes",
    ("ghl", "list_appointments"): f"GET {CONTACT}/appointments",
    ("ghl", "update_contact"): f"PUT {CONTACT}",
    ("ghl", "add_tags"): f"POST {CONTACT}/tags",
    ("ghl", "remove_tags"): f"DELETE {CONTACT}/tags",
    ("ghl", "create_note"): f"POST {CONTACT}/notes",
    ("ghl", "update_note"): f"PUT {CONTACT}/notes/:noteId",
    ("ghl", "create_task"): f"POST {CONTACT}/tasks",
    ("ghl", "create_contact"): "POST /contacts/",
    ("ghl", "delete_contact"): f"DELETE {CONTACT}",
    ("mailjet", "get_contact"): "GET /v3/REST/contact/:contact",
    ("mailjet", "contact_data"): "GET /v3/REST/contactdata/:contactId",
    ("mailjet", "contact_lists"): f"GET {PERSON}/getcontactslists",
    ("mailjet", "contact_history"): f"GET {HISTORY}",
    ("mailjet", "manage_contact"): "POST /v3/REST/contactslist/:listId/managecontact",
    ("mailjet", "manage_lists"): f"POST {PERSON}/managecontactslists",
    ("mailjet", "update_contact_data"): "PUT /v3/REST/contactdata/:contactId",
    ("mailjet", "update_contact"): f"PUT {PERSON}",
    ("mailjet", "create_history"): f"POST {HISTORY}",
    ("mailjet", "delete_contact"): "DELETE /v4/contacts/:contactId",
}
"""The request behind each call of a port; its template names what its client names."""


@dataclass(frozen=True)
class Call:
    """One call that writes.

    Args:
        whom: GHL's contact id, Mailjet's ContactID, or an address that Mailjet may not
            know yet; "" for a contact of GHL's that is to be made.
        facts: the other arguments.
    """

    vendor: str
    method: str
    whom: str | int
    facts: Mapping[str, object]

    @property
    def route(self) -> str:
        return ROUTES[self.vendor, self.method]


class Watch(Protocol):
    """Who sees the calls."""

    def reads(self, vendor: str, method: str) -> None:
        """A call that reads is about to be sent."""

    def met(self, subscriber: Subscriber) -> None:
        """Mailjet told who has a ContactID."""

    def write(self, call: Call, send: Callable[[], Answer]) -> Answer:
        """A call that writes is about to be sent; `send` sends it."""


class WatchedGhl:
    """GHL, watched; each method as the port's."""

    def __init__(self, ghl: Ghl, watch: Watch) -> None:
        self._ghl = ghl
        self._watch = watch

    def _write(
        self, method: str, whom: str, send: Callable[[], Answer], **facts: object
    ) -> Answer:
        return self._watch.write(Call("ghl", method, whom, facts), send)

    def get_contact(self, contact_id: str) -> Contact:
        self._watch.reads("ghl", "get_contact")
        return self._ghl.get_contact(contact_id)

    def contacts_with_email(self, email: str) -> tuple[str, ...]:
        self._watch.reads("ghl", "contacts_with_email")
        return self._ghl.contacts_with_email(email)

    def list_tasks(self, contact_id: str) -> Listing[Task]:
        self._watch.reads("ghl", "list_tasks")
        return self._ghl.list_tasks(contact_id)

    def list_notes(self, contact_id: str) -> Listing[Note]:
        self._watch.reads("ghl", "list_notes")
        return self._ghl.list_notes(contact_id)

    def list_appointments(
        self, contact_id: str, zone: ZoneInfo
    ) -> Listing[Appointment]:
        self._watch.reads("ghl", "list_appointments")
        return self._ghl.list_appointments(contact_id, zone)

    def update_contact(
        self, contact_id: str, values: Mapping[str, object]
    ) -> Contact | None:
        def send() -> Contact | None:
            return self._ghl.update_contact(contact_id, values)

        return self._write("update_contact", contact_id, send, values=values)

    def add_tags(self, contact_id: str, tags: Sequence[str]) -> tuple[str, ...]:
        def send() -> tuple[str, ...]:
            return self._ghl.add_tags(contact_id, tags)

        return self._write("add_tags", contact_id, send, tags=list(tags))

    def remove_tags(self, contact_id: str, tags: Sequence[str]) -> tuple[str, ...]:
        def send() -> tuple[str, ...]:
            return self._ghl.remove_tags(contact_id, tags)

        return self._write("remove_tags", contact_id, send, tags=list(tags))

    def create_note(self, contact_id: str, body: str) -> Note:
        def send() -> Note:
            return self._ghl.create_note(contact_id, body)

        return self._write("create_note", contact_id, send, body=body)

    def update_note(self, contact_id: str, note_id: str, body: str) -> Note | None:
        def send() -> Note | None:
            return self._ghl.update_note(contact_id, note_id, body)

        return self._write("update_note", contact_id, send, id=note_id, body=body)

    def create_task(
        self,
        contact_id: str,
        *,
        title: str,
        due_ms: int,
        body: str = "",
        assigned_to: str = "",
    ) -> Task:
        def send() -> Task:
            return self._ghl.create_task(
                contact_id,
                title=title,
                due_ms=due_ms,
                body=body,
                assigned_to=assigned_to,
            )

        facts = {"title": title, "due_ms": due_ms, "body": body}
        return self._write(
            "create_task", contact_id, send, **facts, assigned_to=assigned_to
        )

    def create_contact(self, values: Mapping[str, object]) -> Contact:
        def send() -> Contact:
            return self._ghl.create_contact(values)

        return self._write("create_contact", "", send, values=values)

    def delete_contact(self, contact_id: str) -> int:
        def send() -> int:
            return self._ghl.delete_contact(contact_id)

        return self._write("delete_contact", contact_id, send)


class WatchedMailjet:
    """Mailjet, watched; each method as the port's."""

    def __init__(self, mailjet: Mailjet, watch: Watch) -> None:
        self._mailjet = mailjet
        self._watch = watch

    def _write(
        self, method: str, whom: str | int, send: Callable[[], Answer], **facts: object
    ) -> Answer:
        return self._watch.write(Call("mailjet", method, whom, facts), send)

    def contact_lists(self, contact_id: int) -> Mapping[int, bool]:
        self._watch.reads("mailjet", "contact_lists")
        return self._mailjet.contact_lists(contact_id)

    def contact_data(self, contact_id: int) -> Mapping[str, object]:
        self._watch.reads("mailjet", "contact_data")
        return self._mailjet.contact_data(contact_id)

    def get_contact(self, id_or_email: int | str) -> Subscriber:
        self._watch.reads("mailjet", "get_contact")
        found = self._mailjet.get_contact(id_or_email)
        self._watch.met(found)
        return found

    def contact_history(self, contact_id: int, name: str) -> Iterable[HistoryEntry]:
        self._watch.reads("mailjet", "contact_history")
        return self._mailjet.contact_history(contact_id, name)

    def manage_contact(
        self,
        list_id: int,
        email: str,
        action: ListAction,
        *,
        name: str | None = None,
        properties: Mapping[str, object] | None = None,
    ) -> Subscriber:
        def send() -> Subscriber:
            return self._mailjet.manage_contact(
                list_id, email, action, name=name, properties=properties
            )

        facts = {"list_id": list_id, "action": action, "name": name}
        answer = self._write(
            "manage_contact", email, send, **facts, properties=dict(properties or {})
        )
        self._watch.met(replace(answer, email=email))
        return answer

    def manage_lists(self, contact_id: int, actions: Mapping[int, ListAction]) -> None:
        def send() -> None:
            self._mailjet.manage_lists(contact_id, actions)

        self._write("manage_lists", contact_id, send, lists=dict(actions))

    def update_contact_data(
        self, contact_id: int, properties: Mapping[str, object]
    ) -> None:
        def send() -> None:
            self._mailjet.update_contact_data(contact_id, properties)

        self._write("update_contact_data", contact_id, send, properties=properties)

    def update_contact(
        self, contact_id: int, *, name: str | None = None, excluded: bool | None = None
    ) -> None:
        def send() -> None:
            self._mailjet.update_contact(contact_id, name=name, excluded=excluded)

        self._write("update_contact", contact_id, send, name=name, excluded=excluded)

    def create_history(self, contact_id: int, name: str, data: str) -> HistoryEntry:
        def send() -> HistoryEntry:
            return self._mailjet.create_history(contact_id, name, data)

        return self._write("create_history", contact_id, send, name=name, data=data)

    def delete_contact(self, contact_id: int) -> int:
        def send() -> int:
            return self._mailjet.delete_contact(contact_id)

        return self._write("delete_contact", contact_id, send)
