"""What a worker's process tells of itself, and whom its tick takes for dead."""

import subprocess
import sys

import pytest
from redis import Redis

from pipeline.permit import Lane
from pipeline.store.ledger import Ledger
from pipeline.store.processes import Processes
from tests.driver import waiting
from tests.leases import lease_one
from tests.valkey import Valkey

START = """
from pipeline.store.processes import Worker
from workers.signals import heartbeat

heartbeat.start(Worker("b0071", 16, "celery@ana"))
"""
TICK = """
from workers.celery import pipeline
from workers.tasks import dispatch_tick

pipeline().redis.delete("gm:workers")
dispatch_tick()
"""
TELL = """
print(heartbeat.owner)
"""
SETTINGS = {
    "GHL_TOKEN": "t",
    "GHL_LOCATION_ID": "l",
    "MAILJET_API_KEY": "k",
    "MAILJET_SECRET_KEY": "s",
}


def run(url: str, script: str) -> str:
    """What a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**SETTINGS, "REDIS_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.fixture
def processes(redis: Redis) -> Processes:
    redis.delete("gm:workers")
    return Processes(redis)


def test_a_worker_owns_what_it_opens(valkey, processes):
    owner = run(valkey.url, START + TELL)

    assert owner == "b0071"
    assert [worker.name for worker in processes.workers()] == ["celery@ana"]


def test_a_process_that_is_no_worker_owns_nothing(valkey, processes):
    owner = run(valkey.url, "from workers.signals import heartbeat" + TELL)

    assert owner == ""


def test_a_worker_that_nobody_heard_of_owns_nothing():
    with Valkey() as server:
        url = server.url

    assert run(url, START + TELL) == ""


def test_a_worker_that_was_told_to_end_owns_nothing_more(valkey, processes):
    owner = run(valkey.url, START + "heartbeat.stop()\nheartbeat.beat()" + TELL)

    assert owner == ""
    assert processes.slots() == 0
    assert [worker.boot for worker in processes.workers()] == ["b0071"]


def test_a_tick_returns_what_the_dead_held_and_nothing_of_its_own(
    valkey, ledger: Ledger, redis, processes
):
    for ghl_id, boot in (("ana", "b0071"), ("bo", "b0072")):
        ledger.open(ghl_id, lease_one(ledger, ghl_id).token, boot)

    # No heartbeat is fresh, as after an hour without Redis.
    run(valkey.url, START + TICK)

    assert waiting(ledger, redis, Lane.BULK) == set()
    assert redis.hget(ledger.key("owners"), "ana") == b"b0071"
    assert redis.hget(ledger.key("owners"), "bo") is None
