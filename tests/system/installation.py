"""One operator's installation: a Redis, both vendors, and what runs between them."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import RedisError

from pipeline.bootstrap import Kit, Pipeline, build
from pipeline.config import from_env
from pipeline.permit import Lane, Permit
from pipeline.store.records import Run
from pipeline.store.state import process_key
from tests.sandbox import Row, Sandbox
from tests.system.processes import BIN, Process, Processes, until
from tests.valkey import Valkey

NO_LIMITS = {"GHL_RATE": "100000/10", "MAILJET_RATE": "100000/10"}
GOOD_NIGHT = 90.0
"""Seconds in which everything here has happened, even on a busy machine."""


@dataclass(frozen=True)
class Installation:
    """What a test looks at; `processes` is what it acts with.

    Args:
        supervised: processes that a wait starts again, wherever they have ended. A
            worker is one where Redis goes away: kombu 5.7 may end it then.
    """

    valkey: Valkey
    sandbox: Sandbox
    processes: Processes
    pipeline: Pipeline
    supervised: list[Process] = field(default_factory=list)

    @property
    def kit(self) -> Kit:
        return self.pipeline.kit("default")

    @property
    def list_id(self) -> str:
        return self.sandbox.env["MAILJET_LIST_ID"]

    def until(
        self, condition: Callable[[], object], what: str, seconds: float = GOOD_NIGHT
    ) -> None:
        """Return as soon as the condition holds; without Redis it does not hold yet."""

        def holds() -> object:
            for process in self.supervised:
                process.supervise()
            try:
                return condition()
            except RedisError:
                return False

        try:
            until(holds, what, seconds)
        except AssertionError as error:
            error.add_note(self.processes.command("status").stdout)
            error.add_note(self.processes.logs())
            raise

    def setup(self) -> None:
        """`ghl-mailjet setup`, as an operator does it once."""
        done = self.processes.command("setup")
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, beats: int = 1) -> Process:
        """Set up beside a worker, which comes back ready, and Beat."""
        for _ in range(beats):
            self.processes.beat()
        worker = self.processes.worker("--loglevel", "info")
        self.setup()
        self.until(self.pipeline.processes.slots, "a worker is ready")
        return worker

    def first_run(self, seconds: float = GOOD_NIGHT) -> None:
        """The run that Beat would begin within 15 seconds, from start to end."""
        done = self.processes.command("resync")
        assert done.returncode == 0, done.stdout + done.stderr
        self.until(self.has_finished, "the first run has finished", seconds)

    def begin_first_run(self) -> None:
        """The same, without a wait."""
        self.processes.start("resync", str(BIN / "ghl-mailjet"), "resync")

    def call(self, task: str, **arguments: str) -> str:
        """Enqueue a task for the connection `default`; its id."""
        kwargs = {"connection": "default", **arguments}
        return self.processes.call(task, json.dumps(kwargs))

    def resync(self) -> Run:
        """Enqueue a full resync and wait for its end; it would join one under way."""
        self.until(lambda: not self.is_under_way(), "no run is under way")
        before = self.last_run()
        self.call("resync.full")
        return self.next_run(before)

    def next_run(self, before: Run | None) -> Run:
        """The run that followed, after its end."""
        was = before.id if before else ""
        self.until(
            lambda: (run := self.last_run()) and run.id != was and not run.is_active,
            "the run has ended",
        )
        run = self.last_run()
        assert run is not None
        return run

    def last_run(self) -> Run | None:
        return self.kit.ledger.run()

    def is_under_way(self) -> bool:
        """Whether a run is."""
        run = self.last_run()
        return run is not None and run.is_active

    def settled(self) -> int:
        """How many contacts of the last run are done; 0 before the first."""
        run = self.last_run()
        return run.settled if run else 0

    def has_finished(self) -> bool:
        """Whether the last run has, and nothing is left to do."""
        run, backlog = self.last_run(), self.kit.ledger.backlog()
        waiting = backlog.waiting + backlog.leased
        return run is not None and run.state == "finished" and not waiting

    def has_done(self, task: str) -> bool:
        """Whether a worker says so of that task's id."""
        done = f"[{task}] succeeded"
        return any(done in log for log in self.processes.full_logs())

    def let_beat_tick(self, times: int = 2) -> None:
        """Let so many seconds pass in which everything due was rung."""
        heard: set[object] = set()

        def ticked() -> bool:
            heard.add(self.pipeline.redis.get(process_key("tick")))
            return len(heard) > times

        self.until(ticked, f"{times} ticks")

    def status(self) -> dict[str, Any]:
        """What `ghl-mailjet status --json` tells."""
        told: dict[str, Any] = json.loads(
            self.processes.command("status", "--json").stdout
        )
        return told

    def letters(self) -> list[dict[str, Any]]:
        """What `ghl-mailjet dead-letters --json` tells."""
        done = self.processes.command("dead-letters", "--json")
        told: list[dict[str, Any]] = json.loads(done.stdout)
        return told

    def times_in_mailjet(self) -> Counter[str]:
        """How often each address is in Mailjet."""
        return Counter(row["email"].lower() for row in self.sandbox.subscribers())

    def missing(self) -> set[str]:
        """Addresses of GHL that are not in Mailjet exactly once."""
        times = self.times_in_mailjet()
        return {email for email in self.addresses() if times[email] != 1}

    def addresses(self) -> set[str]:
        """Those of all contacts that can be mailed."""
        return {
            email
            for contact in self.sandbox.contacts()
            if is_address(email := address_of(contact))
        }

    def mailed(self) -> set[str]:
        """Addresses that get our mail: on the list, and not excluded."""
        return {
            row["email"].lower()
            for row in self.sandbox.subscribers()
            if not row["excluded"]
            and row["lists"].get(self.list_id, {"unsubscribed": True})["unsubscribed"]
            is False
        }

    def opted_out(self) -> set[str]:
        """Addresses of all who said no, in GHL or in Mailjet."""
        in_ghl = {
            address_of(contact)
            for contact in self.sandbox.contacts()
            if contact.get("dnd")
            or contact.get("dndSettings", {}).get("Email", {}).get("status")
            in {"active", "permanent"}
        }
        in_mailjet = {
            row["email"].lower()
            for row in self.sandbox.subscribers()
            if row["excluded"]
            or any(place["unsubscribed"] for place in row["lists"].values())
        }
        return in_ghl | in_mailjet

    def writes(self, vendor: str = "mailjet") -> list[Row]:
        """The calls to a vendor that change something."""
        return [
            call
            for call in self.sandbox.log(vendor)
            if call["method"] != "GET" and not call["route"].endswith("/search")
        ]


