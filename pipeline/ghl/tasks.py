"""The tasks of a contact, and of a whole location at once.

What a contact's endpoints answer about a task or a contact that is gone is a 400 with a
text, as for contacts: NotFound, of whichever of the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pipeline.answer import Answer
from pipeline.errors import BadPayload, Reach
from pipeline.ghl import activity_schemas as schemas
from pipeline.ghl.activity_records import TaskPage
from pipeline.ghl.schemas import DONE, load_rows
from pipeline.session import ApiSession
from pipeline.sync.activity import Listing, Task

TASK_SEARCH_LIMIT = 500
TASK_SEARCH_DEFAULT_LIMIT = 25
TASKS = "/contacts/:contactId/tasks"
ONE_TASK = f"{TASKS}/:taskId"


class TaskCalls:
    """The calls about tasks."""

    session: ApiSession
    location_id: str

    def list_tasks(self, contact_id: str) -> Listing[Task]:
        """Read all tasks of a contact, done ones included.

        `GET /contacts/:contactId/tasks`, GHL OpenAPI contacts.json, read 2026-11.

        Raises:
            NotFound: the contact is gone.
            BadPayload: with the reach of a contact.
        """
        answer = self.session.send("GET", TASKS, path={"contactId": contact_id})
        rows = answer.load(schemas.TASK_LIST)["tasks"]
        tasks, bad_rows = load_rows(schemas.TASK, rows)
        return Listing(tuple(_of(contact_id, task) for task in tasks), bad_rows)

    def get_task(self, contact_id: str, task_id: str) -> Task:
        """Read one task.

        `GET /contacts/:contactId/tasks/:taskId`, GHL OpenAPI contacts.json, read
        2026-11.
        """
        answer = self.session.send("GET", ONE_TASK, path=_path(contact_id, task_id))
        return _of(contact_id, answer.load(schemas.ONE_TASK)["task"])

    def create_task(
        self,
        contact_id: str,
        *,
        title: str,
        due_ms: int,
        completed: bool = False,
        body: str = "",
        assigned_to: str = "",
    ) -> Task:
        """Create a task; GHL has no idempotency key.

        `POST /contacts/:contactId/tasks`, GHL OpenAPI contacts.json, read 2026-11.

        Raises:
            NotFound: the contact is gone; nothing was created.
            Ambiguous, BadPayload: it may exist now; look before trying again.
        """
        values = {
            "title": title,
            "dueDate": _iso(due_ms),
            "completed": completed,
            "body": body or None,
            "assignedTo": assigned_to or None,
        }
        answer = self.session.send(
            "POST", TASKS, path={"contactId": contact_id}, json=_given(values)
        )
        return _of(contact_id, answer.load(schemas.ONE_TASK)["task"])

    def update_task(
        self,
        contact_id: str,
        task_id: str,
        *,
        title: str | None = None,
        due_ms: int | None = None,
        completed: bool | None = None,
        body: str | None = None,
        assigned_to: str | None = None,
    ) -> Task | None:
        """Change what is given and leave the rest.

        `PUT /contacts/:contactId/tasks/:taskId`, GHL OpenAPI contacts.json, read
        2026-11.

        Returns:
            The task as GHL has it now, None where the answer does not repeat it.
        """
        values = {
            "title": title,
            "dueDate": None if due_ms is None else _iso(due_ms),
            "completed": completed,
            "body": body,
            "assignedTo": assigned_to,
        }
        path = _path(contact_id, task_id)
        answer = self.session.send("PUT", ONE_TASK, path=path, json=_given(values))
        return _updated(contact_id, answer)

    def complete_task(
        self, contact_id: str, task_id: str, *, completed: bool = True
    ) -> Task | None:
        """Close a task, or open it again.

        `PUT /contacts/:contactId/tasks/:taskId/completed`, GHL OpenAPI contacts.json,
        read 2026-11. Returns what `update_task` returns.
        """
        answer = self.session.send(
            "PUT",
            f"{ONE_TASK}/completed",
            path=_path(contact_id, task_id),
            json={"completed": completed},
        )
        return _updated(contact_id, answer)

    def delete_task(self, contact_id: str, task_id: str) -> None:
        """Delete a task.

        `DELETE /contacts/:contactId/tasks/:taskId`, GHL OpenAPI contacts.json, read
        2026-11.
        """
        answer = self.session.send("DELETE", ONE_TASK, path=_path(contact_id, task_id))
        answer.load(DONE)

    def search_tasks(
        self,
        *,
        completed: bool | None = None,
        contact_ids: Sequence[str] = (),
        query: str = "",
        search_after: Sequence[Any] | None = None,
    ) -> TaskPage:
        """Read one page of up to 500 tasks of the location.

        `POST /locations/:locationId/tasks/search`, GHL OpenAPI locations.json, read
        2026-11; the largest page, the cursor and the shape of a row are documented
        nowhere and were measured in 2026-09. It takes a scope of its own.

        Args:
            completed: only the done, or only the open; None reads all.
            contact_ids: only theirs; empty reads everybody's.
            query: only those with this in their title; empty reads all.
            search_after: the `next` of the page before, opaque; None starts.

        Raises:
            Unauthorized: also where the token lacks `locations/tasks.readonly`.
            BadPayload: with the reach of a call; also when GHL repeats the cursor.
        """
        body: dict[str, Any] = {"limit": TASK_SEARCH_LIMIT}
        if completed is not None:
            body["completed"] = completed
        if contact_ids:
            body["contactId"] = list(contact_ids)
        if query:
            body["query"] = query
        if search_after is not None:
            body["searchAfter"] = list(search_after)
        answer = self.session.send(
            "POST",
            "/locations/:locationId/tasks/search",
            path={"locationId": self.location_id},
            json=body,
            writes=False,
        )
        rows = answer.load(schemas.TASK_LIST, reach=Reach.CALL)["tasks"]
        found, bad_rows = load_rows(schemas.FOUND_TASK, rows, "_id")
        return TaskPage(
            tasks=tuple(task for task, deleted in found if not deleted),
            deleted=tuple(task for task, deleted in found if deleted),
            next=_following(answer, rows, body.get("searchAfter")),
            bad_rows=bad_rows,
        )


def _following(answer: Answer, rows: list[Any], sent: list[Any] | None) -> Any:
    """The cursor to go on with; None at the end.

    There is no total, and a server may cap a page below what was asked for: only a page
    that is shorter than the one nobody asks for is certain to be the last.
    """
    if len(rows) < TASK_SEARCH_DEFAULT_LIMIT:
        return None
    cursor = rows[-1].get("searchAfter") if isinstance(rows[-1], dict) else None
    if isinstance(cursor, list) and cursor and cursor != sent:
        return cursor
    if not cursor and len(rows) < TASK_SEARCH_LIMIT:
        return None
    detail = "the cursor repeats itself" if cursor else "there is more, but no cursor"
    raise BadPayload(
        answer.vendor, answer.route, answer.status, detail, reach=Reach.CALL
    )


def _of(contact_id: str, task: Task) -> Task:
    """The task as that contact's, which it was read from, whatever the row says."""
    return replace(task, contact_id=contact_id)


def _updated(contact_id: str, answer: Answer) -> Task | None:
    task: Task | None = answer.load(schemas.UPDATED_TASK)["task"]
    return None if task is None else _of(contact_id, task)


def _path(contact_id: str, task_id: str) -> Mapping[str, str]:
    return {"contactId": contact_id, "taskId": task_id}


def _given(values: Mapping[str, object]) -> Mapping[str, object]:
    return {key: value for key, value in values.items() if value is not None}


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
