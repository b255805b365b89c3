"""Notes and tasks that somebody asked for in Mailjet, made in GHL exactly once.

GHL has no idempotency keys: what is made carries the number of its entry as a visible
reference, and whoever comes after a lost answer looks for that before posting again.
"""

from collections.abc import Callable
from functools import partial

from pipeline.errors import BadPayload, NotFound, PermanentError, Reach, Rejected
from pipeline.sync.activity import Listing, Note, Task
from pipeline.sync.around import Kind
from pipeline.sync.case import Case
from pipeline.sync.once import make_once
from pipeline.sync.wishes import Wish, references, wishes


def grant(case: Case) -> str:
    """Make what is asked for and not there yet; letters of the kinds made.

    Raises:
        NotFound: the contact is gone.
        Ambiguous: something may have been made.
        PermanentError: something was refused; everything else is there.
    """
    carrying = case.policy.carrying
    asked = list(
        wishes(
            case.memory.incoming,
            due_days=carrying.task_due_days,
            now_ms=carrying.now_ms,
        )
    )
    notes = [wish for wish in asked if wish.title is None]
    tasks = [wish for wish in asked if wish.title is not None]
    refused = _Refused()
    if notes:
        refused.unless(partial(_grant_notes, case, notes, refused))
    if tasks:
        refused.unless(partial(_grant_tasks, case, tasks, refused))
    if refused:
        raise refused[0]
    return Kind.NOTES * bool(notes) + Kind.TASKS * bool(tasks)


class _Refused(list[PermanentError]):
    """What went wrong for good, and held up nothing else."""

    def unless(self, make: Callable[[], object]) -> None:
        try:
            make()
        except PermanentError as error:
            if isinstance(error, NotFound) or error.reach is Reach.CONNECTION:
                raise
            self.append(error)


def _grant_notes(case: Case, asked: list[Wish], refused: _Refused) -> None:
    there = _references(case.ghl.list_notes(case.contact_id), "notes")
    for wish in asked:
        if wish.entry_id not in there:
            refused.unless(partial(_make_note, case, wish))


def _grant_tasks(case: Case, asked: list[Wish], refused: _Refused) -> None:
    there = _references(case.ghl.list_tasks(case.contact_id), "tasks")
    new = [wish for wish in asked if wish.entry_id not in there]
    if new:
        owner = case.ghl.get_contact(case.contact_id).values.get("assignedTo")
        assignee = owner or case.policy.carrying.task_assignee
        for wish in new:
            refused.unless(partial(_make_task, case, wish, assignee))


def _references(listing: Listing[Note] | Listing[Task], kind: str) -> set[int]:
    """Entries that are there already.

    Raises:
        BadPayload: any of them may stand in a row that cannot be read.
    """
    if listing.bad_rows:
        detail = f"{len(listing.bad_rows)} rows cannot be read"
        raise BadPayload("ghl", f"GET /contacts/:contactId/{kind}", None, detail)
    return references(item.body for item in listing.items)


def _make_note(case: Case, wish: Wish) -> None:
    make_once(lambda: case.ghl.create_note(case.contact_id, wish.text))


def _make_task(case: Case, wish: Wish, assignee: str) -> None:
    def make(assigned_to: str) -> object:
        return case.ghl.create_task(
            case.contact_id,
            title=wish.title or "",
            due_ms=wish.due_ms,
            body=wish.text,
            assigned_to=assigned_to,
        )

    try:
        make_once(lambda: make(assignee))
    except Rejected:
        if not assignee:
            raise
        # A user who has left the location: better nobody's task than none.
        make_once(lambda: make(""))
