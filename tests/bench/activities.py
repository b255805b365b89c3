"""What tasks, notes and appointments cost: calls of runs, bytes in Redis, memory.

Run: python -m tests.bench.activities [--contacts 10000]

A worker and Beat run as an operator starts them; both vendors are on this machine,
without limits and without latency. What Beat rings between two runs is held back, and
so is the notes' turn: the calls counted are those of runs. What activities cost in
Redis is the difference to the same contacts without any.
"""

import argparse
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field

from redis import Redis

from pipeline.store.records import Run
from tests.bench.flat import by_family, resident_mb
from tests.sandbox import Row
from tests.system.installation import Installation, address_of, installation
from tests.system.processes import Process, until

CONTACTS = 10_000
EACH = {"tasks": 2.0, "notes": 3.0, "appointments": 0.5}
CHANGED_SHARE = 0.01
RUN_SECONDS = 3600.0
DAY_SECONDS = 86_400.0
LAPSE_SECONDS, FREED_SECONDS = 600, 60.0
BETWEEN_RUNS = ("activities", "changes", "optouts")
FIRST, AGAIN, CHANGED = "first import", "nothing changed", "1 % changed"
GOALS = {FIRST: 10_200, AGAIN: 300, CHANGED: 300}
"""GHL calls that a run of 10,000 contacts may take."""
CALLS_EACH = 4
"""A contact by itself: GET, and one list each of tasks, notes and appointments."""


@dataclass(frozen=True)
class Phase:
    """One run: its calls by vendor, method and route."""

    run: Run
    calls: Counter[tuple[str, str, str]]
    worker_mb: float

    def of(self, vendor: str) -> int:
        return sum(n for (whose, _, _), n in self.calls.items() if whose == vendor)

    def at(self, route: str) -> int:
        return sum(n for (_, _, path), n in self.calls.items() if path == route)

    @property
    def writes(self) -> int:
        """Calls to Mailjet that change something."""
        wanted = ("mailjet", "GET")
        return self.of("mailjet") - sum(
            n
            for (whose, method, _), n in self.calls.items()
            if (whose, method) == wanted
        )

    @property
    def seconds(self) -> float:
        return (self.run.finished_ms - self.run.started_ms) / 1000


@dataclass
class Figures:
    """One installation: its runs in order, and what Redis holds after them.

    Args:
        passing: bytes that lapsed within ten minutes of the last run.
    """

    contacts: int
    changed: int = 0
    phases: dict[str, Phase] = field(default_factory=dict)
    passing: int = 0
    redis_bytes: int = 0
    families: Counter[str] = field(default_factory=Counter)


def measure(contacts: int, *, busy: bool = True) -> Figures:
    """Import, resync with nothing changed and, if `busy`, with 1 % changed.

    Args:
        busy: there are tasks, notes and appointments.
    """
    figures = Figures(contacts)
    options = [f"--{kind}-per-contact={each}" for kind, each in EACH.items()]
    with installation(
        *("--contacts", str(contacts)), *(options if busy else ())
    ) as running:
        running.setup()
        for task in BETWEEN_RUNS:
            assert running.kit.setup.claim_due(task, DAY_SECONDS), task
        tomorrow = int(time.time() / DAY_SECONDS) + 1
        running.kit.activities.notes_had_turn(tomorrow)
        worker, beat = running.processes.worker(), running.processes.beat()
        running.until(running.pipeline.processes.slots, "a worker is ready")
        resync(running, FIRST, worker, figures)
        resync(running, AGAIN, worker, figures)
        if busy:
            wanted = max(len(CHANGES), round(contacts * CHANGED_SHARE))
            figures.changed = change(running, wanted)
            resync(running, CHANGED, worker, figures)
        for process in (beat, worker):
            process.end()
        with closing(running.valkey.client()) as redis:
            figures.passing = pass_time(redis)
            figures.redis_bytes = redis.info("memory")["used_memory"]
            figures.families = by_family(redis)
    return figures


