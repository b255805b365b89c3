"""How evenly connections are served, and what a sick one costs the others.

Run: python -m tests.bench.fairness [smoke|quick|standard|full]

One worker with 16 slots and Beat, as an operator starts them; one sandbox with many
locations, which answer late, so that it is the slots that there are too few of. Who
has how much to do is written into the ledgers before the worker starts.
"""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline import runs, setup
from pipeline.bootstrap import Kit
from pipeline.discovery import Discovery
from pipeline.store.state import bucket_key
from tests.bench.report import Section, Size
from tests.bench.sickness import GOAL as SICK_GOAL
from tests.bench.sickness import SICKNESSES, Cost, cost_of
from tests.bench.turns import GOAL, Window, read, windows
from tests.system.installation import Installation, installation
from tests.system.processes import Process

SLOTS = 16
NO_RATE, QUOTA = "100000/10", "10/10"
LATENCY_MS, SICK_LATENCY_MS = 100, 400
FIRST_CONTACTS = 200
"""Of the largest connection are known at first; the worker finds the others."""
HEAD = (
    "case",
    "window",
    "least served",
    "most served",
    "ratio",
    "with nothing",
    "goal",
)


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Args:
        largest, others: contacts of the first connection, and of each other.
        quota_windows: of the case in which everybody's quota binds.
        phase_seconds: how long a connection is sick, and how long it is not.
        crowds: how many connections there are where one is sick.
    """

    connections: int
    largest: int
    others: int
    window_seconds: float
    windows: int
    quota_windows: int
    phase_seconds: float
    crowds: tuple[int, ...]


PLANS = {
    Size.SMOKE: Plan(20, 2_000, 150, 8, 1, 0, 0, ()),
    Size.QUICK: Plan(50, 5_000, 500, 20, 2, 1, 20, (3,)),
    Size.STANDARD: Plan(50, 20_000, 1_200, 60, 2, 1, 100, (3,)),
    Size.FULL: Plan(50, 100_000, 3_000, 60, 10, 3, 600, (3, 10)),
}


def measure(size: Size) -> Section:
    """Serve many at once, then a few of which one is sick."""
    plan = PLANS[size]
    rows = even(plan)
    for connections in plan.crowds:
        rows += [_sick_row(cost) for cost in costs(plan, connections)]
    return Section(
        title="Fairness",
        about=(
            f"One worker. First {plan.connections} connections that have work all the "
            f"time, one with {plan.largest:,} contacts, the others with "
            f"{plan.others:,} each: contacts settled by the least and the most served "
            f"one in windows of {plan.window_seconds:.0f} s (goal: {GOAL}, or its own "
            f"quota); where slots bind with {SLOTS} of them, where quotas do with as "
            "many as the worker has by itself. Then a few of which one is sick, with "
            f"{SLOTS} slots: calls a second of all others together, in "
            f"{plan.phase_seconds:.0f} s with it and in half as long before and after, "
            f"while it has nothing to do (goal: {SICK_GOAL})."
        ),
        head=HEAD,
        rows=tuple(rows),
        notes=(
            f"A window cuts contacts, so one contact less than {GOAL} is {GOAL}. "
            "Contacts rather than calls: one with an opt-out takes three calls where "
            "others take one, so calls differ by chance also where turns are even.",
            "A connection of which one call a second is allowed has one contact out: "
            "between its last call and the next one's first a token passes unused, and "
            "who has an opt-out waits a second for each of its calls.",
            "Where answers take 30 s the first contacts wait 10 s for their time-outs; "
            "then the connection pauses, and costs a probe a minute. The shorter the "
            "time with it, the more these 10 s weigh: the goal is for ten minutes.",
        ),
    )


def even(plan: Plan) -> list[tuple[str, ...]]:
    """First the slots are what there is too little of, then everybody's quota."""
    with crowd(plan.connections, plan.largest, plan.others) as running:
        for number, kit in enumerate(running.pipeline.kits.values()):
            find_contacts(kit, FIRST_CONTACTS if number == 0 else None)
        slow_down(running, LATENCY_MS)
        processes = start(running, "-c", str(SLOTS))
        slots = [*windows(running, plan.window_seconds, plan.windows, None)]
        stop(processes)
        rows = [_row(f"{SLOTS} slots bind", at, each) for at, each in enumerate(slots)]
        if not plan.quota_windows:
            return rows
        bind_by_quota(running)
        processes = start(running)
        quota = [*windows(running, plan.window_seconds, plan.quota_windows, QUOTA)]
        stop(processes)
    rows += [_row(f"quota {QUOTA} binds", at, each) for at, each in enumerate(quota)]
    return rows


