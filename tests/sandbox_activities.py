"""The sandbox's back door to tasks, notes, appointments and history entries."""

from collections.abc import Callable
from typing import Any

Row = dict[str, Any]


class ActivityControl:
    """What a user of GHL or Mailjet could do with them, and what none could.

    Nothing is checked: a due date may be nonsense, a contact gone.
    """

    _get: Callable[..., Any]
    _ask: Callable[..., Any]

    def tasks(self, contact_id: str | None = None) -> list[Row]:
        """All GHL tasks that nobody deleted, or those of a contact, raw."""
        return self._activities("tasks", contact_id)

    def put_task(self, **fields: Any) -> Row:
        """Create a task of `contactId`, or patch the one with that `id`."""
        return self._put("tasks", fields)

    def delete_task(self, task_id: str) -> None:
        self._ask("DELETE", f"ghl/activities/tasks/{task_id}")

    def notes(self, contact_id: str | None = None) -> list[Row]:
        """All GHL notes, or those of a contact, raw."""
        return self._activities("notes", contact_id)

    def put_note(self, **fields: Any) -> Row:
        """Create a note of `contactId`, or patch the one with that `id`."""
        return self._put("notes", fields)

    def delete_note(self, note_id: str) -> None:
        self._ask("DELETE", f"ghl/activities/notes/{note_id}")

    def appointments(self, contact_id: str | None = None) -> list[Row]:
        """All GHL appointments, or those of a contact, raw: their times are UTC."""
        return self._activities("appointments", contact_id)

    def put_appointment(self, **fields: Any) -> Row:
        """Create an appointment of `contactId`, or patch the one with that `id`.

        `startTime` and `endTime` are ISO texts in UTC; `calendarId` is the first
        calendar unless it is given.
        """
        return self._put("appointments", fields)

    def delete_appointment(self, appointment_id: str) -> None:
        self._ask("DELETE", f"ghl/activities/appointments/{appointment_id}")

    def forget_activities(self) -> None:
        """Empty all of GHL's tasks, notes and appointments."""
        self._ask("DELETE", "ghl/activities")

    def history(self) -> list[Row]:
        """All entries of Mailjet's `contacthistorydata`, raw, oldest first."""
        rows: list[Row] = self._get("mailjet/history")
        return rows

    def put_history(
        self,
        contact: int | str,
        name: str,
        data: object,
        *,
        created_at: str | None = None,
    ) -> Row:
        """Add an entry, as somebody else would.

        Args:
            contact: ContactID or address.
            created_at: `2026-10-01T08:00:00Z`; None is now.
        """
        body = {"contact": contact, "name": name, "data": data}
        row: Row = self._ask(
            "POST", "mailjet/history", {**body, "created_at": created_at}
        )
        return row

    def delete_history(self, entry_id: int) -> None:
        self._ask("DELETE", f"mailjet/history/{entry_id}")

    def _activities(self, kind: str, contact_id: str | None) -> list[Row]:
        rows: list[Row] = self._get(f"ghl/activities/{kind}", contact=contact_id)
        return rows

    def _put(self, kind: str, fields: Row) -> Row:
        row: Row = self._ask("POST", f"ghl/activities/{kind}", fields)
        return row