def pass_time(redis: Redis) -> int:
    """Delete what lapses by itself within ten minutes; how many bytes that were."""
    passing = [
        key
        for key in redis.scan_iter(count=1000)
        if 0 < redis.ttl(key) <= LAPSE_SECONDS
    ]
    weights = [redis.memory_usage(key, samples=0) or 0 for key in passing]
    for key in passing:
        redis.delete(key)
    # A server frees what is large behind our back.
    until(
        lambda: not redis.info("memory")["lazyfree_pending_objects"],
        "all of it is freed",
        FREED_SECONDS,
    )
    return sum(weights)


def resync(running: Installation, name: str, worker: Process, figures: Figures) -> None:
    """Run it to its good end, and count."""
    before = running.last_run()
    was = before.id if before else ""
    running.sandbox.clear_log()
    running.call("resync.full")
    running.until(
        lambda: (
            (run := running.last_run()) and run.id != was and running.has_finished()
        ),
        f"{name}: the run has finished",
        RUN_SECONDS,
    )
    run = running.last_run()
    assert run is not None
    assert (run.settled, run.dead) == (figures.contacts, 0), running.processes.logs()
    calls = Counter(
        (call["vendor"], call["method"], call["route"])
        for call in running.sandbox.log()
    )
    figures.phases[name] = Phase(run, calls, resident_mb(worker))


def change(running: Installation, count: int) -> int:
    """Change so many contacts: a third by a field, a third by a task, the others by a
    note together with a field. How many were."""
    addresses = Counter(map(address_of, running.sandbox.contacts()))
    alone = running.mailed() & {email for email, n in addresses.items() if n == 1}
    able = [row for row in running.sandbox.contacts() if address_of(row) in alone]
    chosen = able[:: len(able) // count][:count] if count else []
    for number, contact in enumerate(chosen):
        CHANGES[number % len(CHANGES)](running, contact)
    return len(chosen)


def _field(running: Installation, contact: Row) -> None:
    running.sandbox.put_contact(id=contact["id"], city="Faro")


def _task(running: Installation, contact: Row) -> None:
    due = "2027-03-01T10:00:00.000Z"
    running.sandbox.put_task(contactId=contact["id"], title="Visit", dueDate=due)


def _note(running: Installation, contact: Row) -> None:
    running.sandbox.put_note(contactId=contact["id"], body="Wants a visit.")
    _field(running, contact)


CHANGES = (_field, _task, _note)


def report(full: Figures, plain: Figures, empty: Figures) -> None:
    contacts = full.contacts
    things = ", ".join(f"{contacts * each:.0f} {kind}" for kind, each in EACH.items())
    print(f"{contacts} contacts, {things}")
    print(f"  a call for each contact and kind: {contacts * CALLS_EACH + 20} GHL calls")
    for name, phase in full.phases.items():
        allowed = round(GOALS[name] * contacts / CONTACTS)
        found = phase.of("ghl")
        print(
            f"  {name}: {found} GHL calls (goal {allowed}: "
            f"{'ok' if found <= allowed else 'NO'}), {phase.of('mailjet')} to Mailjet, "
            f"{phase.writes} of them writes; {phase.seconds:.0f} s; "
            f"worker {phase.worker_mb} MB"
        )
        print(f"    outcomes: {dict(phase.run.outcomes)}")
        for (vendor, method, route), number in sorted(phase.calls.items()):
            print(f"    {number:6} {vendor} {method} {route}")
    for what, figures in (("with", full), ("without", plain)):
        each = (figures.redis_bytes - empty.redis_bytes) / contacts
        memory = [phase.worker_mb for phase in figures.phases.values()]
        print(f"  {what} activities: {each:.0f} bytes a contact in Redis (used_memory)")
        print(f"    and {figures.passing / contacts:.0f} that lapse within ten minutes")
        print(f"    worker after each run, MB: {memory}")
        for family, size in figures.families.most_common():
            if size > 0.5 * contacts:
                print(f"    {family:28} {size / contacts:6.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=CONTACTS)
    contacts = parser.parse_args().contacts
    full = measure(contacts)
    report(full, measure(contacts, busy=False), measure(0, busy=False))


if __name__ == "__main__":
    main()
