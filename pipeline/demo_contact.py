"""The demo's example: one invented contact, shown on both sides."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from rich.table import Table
from rich.text import Text

from pipeline.terminal import console

Row = dict[str, Any]

TAG = "mailjet-unsubscribed"
SHOWN = ("id", "firstName", "lastName", "email", "companyName", "city", "tags")


class Example:
    """Somebody with tags and a company, who did not opt out.

    Gets a task, a note and an appointment to come: what the sandbox invents grows old.

    Args:
        door: the sandbox's back door, such as `http://127.0.0.1:8480/_sandbox`.
    """

    def __init__(self, door: str) -> None:
        self._door = door
        self._contact = self._pick()
        self.id: str = self._contact["id"]
        self.email: str = self._contact["email"]
        self._add("tasks", title="Send the offer", dueDate=_moment(1))
        self._add("notes", body="<p>Met at the fair, wants an <b>offer</b>.</p>")
        self._add(
            "appointments",
            title="Viewing",
            startTime=_moment(7),
            endTime=_moment(7, hours=1),
            appointmentStatus="confirmed",
        )

    def send_webhooks_to(self, url: str) -> None:
        """Let GHL tell of every change."""
        self._ask("ghl/webhooks", {"url": url})

    def unsubscribe(self, list_id: int | None) -> None:
        """As the person does, by the link in a mail."""
        told = {"event": "unsub", "contact": self.email.strip(), "list_id": list_id}
        self._ask("mailjet/events", told)

    def is_out(self) -> bool:
        """Whether GHL sends them no e-mail any more, and Mailjet knows their status."""
        contact = self._ask(f"ghl/contacts/{self.id}")
        is_blocked = "Email" in contact["dndSettings"] and TAG in contact["tags"]
        status = dict(self._in_mailjet()).get("ghl_email_status")
        return is_blocked and status == "opted_out"

    def show(self) -> None:
        """Print both sides as they are now."""
        self._contact = self._ask(f"ghl/contacts/{self.id}")
        table = Table("GoHighLevel", "Mailjet")
        table.add_row(_lines(self._in_ghl()), _lines(self._in_mailjet()))
        console.print(table)

    def _pick(self) -> Row:
        contacts: list[Row] = self._ask("ghl/contacts")
        return max(
            contacts,
            key=lambda c: (
                bool(c.get("email")) and not c.get("dnd") and not c.get("dndSettings"),
                bool(c.get("companyName")),
                len(c.get("tags", ())),
            ),
        )

    def _in_ghl(self) -> Iterable[tuple[str, object]]:
        yield from ((k, v) for k, v in self._contact.items() if k in SHOWN and v)
        for channel, entry in (self._contact.get("dndSettings") or {}).items():
            yield f"{channel} DND", f"{entry['status']} ({entry['message']})"
        for task in self._activities("tasks"):
            state = "completed" if task["completed"] else f"due {task['dueDate']}"
            yield "task", f"{task['title']} ({state})"
        for note in self._activities("notes"):
            yield "note", " ".join(note["body"].split())
        for meeting in self._activities("appointments"):
            when = f"{meeting['startTime']}, {meeting['appointmentStatus']}"
            yield "appointment", f"{meeting['title']} ({when})"

    def _in_mailjet(self) -> Iterable[tuple[str, object]]:
        found: list[Row] = self._ask("mailjet/subscribers")
        email = self.email.strip().lower()
        subscriber = next((s for s in found if s["email"].lower() == email), None)
        if subscriber is None:
            yield "", "(nobody)"
            return
        properties = subscriber.pop("properties")
        yield from {**subscriber, **properties}.items()

    def _activities(self, kind: str) -> list[Row]:
        rows: list[Row] = self._ask(f"ghl/activities/{kind}?contact={self.id}")
        return rows

    def _add(self, kind: str, **fields: str) -> None:
        self._ask(f"ghl/activities/{kind}", {"contactId": self.id, **fields})

    def _ask(self, path: str, body: Row | None = None) -> Any:
        method = "GET" if body is None else "POST"
        answer = requests.request(method, f"{self._door}/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()


def _moment(days: int, hours: int = 0) -> str:
    """That long from now, at the full hour."""
    moment = datetime.now(UTC) + timedelta(days, hours=hours)
    return moment.strftime("%Y-%m-%dT%H:00:00.000Z")


def _lines(pairs: Iterable[tuple[str, object]]) -> Text:
    told = (f"{key}: {value}" if key else str(value) for key, value in pairs)
    return Text("\n".join(told))
