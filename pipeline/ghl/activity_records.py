"""What GHL's calls about activities give back, beside `pipeline.sync.activity`."""

from dataclasses import dataclass
from typing import Any

from pipeline.sync.activity import Task


@dataclass(frozen=True)
class TaskPage:
    """One page of the tasks of a location.

    Args:
        deleted: tasks that GHL still shows although somebody deleted them.
        next: the cursor, opaque; None when this was the last page.
        bad_rows: ids of rows that could not be read, "" for a row without one.
    """

    tasks: tuple[Task, ...]
    deleted: tuple[Task, ...]
    next: list[Any] | None
    bad_rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Calendar:
    """Args:
    active: whether it takes bookings; a draft may hold appointments all the same.
    """

    id: str
    name: str
    active: bool
