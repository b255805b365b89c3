"""What both vendors see on the wire while the product's own processes resync.

Every cell has its own Redis, sandbox and workers. A cell takes four minutes and little
CPU, so several may run at once; figures worth keeping come from one at a time, on a
machine that does nothing else.

Run: python -m tests.bench.wire [--jobs N] [quota] [latency] [learning]
"""

import argparse
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from tests.bench import learning
from tests.bench.cell import Cell, finish, resyncing
from tests.sandbox import Row

CALLS = 2_000
"""At least so many calls of the busier vendor are measured: one or more a contact."""
QUOTA_RATIO, LATENCY_RATIO = 1.05, 1.15
HEADING = (
    f"{'window  latency, slots x processes, rate':41} calls   429 busiest  seconds    "
    "floor  ratio binds"
)
QUOTA = (
    # Every pair of window, latency, slots and processes.
    Cell("sliding", 2, 1, 1),
    Cell("fixed", 2, 4, 3),
    Cell("sliding", 2, 16, 3),
    Cell("fixed", 20, 1, 3),
    Cell("sliding", 20, 4, 1),
    Cell("fixed", 20, 16, 1),
    Cell("sliding", 80, 1, 1),
    Cell("fixed", 80, 1, 3),
    Cell("fixed", 80, 4, 1),
    Cell("sliding", 80, 16, 3),
)
LATENCY = (
    Cell("sliding", 200, 1, 1),
    Cell("fixed", 600, 4, 1),
    Cell("sliding", 400, 4, 3, "1000/10"),
)


@dataclass(frozen=True)
class Figures:
    """What came of a cell.

    Args:
        calls: of the busier vendor.
        all_calls: of both vendors.
        refused: answers 429 of both.
        busiest: the most calls in any window of either.
        seconds: from the busier vendor's first call to its last.
    """

    cell: Cell
    calls: int
    all_calls: int
    refused: int
    busiest: int
    seconds: float

    @classmethod
    def of(cls, cell: Cell, stats: dict[str, Row]) -> "Figures":
        busier = max(stats.values(), key=lambda vendor: vendor["calls"])
        return cls(
            cell,
            calls=busier["calls"],
            all_calls=sum(vendor["calls"] for vendor in stats.values()),
            refused=sum(vendor["answers_429"] for vendor in stats.values()),
            busiest=max(vendor["busiest_window"] for vendor in stats.values()),
            seconds=busier["last_arrival"] - busier["first_arrival"],
        )

    def __str__(self) -> str:
        cell = self.cell
        latency = self.all_calls * cell.latency_ms / 1000 / cell.all_slots
        binds, floor, allowed = max(
            ("quota", self.calls * cell.seconds_per_call, QUOTA_RATIO),
            ("latency", latency, LATENCY_RATIO),
            key=lambda bound: bound[1],
        )
        ratio = self.seconds / floor
        good = not self.refused and ratio <= allowed and self.calls >= CALLS
        return (
            f"{cell} {self.calls:6} {self.refused:5} {self.busiest:7} "
            f"{self.seconds:8.1f} {floor:8.1f} {ratio:6.3f} {binds:7} "
            f"{'ok' if good else 'NO'}"
        )


def measure(cell: Cell) -> Figures:
    with resyncing(cell, CALLS) as running:
        finish(running, CALLS)
        return Figures.of(cell, running.sandbox.stats())


def main() -> None:
    parts = {"quota": QUOTA, "latency": LATENCY, "learning": learning.CELLS}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time")
    parser.add_argument("parts", nargs="*", metavar="part", choices=list(parts))
    arguments = parser.parse_args()
    wanted = arguments.parts or list(parts)
    print(HEADING, flush=True)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        running = [
            pool.submit(learning.measure if part == "learning" else measure, cell)
            for part in wanted
            for cell in parts[part]
        ]
        for cell in as_completed(running):
            print(cell.result(), flush=True)


if __name__ == "__main__":
    main()
