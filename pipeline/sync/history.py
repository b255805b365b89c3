"""Tasks and notes as entries of Mailjet's history, one for each state they come to.

Mailjet keeps, for each property of the namespace `historic`, dated texts on a contact.
`ghl_task` and `ghl_note` are ours and append-only. What the first import finds is not
history: it is remembered, and only what changes afterwards is told.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pipeline.sync.activity import (
    Activities,
    Appointment,
    Carried,
    HistoryEntry,
    Note,
    Task,
)
from pipeline.sync.aggregates import TITLE_LENGTH, NoteText, iso, shorten
from pipeline.sync.snapshot import Fingerprint
from pipeline.sync.wishes import NOTE_FEED, TASK_FEED, facts_of, references

TASK_HISTORY, NOTE_HISTORY = "ghl_task", "ghl_note"
HISTORIC = (TASK_HISTORY, NOTE_HISTORY, TASK_FEED, NOTE_FEED)
"""What `setup` creates in that namespace."""

DELETED = "deleted"
COMPLETED, FROM_MAILJET = 1, 2
"""Bits of a remembered state; the others are its fingerprint."""


@dataclass(frozen=True)
class State:
    """One entry to append: the state that an item has come to."""

    name: str
    item_id: str
    facts: Mapping[str, object] = field(repr=False)

    @property
    def is_deletion(self) -> bool:
        return self.facts.get("status") == DELETED

    @property
    def closes(self) -> bool:
        """Whether it ends a task that came from Mailjet."""
        return "closes" in self.facts

    @property
    def data(self) -> str:
        return json.dumps({"id": self.item_id, **self.facts}, ensure_ascii=False)


def carried(
    activities: Activities, before: Carried, fingerprint: Fingerprint
) -> Carried:
    """What to remember; a kind that was not looked at stays as it was."""
    tasks, notes, meetings = before.tasks, before.notes, before.meetings
    if activities.tasks is not None:
        tasks = {task.id: task_state(task, fingerprint) for task in activities.tasks}
    if activities.notes is not None:
        notes = {note.id: note_state(note, fingerprint) for note in activities.notes}
    if activities.appointments is not None:
        meetings = meetings_state(activities.appointments, fingerprint)
    return replace(before, tasks=tasks, notes=notes, meetings=meetings)


def task_state(task: Task, fingerprint: Fingerprint) -> int:
    told = fingerprint.of("task", json.dumps([_title(task), iso(task.due_ms)]))
    return _with_origin(told, task.body) & ~COMPLETED | COMPLETED * task.completed


def differs(
    kind: str,
    fingerprint: Fingerprint,
    before: Carried,
    rows: Iterable[Task | Appointment],
    *,
    for_run: bool,
) -> bool:
    """Whether a sweep's rows of one contact are not those that were carried.

    Args:
        kind: `tasks` or `meetings`.
        for_run: the rows are all there are. Between runs they are the open tasks
            alone, and contacts never looked at are left to their first import.
    """
    listed = list(rows)
    if kind == "meetings":
        meetings = [row for row in listed if isinstance(row, Appointment)]
        known = before.meetings
        if known is None:
            return bool(meetings) and for_run
        return known != meetings_state(meetings, fingerprint)
    if before.tasks is None:
        return bool(listed) and for_run
    now = {t.id: task_state(t, fingerprint) for t in listed if isinstance(t, Task)}
    carried_before = before.tasks
    if not for_run:
        carried_before = {
            task_id: told
            for task_id, told in before.tasks.items()
            if not told & COMPLETED
        }
    return now != carried_before


def lean(task: Task) -> Task:
    """What a sweep has to keep of a task: of its text, the references alone."""
    numbers = sorted(references([task.body]))
    return replace(
        task, title=_title(task), body=" ".join(f"[mj:{number}]" for number in numbers)
    )


def meetings_state(meetings: Iterable[Appointment], fingerprint: Fingerprint) -> int:
    rows = sorted((m.id, m.title, m.status, m.start_ms or 0) for m in meetings)
    return fingerprint.of("meetings", json.dumps(rows))


def note_state(note: Note, fingerprint: Fingerprint) -> int:
    """GHL's notes carry no `dateUpdated`, so an edit shows in the text alone."""
    return _with_origin(fingerprint.of("note", note.body), note.body)


def _with_origin(told: int, body: str) -> int:
    return told & ~FROM_MAILJET | FROM_MAILJET * bool(references([body]))


