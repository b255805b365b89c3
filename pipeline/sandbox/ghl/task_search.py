"""`POST /locations/:locationId/tasks/search`: the tasks of all contacts, in pages.

Source: `TaskSearchParamsDto` of HighLevel's OpenAPI file for locations, read 2026-11;
status, cursor, largest page and the shape of a row as integrators measured them in
2026-09. The order is documented nowhere: newest first here.
"""

from itertools import islice
from typing import Any

from pipeline.sandbox.ghl.errors import bad_request, unprocessable
from pipeline.sandbox.ghl.location import Location
from pipeline.sandbox.ghl.times import from_millis, to_millis
from pipeline.sandbox.ghl.writing import payload
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Location] = Routes()

LISTS = ("contactId", "assignedTo")
BODY_KEYS = frozenset(
    {*LISTS, "completed", "query", "limit", "skip", "businessId", "searchAfter"}
)
DEFAULT_LIMIT = 25
MAX_LIMIT = 500


@routes("POST", "/locations/:locationId/tasks/search")
def search_tasks(location: Location, call: Call) -> Answer:
    """Filter and show one page; 201 although nothing is created, and no total."""
    location.require(call.params["locationId"])
    body = payload(call, BODY_KEYS)
    if problems := _problems(body):
        raise unprocessable(problems)
    tasks = location.activities.tasks
    end = len(tasks.by_added)
    if "searchAfter" in body:
        end = tasks.by_added.before(_key(body["searchAfter"]))
    older = (tasks.rows[task_id] for _, task_id in tasks.by_added.downwards(end))
    skip = location.faults.shifted(body.get("skip", 0), call)
    page = islice(
        (row for row in older if _fits(location, row, body)),
        skip,
        skip + body.get("limit", DEFAULT_LIMIT),
    )
    return Answer(201, {"tasks": [_found(location, row) for row in page]})


def _problems(body: Row) -> list[str]:
    problems = [
        f"{key} must be an array"
        for key in LISTS
        if not isinstance(body.get(key, []), list)
    ]
    if not isinstance(body.get("completed", False), bool):
        problems.append("completed must be a boolean value")
    for key, least in (("limit", 1), ("skip", 0)):
        value: Any = body.get(key, least)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            problems.append(f"{key} must not be less than {least}")
        elif key == "limit" and value > MAX_LIMIT:
            problems.append(f"limit must not be greater than {MAX_LIMIT}")
    return sorted(problems)


def _key(cursor: Any) -> tuple[str, str]:
    try:
        millis, task_id = cursor
        return from_millis(millis), str(task_id)
    except (OverflowError, TypeError, ValueError):
        raise bad_request("Invalid searchAfter") from None


def _fits(location: Location, row: Row, body: Row) -> bool:
    if row["deleted"] and not location.settings.deleted_tasks_listed:
        return False
    if "completed" in body and row["completed"] is not body["completed"]:
        return False
    if any(body.get(key) and row[key] not in body[key] for key in LISTS):
        return False
    if business_id := body.get("businessId"):
        contact = location.book.rows.get(row["contactId"], {})
        if contact.get("businessId") != business_id:
            return False
    return str(body.get("query", "")).lower() in str(row["title"] or "").lower()


def _found(location: Location, row: Row) -> Row:
    """A row of the search: `_id` for `id`, with times, names and a cursor."""
    contact = location.book.rows.get(row["contactId"], {})
    shown = {key: value for key, value in row.items() if key != "id"}
    return {
        **shown,
        "_id": row["id"],
        "locationId": location.id,
        "status": "completed" if row["completed"] else "incomplete",
        "statusGroup": "completed" if row["completed"] else "to_do",
        "updatedAt": row["dateUpdated"],
        "contactDetails": {
            "firstName": contact.get("firstName"),
            "lastName": contact.get("lastName"),
        },
        "assignedToUserDetails": {},
        "searchAfter": [to_millis(row["dateAdded"]), row["id"]],
    }
