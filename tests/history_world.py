"""A contact with tasks and notes, its history in Mailjet, and what that should tell.

The model of `tests/unit/test_history_laws.py`: what should be told is kept in plain
words, apart from the code that tells it.
"""

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.sync.activity import (
    Activities,
    Appointment,
    Carried,
    HistoryEntry,
    Note,
    Task,
)
from pipeline.sync.aggregates import NoteText, iso
from pipeline.sync.history import (
    HISTORIC,
    TASK_HISTORY,
    State,
    carried,
    missing,
    note_state,
    states,
)
from pipeline.sync.snapshot import Fingerprint
from tests.builders import KEY
from tests.tiny_vendors import NOW_MS

States = dict[str, tuple[Any, ...]]
"""By item, what a history can tell of it."""
FINGERPRINT = Fingerprint(KEY)
REFERENCE = "from Mailjet [mj:77]"
CLOSED, DELETED = "closed", "deleted"
BACKFILLED = "as the backfill found it"


def plain(body: str) -> str:
    return re.sub(r"<[^>]*>", " ", body)


QUIET = NoteText(plain, 20)
TELLING = NoteText(plain, 20, bodies=True)


def task(id: str = "t1", title: str = "Call", **fields: Any) -> Task:
    rest = {"body": "", "assigned_to": "", "due_ms": NOW_MS, "completed": False}
    return Task(id, title, contact_id="gh1", **{**rest, **fields})


def note(id: str = "n1", body: str = "Hello") -> Note:
    return Note(id, body, NOW_MS, "gh1")


def meeting(id: str = "m1", **fields: Any) -> Appointment:
    rest = {"title": "Tea", "status": "new", "start_ms": NOW_MS, "end_ms": None}
    return Appointment(id, contact_id="gh1", **{**rest, **fields})


def remembered(**kinds: Any) -> Carried:
    return carried(Activities(**kinds), Carried(), FINGERPRINT)


def news(
    before: Carried, text: NoteText = QUIET, *, backfill: bool = False, **kinds: Any
) -> list[State]:
    return states(Activities(**kinds), before, FINGERPRINT, text, backfill=backfill)


def entry(number: int, name: str, data: str) -> HistoryEntry:
    return HistoryEntry(number, 1, name, data, NOW_MS + number // 3 * 1000)


def appended(*found: State) -> list[HistoryEntry]:
    return [entry(number, one.name, one.data) for number, one in enumerate(found)]


def is_from_mailjet(item_id: str) -> bool:
    return "m" in item_id


def version(body: str) -> str:
    return f"{note_state(note(body=body), FINGERPRINT):08x}"


@dataclass
class World:
    """A contact in GHL, its history in Mailjet, what we remember, what should be told.

    Args:
        seen: by item, the state at the last look at its kind.
        expected: by item, the states that should be in the history, in order.
    """

    text: NoteText
    reads_always: bool
    tasks: dict[str, Task] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)
    memory: Carried = field(default_factory=Carried)
    entries: list[HistoryEntry] = field(default_factory=list)
    seen: dict[str, States] = field(default_factory=dict)
    expected: dict[str, list[object]] = field(default_factory=lambda: defaultdict(list))

    def change(self, what: str, item_id: str, word: str) -> None:
        body = REFERENCE if is_from_mailjet(item_id) else ""
        if item_id.startswith("n"):
            if what in ("put", "complete"):
                self.notes[item_id] = note(item_id, f"<b>{word}</b> {body}")
            elif what == "delete":
                self.notes.pop(item_id, None)
        elif what == "put":
            was_done = item_id in self.tasks and self.tasks[item_id].completed
            self.tasks[item_id] = task(item_id, word, body=body, completed=was_done)
        elif what == "delete":
            self.tasks.pop(item_id, None)
        elif item_id in self.tasks:
            done = what == "complete"
            self.tasks[item_id] = replace(self.tasks[item_id], completed=done)

    def look(
        self, kinds: str, *, backfill: bool = False, crash_after: int = -1
    ) -> None:
        found = Activities(
            tasks=(*self.tasks.values(),) if "t" in kinds else None,
            notes=(*self.notes.values(),) if "n" in kinds else None,
        )
        if crash_after >= 0:
            self._append(found, backfill, is_doubtful=False, most=crash_after)
        self._append(found, backfill, is_doubtful=crash_after >= 0)
        self.memory = carried(found, self.memory, FINGERPRINT)
        for kind in kinds:
            self._expect(kind, backfill)

    def _append(
        self, found: Activities, backfill: bool, *, is_doubtful: bool, most: int = 99
    ) -> None:
        wanted = states(found, self.memory, FINGERPRINT, self.text, backfill=backfill)
        names = {
            one.name
            for one in wanted
            if is_doubtful or backfill or one.is_deletion or one.closes
        }
        if self.reads_always:
            names = set(HISTORIC)
        there = [one for one in self.entries if one.name in names]
        for state in missing(wanted, reversed(there))[:most]:
            self.entries.append(entry(len(self.entries), state.name, state.data))

    def _expect(self, kind: str, backfill: bool) -> None:
        before = self.seen.get(kind)
        now = self.seen[kind] = self._tasks if kind == "t" else self._notes
        for item_id, state in now.items():
            told = self.expected[item_id]
            is_old = before is None or before.get(item_id) == state
            if is_from_mailjet(item_id) and (before is None or not is_old or backfill):
                if kind == "t" and state[-1] and CLOSED not in told:
                    told.append(CLOSED)
            elif is_from_mailjet(item_id) or (is_old and not backfill):
                continue
            elif kind == "t" or not is_old:
                told += [state] if told[-1:] != [state] else []
            elif told[-1:] in ([], [DELETED]):
                told.append(BACKFILLED)
        for item_id in before or {}:
            if item_id not in now and not is_from_mailjet(item_id):
                self.expected[item_id].append(DELETED)

    @property
    def _tasks(self) -> States:
        return {i: (t.title, iso(t.due_ms), t.completed) for i, t in self.tasks.items()}

    @property
    def _notes(self) -> States:
        return {i: (n.body,) for i, n in self.notes.items()}

    @property
    def told(self) -> dict[str, list[object]]:
        """The history, item by item, in the words of `expected`."""
        found: dict[str, list[object]] = defaultdict(list)
        for one in self.entries:
            facts = json.loads(one.data)
            found[facts["id"]].append(self._state(one.name, facts))
        return found

    def _state(self, name: str, facts: dict[str, str]) -> object:
        if facts["status"] == DELETED:
            return DELETED
        if "closes" in facts:
            return CLOSED
        if name == TASK_HISTORY:
            return facts["title"], facts["due"], facts["status"] == "completed"
        if "version" not in facts:
            return BACKFILLED
        told = (state for state in self.expected[facts["id"]] if state != DELETED)
        bodies = (state[0] for state in told if isinstance(state, tuple))
        versions = {version(body): (body,) for body in bodies}
        return versions[facts["version"]]
