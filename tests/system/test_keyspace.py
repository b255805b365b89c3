"""What all processes together leave in Redis, with a database of its own for the state.

Keys of one connection are looked at in `tests/integration/test_state.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.store.alerts import Alerts, Told
from pipeline.store.inbox import Entry, Source
from pipeline.store.state import PROCESS_KEYS
from tests.keyspace import Touched, rows_of
from tests.system.installation import Installation, installation
from tests.system.processes import Process
from tests.system.receiving import ghl_body, settings, started
from tests.valkey import free_port

PEOPLE = 60
BROKER, STATE = 0, 1
CELERYS = {
    "bulk": "queue",
    "live": "queue",
    "consent": "queue",
    "_kombu.binding.*": "which queues an exchange feeds",
    "_kombu.binding_permanent.*": "those of them that never expire",
    "_kombu.binding_deadlines": "until when the others are fed: mailboxes",
    "unacked": "messages taken and not yet acknowledged: `resync.full` acks late",
    "unacked_index": "since when",
    "unacked_mutex": "who looks for those that were forgotten",
    "*.celery.pidbox": "mailbox of a worker, or of who asked it, for `inspect`",
}
"""Celery's and kombu's own, and why they are there. Events for Flower are published and
never stored."""


@dataclass(frozen=True)
class Lived:
    """An installation at rest, and every key that was written in it, by database."""

    installation: Installation
    touched: dict[int, set[str]]
    most_leased: int
    worker: Process


@pytest.fixture(scope="module")
def lived() -> Iterator[Lived]:
    port = free_port()
    people = ("--contacts", str(PEOPLE))
    login = {"FLOWER_PORT": str(port), "FLOWER_BASIC_AUTH": "operator:long enough"}
    bind = settings(f"127.0.0.1:{free_port()}")
    with (
        installation(*people, state_database=STATE, **login, **bind) as running,
        running.valkey.client() as redis,
        Touched(redis) as listener,
        started(running.processes) as receiver,
    ):
        running.processes.flower().wait_for("Connected to redis")
        worker = running.start()
        most_leased = 0

        def finished() -> bool:
            nonlocal most_leased
            most_leased = max(most_leased, running.kit.ledger.backlog().leased)
            return running.has_finished()

        running.begin_first_run()
        running.until(finished, "the first run has finished")
        running.resync()
        looks = ("changes", "optouts", "activities", "feedback")
        called = [running.call(f"discovery.{look}") for look in looks]
        called.append(running.processes.call("alerts.check"))
        running.until(lambda: all(map(running.has_done, called)), "all have looked")
        running.processes.celery("inspect", "ping")
        inbox = running.pipeline.inbox
        assert receiver.ghl(ghl_body(id="elsewhere")) == 200
        inbox.put(Entry(Source.GHL, "", 0, b"no JSON: it fails for good"))
        running.until(lambda: inbox.counts().failed, "failed")
        running.until(lambda: not inbox.waiting() and inbox.received(), "handled")
        wrong = Alerts(running.pipeline.redis)
        assert wrong.claim()
        wrong.grew_ms("dead_letters", 1, 1)
        wrong.first_seen_ms(["looked"], 1)
        wrong.save({"no-beat": Told(1, "Beat is silent")}, ())
        running.let_beat_tick()
        running.until(running.has_finished, "idle")
        touched: dict[int, set[str]] = {}
        for database, key in listener.written():
            touched.setdefault(database, set()).add(key)
        yield Lived(running, touched, most_leased, worker)


def is_celerys(key: str) -> bool:
    return any(fnmatchcase(key, name) for name in CELERYS)


def test_the_broker_and_the_state_keep_apart(lived: Lived) -> None:
    assert lived.touched.keys() == {BROKER, STATE}
    assert {key for key in lived.touched[BROKER] if not is_celerys(key)} == set()
    assert {key for key in lived.touched[STATE] if len(rows_of(key)) != 1} == set()


def test_every_row_of_the_processes_has_its_key(lived: Lived) -> None:
    explained = {row for key in lived.touched[STATE] for row in rows_of(key)}

    assert [row.name for row in PROCESS_KEYS if row not in explained] == []


def test_every_key_of_celery_that_is_named_here_is_there(lived: Lived) -> None:
    used = {
        name
        for name in CELERYS
        for key in lived.touched[BROKER]
        if fnmatchcase(key, name)
    }

    assert used == CELERYS.keys()


def test_at_rest_no_message_is_left_in_the_broker(lived: Lived) -> None:
    running = lived.installation
    with running.valkey.client() as redis:
        running.until(
            lambda: not redis.exists("bulk", "live", "consent", "unacked"),
            "everything that was rung was heard",
        )


def test_at_rest_the_state_is_what_a_connection_keeps(lived: Lived) -> None:
    with lived.installation.valkey.client() as broker:
        keyspace = broker.info("keyspace")
    redis = lived.installation.pipeline.redis

    keys = redis.scan_iter("gm:default:*")
    lasting = {key.decode()[11:] for key in keys if redis.ttl(key) == -1}

    assert lasting == {
        *("snapshots", "addresses", "fence", "run", "runs", "full_run", "watermark"),
        *("setup", "optouts:mailjet", "turn:notes", "feed:note", "feed:task"),
        "callbacks",
        *("consent", "reading:bounces", "reading:spam", "reading:unsub", "success"),
    }
    timelines = len(list(redis.scan_iter("gm:default:timeline:*")))
    assert timelines <= PEOPLE
    assert keyspace[f"db{STATE}"]["keys"] - timelines < 80


def test_as_many_are_leased_as_the_table_says(lived: Lived) -> None:
    slots = lived.installation.pipeline.processes.slots()

    assert 0 < lived.most_leased <= 4 * slots


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux tells heaps")
def test_the_threads_of_a_worker_share_one_heap(lived: Lived) -> None:
    maps = Path(f"/proc/{lived.worker.pid}/maps").read_text("utf-8")

    assert heaps_of_threads(maps) == 0


HEAP_BYTES = 64 * 2**20
"""So much address space glibc reserves for each heap beside the first."""


def heaps_of_threads(maps: str) -> int:
    """How many there are: a part in use, and the rest behind it not accessible."""
    parts = [
        (*line.split()[0].split("-"), line.split()[1]) for line in maps.splitlines()
    ]
    regions = [(int(start, 16), int(end, 16), how) for start, end, how in parts]
    return sum(
        used[2] == "rw-p"
        and rest[2] == "---p"
        and used[1] == rest[0]
        and used[0] % HEAP_BYTES == 0
        and rest[1] - used[0] == HEAP_BYTES
        for used, rest in pairwise(regions)
    )
