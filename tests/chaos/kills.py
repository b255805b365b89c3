"""`kill -9` of the worker at random moments of a run, and contacts edited meanwhile."""

import random
import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.store.records import Run
from tests.chaos.oracle import Start, by_address, problems, says_no
from tests.sandbox import Row, fresh_email
from tests.system.installation import Installation, address_of, installation
from tests.system.processes import Process

LONGEST_LIFE_SECONDS = 4.0
"""A worker is killed at most so long after it settled something."""
EDITS = 5
"""Contacts edited before each kill."""
PATIENCE_SECONDS = 300.0
POLL_SECONDS = 0.005
READY = re.compile(r"\[(\S+ \S+): INFO/MainProcess\] \S+ ready\.")
UPSERT = "/v3/REST/contactslist/:list/managecontact"
DND = {"Email": {"status": "active", "message": "", "code": ""}}


@dataclass(frozen=True)
class Kill:
    """One kill, in seconds.

    Args:
        settled: contacts that were done by then.
        down: until the next worker was ready.
        recovery: from there until it had settled a contact.
    """

    settled: int
    down: float
    recovery: float


@dataclass
class Report:
    """What happened, and everything that is wrong; nothing may be."""

    seed: int
    kills: list[Kill] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    revived: set[str] = field(default_factory=set)
    seconds: float = 0.0
    settled: int = 0
    edited: int = 0
    upserts: int = 0
    answers_429: int = 0


class Chaos:
    """An installation in mid-run, somebody who edits contacts, and somebody who kills.

    Args:
        edits_addresses: whether addresses are changed as well.
    """

    def __init__(
        self, running: Installation, seed: int, *, edits_addresses: bool = True
    ) -> None:
        self.running = running
        self.report = Report(seed)
        self.start = Start.of(running)
        self.dice = random.Random(seed)
        self.left: set[str] = set()
        self._edits_addresses = edits_addresses
        groups = by_address(running.sandbox.contacts())
        # That one of several contacts says no is known once that one was read.
        no_in_ghl = {email for email, rows in groups.items() if all(map(says_no, rows))}
        self._never_mailed = (self.start.said_no() | no_in_ghl) - running.mailed()
        self._worker: Process = running.start()
        self._began = time.monotonic()
        running.begin_first_run()
        running.until(lambda: running.settled() > 0, "the run has begun")

    def kill(self) -> None:
        """Kill the worker, start another as a supervisor does, wait for its work."""
        self._assert_under_way()
        settled, killed_at = self.running.settled(), time.time()
        self._worker.kill()
        self._worker = self.running.processes.worker("--loglevel", "info")
        before = self.running.settled()
        ready_at = self._ready()
        recovery = self._settled_more_than(before) - ready_at
        self.report.kills.append(Kill(settled, ready_at - killed_at, recovery))
        self.look_for_the_revived()

    def supervise(self) -> None:
        """From now on the worker is started again when it ends by itself."""
        self.running.supervised.append(self._worker)

    def live(self) -> None:
        """Let the worker live for a random time."""
        time.sleep(self.dice.uniform(0, LONGEST_LIFE_SECONDS))

    def edit(self) -> None:
        """Change some contacts, as users of GHL do at any moment."""
        groups = by_address(self.running.sandbox.contacts())
        alone = [
            rows[0]
            for email, rows in sorted(groups.items())
            if len(rows) == 1 and email not in self.start.subscribers
        ]
        for contact in self.dice.sample(alone, EDITS):
            self._edit(contact)
            self.report.edited += 1

    def _edit(self, contact: Row) -> None:
        put = self.running.sandbox.put_contact
        chance = self.dice.random()
        if chance < 0.6:
            put(id=contact["id"], state=f"State {self.dice.random()}")
        elif chance < 0.8:
            put(id=contact["id"], dndSettings=DND)
        elif self._edits_addresses:
            self.left.add(address_of(contact))
            put(id=contact["id"], email=fresh_email())

    def finish(self) -> Report:
        """Wait until all is done, and look at everything."""
        running, report = self.running, self.report
        running.until(running.has_finished, "the run has finished", PATIENCE_SECONDS)
        report.seconds = time.monotonic() - self._began
        with suppress(AssertionError):
            # Edits of the last seconds come with the next look for changes.
            running.until(lambda: not self._wrong(), "everybody is right", 60)
        self.look_for_the_revived()
        report.wrong += self._wrong()
        if report.revived:
            whose = [
                each["id"]
                for each in running.sandbox.contacts()
                if address_of(each) in report.revived
            ]
            report.wrong.append(f"opted out and were mailed: {whose}")
        if letters := running.letters():
            report.wrong.append(f"{len(letters)} dead letters")
        stats = running.sandbox.stats()
        report.answers_429 = sum(each["answers_429"] for each in stats.values())
        log = running.sandbox.log("mailjet")
        report.upserts = Counter(call["route"] for call in log)[UPSERT]
        return report

    def expect_one_finished_run(self, kind: str = "full") -> None:
        """The run that was under way finished, once, with everybody."""
        runs, report = self.running.kit.ledger.finished_runs(), self.report
        ended = [(run.kind, run.state) for run in runs]
        if ended != [(kind, "finished")]:
            report.wrong.append(f"runs ended as {ended}")
        report.wrong += [problem for run in runs for problem in uncounted(run)]
        report.settled = runs[0].settled

    def remember_no(self, email: str) -> None:
        """Somebody unsubscribes in Mailjet in mid-run."""
        self._never_mailed.add(email)
        self.start.unsubscribed.add(email)

    def look_for_the_revived(self) -> None:
        """Whoever had said no, and was not mailed, is mailed at no moment."""
        self.report.revived |= self._never_mailed & self.running.mailed()

    def _wrong(self) -> list[str]:
        if not self.running.has_finished():
            return ["something waits"]
        return problems(self.running, self.start, self.left)

    def _assert_under_way(self) -> None:
        run = self.running.last_run()
        assert run is not None
        assert run.is_active, f"the run was over after {len(self.report.kills)} kills"

    def _ready(self) -> float:
        self._worker.wait_for(" ready.")
        said = READY.search(self._worker.log)
        assert said is not None
        return datetime.strptime(said[1], "%Y-%m-%d %H:%M:%S,%f").timestamp()

    def _settled_more_than(self, count: int) -> float:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while self.running.settled() == count:
            assert time.monotonic() < give_up, self.running.processes.logs()
            time.sleep(POLL_SECONDS)
        return time.time()


