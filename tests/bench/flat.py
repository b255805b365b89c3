"""What grows with the number of contacts, and what does not.

Run: python -m tests.bench.flat [smoke|quick|standard|full]

An installation without contacts is measured first, and its Redis subtracted.
"""

import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis

from pipeline.permit import Lane
from pipeline.store.state import connection_key
from tests.bench.report import Section, Size
from tests.system.installation import Installation, installation
from tests.system.processes import Process

RUNS = 2
SAMPLE_SECONDS = 0.25
ROWS_WEIGHED = 200
WEIGHING_SHARE = 0.1
"""Of the time, so that a large row cache is not slowed down by being weighed."""
ROWS = connection_key("default", "row:*")
TOLD_BYTES = 5
"""A contact; families of keys that take less are left out."""
GOAL_BYTES, GOAL_GROWTH = 400, 1.1
CONTACTS = {
    Size.SMOKE: (100, 200),
    Size.QUICK: (1_000, 3_000),
    Size.STANDARD: (1_000, 10_000),
    Size.FULL: (1_000, 10_000, 100_000),
}
HEAD = (
    *("contacts", "deepest broker", "worker MB after each run", "of the smallest"),
    *("Redis bytes a contact", "cached rows at most", "their MiB", "discovery s"),
    *("run s", ""),
)
ABOUT = (
    "A first import and a resync with nothing changed; limits and latency off, one "
    "worker and Beat. Redis after both runs, without what an installation of nobody "
    f"takes. Goal: at most {GOAL_BYTES} bytes a contact, and a worker at most "
    f"{GOAL_GROWTH - 1:.0%} larger than with the fewest contacts."
)


@dataclass
class Figures:
    """One installation's: bytes in Redis, megabytes of the worker after each run."""

    contacts: int
    redis_bytes: int = 0
    families: Counter[str] = field(default_factory=Counter)
    worker_mb: list[float] = field(default_factory=list)
    deepest_broker: int = 0
    rows: int = 0
    row_bytes: int = 0
    discovery_seconds: float = 0.0
    run_seconds: list[float] = field(default_factory=list)


def observe(contacts: int) -> Figures:
    """Some runs of an installation, one after the other."""
    figures = Figures(contacts)
    with installation("--contacts", str(contacts)) as running:
        beat = running.processes.beat()
        worker = running.processes.worker()
        running.setup()
        for number in range(RUNS):
            before = running.last_run() if number else None
            if number:
                running.call("resync.full")
            watch(running, before.id if before else "", figures)
            figures.worker_mb.append(resident_mb(worker))
        for process in (beat, worker):
            process.end()
        with closing(running.valkey.client()) as redis:
            # The server's statistics grow with the commands that it has ever seen.
            redis.config_resetstat()
            redis.slowlog_reset()
            figures.redis_bytes = redis.info("memory")["used_memory"]
            figures.families = by_family(redis)
    return figures


def watch(running: Installation, before: str, figures: Figures) -> None:
    """Until the run after `before` has finished: the peaks on the way."""
    redis = running.pipeline.redis
    began = weigh_next = time.monotonic()
    while True:
        broker = sum(redis.llen(lane.value) for lane in Lane)
        figures.deepest_broker = max(figures.deepest_broker, broker)
        if (now := time.monotonic()) >= weigh_next:
            weigh_rows(redis, figures)
            weighed = time.monotonic()
            weigh_next = weighed + (weighed - now) / WEIGHING_SHARE
        run = running.last_run()
        if run is not None and run.id != before:
            if run.state == "listing":
                lasted = time.time() - run.started_ms / 1000
                figures.discovery_seconds = max(figures.discovery_seconds, lasted)
            elif running.has_finished():
                took = (run.finished_ms - run.started_ms) / 1000
                figures.run_seconds.append(took)
                return
        assert time.monotonic() - began < 3600, "the run has not finished in an hour"
        time.sleep(SAMPLE_SECONDS)


def weigh_rows(redis: Redis, figures: Figures) -> None:
    rows = list(redis.scan_iter(ROWS, count=1000))
    if len(rows) <= figures.rows:
        return
    pipe = redis.pipeline(transaction=False)
    for row in rows[:ROWS_WEIGHED]:
        pipe.memory_usage(row)
    weights = [weight for weight in pipe.execute() if weight]
    figures.rows = len(rows)
    if weights:
        figures.row_bytes = round(len(rows) * sum(weights) / len(weights))


def by_family(redis: Redis) -> Counter[str]:
    """Bytes of each key, by MEMORY USAGE; those of one family together."""
    found: Counter[str] = Counter()
    own = connection_key("default", "")
    for key in redis.scan_iter(count=1000):
        name = key.decode()
        family = name.removeprefix(own) if name.startswith(own) else "(others)"
        found[family] += redis.memory_usage(key, samples=0) or 0
    return found


def resident_mb(worker: Process) -> float:
    for line in Path(f"/proc/{worker.pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise RuntimeError("no VmRSS in /proc")


def verdict(figures: Figures, at_rest: float, smallest: Figures) -> str:
    """Of the bytes at rest, and of the worker beside that of the smallest size."""
    grown = figures.worker_mb[-1] / smallest.worker_mb[-1]
    return "ok" if at_rest <= GOAL_BYTES and grown <= GOAL_GROWTH else "NO"


def row(figures: Figures, empty: Figures, smallest: Figures) -> tuple[str, ...]:
    """As in `HEAD`."""
    at_rest = (figures.redis_bytes - empty.redis_bytes) / figures.contacts
    return (
        f"{figures.contacts:,}",
        str(figures.deepest_broker),
        " / ".join(map(str, figures.worker_mb)),
        f"{figures.worker_mb[-1] / smallest.worker_mb[-1]:.3f}",
        f"{at_rest:.0f}",
        f"{figures.rows:,}",
        f"{figures.row_bytes / 2**20:.1f}",
        f"{figures.discovery_seconds:.1f}",
        " / ".join(f"{seconds:.0f}" for seconds in figures.run_seconds),
        verdict(figures, at_rest, smallest),
    )


def families(figures: Figures) -> str:
    """What most of the bytes at rest are."""
    each = ", ".join(
        f"`{family}` {size / figures.contacts:.0f}"
        for family, size in figures.families.most_common()
        if size >= TOLD_BYTES * figures.contacts
    )
    return f"{figures.contacts:,} contacts, bytes a contact by MEMORY USAGE: {each}."


def measure(size: Size) -> Section:
    """Each number of contacts in an installation of its own."""
    empty = observe(0)
    done = [observe(contacts) for contacts in CONTACTS[size]]
    return Section(
        title="Flat in size",
        about=ABOUT,
        head=HEAD,
        rows=tuple(row(figures, empty, done[0]) for figures in done),
        notes=tuple(families(figures) for figures in done),
    )


if __name__ == "__main__":
    print(measure(Size(*sys.argv[1:] or ["standard"])))
