"""What GHL's webhooks say of a change: flat objects, named by their `type`.

Source: `docs/webhook events/*.md` of GoHighLevel/highlevel-api-docs, read 2026-11, and
its issues: a contact's `timezone` (#77), `attachments` that are always empty (#324), no
word of inbound DND (#264), tasks without contact and text (#332).
"""

from pipeline.sandbox.ghl.appointments import with_offsets
from pipeline.sandbox.ghl.rows import full_name
from pipeline.sandbox.settings import Settings
from pipeline.sandbox.wire import Row

CONTACT_FIELDS = (
    *("id", "address1", "city", "state", "companyName", "country", "source"),
    *("dateAdded", "dateOfBirth", "dnd", "email", "firstName", "lastName", "phone"),
    *("postalCode", "tags", "website", "assignedTo", "timezone", "customFields"),
)
TOLD_BY_OTHERS = frozenset({"dnd", "tags"})
TASK_FIELDS = (
    *("id", "title", "body", "assignedTo", "contactId", "dueDate", "dateAdded"),
)
NOTE_FIELDS = ("id", "body", "contactId", "dateAdded")
APPOINTMENT_FIELDS = (
    *("id", "address", "title", "calendarId", "contactId", "groupId", "users"),
    *("appointmentStatus", "assignedUserId", "notes", "source", "startTime"),
    *("endTime", "dateAdded", "dateUpdated"),
)


def announcements(
    kind: str, old: Row | None, new: Row | None, settings: Settings
) -> list[Row]:
    """The webhooks of one change, without their location; not every change has one.

    Args:
        kind: `contacts`, `tasks`, `notes` or `appointments`.
        old, new: rows; None before it was made and after it is gone.
    """
    match kind:
        case "contacts":
            types = _contact_types(old, new)
            return [_contact(each, new or old or {}) for each in types]
        case "tasks":
            types = _task_types(old, new)
            return [_task(each, new or {}, settings) for each in types]
        case "notes":
            row = new or old or {}
            named = _named("Note", old, new)
            return [_flat(each, row, NOTE_FIELDS) for each in named]
    row = _picked(with_offsets(new or old or {}), APPOINTMENT_FIELDS)
    return [
        {"type": each, "appointment": row} for each in _named("Appointment", old, new)
    ]


def _named(noun: str, old: Row | None, new: Row | None) -> list[str]:
    if old is None:
        return [f"{noun}Create"]
    if new is None:
        return [f"{noun}Delete"]
    return [f"{noun}Update"] if old != new else []


def _contact_types(old: Row | None, new: Row | None) -> list[str]:
    """An update is told by what it changed, and of some fields not at all."""
    if old is None or new is None:
        return _named("Contact", old, new)
    changed = {
        field
        for field in (*CONTACT_FIELDS, "dndSettings")
        if old.get(field) != new.get(field)
    }
    types = []
    if changed - TOLD_BY_OTHERS - {"dndSettings"}:
        types.append("ContactUpdate")
    if changed & {"dnd", "dndSettings"}:
        types.append("ContactDndUpdate")
    if "tags" in changed:
        types.append("ContactTagUpdate")
    return types


def _contact(type_: str, row: Row) -> Row:
    shown = _flat(type_, row, CONTACT_FIELDS)
    shown |= {"name": full_name(row), "attachments": []}
    if type_ == "ContactDndUpdate":
        shown["dndSettings"] = row.get("dndSettings", {})
    return shown


def _task_types(old: Row | None, new: Row | None) -> list[str]:
    """No webhook tells that a task was changed, nor that it was opened again."""
    if new is None:
        return []
    if old is None:
        return ["TaskCreate"]
    if new["deleted"]:
        return [] if old["deleted"] else ["TaskDelete"]
    return ["TaskComplete"] if new["completed"] and not old["completed"] else []


def _task(type_: str, row: Row, settings: Settings) -> Row:
    shown = _flat(type_, row, TASK_FIELDS)
    if type_ == "TaskCreate" and settings.task_create_without_contact:
        del shown["contactId"], shown["body"]
    return shown


def _flat(type_: str, row: Row, fields: tuple[str, ...]) -> Row:
    return {"type": type_, **_picked(row, fields)}


def _picked(row: Row, fields: tuple[str, ...]) -> Row:
    return {field: row[field] for field in fields if field in row}
