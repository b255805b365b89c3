"""How much of the vendors' allowance a resync uses, as they see it on the wire.

Run: python -m tests.bench.utilisation [smoke|quick|standard|full]

Every cell has its own Redis, sandbox and workers, and runs alone. After each cell the
seconds that were lost are printed, and between which calls.
"""

import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tests.bench.arrivals import Arrivals
from tests.bench.cell import Cell, finish, resyncing
from tests.bench.plot import Panel, draw
from tests.bench.report import PLOTS, Section, Size

PAIRWISE = (
    # Every pair of window, latency, slots and processes is in one of these.
    Cell("sliding", 2, 1, 3),
    Cell("fixed", 2, 4, 1),
    Cell("sliding", 2, 16, 1),
    Cell("fixed", 20, 1, 3),
    Cell("sliding", 20, 4, 1),
    Cell("fixed", 20, 16, 3),
    Cell("sliding", 80, 1, 1),
    Cell("fixed", 80, 4, 3),
    Cell("sliding", 80, 16, 3),
)
LEVELS = (("sliding", "fixed"), (2, 20, 80), (1, 4, 16), (1, 3))
GRID = tuple(Cell(*levels) for levels in product(*LEVELS))
SLOW_VENDORS = (
    Cell("sliding", 200, 1, 1),
    Cell("fixed", 600, 4, 1),
    Cell("sliding", 400, 4, 3, "1000/10"),
)
LONG = Cell("sliding", 20, 16, 1)
CONTACTS, LONG_CONTACTS = 1_620, 8_100
"""Somewhat more than 2,000 and 10,000 calls of the busier vendor."""
PLANS: dict[Size, tuple[tuple[Cell, int], ...]] = {
    Size.SMOKE: ((Cell("fixed", 2, 4, 2, "200/2"), 120),),
    Size.QUICK: tuple((PAIRWISE[i], 320) for i in (2, 3, 6)),
    Size.STANDARD: tuple((cell, CONTACTS) for cell in PAIRWISE),
    Size.FULL: (
        *((cell, CONTACTS) for cell in (*GRID, *SLOW_VENDORS)),
        (LONG, LONG_CONTACTS),
    ),
}
QUOTA_GOALS = ((10_000, 1.03), (2_000, 1.035), (0, 1.06))
"""Calls of the busier vendor, and the ratio that so many may take; the fewer they are,
the more a second at either end weighs."""
LATENCY_GOAL = 1.15
HEAD = (
    *("window", "latency ms", "slots", "processes", "allowance", "calls", "429"),
    *("busiest window", "seconds", "floor s", "bound by", "ratio", "goal", ""),
)
ABOUT = (
    "A resync that writes everybody into Mailjet, both vendors at the allowance (calls "
    "in seconds): from the first call of the busier vendor to its last, over the "
    "floor, which is the larger of calls / allowance (`quota`) and all calls x latency "
    "/ slots (`latency`). Goal: at most 1.035 times the quota from 2,000 calls, 1.03 "
    "from 10,000, 1.06 in shorter runs, or 1.15 times the latency; no answer 429."
)


@dataclass(frozen=True)
class Figures:
    """What came of a cell.

    Args:
        vendors: the busier one first.
    """

    cell: Cell
    vendors: Sequence[Arrivals]

    @property
    def busier(self) -> Arrivals:
        return self.vendors[0]

    @property
    def refused(self) -> int:
        """Answers 429 of both."""
        return sum(
            call["status"] == 429 for each in self.vendors for call in each.calls
        )

    @property
    def floor(self) -> tuple[float, str, float]:
        """Seconds, what makes them the least possible, and the ratio allowed."""
        calls = len(self.busier.calls)
        all_calls = sum(len(each.calls) for each in self.vendors)
        latency = all_calls * self.cell.latency_ms / 1000 / self.cell.all_slots
        quota_goal = next(goal for least, goal in QUOTA_GOALS if calls >= least)
        quota = calls * self.cell.allowance.seconds / self.cell.allowance.calls
        return max((quota, "quota", quota_goal), (latency, "latency", LATENCY_GOAL))

    def row(self) -> tuple[str, ...]:
        """As in `HEAD`."""
        cell, (floor, bound, goal) = self.cell, self.floor
        ratio = self.busier.seconds / floor
        window = cell.allowance.seconds
        busiest = max(each.busiest(window) for each in self.vendors)
        return (
            *(cell.window, str(cell.latency_ms), str(cell.slots), str(cell.processes)),
            *(cell.rate, f"{len(self.busier.calls):,}", str(self.refused)),
            *(str(busiest), f"{self.busier.seconds:.1f}", f"{floor:.1f}", bound),
            *(f"{ratio:.3f}", f"{goal:g}"),
            "ok" if ratio <= goal and not self.refused else "NO",
        )


def run(cell: Cell, contacts: int) -> Figures:
    """Resync so many contacts, none of whom is left out."""
    with resyncing(cell, contacts) as running:
        finish(running, contacts)
        return Figures(cell, Arrivals.by_vendor(running.sandbox.log()))


def measure(size: Size, plots: Path = PLOTS) -> Section:
    """All cells of that size, one after the other.

    Args:
        plots: the folder of the PNG.
    """
    done, notes = [], []
    for cell, contacts in PLANS[size]:
        try:
            figures = run(cell, contacts)
        except AssertionError as error:
            # The other cells took hours.
            traceback.print_exc()
            words, *_ = str(error).splitlines() or [""]
            notes.append(f"NO: {cell} failed: {words}")
            continue
        print(" ".join(figures.row()))
        print(figures.busier.losses(cell.allowance), flush=True)
        done.append(figures)
    plot = plots / f"utilisation-{size}.png"
    panels = [Panel(str(each.cell), each.vendors, each.cell.allowance) for each in done]
    draw("Calls of a resync against the vendors' allowance", panels, plot)
    return Section(
        title="Utilisation",
        about=ABOUT,
        head=HEAD,
        rows=tuple(figures.row() for figures in done),
        notes=tuple(notes),
        plots={"Calls over time against the allowance": plot},
    )


if __name__ == "__main__":
    print(measure(Size(*sys.argv[1:] or ["standard"])))
