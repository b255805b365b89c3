"""How soon a limit lower than configured is found and kept, and a higher one used.

Run: python -m tests.bench.learning

GHL's headers say what it enforces. Mailjet says nothing but 429.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.bench.cell import Cell, finish, resyncing
from tests.sandbox import Row

CONTACTS = 4_000
LOW_SECONDS = 400.0
"""Longer than it takes until the first look whether more is allowed again."""
WINDOW_SECONDS = 10.0
FULL_CALLS = 90
"""Calls in a window that tell that 100 are used again."""
CELLS = (
    Cell("sliding", 20, 16, 1, "25/10", configured="100/10"),
    Cell("fixed", 20, 4, 3, "25/10", configured="100/10"),
)


@dataclass
class Story:
    """One vendor's calls, in seconds since its first."""

    vendor: str
    raised: float
    refused: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        before = [at for at in self.refused if at < self.raised]
        low = [at for at in self.accepted if at < self.raised]
        after = [at for at in self.refused if at >= self.raised]
        used = sum(at >= WINDOW_SECONDS for at in low) / (self.raised - WINDOW_SECONDS)
        return "\n    ".join(
            [
                f"  {self.vendor}: 429s at {_seconds(before)}",
                f"{used * WINDOW_SECONDS:.1f} calls per window after the first",
                f"raised at {self.raised:.0f}, 429s after that at {_seconds(after)}",
                f"{FULL_CALLS} calls in a window again {self._used_again()}",
            ]
        )

    def _used_again(self) -> str:
        later = [at for at in self.accepted if at >= self.raised]
        for first, last in zip(later, later[FULL_CALLS - 1 :], strict=False):
            if last - first < WINDOW_SECONDS:
                return f"{last - self.raised:.0f} s after that"
        return "never before the end"


def _seconds(moments: Iterable[float]) -> str:
    return " ".join(f"{at:.1f}" for at in moments) or "no time"


def measure(cell: Cell) -> str:
    """Enforce the low limit, then raise it to what we are configured for."""
    with resyncing(cell, CONTACTS, SYNC_DETAILS="always") as running:
        sandbox = running.sandbox
        time.sleep(LOW_SECONDS)
        raised = time.monotonic()
        sandbox.settings(ghl_rate=cell.configured, mailjet_rate=cell.configured)
        finish(running, CONTACTS)
        log = sandbox.log()
    stories = [_story(vendor, log, raised) for vendor in ("ghl", "mailjet")]
    return "\n".join(map(str, [cell, *stories]))


def _story(vendor: str, log: list[Row], raised: float) -> Story:
    calls = [call for call in log if call["vendor"] == vendor]
    first = calls[0]["arrival"]
    story = Story(vendor, raised - first)
    for call in calls:
        moments = story.refused if call["status"] == 429 else story.accepted
        moments.append(call["arrival"] - first)
    return story


if __name__ == "__main__":
    for each in CELLS:
        print(measure(each), flush=True)
