"""Where a worker's CPU goes: its work on contacts in one thread, under cProfile.

Run: python -m tests.bench.cost profile

What Celery adds around each contact is not in it: `cost.py` measures both together.
"""

import cProfile
import io
import pstats
import re
import time
from collections import Counter

from pipeline import runs
from tests.bench.world import CHANGED, FIRST, ONE_CALL, change_everybody, quiet
from tests.driver import MAX_OUT, Driver
from tests.sandbox import Sandbox
from tests.valkey import Valkey

TOP = 40
PACKAGE = re.compile(r".*/(?:site-packages|python3\.\d+)/([^/.]+)|.*/(pipeline/[^/.]+)")


def profile(contacts: int) -> str:
    """The first import, then a run in which everybody has changed, by own CPU time.

    Returns:
        of each run: calls to the vendors, time by package, and pstats' table.
    """
    told: list[str] = []
    with (
        Valkey() as valkey,
        Sandbox("--contacts", str(contacts)) as sandbox,
        Driver(valkey, sandbox, **ONE_CALL) as driver,
    ):
        driver.setup()
        quiet(driver.kit)
        for name in (FIRST, CHANGED):
            if name == CHANGED:
                change_everybody(sandbox)
            runs.start_run(driver.kit)
            driver.discover()
            sandbox.clear_log()
            profiler = cProfile.Profile(time.thread_time)
            profiler.enable()
            while leases := driver.ledger.lease(MAX_OUT, max_out=MAX_OUT):
                for lease in leases:
                    driver.run(lease)
            profiler.disable()
            calls = Counter(
                f"{call['vendor']} {call['method']} {call['route']}"
                for call in sandbox.log()
            )
            told += [f"{name}: {contacts} contacts"]
            told += [f"  {number:6} {route}" for route, number in calls.most_common()]
            told += _tables(profiler)
    return "\n".join(told)


def _tables(profiler: cProfile.Profile) -> list[str]:
    text = io.StringIO()
    stats = pstats.Stats(profiler, stream=text)
    packages: Counter[str] = Counter()
    for (file, _, _), (_, _, own, _, _) in stats.stats.items():
        packages[_package(file)] += own
    whole = packages.total()
    by_package = [
        f"  {own:7.3f} s {own / whole:4.0%} {name}"
        for name, own in packages.most_common(TOP // 2)
    ]
    stats.strip_dirs().sort_stats("tottime").print_stats(TOP)
    return [*by_package, text.getvalue()]


def _package(file: str) -> str:
    found = PACKAGE.match(file)
    return (found[1] or found[2]) if found else file