def uncounted(run: Run) -> list[str]:
    """What a run's counts do not add up to."""
    if run.settled == run.discovered and not run.dead:
        return []
    return [f"{run.discovered} found, {run.settled} settled, {run.dead} dead"]


def chaos_run(
    seed: int,
    contacts: int,
    rate: str,
    act: Callable[[Chaos], None],
    *,
    edits_addresses: bool = True,
) -> Report:
    """A first full run of so many contacts, and what `act` does to it.

    Args:
        rate: what both vendors allow and the product keeps to, such as `200/10`.
    """
    options = ("--contacts", str(contacts), "--seed", str(seed))
    limits = ("--ghl-rate", rate, "--mailjet-rate", rate)
    env = {
        "GHL_RATE": rate,
        "MAILJET_RATE": rate,
        "SYNC_CHANGES_INTERVAL_SECONDS": "5",
    }
    with installation(*options, *limits, **env) as running:
        chaos = Chaos(running, seed, edits_addresses=edits_addresses)
        act(chaos)
        return chaos.finish()


def with_kills(seed: int, contacts: int, kills: int, rate: str) -> Report:
    """A run in which the worker is killed so many times."""

    def act(chaos: Chaos) -> None:
        for _ in range(kills):
            chaos.edit()
            chaos.live()
            chaos.kill()
        chaos.running.until(
            chaos.running.has_finished, "the run has finished", PATIENCE_SECONDS
        )
        chaos.expect_one_finished_run()

    return chaos_run(seed, contacts, rate, act)
