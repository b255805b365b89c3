"""One contact on both sides, what people do to it, and how both sides are told.

What is told is Markdown for a cell of the README's table; see `tests.carriers`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta

from pipeline.permit import Lane
from pipeline.sync.around import Kind
from tests.driver import FULL_ROW, Driver
from tests.sandbox import Row

RUN_DAY = datetime.now(UTC).date()
"""Asked once: a run over midnight must not see two days."""
HISTORY = "history"
DONE = {True: "completed", False: "open"}
PLACES = {True: "unsubscribed from", False: "on"}


class Scene:
    """A contact with every field of its own, and a number for its names.

    Args:
        lists: Mailjet lists beside ours that are told of, by id.
    """

    def __init__(self, driver: Driver, number: int, lists: Mapping[str, str]) -> None:
        self._sandbox, self._ledger = driver.sandbox, driver.ledger
        self._lists = {driver.list_id: "our list", **lists}
        self.id = f"sandboxContact{number:06}"
        self.email = f"ana{number}@example.com"
        self.names: dict[str, str] = {}
        """What the vendors called something, to what is printed for it."""
        self._sandbox.put_contact(id=self.id, email=self.email, **FULL_ROW)

    def edit(self, **fields: object) -> None:
        self._sandbox.put_contact(id=self.id, **fields)

    def task(self, task_id: str, **fields: object) -> None:
        self._sandbox.put_task(id=task_id, contactId=self.id, **fields)

    def note(self, note_id: str, **fields: object) -> None:
        self._sandbox.put_note(id=note_id, contactId=self.id, **fields)

    def appointment(self, appointment_id: str, **fields: object) -> None:
        self._sandbox.put_appointment(id=appointment_id, contactId=self.id, **fields)

    def read_notes(self) -> None:
        """The turn of this contact's notes has come, or the contact changed."""
        self._ledger.point_at([self.id], Kind.NOTES, Lane.LIVE)

    def complain(self) -> None:
        self._sandbox.put_subscriber(email=self.email, complained=True)

    def write(self, name: str, data: str) -> None:
        """Add an entry to Mailjet's history, as a person or a program does."""
        entry = self._sandbox.put_history(self.email, name, data)
        self.names[str(entry["ID"])] = "12345"

    def complete(self, title: str) -> None:
        """Complete the task of that title in GHL."""
        task = next(t for t in self._sandbox.tasks(self.id) if t["title"] == title)
        self.names[task["id"]] = "task9"
        self._sandbox.put_task(id=task["id"], completed=True)

    def in_ghl(self) -> dict[str, str]:
        """What GHL holds, by a key for each thing that can change."""
        contact = self._sandbox.contact(self.id)
        assert contact is not None
        seen = {
            key: f"`{key}` {code(contact[key]) if contact[key] else 'empty'}"
            for key in ("id", "locationId", *FULL_ROW)
        }
        tags = ", ".join(code(tag) for tag in contact["tags"])
        seen["tags"] = f"`tags` {tags or 'empty'}"
        entry = contact.get("dndSettings", {}).get("Email", {})
        seen["dnd"] = f"DND for e-mail {code(entry.get('status', 'never set'))}"
        if entry.get("code"):
            seen["dnd"] += f", `code` {code(entry['code'])}"
        for task in self._sandbox.tasks(self.id):
            seen[f"task {task['id']}"] = (
                f"task {code(task['title'])}, due {code(task['dueDate'])}, "
                f"{DONE[task['completed']]}{_more(task, 'body', 'assignedTo')}"
            )
        for note in self._sandbox.notes(self.id):
            seen[f"note {note['id']}"] = f"note {code(note['body'])}"
        for meeting in self._sandbox.appointments(self.id):
            seen[f"appointment {meeting['id']}"] = (
                f"appointment {code(meeting['title'])}, {code(meeting['startTime'])}, "
                f"{meeting['appointmentStatus']}"
            )
        return seen

    def in_mailjet(self) -> dict[str, str]:
        """What Mailjet holds, by a key for each thing that can change."""
        subscriber = self._sandbox.subscriber(self.email)
        if subscriber is None:
            return {}
        seen = {"name": f"contact name {code(subscriber['name'])}"}
        for name, value in subscriber["properties"].items():
            seen[name] = f"`{name}` = {code(value)}"
        for list_id, what in self._lists.items():
            place = subscriber["lists"].get(list_id)
            words = "not on" if place is None else PLACES[place["unsubscribed"]]
            seen[what] = f"{words} {what}"
        if subscriber["excluded"]:
            seen["excluded"] = "excluded from campaigns"
        for entry in self._sandbox.history():
            if entry["ContactID"] == subscriber["id"]:
                told = f"{HISTORY} `{entry['Name']}`: {code(entry['Data'])}"
                seen[f"{HISTORY} {entry['ID']}"] = told
        return seen


def code(value: object) -> str:
    """A value in a cell: on one line, and a bar is no border."""
    text = " ".join(str(value).split())
    return f"`{text}`".replace("|", "\\|")


def _more(row: Row, *names: str) -> str:
    return "".join(f", `{name}` {code(row[name])}" for name in names if row[name])


def moment(days: int, hour: int = 10) -> str:
    """So many days from today, as GHL writes it."""
    moment = datetime.combine(RUN_DAY + timedelta(days), time(hour))
    return f"{moment.isoformat()}.000Z"
