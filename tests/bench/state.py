"""What a contact costs at rest in Redis, and what a worker costs in memory.

Run: python -m tests.bench.state [CONTACTS...], which are 1000 and 10000 by themselves.
An installation without contacts is measured first, and its Redis subtracted.
"""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis

from pipeline.permit import Lane
from pipeline.store.state import connection_key
from tests.system.installation import Installation, installation
from tests.system.processes import Process

RUNS = 2
SAMPLE_SECONDS = 0.25
ROWS_WEIGHED = 200
ROWS = connection_key("default", "row:*")


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


def measure(contacts: int, runs: int = RUNS) -> Figures:
    figures = Figures(contacts)
    with installation("--contacts", str(contacts)) as running:
        beat = running.processes.beat()
        worker = running.processes.worker()
        running.setup()
        for number in range(runs):
            before = running.last_run() if number else None
            if number:
                running.call("resync.full")
            watch(running, before.id if before else "", figures)
            figures.worker_mb.append(resident_mb(worker))
        for process in (beat, worker):
            process.end()
        with closing(running.valkey.client()) as redis:
            figures.redis_bytes = redis.info("memory")["used_memory"]
            figures.families = by_family(redis)
    return figures


def watch(running: Installation, before: str, figures: Figures) -> None:
    """Until the run after `before` has finished: the peaks on the way."""
    redis = running.pipeline.redis
    began = time.monotonic()
    while True:
        broker = sum(redis.llen(lane.value) for lane in Lane)
        figures.deepest_broker = max(figures.deepest_broker, broker)
        weigh_rows(redis, figures)
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


def report(empty: Figures, full: Sequence[Figures]) -> None:
    for figures in full:
        contacts = figures.contacts
        at_rest = (figures.redis_bytes - empty.redis_bytes) / contacts
        print(f"{contacts} contacts")
        print(f"  Redis at rest: {at_rest:.0f} bytes a contact (used_memory)")
        for family, size in figures.families.most_common():
            if size > 0.5 * contacts:
                print(f"    {family:28} {size / contacts:6.1f}")
        print(f"  worker after each run, MB: {figures.worker_mb}")
        print(f"  seconds of each run: {figures.run_seconds}")
        print(f"  seconds of discovery, longest: {figures.discovery_seconds:.1f}")
        print(f"  deepest broker: {figures.deepest_broker} messages")
        print(
            f"  row cache at its peak: {figures.rows} keys, {figures.row_bytes} bytes"
        )


def main(words: Sequence[str]) -> None:
    sizes = [int(word) for word in words] or [1_000, 10_000]
    report(measure(0, runs=1), [measure(contacts) for contacts in sizes])


if __name__ == "__main__":
    main(sys.argv[1:])
