"""The worker's CPU for each contact, against a bare loop that makes the same calls.

Run: python -m tests.bench.cost [smoke|quick|standard|full|profile]

A worker and Beat run as an operator starts them, both vendors on this machine without
limits. CPU and not wall time is compared: the sandbox is the bottleneck of both.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from redis import Redis

from tests.bench import bare_loop
from tests.bench.bare_loop import NO_ENVIRONMENT, PLAIN
from tests.bench.process import Talk, cpu_seconds, talk
from tests.bench.profile import profile
from tests.bench.report import Section, Size
from tests.bench.world import CHANGED, FIRST, ONE_CALL, change_everybody, quiet
from tests.sandbox import Row
from tests.system.installation import Installation, installation
from tests.system.processes import Process

RUN_SECONDS = 1800.0
IDLE_SECONDS = 5.0
BROKER, STATE = 0, 1
GOALS = {FIRST: 3.0, CHANGED: 1.5}
"""The worker's CPU as a ratio of the plain loop's."""
EXTENTS = {
    Size.SMOKE: (100, 1),
    Size.QUICK: (1_000, 2),
    Size.STANDARD: (2_000, 3),
    Size.FULL: (10_000, 3),
}
"""Contacts and rounds."""
PROFILED = 400
SILENCE = Talk(0, 0)


@dataclass(frozen=True)
class Figures:
    """One run of the worker and the loops after it, all by contact.

    Args:
        cpu: seconds of the worker without what it uses while idle.
        loops: seconds of the bare loop, by its manner.
        calls: of both vendors; `pages` of them are discovery's.
        json_bytes: bodies of requests and answers.
        commands, traffic: commands and bytes, by database.
        server: commands by name that the server ran, those within scripts too.
    """

    cpu: float
    loops: dict[str, float]
    calls: float
    pages: float
    json_bytes: float
    commands: dict[int, float]
    traffic: dict[int, float]
    server: dict[str, float]


def measure(size: Size) -> Section:
    """Worker and loops in turn, in both cases."""
    contacts, rounds = EXTENTS[size]
    found: dict[str, list[Figures]] = {FIRST: [], CHANGED: []}
    idle = []
    for _ in range(rounds):
        idle.append(_round(contacts, found))
    rows = [row for name in found for row in _rows(name, found[name])]
    return Section(
        title="CPU for each contact",
        about=(
            f"User and system time of the worker (16 threads) over a run of {contacts} "
            "contacts, discovery counted in, against a bare `requests.Session` loop in "
            "its own process that makes the same calls against the same sandbox. "
            f"{rounds} rounds, worker and loops in turn; medians."
        ),
        head=("run", "measured", "figure", "goal", ""),
        rows=tuple(rows),
        notes=(
            f"Idle, with Beat ringing, the worker uses {median(idle) * 1000:.1f} ms of "
            "CPU a second; the time of each run was lessened by it.",
            "Goals are against the plain session, which reads the proxy settings of "
            "the environment at each call.",
            "Where the worker's time goes (2026-11-28): about half to Celery's loop, "
            "which takes each message, tells its three events and acknowledges it; the "
            "work alone takes 1.7 ms at one call and 3.1 ms at four (`cost profile`), "
            "about as much as the loop. The rest is 16 threads that hand Python's lock "
            "to each other: 8 threads took as long within the noise of this machine.",
        ),
    )


def _round(contacts: int, found: dict[str, list[Figures]]) -> float:
    """Both cases in one installation; the CPU that the worker uses while idle."""
    with installation(
        *("--contacts", str(contacts)), state_database=STATE, **ONE_CALL
    ) as running:
        running.sandbox.settings(keep_exchanges=True)
        worker = running.processes.worker()
        running.until(running.pipeline.processes.slots, "a worker is ready")
        running.setup()
        quiet(running.kit)
        running.processes.beat()
        samples = {}
        for name in (FIRST, CHANGED):
            if name == CHANGED:
                change_everybody(running.sandbox)
            samples[name] = _run(running, worker, contacts)
        idle = _idle(worker)
        worker.end()
        for name, (used, seconds, calls, said) in samples.items():
            found[name].append(
                _figures(running, contacts, used - idle * seconds, calls, said)
            )
    return idle


Said = tuple[dict[int, float], dict[int, float], dict[str, float]]


def _run(
    running: Installation, worker: Process, contacts: int
) -> tuple[float, float, list[Row], Said]:
    """A full run: CPU, seconds, the calls made, and what was said to Redis."""
    running.sandbox.exchanges()
    calls: list[Row] = []
    before = running.last_run()
    was = before.id if before else ""
    with running.valkey.client() as redis:
        look = _listener(redis, worker, contacts)
        began, used = time.monotonic(), cpu_seconds(worker.pid)
        running.call("resync.full")

        def finished() -> bool:
            # The sandbox keeps only the newest 5,000.
            calls.extend(running.sandbox.exchanges())
            run = running.last_run()
            return run is not None and run.id != was and running.has_finished()

        running.until(finished, "the run has finished", RUN_SECONDS)
        used, seconds = cpu_seconds(worker.pid) - used, time.monotonic() - began
        said = look()
    run = running.last_run()
    assert run is not None
    assert (run.settled, run.dead) == (contacts, 0), running.processes.logs()
    return used, seconds, calls, said


def _listener(redis: Redis, worker: Process, contacts: int) -> Callable[[], Said]:
    """Begin to count; the function returned tells the counts by contact."""
    before, ran = talk(redis, worker.pid), _commands(redis)

    def look() -> Said:
        now = _commands(redis)
        commands, traffic = {}, {}
        for number, after in talk(redis, worker.pid).items():
            first = before.get(number, SILENCE)
            commands[number] = (after.commands - first.commands) / contacts
            traffic[number] = (after.size_bytes - first.size_bytes) / contacts
        return commands, traffic, {k: (now[k] - ran[k]) / contacts for k in now}

    return look


def _commands(redis: Redis) -> Counter[str]:
    stats = redis.info("commandstats")
    return Counter({name: int(each["calls"]) for name, each in stats.items()})


def _idle(worker: Process) -> float:
    """CPU seconds a second while there is nothing to do but tick."""
    used = cpu_seconds(worker.pid)
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(worker.pid) - used) / IDLE_SECONDS


def _figures(
    running: Installation, contacts: int, used: float, calls: list[Row], said: Said
) -> Figures:
    """Let the loops make the same calls."""
    env = running.sandbox.env
    urls = {"ghl": env["GHL_BASE_URL"], "mailjet": env["MAILJET_BASE_URL"]}
    loops = {
        manner: bare_loop.cpu_seconds(calls, urls, manner) / contacts
        for manner in (PLAIN, NO_ENVIRONMENT)
    }
    size = sum(len(call["request"]) + _size(call["answer"]) for call in calls)
    one = sum(":contact" in c["route"] or ":list/" in c["route"] for c in calls)
    return Figures(
        cpu=used / contacts,
        loops=loops,
        calls=one / contacts,
        pages=(len(calls) - one) / contacts,
        json_bytes=size / contacts,
        commands=said[0],
        traffic=said[1],
        server=said[2],
    )


def _size(answer: object) -> int:
    """Bytes of an answer's body, which the sandbox tells as text or as JSON."""
    if answer is None:
        return 0
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return len(text.encode())


