"""What a vendor made, and we never heard of: is it made twice?

Neither vendor knows an idempotency key. Each fault strikes right after the vendor made
a note, a task or a history entry, so often, and what is there twice is counted.
"""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock

from pipeline.bootstrap import Kit
from pipeline.feed import Feed
from pipeline.ghl.client import HEADERS
from pipeline.permit import Lane, Lease, Permit
from pipeline.session import ApiSession, OnCall
from pipeline.sync.around import Kind
from tests.asking import ask_for_note, ask_for_task, granted, read_feeds, set_up
from tests.driver import FULL_ROW, MAX_OUT, Driver, make_due
from tests.sandbox import Row, Sandbox, fresh_email
from tests.system.installation import installation
from tests.valkey import Valkey

FAULTS = {
    "no answer in time": "slow",
    "reset after the work": "reset_after",
    "closed after the work": "no_answer_after",
    "half an answer": "truncated",
    "a list for an object": "wrong_type",
    "worker killed": "",
}
"""What happens, and the sandbox's word for it."""
ANSWER_SECONDS = 0.5
"""How long we wait here for an answer: 200 of them come too late."""
MAKES = ("/contacts/:contactId/notes", "/contacts/:contactId/tasks")
APPENDS = ("/v3/REST/contacthistorydata",)


class Killed(BaseException):
    """Nothing of ours catches it, as nothing survives `kill -9`."""


class Killer:
    """Ends the work of a lease right after calls that make something."""

    def __init__(self) -> None:
        self.left: Counter[str] = Counter()
        self._lock = Lock()

    def __call__(
        self, vendor: str, label: str, status: int | None, seconds: float
    ) -> None:
        with self._lock:
            if self.left[label] <= 0:
                return
            self.left[label] -= 1
        raise Killed


@dataclass
class Losses:
    """What became of what was asked for; everything should be there once.

    Args:
        struck: answers that were lost.
    """

    what: str
    struck: int
    asked: int
    times: Counter[object] = field(repr=False)
    letters: int
    seconds: float

    @property
    def wrong(self) -> list[str]:
        twice = sum(count > 1 for count in self.times.values())
        missing = self.asked - len(self.times)
        told = {"twice": twice, "missing": missing, "dead letters": self.letters}
        return [f"{count} {name}" for name, count in told.items() if count]

    @property
    def line(self) -> str:
        return (
            f"{self.what}: {self.struck} answers lost in {self.seconds:.0f} s, "
            f"{self.asked} asked for, {', '.join(self.wrong) or 'each there once'}"
        )


class Losing:
    """Contacts in both vendors, and calls whose answers get lost."""

    def __init__(self, driver: Driver, contacts: int) -> None:
        self.driver = driver
        self.killer = Killer()
        driver.kit = hurried(driver.kit, self.killer)
        set_up(driver)
        self.people: list[Row] = [
            driver.person(id=f"gh{number:018}") for number in range(contacts)
        ]
        driver.full_run()

    def ask(self, what: str, kind: str, times: int) -> Losses:
        """Ask for so many notes and tasks, and lose the answer to each."""
        sandbox, before = self.driver.sandbox, granted(self.driver.sandbox)
        numbers = [
            ask_for_note(sandbox, person, "Call back")
            if turn % 2
            else ask_for_task(sandbox, person, title="Call back")
            for turn, person in enumerate(self._so_many(times))
        ]
        began = time.monotonic()
        read_feeds(self.driver)
        struck = self._struck(kind, "ghl", MAKES, times)
        made = granted(sandbox) - before
        assert made.keys() <= set(numbers)
        return self._losses(f"{what}, GHL", struck, times, Counter(made), began)

    def change(self, what: str, kind: str, times: int) -> Losses:
        """Give GHL so many new tasks, and lose the answer to each history entry."""
        sandbox, before = self.driver.sandbox, self._history()
        due = "2099-01-01T00:00:00.000Z"
        for person in self._so_many(times):
            sandbox.put_task(contactId=person["id"], title="Call", dueDate=due)
        began = time.monotonic()
        ids = {person["id"] for person in self.people}
        self.driver.ledger.point_at(ids, Kind.TASKS, Lane.LIVE)
        struck = self._struck(kind, "mailjet", APPENDS, times)
        told = self._history() - before
        return self._losses(f"{what}, Mailjet", struck, times, told, began)

    def _so_many(self, times: int) -> Iterator[Row]:
        return (self.people[turn % len(self.people)] for turn in range(times))

    def _history(self) -> Counter[object]:
        """How often each state of a task was told."""
        rows = self.driver.sandbox.history()
        return Counter(row["Data"] for row in rows if row["Name"] == "ghl_task")

    def _struck(
        self, kind: str, vendor: str, routes: tuple[str, ...], times: int
    ) -> int:
        """Work until nothing is left to do; how many answers were lost meanwhile."""
        sandbox, killer = self.driver.sandbox, self.killer
        share = times // len(routes)
        for route in routes:
            if kind:
                call = {"vendor": vendor, "method": "POST", "route": route}
                seconds = 2 * ANSWER_SECONDS
                sandbox.add_fault(kind, **call, times=share, seconds=seconds)
            else:
                killer.left[f"POST {route}"] = share
        self._drain()
        left = sum(fault["times"] for fault in sandbox.faults()) + killer.left.total()
        sandbox.clear_faults()
        killer.left.clear()
        return share * len(routes) - int(left)

    def _drain(self) -> None:
        driver = self.driver
        with ThreadPoolExecutor(MAX_OUT) as threads:
            while not self._is_done():
                leases = driver.ledger.lease(MAX_OUT, max_out=MAX_OUT)
                if any(list(threads.map(self._is_killed, leases))):
                    driver.lose_workers()
                driver.make_due()
                if driver.kit.health.paused():
                    driver.kit.health.resume()

    def _is_killed(self, lease: Lease) -> bool:
        try:
            self.driver.run(lease)
        except Killed:
            return True
        return False

    def _is_done(self) -> bool:
        backlog = self.driver.ledger.backlog()
        return not backlog.waiting + backlog.leased

    def _losses(
        self, what: str, struck: int, asked: int, times: Counter[object], began: float
    ) -> Losses:
        letters, seconds = len(self.driver.letters()), time.monotonic() - began
        return Losses(what, struck, asked, times, letters, seconds)


