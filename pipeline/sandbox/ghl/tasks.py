"""The tasks of a contact.

Source: `CreateTaskParams`, `UpdateTaskBody` and `TaskSchema` of HighLevel's OpenAPI
file for contacts, read 2026-11. What it says of a task that is missing is published
nowhere; the words are those that it has for a contact.
"""

from typing import Any

from pipeline.sandbox.ghl.errors import bad_request, unprocessable
from pipeline.sandbox.ghl.location import Location
from pipeline.sandbox.ghl.times import now_iso, to_millis
from pipeline.sandbox.ghl.writing import payload
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Location] = Routes()

TEXT_FIELDS = ("title", "body", "assignedTo")
FIELDS = frozenset({*TEXT_FIELDS, "dueDate", "completed"})
SHOWN = ("id", "title", "body", "assignedTo", "dueDate", "completed", "contactId")
BLANK: Row = {
    "title": "",
    "body": "",
    "assignedTo": None,
    "dueDate": None,
    "completed": False,
    "deleted": False,
}


@routes("GET", "/contacts/:contactId/tasks")
def list_tasks(location: Location, call: Call) -> Answer:
    """All of them at once; `limit` and the like have no meaning here."""
    contact_id = location.contact(call.params["contactId"])["id"]
    rows = location.activities.tasks.of(contact_id)
    return Answer(200, {"tasks": [_shown(row) for row in rows]})


@routes("POST", "/contacts/:contactId/tasks")
def create_task(location: Location, call: Call) -> Answer:
    contact_id = location.contact(call.params["contactId"])["id"]
    body = _checked(call, required=True)
    row = new_task(location, {**body, "contactId": contact_id})
    return Answer(201, {"task": _shown(location.activities.tasks.put(row))})


@routes("GET", "/contacts/:contactId/tasks/:taskId")
def get_task(location: Location, call: Call) -> Answer:
    return Answer(200, {"task": _shown(_task(location, call))})


@routes("PUT", "/contacts/:contactId/tasks/:taskId")
def update_task(location: Location, call: Call) -> Answer:
    """A partial update."""
    row = _task(location, call)
    return _save(location, row, _checked(call, required=False))


@routes("PUT", "/contacts/:contactId/tasks/:taskId/completed")
def complete_task(location: Location, call: Call) -> Answer:
    """Close it or open it again; nothing else may be in the body."""
    row = _task(location, call)
    body = payload(call, frozenset({"completed"}))
    if problems := _problems(body, {"completed"}):
        raise unprocessable(problems)
    return _save(location, row, body)


@routes("DELETE", "/contacts/:contactId/tasks/:taskId")
def delete_task(location: Location, call: Call) -> Answer:
    location.activities.delete_task(_task(location, call)["id"])
    return Answer(200, {"succeded": True})


def new_task(location: Location, fields: Row) -> Row:
    """A whole row of some fields, not yet kept."""
    now = now_iso()
    born = {"id": location.new_id(), "dateAdded": now, "dateUpdated": now}
    return {**BLANK, **born, **fields}


def _shown(row: Row) -> Row:
    """A task without the times of its creation and of its last change."""
    return {key: row[key] for key in SHOWN}


def _task(location: Location, call: Call) -> Row:
    contact_id = location.contact(call.params["contactId"])["id"]
    task_id = call.params["taskId"]
    row = location.activities.tasks.rows.get(task_id)
    if row is None or row["deleted"] or row["contactId"] != contact_id:
        raise bad_request(f"Task not found for id:{task_id}")
    return row


def _save(location: Location, row: Row, changes: Row) -> Answer:
    row = {**row, **changes, "dateUpdated": now_iso()}
    return Answer(200, {"task": _shown(location.activities.tasks.put(row))})


def _checked(call: Call, *, required: bool) -> Row:
    body = payload(call, FIELDS)
    needed = {"title", "dueDate", "completed"} if required else set(body)
    if problems := _problems(body, needed):
        raise unprocessable(problems)
    return body


def _problems(body: Row, needed: set[str]) -> list[str]:
    problems = [
        f"{key} must be a string"
        for key in TEXT_FIELDS
        if key in needed | body.keys() and not isinstance(body.get(key), str)
    ]
    if "title" in needed and body.get("title") == "":
        problems.append("title should not be empty")
    if "dueDate" in needed and not _is_time(body.get("dueDate")):
        problems.append("dueDate must be a valid ISO 8601 date string")
    if "completed" in needed and not isinstance(body.get("completed"), bool):
        problems.append("completed must be a boolean value")
    return sorted(problems)


def _is_time(value: Any) -> bool:
    try:
        to_millis(value)
    except (TypeError, ValueError):
        return False
    return True
