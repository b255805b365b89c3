"""Rules that send mails, while everything between a change and its mail breaks.

The worker is killed, Redis is restarted, answers of the Send API and lookups get lost,
webhooks come twice, and all contacts are synced again, twice.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from pipeline.store.state import connection_key
from pipeline.sync.orders import ENDS, State
from tests.chaos.triggers_oracle import CAMPAIGNS, RULES, look
from tests.chaos.triggers_vendors import OF_NEW, OF_OLD, Step, Vendors
from tests.driver import make_due
from tests.ruled import HEAD
from tests.sandbox import Sandbox
from tests.system.installation import Installation, installation
from tests.system.processes import Process
from tests.system.receiving import Receiver, settings, started
from tests.valkey import free_port

SEND, FIND = "/v3.1/send", "/v3/REST/message"
FAULTS = (
    *("no_answer_after", "truncated", "500", "reset_after", "429", "slow"),
    *("wrong_type", "no_answer_before", "empty"),
)
SLOW_SECONDS = 11.0
"""Longer than anybody waits for an answer."""
STRUCK_SHARE = 0.4
"""Of calls that send, while a fault is on; a twentieth of the changes, each fault."""
LOST_LOOKUPS = 0.2
CONNECTION = """
live = true
quiet_hours = "none"
sends_per_day = 50
webhook_secret_env = "SYNC_WEBHOOK_SECRET"
schedule = { changes_interval_seconds = 5, optouts_interval_seconds = 30 }
"""
HEARD = {"ghl:applied", "mailjet:applied"}
LONGEST_LIFE_SECONDS = 3.0
OUTAGE_SECONDS = 1.0
PATIENCE_SECONDS = 600.0


@dataclass
class Report:
    """What happened, and everything that is wrong; nothing may be.

    Args:
        answers: of the calls that send, how often each status; None is no answer.
        closed: mails to whom Mailjet knew to have said no a moment before we could.
        late: seconds from when a no counted to each mail that came after it.
    """

    seed: int
    triggers: int = 0
    noes: int = 0
    kills: int = 0
    resyncs: int = 0
    mails: int = 0
    held: int = 0
    closed: int = 0
    late: list[float] = field(default_factory=list)
    answers: Counter[int | None] = field(default_factory=Counter)
    lookups: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def line(self) -> str:
        return (
            f"triggers, seed {self.seed}: {self.triggers} and {self.noes} noes, "
            f"{self.mails} mails and {self.held} held back in {self.seconds:.0f} s, "
            f"{self.kills} kills, Redis restarted once, {self.resyncs} resyncs, "
            f"answers of the Send API {dict(self.answers)}, {self.lookups} lookups, "
            f"{self.closed} mails to whom Mailjet knew to be closed, {len(self.late)} "
            f"after a no, by {max(self.late, default=0.0):.2f} s at most, "
            f"{len(self.wrong)} wrong"
        )


class Chaos:
    """An installation at work, and somebody who breaks what is between.

    Args:
        hurries: what waits a minute only for a vendor's sake waits no longer.
    """

    def __init__(
        self, running: Installation, receiver: Receiver, seed: int, *, hurries: bool
    ) -> None:
        self.running = running
        self.report = Report(seed)
        self.dice = random.Random(seed)
        self.vendors = Vendors(running, receiver, seed)
        self._hurries = hurries

    def run(self, triggers: int, kills: int) -> None:
        """Let so many changes happen that call for a mail, and kill meanwhile."""
        running, vendors = self.running, self.vendors
        pairs = triggers // (len(OF_OLD) + len(OF_NEW))
        vendors.populate(pairs)
        self._worker: Process = running.start()
        running.first_run(PATIENCE_SECONDS)
        running.kit.optouts.confirm()  # so many noes are meant
        running.sandbox.clear_log()
        began, steps = time.monotonic(), vendors.deal(pairs)
        self.report.noes = sum(bool(person.no) for person in vendors.people)
        self.report.triggers = len(steps) - self.report.noes
        stop = Event()
        watching = Thread(target=vendors.watch, args=(stop,))
        watching.start()
        try:
            self._break_all(steps, kills)
            self._come_to_rest()
        finally:
            stop.set()
            watching.join()
            vendors.clients.shutdown()
        self._judge()
        self.report.seconds = time.monotonic() - began

    def _break_all(self, steps: list[Step], kills: int) -> None:
        sandbox, shares = self.running.sandbox, kills + 1
        sandbox.add_fault("500", route=FIND, probability=LOST_LOOKUPS)
        for turn in range(shares):
            begin, end = (len(steps) * each // shares for each in (turn, turn + 1))
            share = steps[begin:end]
            self._lose_answers(turn, max(1, len(share) // 20))
            if turn in (kills // 3, 2 * kills // 3):
                self._resync()
            for step in share:
                step()
            if turn < kills:
                self._until_less_waits_than(len(share))
                time.sleep(self.dice.uniform(0, LONGEST_LIFE_SECONDS))
                self._kill(with_redis=turn == kills // 2)

    def _lose_answers(self, turn: int, times: int) -> None:
        kind = FAULTS[turn % len(FAULTS)]
        fault = {"route": SEND, "probability": STRUCK_SHARE, "times": times}
        self.running.sandbox.add_fault(kind, **fault, seconds=SLOW_SECONDS)

    def _resync(self) -> None:
        """Another full run; one that is under way is waited for first."""
        self.running.until(
            lambda: not ((run := self.running.last_run()) and run.is_active),
            "the run before has ended",
            PATIENCE_SECONDS,
        )
        self.running.call("resync.full")
        self.report.resyncs += 1

    def _until_less_waits_than(self, count: int) -> None:
        def is_less() -> bool:
            backlog = self.running.kit.ledger.backlog()
            return backlog.waiting + self.running.kit.orders.due() < max(count, 100)

        self.running.until(is_less, "less waits", PATIENCE_SECONDS)

    def _kill(self, *, with_redis: bool) -> None:
        """Kill, and start again as a supervisor does."""
        running = self.running
        self._worker.kill()
        self.report.kills += 1
        if with_redis:
            running.valkey.kill()
            time.sleep(OUTAGE_SECONDS)
            running.valkey.start()
        if self._hurries:
            # Nobody sends at this moment.
            self._make_due({State.SENDING, State.DOUBTFUL})
        self._worker = running.processes.worker("--loglevel", "info")
        self._worker.wait_for(" ready.")

    def _make_due(self, states: set[State]) -> None:
        redis, out = (
            self.running.pipeline.redis,
            connection_key("default", "orders:out"),
        )
        if not (ids := redis.zrange(out, 0, -1)):
            return
        stored = redis.hmget(connection_key("default", "orders"), ids)
        for id_, packed in zip(ids, stored, strict=True):
            if packed and json.loads(packed)["state"] in states:
                redis.zadd(out, {id_: 1}, xx=True)

    def _come_to_rest(self) -> None:
        """All is told, and every order is at its end, or nothing moves any more."""
        for each in self.vendors.posting:
            each.result()
        running, inbox = self.running, self.running.pipeline.inbox
        running.sandbox.clear_faults()

        def rests() -> bool:
            if self._hurries:
                self._make_due({State.DOUBTFUL})
                make_due(running.kit.ledger, running.pipeline.redis)
            if inbox.waiting() or not running.has_finished():
                return False
            counts = running.kit.orders.counts()
            ended = sum(n for tally, n in counts.items() if tally.state in ENDS)
            return ended == counts.total() == self.report.triggers

        with suppress(AssertionError):
            running.until(rests, "every order is at its end", PATIENCE_SECONDS)
        if unheard := inbox.handled().keys() - HEARD:
            self.report.wrong.append(f"webhooks ended as {sorted(unheard)}")
        if failed := inbox.failed():
            self.report.wrong.append(f"the inbox gave up: {failed}")
        if letters := running.letters():
            self.report.wrong.append(f"dead letters: {letters}")

    def _judge(self) -> None:
        report, log = self.report, self.running.sandbox.log("mailjet")
        found = look(self.running, self.vendors.people)
        report.mails, report.held = found.mails, found.held
        report.closed = found.closed
        report.late = found.late
        report.wrong += found.wrong
        sends = [call for call in log if call["route"] == SEND]
        report.answers = Counter(call["status"] for call in sends)
        report.lookups = sum(call["route"] == FIND for call in log)
        runs = [
            (run.kind, run.state) for run in self.running.kit.ledger.finished_runs()
        ]
        if runs != [("full", "finished")] * (1 + report.resyncs):
            report.wrong.append(f"runs ended as {runs}")


def connections(sandbox: Sandbox) -> str:
    """One connection, live, with a rule for each campaign."""
    assert len(CAMPAIGNS) == len(RULES)
    return HEAD.format(**sandbox.env, more=CONNECTION, rules=",\n".join(RULES))


@contextmanager
def at_work(seed: int, *, hurries: bool) -> Iterator[Chaos]:
    """Nobody is there yet, and no worker runs."""
    env = settings(f"127.0.0.1:{free_port()}")
    with ExitStack() as stack:
        people = ("--contacts", "0", "--seed", str(seed))
        enter = stack.enter_context
        running = enter(installation(*people, connections=connections, **env))
        receiver = enter(started(running.processes))
        yield Chaos(running, receiver, seed, hurries=hurries)


def with_triggers(
    seed: int, triggers: int, kills: int, *, hurries: bool = False
) -> Report:
    """So many changes that rules answer, while the worker is killed so many times."""
    with at_work(seed, hurries=hurries) as chaos:
        chaos.run(triggers, kills)
        return chaos.report