def states(
    activities: Activities,
    before: Carried,
    fingerprint: Fingerprint,
    text: NoteText,
    *,
    backfill: bool,
) -> list[State]:
    """The entries to append, oldest kind first; none for what the first import found.

    Args:
        backfill: what was there before is new as well.
    """
    found: list[State] = []
    if activities.tasks is not None:
        found += _task_states(activities.tasks, before.tasks, fingerprint, backfill)
    if activities.notes is not None:
        found += _note_states(
            activities.notes, before.notes, fingerprint, text, backfill
        )
    return found


def missing(wanted: Iterable[State], there: Iterable[HistoryEntry]) -> list[State]:
    """Those whose item has not come to this state by the entries that are there."""
    latest: dict[tuple[str, str], Mapping[str, object]] = {}
    closed: set[tuple[str, str]] = set()
    for entry in sorted(there, key=lambda entry: (entry.created_ms or 0, entry.id)):
        facts = facts_of(entry.data)
        if item_id := facts.pop("id", None):
            latest[entry.name, str(item_id)] = facts
            if "closes" in facts:
                closed.add((entry.name, str(item_id)))
    found: list[State] = []
    for state in wanted:
        key = (state.name, state.item_id)
        named = _named(state, latest.get(key, {}))
        known = named.closes and key in closed
        if not known and not _tells(latest.get(key), named):
            found.append(named)
            latest[key] = named.facts
    return found


def _tells(last: Mapping[str, object] | None, state: State) -> bool:
    """Whether the last entry of an item tells this state.

    Of a note it may say "edited" where the backfill, which does not know, says "added",
    and it may name a version where the backfill names none.
    """
    if last is None or last == state.facts:
        return last is not None
    if state.name != NOTE_HISTORY or state.is_deletion:
        return False
    return all(
        last.get(key) == state.facts[key] for key in state.facts if key != "status"
    )


def _task_states(
    tasks: Iterable[Task],
    before: Mapping[str, int] | None,
    fingerprint: Fingerprint,
    backfill: bool,
) -> Iterator[State]:
    known = before or {}
    gone = {item_id for item_id, told in known.items() if not told & FROM_MAILJET}
    for task in tasks:
        gone.discard(task.id)
        origin = references([task.body])
        is_old = known.get(task.id) == task_state(task, fingerprint)
        if before is None:
            # The end of a task of Mailjet's may have come while state was lost.
            is_old = not (origin and task.completed)
        if is_old and not backfill:
            continue
        was_closed = bool(known.get(task.id, 0) & COMPLETED) and not backfill
        if origin and (was_closed or not task.completed):
            # Made from an entry in Mailjet, where it is known; only its end is news.
            continue
        facts: dict[str, object] = {
            "title": _title(task),
            "due": iso(task.due_ms),
            "status": "completed" if task.completed else "open",
        }
        if origin:
            facts["closes"] = min(origin)
        yield State(TASK_HISTORY, task.id, facts)
    for item_id in sorted(gone):
        yield State(TASK_HISTORY, item_id, {"status": DELETED})


def _note_states(
    notes: Iterable[Note],
    before: Mapping[str, int] | None,
    fingerprint: Fingerprint,
    text: NoteText,
    backfill: bool,
) -> Iterator[State]:
    known = before or {}
    gone = {item_id for item_id, told in known.items() if not told & FROM_MAILJET}
    for note in notes:
        gone.discard(note.id)
        told = note_state(note, fingerprint)
        is_old = before is None or known.get(note.id) == told
        if (is_old and not backfill) or told & FROM_MAILJET:
            continue
        is_edited = note.id in known and not is_old
        facts: dict[str, object] = {
            "added": iso(note.added_ms),
            "status": "edited" if is_edited else "added",
        }
        if not is_old:
            # Without its body, one edit looks like the next.
            facts["version"] = f"{told:08x}"
        if text.bodies:
            facts["body"] = text.of(note)
        yield State(NOTE_HISTORY, note.id, facts)
    for item_id in sorted(gone):
        yield State(NOTE_HISTORY, item_id, {"status": DELETED})


def _title(task: Task) -> str:
    return shorten(task.title, TITLE_LENGTH)


def _named(state: State, last: Mapping[str, object]) -> State:
    """A deleted task has no title any more, but its last entry may tell it."""
    if not state.is_deletion or "title" not in last:
        return state
    kept = {key: last[key] for key in ("title", "due") if key in last}
    return State(state.name, state.item_id, {**kept, "status": DELETED})
