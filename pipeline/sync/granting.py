"""Notes and tasks that somebody asked for in Mailjet, made in GHL exactly once.

GHL has no idempotency keys: what is made carries the number of its entry as a visible
reference, and whoever comes after a lost answer looks for that before posting again.
"""

from functools import partial

from pipeline.sync.around import Kind
from pipeline.sync.case import Case
from pipeline.sync.making import Refused, make_task, whole
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
    refused = Refused()
    if notes:
        refused.unless(partial(_grant_notes, case, notes, refused))
    if tasks:
        refused.unless(partial(_grant_tasks, case, tasks, refused))
    refused.tell()
    return Kind.NOTES * bool(notes) + Kind.TASKS * bool(tasks)


def _grant_notes(case: Case, asked: list[Wish], refused: Refused) -> None:
    notes = whole(case.ghl.list_notes(case.contact_id), "notes")
    there = references(note.body for note in notes)
    for wish in asked:
        if wish.entry_id not in there:
            refused.unless(partial(_make_note, case, wish))


def _grant_tasks(case: Case, asked: list[Wish], refused: Refused) -> None:
    tasks = whole(case.ghl.list_tasks(case.contact_id), "tasks")
    there = references(task.body for task in tasks)
    new = [wish for wish in asked if wish.entry_id not in there]
    if new:
        owner = case.ghl.get_contact(case.contact_id).values.get("assignedTo")
        assignee = owner or case.policy.carrying.task_assignee
        for wish in new:
            refused.unless(partial(_make_task, case, wish, assignee))


def _make_note(case: Case, wish: Wish) -> None:
    make_once(lambda: case.ghl.create_note(case.contact_id, wish.text))


def _make_task(case: Case, wish: Wish, assignee: str) -> None:
    make_task(
        case.ghl,
        case.contact_id,
        title=wish.title or "",
        due_ms=wish.due_ms,
        body=wish.text,
        assignee=assignee,
    )
