"""What a contact's tasks, notes and appointments come to in Mailjet.

Mailjet has none of the three on a contact, so each kind is carried as a few properties
to segment and personalise on. The clock is handed in: "overdue" and "next" change when
only time passes, and `next_crossing_ms` tells when they will.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.sync.activity import Activities, Appointment, Note, Task

OPEN_TASKS = "ghl_open_tasks"
OVERDUE_TASKS = "ghl_overdue_tasks"
NEXT_TASK_TITLE = "ghl_next_task_title"
NEXT_TASK_DUE = "ghl_next_task_due"
NOTE_COUNT = "ghl_note_count"
LAST_NOTE_AT = "ghl_last_note_at"
LAST_NOTE = "ghl_last_note"
NEXT_APPOINTMENT_AT = "ghl_next_appointment_at"
NEXT_APPOINTMENT_TITLE = "ghl_next_appointment_title"
LAST_APPOINTMENT_AT = "ghl_last_appointment_at"
APPOINTMENT_STATUS = "ghl_appointment_status"

TASK_DATATYPES = {
    OPEN_TASKS: "int",
    OVERDUE_TASKS: "int",
    NEXT_TASK_TITLE: "str",
    NEXT_TASK_DUE: "datetime",
}
NOTE_DATATYPES = {
    NOTE_COUNT: "int",
    LAST_NOTE_AT: "datetime",
    LAST_NOTE: "str",
}
APPOINTMENT_DATATYPES = {
    NEXT_APPOINTMENT_AT: "datetime",
    NEXT_APPOINTMENT_TITLE: "str",
    LAST_APPOINTMENT_AT: "datetime",
    APPOINTMENT_STATUS: "str",
}
DATATYPES = {**TASK_DATATYPES, **NOTE_DATATYPES, **APPOINTMENT_DATATYPES}
"""Mailjet's datatype of each; unlike other fields they are cleared when nothing is
left to tell, because a task that is done must not be mailed about."""

TITLE_LENGTH = 250
"""How much of a title is carried; Mailjet documents no limit for a text property."""
JOINER = "\u200d"
"""Makes one picture of several, such as a family."""
EXTENDING = re.compile("[\u200c\u200d\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
"""What belongs to the character before it and is no mark: joiners, skin tones, tags."""
FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
"""Two of these make one flag."""
NOT_TAKING_PLACE = frozenset({"cancelled", "invalid"})


@dataclass(frozen=True)
class NoteText:
    """What of a note's text leaves GHL.

    Args:
        clean: makes plain text of GHL's, which may be HTML.
        length: characters that are carried.
        excerpt: whether the last note's text becomes a property, from where it can
            leak into any mail.
        bodies: whether history entries carry the text.
    """

    clean: Callable[[str], str]
    length: int
    excerpt: bool = False
    bodies: bool = False

    def of(self, note: Note) -> str:
        return shorten(self.clean(note.body), self.length)


def aggregates(activities: Activities, now_ms: int, text: NoteText) -> dict[str, str]:
    """Property name to value as text; "" where there is nothing to tell any more.

    A kind that is unknown is left out: absent is unknown, never empty.
    """
    values: dict[str, str] = {}
    if activities.tasks is not None:
        values |= _tasks(activities.tasks, now_ms)
    if activities.notes is not None:
        values |= _notes(activities.notes, text)
    if activities.appointments is not None:
        values |= _appointments(activities.appointments, now_ms)
    return values


def next_crossing_ms(activities: Activities, now_ms: int) -> int | None:
    """The first moment at which time alone has changed what `aggregates` tells.

    None for never: nothing is due, and no meeting takes place, from now on.
    """
    moments = [task.due_ms for task in activities.tasks or () if not task.completed]
    moments += [m.start_ms for m in activities.appointments or () if _takes_place(m)]
    waiting = [moment for moment in moments if moment is not None and moment >= now_ms]
    # At its very moment a task is not overdue yet.
    return min(waiting) + 1 if waiting else None


def shorten(text: str, length: int) -> str:
    """At most `length` characters, on one line, cut where no character is halved."""
    line = " ".join(text.split())
    return line if len(line) <= length else cut(line, length - 1).rstrip() + "…"


def cut(text: str, length: int) -> str:
    """The first `length` characters, fewer where a reader would see half of one.

    Marks, joined pictures, skin tones and flags are several code points each.
    """
    if len(text) <= length:
        return text
    end = length
    while end > 0 and _joins(text, end):
        end -= 1
    return text[:end]


def _joins(text: str, at: int) -> bool:
    """Whether the code points before and behind a place are of one character."""
    following = text[at]
    if EXTENDING.match(following) or unicodedata.category(following)[0] == "M":
        return True
    if text[at - 1] == JOINER:
        return True
    if following not in FLAG_LETTERS:
        return False
    return (at - len(text[:at].rstrip(FLAG_LETTERS))) % 2 == 1


def iso(milliseconds: int | None) -> str:
    """RFC 3339 in whole seconds, as Mailjet writes its own; "" for None."""
    if milliseconds is None:
        return ""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _tasks(tasks: Iterable[Task], now_ms: int) -> dict[str, str]:
    waiting = [task for task in tasks if not task.completed]
    overdue = [t for t in waiting if t.due_ms is not None and t.due_ms < now_ms]
    # Those without a due date come last.
    following = min(
        waiting,
        key=lambda t: (t.due_ms is None, t.due_ms or 0, t.id),
        default=None,
    )
    return {
        OPEN_TASKS: str(len(waiting)),
        OVERDUE_TASKS: str(len(overdue)),
        NEXT_TASK_TITLE: shorten(following.title, TITLE_LENGTH) if following else "",
        NEXT_TASK_DUE: iso(following.due_ms) if following else "",
    }


def _notes(notes: Iterable[Note], text: NoteText) -> dict[str, str]:
    dated = sorted(notes, key=lambda note: (note.added_ms or 0, note.id))
    values = {
        NOTE_COUNT: str(len(dated)),
        LAST_NOTE_AT: iso(dated[-1].added_ms) if dated else "",
    }
    if text.excerpt:
        values[LAST_NOTE] = text.of(dated[-1]) if dated else ""
    return values


def _appointments(meetings: Iterable[Appointment], now_ms: int) -> dict[str, str]:
    dated = sorted(
        (m for m in meetings if m.start_ms is not None),
        key=lambda m: (m.start_ms, m.id),
    )
    real = [m for m in dated if _takes_place(m)]
    following = next((m for m in real if (m.start_ms or 0) >= now_ms), None)
    before = [m for m in real if (m.start_ms or 0) < now_ms]
    told = following or (dated[-1] if dated else None)
    return {
        NEXT_APPOINTMENT_AT: iso(following.start_ms) if following else "",
        NEXT_APPOINTMENT_TITLE: shorten(following.title, TITLE_LENGTH)
        if following
        else "",
        LAST_APPOINTMENT_AT: iso(before[-1].start_ms) if before else "",
        APPOINTMENT_STATUS: told.status if told else "",
    }


def _takes_place(meeting: Appointment) -> bool:
    return meeting.status not in NOT_TAKING_PLACE
