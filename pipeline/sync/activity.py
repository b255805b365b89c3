"""What happens around a person: tasks, notes and appointments in GHL, dated entries in
Mailjet.

Absent is unknown here too: an `Activities` without notes says nothing about the notes.
Times are milliseconds since 1970 UTC; a time that is missing or nonsense is None.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")

END_OF_TIME_MS = 253_402_300_800_000
"""The year 10000, which no calendar can show; a time from there on is nonsense."""


@dataclass(frozen=True)
class Task:
    """A to-do in GHL.

    Args:
        title, body: as GHL has them, of any length, in any script.
        assigned_to: GHL user id, "" for nobody.
        contact_id: "" where the task belongs to no contact.
    """

    id: str
    title: str = field(repr=False)
    body: str = field(repr=False)
    assigned_to: str
    due_ms: int | None
    completed: bool
    contact_id: str


@dataclass(frozen=True)
class Note:
    """A note in GHL, which tells when it was written and never when it was edited.

    Args:
        body: as GHL has it: text or HTML, of any length.
    """

    id: str
    body: str = field(repr=False)
    added_ms: int | None
    contact_id: str
    title: str = field(default="", repr=False)


@dataclass(frozen=True)
class Appointment:
    """A meeting in GHL's calendar.

    Args:
        status: GHL's word in lower case, such as `confirmed` or `cancelled`.
        start_text: the start as GHL wrote it, in case its zone was guessed wrong.
        calendar_id: "" where GHL did not say.
        contact_id: "" where the slot belongs to no contact.
    """

    id: str
    title: str = field(repr=False)
    status: str
    start_ms: int | None
    end_ms: int | None
    contact_id: str
    calendar_id: str = ""
    start_text: str = ""


@dataclass(frozen=True)
class Activities:
    """What is known of a contact's activities; None is unknown, () is none."""

    tasks: tuple[Task, ...] | None = None
    notes: tuple[Note, ...] | None = None
    appointments: tuple[Appointment, ...] | None = None


@dataclass(frozen=True)
class Carried:
    """What of a contact's activities was carried when they were last looked at.

    Args:
        tasks, notes: id to fingerprint of its state; None while never looked at. One
            bit tells that a task is completed, one that an item came from Mailjet.
        meetings: fingerprint of all appointments; None while never looked at.
        backfilled: everything there was before the first import is in the history.
        looked_ms: when tasks or appointments were last read of this contact alone,
            which tells more than a sweep that began before; 0 for never.
    """

    tasks: Mapping[str, int] | None = None
    notes: Mapping[str, int] | None = None
    meetings: int | None = None
    backfilled: bool = False
    looked_ms: int = 0


@dataclass(frozen=True)
class HistoryEntry:
    """One dated text of a historic property in Mailjet (`contacthistorydata`).

    Args:
        name: of the property, in lower case.
        data: as somebody wrote it, which may be broken JSON.
    """

    id: int
    contact_id: int
    name: str
    data: str = field(repr=False)
    created_ms: int | None


@dataclass(frozen=True)
class Listing(Generic[Item]):
    """All of a contact's tasks, notes or appointments: GHL does not page them.

    Args:
        bad_rows: ids of rows that could not be read, "" for a row without one.
    """

    items: tuple[Item, ...]
    bad_rows: tuple[str, ...] = ()
