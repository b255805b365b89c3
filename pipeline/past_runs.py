"""What the last full runs tell of the next: shares of the contacts they came to."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from pipeline.store.records import Run
from pipeline.sync.case import Outcome

RUNS_LOOKED_AT = 3


@dataclass(frozen=True)
class Past:
    """What the last full runs tell, as shares of the contacts that they came to.

    Args:
        runs: how many these were; 0 before the first has finished.
        changed: of those that were known before.
        shared: with an address that an older contact writes.
        unmailable: without an address, or with an invalid one.
    """

    runs: int = 0
    changed: float = 0.0
    shared: float = 0.0
    unmailable: float = 0.0


def past_of(runs: Iterable[Run]) -> Past:
    """What the last three finished full runs tell; `runs` are newest first.

    One that came mostly to new contacts tells nothing of how many change; and one in
    which everybody did, nothing of the next.
    """
    full = [run for run in runs if (run.kind, run.state) == ("full", "finished")][
        :RUNS_LOOKED_AT
    ]
    found = Counter[str]()
    for run in full:
        found.update(run.outcomes)
    changed = [
        share(_changed_in(run), run.settled - run.outcomes.get(Outcome.CREATED, 0))
        for run in full
        if 2 * run.outcomes.get(Outcome.CREATED, 0) <= run.settled
    ]
    unmailable = found[Outcome.NO_EMAIL] + found[Outcome.INVALID_EMAIL]
    return Past(
        len(full),
        changed=median(changed) if changed else 0.0,
        shared=share(found[Outcome.SHARED], found.total()),
        unmailable=share(unmailable, found.total()),
    )


def _changed_in(run: Run) -> int:
    changes = (Outcome.UPDATED, Outcome.OPTED_OUT)
    return sum(run.outcomes.get(change, 0) for change in changes)


def share(part: float, whole: float) -> float:
    """The part of the whole, 0 of nothing."""
    return part / whole if whole > 0 else 0.0
