"""What `check` finds: one line for each thing looked at."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Args:
        what: what was found, one line.
        mend: what to do about it; empty when nothing is to be done.
    """

    level: Level
    what: str
    mend: str = ""