def hurried(kit: Kit, on_call: OnCall) -> Kit:
    """The same, with less patience for an answer, and somebody who hears of calls."""
    connection = kit.connection
    timeouts, idle = (5.0, ANSWER_SECONDS), Permit(Lane.BULK)
    return replace(
        kit,
        ghl_session=ApiSession(
            "ghl",
            connection.ghl_base_url,
            headers={**HEADERS, "Authorization": f"Bearer {connection.ghl_token}"},
            budget=kit.ghl_bucket,
            permit=idle,
            read_only=False,
            on_call=on_call,
            timeouts=timeouts,
        ),
        mailjet_session=ApiSession(
            "mailjet",
            connection.mailjet_base_url,
            auth=(connection.mailjet_api_key, connection.mailjet_secret_key),
            budget=kit.mailjet_bucket,
            permit=idle,
            read_only=False,
            on_call=on_call,
            timeouts=timeouts,
        ),
    )


@contextmanager
def losing(contacts: int) -> Iterator[Losing]:
    """A Redis, both vendors, and so many contacts that are in both."""
    with (
        Valkey() as valkey,
        Sandbox("--contacts", "0") as sandbox,
        Driver(valkey, sandbox) as driver,
    ):
        yield Losing(driver, contacts)


def with_kills_while_making(kills: int) -> Iterator[Losses]:
    """`kill -9` of a worker while GHL keeps it waiting for an answer."""
    with installation() as running:
        sandbox, kit = running.sandbox, running.kit
        contact = sandbox.put_contact(email=fresh_email(), **FULL_ROW)
        worker = running.start()
        running.resync()
        record, waiting = kit.record(), kit.ledger.key(f"incoming:{contact['id']}")
        assert record is not None
        numbers: list[int] = []
        began = time.monotonic()
        for _ in range(kills):
            sandbox.clear_log()
            fault = sandbox.add_fault("slow", route=MAKES[0], method="POST", seconds=9)
            numbers.append(ask_for_note(sandbox, contact, "Call back"))
            Feed(kit, record).read()
            running.until(lambda: _is_asked(sandbox), "GHL is asked to make it")
            worker.kill()
            sandbox.remove_fault(fault)
            worker = running.processes.worker("--loglevel", "info")
            running.until(lambda: _is_settled(kit, waiting), "it is settled")
        times: Counter[object] = Counter(granted(sandbox))
        letters, seconds = len(running.letters()), time.monotonic() - began
        yield Losses("kill -9, GHL", kills, len(numbers), times, letters, seconds)


def _is_settled(kit: Kit, waiting: str) -> bool:
    """Nobody waits for the half minute in which a lost call could still arrive."""
    make_due(kit.ledger, kit.redis)
    return not kit.redis.exists(waiting)


def _is_asked(sandbox: Sandbox) -> bool:
    call = ("POST", MAKES[0])
    return any((each["method"], each["route"]) == call for each in sandbox.log("ghl"))


def with_lost_answers(times: int, contacts: int = 100) -> Iterator[Losses]:
    """Every fault so many times, at either vendor."""
    with losing(contacts) as world:
        for what, kind in FAULTS.items():
            yield world.ask(what, kind, times)
            yield world.change(what, kind, times)