@contextmanager
def crowd(connections: int, first: int, others: int) -> Iterator[Installation]:
    """All are set up, and nothing of ours runs."""
    with installation(
        *("--locations", str(connections), "--contacts", f"{first},{others}"),
        *("--ghl-rate", NO_RATE, "--mailjet-rate", NO_RATE),
    ) as running:
        for kit in running.pipeline.kits.values():
            setup.run(kit)
        yield running


def find_contacts(kit: Kit, enough: int | None = None) -> None:
    """A full run, whose contacts are found here, all or until there are enough."""
    runs.start_run(kit)
    record = kit.record()
    assert record is not None
    discovery = Discovery(kit, record)
    while runs.step(kit, discovery):
        if enough is not None and kit.ledger.backlog().waiting >= enough:
            return


def slow_down(running: Installation, latency_ms: int) -> None:
    for number, _ in enumerate(running.pipeline.kits, start=1):
        running.sandbox.location(number).settings(latency_ms=latency_ms)


def start(running: Installation, *options: str) -> list[Process]:
    """A worker and Beat; returns when contacts are being settled."""
    worker = running.processes.worker(*options)
    beat = running.processes.beat()
    before = sum(read(running).settled.values())
    running.until(
        lambda: sum(read(running).settled.values()) > before, "contacts are settled"
    )
    return [beat, worker]


def stop(processes: list[Process]) -> None:
    for process in processes:
        process.end()


def bind_by_quota(running: Installation) -> None:
    """From now on vendors and pipeline keep to the quota, and answers come at once."""
    file = running.sandbox.connections_file
    file.write_text(file.read_text().replace(NO_RATE, QUOTA))
    for number, _ in enumerate(running.pipeline.kits, start=1):
        running.sandbox.location(number).settings(
            ghl_rate=QUOTA, mailjet_rate=QUOTA, latency_ms=0
        )
    redis = running.pipeline.redis
    for key in redis.scan_iter(match=bucket_key("*", "*")):
        redis.delete(key)


def costs(plan: Plan, connections: int) -> list[Cost]:
    """What each sickness costs those others that have work all the time."""
    others = connections - 1
    phases = 2 * len(SICKNESSES) + 1
    wanted = phases * plan.phase_seconds * SLOTS * 1000 / SICK_LATENCY_MS
    each = math.ceil(wanted / others)
    with crowd(connections, FIRST_CONTACTS, each) as running:
        sick, *well = running.pipeline.kits.values()
        runs.start_run(sick)  # or Beat would, in the midst of it
        sick.ledger.control("cancel")
        for kit in well:
            find_contacts(kit)
        slow_down(running, SICK_LATENCY_MS)
        processes = start(running, "-c", str(SLOTS))
        found = [*cost_of(running, SICKNESSES, plan.phase_seconds)]
        stop(processes)
    return found


def _row(case: str, number: int, window: Window) -> tuple[str, ...]:
    ratio = window.least / window.most if window.most else 0.0
    nothing = sum(count == 0 for count in window.contacts.values())
    calls = sum(window.calls.values()) / window.seconds
    return (
        f"{len(window.contacts)} connections, {case}, {calls:.0f} calls/s",
        f"{number + 1}",
        f"{window.least}",
        f"{window.most}",
        f"{ratio:.2f}",
        f"{nothing}",
        "ok" if window.is_fair else "NO",
    )


def _sick_row(cost: Cost) -> tuple[str, ...]:
    return (
        f"{cost.connections} connections, one {cost.sickness.name}",
        f"{cost.seconds:.0f} s",
        f"{cost.during:.1f} calls/s with it",
        f"{cost.before:.1f} before, {cost.after:.1f} after",
        f"{cost.ratio:.3f}",
        "",
        "ok" if cost.ratio >= SICK_GOAL else "NO",
    )


def main() -> None:
    print(measure(Size(sys.argv[1] if len(sys.argv) > 1 else Size.QUICK)))


if __name__ == "__main__":
    main()
