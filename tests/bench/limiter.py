"""The limiter alone: what a grant costs, and that the allowance is kept under pressure.

Run: python -m tests.bench.limiter [smoke|quick|standard|full]

Ratios are of server and client together, as a worker pays for them.
"""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from redis import Redis

from pipeline.config import Rate
from pipeline.permit import Lane, Permit
from pipeline.store.bucket import Bucket
from tests.bench.contestants import CONTESTANTS, installed, missing
from tests.bench.hammer import PROCESSES, Outcome, hammer
from tests.bench.report import Section, Size
from tests.valkey import Valkey

NEVER_FULL = Rate(1_000_000, 1.0)
GOALS = {1: 0.8, 8: 0.9}
"""Grants as a ratio of `return 1`, by threads."""
READS_GOAL = 1.005
"""One round trip; whoever else looks at the server in the meantime is in it."""


@dataclass(frozen=True)
class Extent:
    """How much is measured: grants a round, rounds, and windows of each rate."""

    grants: int
    rounds: int
    windows: dict[str, int]
    beside_others: bool = True


EXTENTS = {
    Size.SMOKE: Extent(400, 3, {"100/1": 2}, beside_others=False),
    Size.QUICK: Extent(2_000, 5, {"100/1": 10}),
    Size.STANDARD: Extent(4_000, 9, {"100/1": 20}),
    Size.FULL: Extent(8_000, 15, {"100/1": 60, "100/10": 12}),
}


def measure(size: Size) -> Section:
    """Grants against `return 1`, then every installed limiter on the same rig."""
    extent = EXTENTS[size]
    rows = [*_alone(extent)]
    names = installed() if extent.beside_others else ["ours"]
    speeds = _speeds(names, extent)
    for text, windows in extent.windows.items():
        calls, seconds = text.split("/")
        rate = Rate(int(calls), float(seconds))
        for name in names:
            outcome = hammer(name, rate, windows)
            rows += _shared(name, text, windows, rate, outcome)
    rows += [
        (name, "grants/s, 1 thread", f"{speeds[name]:.0f}", "", "") for name in names
    ]
    absent = [f"Not installed, so left out: {name}." for name in missing()]
    return Section(
        title="The limiter alone",
        about=(
            "A grant of `Bucket.take` against `EVALSHA` of `return 1`, through one "
            "client and its sockets, in alternating rounds (medians). "
            f"Then {PROCESSES} processes that want every token, counted on arrival, "
            "by Redis' clock: no window may see more than the allowance. Beside it "
            "other limiters on the same server and rig."
        ),
        head=("limiter", "measured", "figure", "goal", ""),
        rows=tuple(rows),
        notes=(
            *absent,
            "Utilisation is of the whole allowance. Ours leaves out one call and "
            "0.19 s of every window, so that calls which arrive late never make one "
            "too many: that is 0.83 at 100/1 and 0.97 at 100/10. Round trips hold the "
            "few that each process needs to connect.",
            "`limits` only says yes or no: its callers sleep until the time that it "
            "names. Its fixed window begins with a call: a crowd that never rests "
            "cannot show that calls late in one and early in the next are close. "
            "`pyrate-limiter` waits by itself, by each process' own clock.",
        ),
    )


def _alone(extent: Extent) -> list[tuple[str, ...]]:
    """Rows on what one grant costs."""
    rows = []
    with Valkey() as server, server.client() as redis:
        bucket = Bucket(redis, "bench", NEVER_FULL)
        permit = Permit(Lane.LIVE)
        bucket.take(permit)  # an empty start is over afterwards
        nothing = redis.register_script("return 1")
        for threads, goal in GOALS.items():
            pairs = [
                (
                    _per_second(lambda: bucket.take(permit), threads, extent.grants),
                    _per_second(nothing, threads, extent.grants),
                )
                for _ in range(extent.rounds)
            ]
            ratio = median(ours / theirs for ours, theirs in pairs)
            ours, theirs = (median(each) for each in zip(*pairs, strict=True))
            what = f"grants / `return 1`, {threads} thread{'s' * (threads > 1)}"
            figure = f"{ratio:.2f} ({ours:.0f}/s / {theirs:.0f}/s)"
            rows.append(_row(what, figure, f">= {goal}", ratio >= goal))
        reads = _reads_per_call(redis, lambda: bucket.take(permit), extent.grants)
        rows.append(
            _row("round trips a grant", f"{reads:.3f}", "1", reads <= READS_GOAL)
        )
        for what, call in (("a take", lambda: bucket.take(permit)), ("1", nothing)):
            micros = _server_micros(redis, call, extent.grants)
            words = "`return 1`" if what == "1" else what
            rows.append(("ours", f"server's time, {words}", f"{micros:.1f} us", "", ""))
    return rows


def _row(what: str, figure: str, goal: str, good: bool) -> tuple[str, ...]:
    return ("ours", what, figure, goal, "ok" if good else "NO")


def _per_second(call: Callable[[], object], threads: int, count: int) -> float:
    """Calls a second of so many threads together."""
    ready = threading.Barrier(threads + 1)

    def work() -> None:
        ready.wait()
        for _ in range(count // threads):
            call()

    crowd = [threading.Thread(target=work) for _ in range(threads)]
    for thread in crowd:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    for thread in crowd:
        thread.join()
    return count / (time.perf_counter() - began)


def _reads_per_call(redis: Redis, call: Callable[[], object], count: int) -> float:
    def reads() -> int:
        return int(redis.info("stats")["total_reads_processed"])

    before = reads()
    for _ in range(count):
        call()
    # The second look is a read of its own.
    return (reads() - before - 1) / count


def _server_micros(redis: Redis, call: Callable[[], object], count: int) -> float:
    redis.config_resetstat()
    for _ in range(count):
        call()
    return float(redis.info("commandstats")["cmdstat_evalsha"]["usec_per_call"])


def _speeds(names: Sequence[str], extent: Extent) -> dict[str, float]:
    """Uncontended grants a second of one thread, in alternating rounds."""
    found: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as servers:
        takes = {
            name: CONTESTANTS[name](servers.enter_context(Valkey()).url, NEVER_FULL)
            for name in names
        }
        for take in takes.values():
            take()
        for _ in range(extent.rounds):
            for name, take in takes.items():
                found[name].append(_per_second(take, 1, extent.grants))
    return {name: median(rounds) for name, rounds in found.items()}


def _shared(
    name: str, text: str, windows: int, rate: Rate, outcome: Outcome
) -> list[tuple[str, ...]]:
    what = f"{PROCESSES} processes, {windows} windows of {text}"
    kept = outcome.busiest <= rate.calls
    return [
        (
            *(name, f"{what}: busiest window", str(outcome.busiest)),
            *(f"<= {rate.calls}", "ok" if kept else "NO"),
        ),
        (name, f"{what}: utilisation", f"{outcome.utilisation:.2f}", "", ""),
        (name, f"{what}: round trips a grant", f"{outcome.asks:.1f}", "", ""),
    ]


if __name__ == "__main__":
    print(measure(Size(*sys.argv[1:] or [Size.QUICK])))