def _rows(name: str, rounds: list[Figures]) -> list[tuple[str, ...]]:
    def mid(of: Callable[[Figures], float]) -> float:
        return median(map(of, rounds))

    goal = GOALS[name]
    ratios = {
        manner: mid(lambda f, manner=manner: f.cpu / f.loops[manner])
        for manner in (PLAIN, NO_ENVIRONMENT)
    }
    told = [
        ("calls", f"{mid(lambda f: f.calls):.2f}"),
        ("calls of discovery", f"{mid(lambda f: f.pages):.3f}"),
        ("worker", f"{mid(lambda f: f.cpu) * 1000:.2f} ms"),
        *(
            (f"loop, {manner}", f"{mid(lambda f, m=manner: f.loops[m]) * 1000:.2f} ms")
            for manner in ratios
        ),
        ("worker / loop, no environment", f"{ratios[NO_ENVIRONMENT]:.2f}"),
        ("bytes of JSON, both vendors", f"{mid(lambda f: f.json_bytes):.0f}"),
        (
            "commands to state, and within scripts",
            f"{mid(lambda f: f.commands[STATE]):.1f}",
        ),
        ("script calls", f"{mid(lambda f: f.server['cmdstat_evalsha']):.1f}"),
        ("bytes to and from state", f"{mid(lambda f: f.traffic[STATE]):.0f}"),
        ("commands to broker", f"{mid(lambda f: f.commands[BROKER]):.1f}"),
        ("bytes to and from broker", f"{mid(lambda f: f.traffic[BROKER]):.0f}"),
        ("Celery messages", f"{mid(lambda f: f.server['cmdstat_lpush']):.2f}"),
        ("Celery events", f"{mid(lambda f: f.server['cmdstat_publish']):.2f}"),
    ]
    ratio = ratios[PLAIN]
    verdict = (f"{ratio:.2f}", f"<= {goal}", "ok" if ratio <= goal else "NO")
    return [
        (name, "worker / loop, plain", *verdict),
        *((name, what, figure, "", "") for what, figure in told),
    ]


if __name__ == "__main__":
    if sys.argv[1:] == ["profile"]:
        print(profile(PROFILED))
    else:
        print(measure(Size(*sys.argv[1:] or [Size.QUICK])))