@contextmanager
def installation(
    *options: str,
    state_database: int = 0,
    connections: Callable[[Sandbox], str] | None = None,
    **env: str,
) -> Iterator[Installation]:
    """Redis and the sandbox run; nothing is set up, no process of ours runs.

    Args:
        options: the sandbox's, whose limits are off unless they say otherwise; each of
            several `--locations` is a connection, under the rates that it enforces.
        state_database: the number of Redis' database for the state; the broker's is 0.
        connections: makes the text of a `connections.toml`; None is settings alone.
        env: settings beside the sandbox's; the product's limits are off as well.
    """
    with Valkey(appendonly="yes") as valkey, Sandbox(*options) as sandbox:
        settings = {**sandbox.env, "REDIS_URL": valkey.url, **NO_LIMITS, **env}
        if connections:
            sandbox.connections_file.write_text(connections(sandbox), "utf-8")
        if connections or "--locations" in options:
            settings["SYNC_CONNECTIONS_FILE"] = str(sandbox.connections_file)
        if state_database:
            server = valkey.url.rpartition("/")[0]
            settings["SYNC_REDIS_URL"] = f"{server}/{state_database}"
        pipeline = build(from_env(settings))
        with closing(pipeline.redis), Processes(settings) as processes:
            running = Installation(valkey, sandbox, processes, pipeline)
            for kit in pipeline.kits.values():
                for bucket in (kit.ghl_bucket, kit.mailjet_bucket):
                    # A new one begins with a pause, which passes while processes start.
                    next(bucket.pauses(Permit(Lane.LIVE)), None)
            yield running


def address_of(contact: Row) -> str:
    return (contact.get("email") or "").strip().lower()


def is_address(text: str) -> bool:
    """As the sandbox breaks them."""
    return text.count("@") == 1 and not text.endswith("@")


def unseen(contact: Row, **changes: Any) -> Row:
    """A change that the poll for changes does not find."""
    return {"id": contact["id"], "dateUpdated": contact["dateUpdated"], **changes}
