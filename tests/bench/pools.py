"""Worker pools on the same work: contacts a second, CPU for each, memory of all.

Run: python -m tests.bench.pools [smoke|quick|standard|full]

Each pool imports the same contacts into an installation of its own, with both vendors
on this machine and without limits.
"""

import sys
from dataclasses import dataclass
from importlib.util import find_spec

from tests.bench.process import cpu_seconds, family, resident_mb
from tests.bench.report import Section, Size
from tests.bench.world import ONE_CALL, quiet
from tests.system.installation import installation

RUN_SECONDS = 1800.0
CONTACTS = {
    Size.SMOKE: 100,
    Size.QUICK: 500,
    Size.STANDARD: 2_000,
    Size.FULL: 10_000,
}
POOLS = {
    "threads -c 16": ("-P", "threads", "-c", "16"),
    # Celery takes `-P prefork` for its own default, so our setting would win.
    "prefork -c 16": ("-P", "processes", "-c", "16"),
    "gevent -c 16": ("-P", "gevent", "-c", "16"),
    "solo": ("-P", "solo", "-c", "1"),
}
IN_A_HURRY = ("threads -c 16", "solo")


@dataclass(frozen=True)
class Figures:
    """What one pool needed.

    Args:
        rate: contacts a second, from the beginning of the run to its end.
        cpu: seconds for each contact, of all processes of the pool.
        memory_mb: RSS of all of them after the run.
    """

    rate: float
    cpu: float
    memory_mb: float
    processes: int


def measure(size: Size) -> Section:
    """One pool after the other; a smoke looks at two."""
    contacts = CONTACTS[size]
    names = IN_A_HURRY if size is Size.SMOKE else tuple(POOLS)
    runs = [name for name in names if _can_run(name)]
    found = {name: _measure(contacts, POOLS[name]) for name in runs}
    return Section(
        title="Worker pools",
        about=(
            f"The first import of {contacts} contacts by one worker. The sandbox on "
            "the same machine limits contacts a second; CPU is the pool's own."
        ),
        head=("pool", "contacts/s", "CPU a contact", "RSS of all processes", ""),
        rows=tuple(
            (
                name,
                f"{figures.rate:.0f}",
                f"{figures.cpu * 1000:.2f} ms",
                f"{figures.memory_mb:.0f} MB in {figures.processes}",
                "",
            )
            for name, figures in found.items()
        ),
        notes=tuple(
            f"{name}: gevent is not installed, so it was left out."
            for name in names
            if name not in found
        ),
    )


def _can_run(name: str) -> bool:
    return not name.startswith("gevent") or find_spec("gevent") is not None


def _measure(contacts: int, options: tuple[str, ...]) -> Figures:
    with installation("--contacts", str(contacts), **ONE_CALL) as running:
        worker = running.processes.worker(*options)
        running.until(running.pipeline.processes.slots, "a worker is ready")
        running.setup()
        quiet(running.kit)
        running.processes.beat()
        used = cpu_seconds(worker.pid)
        running.call("resync.full")
        running.until(running.has_finished, "the run has finished", RUN_SECONDS)
        used = cpu_seconds(worker.pid) - used
        run = running.last_run()
        assert run is not None
        assert (run.settled, run.dead) == (contacts, 0), running.processes.logs()
        return Figures(
            rate=contacts * 1000 / (run.finished_ms - run.started_ms),
            cpu=used / contacts,
            memory_mb=resident_mb(worker.pid),
            processes=len(family(worker.pid)),
        )


if __name__ == "__main__":
    print(measure(Size(*sys.argv[1:] or [Size.QUICK])))
