"""Our changes to Celery's messages and events, on a real broker.

Each script is a process of its own, since importing the app needs settings.
"""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pipeline.permit import Lane
from tests.valkey import Valkey

SETTINGS = {
    "GHL_TOKEN": "t",
    "GHL_LOCATION_ID": "l",
    "MAILJET_API_KEY": "k",
    "MAILJET_SECRET_KEY": "s",
}
BEGIN = """
import json
from types import SimpleNamespace

from celery import signals
from kombu import Consumer
from kombu.asynchronous import Hub
from redis import Redis

from pipeline.permit import Lane, Lease
from workers.celery import app, settings
from workers.messages import send

app.loader.import_default_modules()
redis = Redis.from_url(settings().redis_url)
found = {}

def count(name):
    return redis.info("commandstats").get(f"cmdstat_{name}", {"calls": 0})["calls"]

def queued():
    return sorted(
        json.loads(text)["headers"]["task"]
        for lane in Lane
        for text in redis.lrange(lane.value, 0, -1)
    )
"""
SEND_THREE = """
send([Lease("default", "c1", 7, Lane.BULK)])
for name in ("resync.full", "somebody.elses"):
    app.send_task(name, queue="live")
"""
TAKE_ALL = """
taken = {}
connection = app.connection()
channel = connection.channel()
queues = [app.amqp.queues[lane.value] for lane in Lane]
consumer = Consumer(channel, queues, accept=["json"])
consumer.on_message = lambda message: taken.update({message.headers["task"]: message})
consumer.consume()
while len(taken) < 3:
    connection.drain_events(timeout=20)
kept = [json.loads(text)[0] for text in redis.hvals("unacked")]
found["kept"] = sorted(message["headers"]["task"] for message in kept)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture(autouse=True)
def empty(server: Valkey) -> None:
    with server.client() as redis:
        redis.flushall()
        redis.config_resetstat()


def run(server: Valkey, script: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", f"{BEGIN}{script}\nprint(json.dumps(found))"],
        env={**SETTINGS, "REDIS_URL": server.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_redis_keeps_a_copy_of_what_the_ledger_does_not_know(server: Valkey) -> None:
    script = """
for message in taken.values():
    message.ack()
found["kept after"] = redis.hlen("unacked")
found["times"] = count("zadd"), count("zrem")
connection.close()
found["queued"] = queued()
"""
    found = run(server, SEND_THREE + TAKE_ALL + script)

    assert found == {
        "kept": ["resync.full", "somebody.elses"],
        "kept after": 0,
        "times": [2, 2],
        "queued": [],
    }


def test_a_worker_that_ends_in_order_gives_back_all_it_took(server: Valkey) -> None:
    script = """
taken["contact.sync"].reject(requeue=True)
found["given back"] = queued()
connection.close()
found["queued"] = queued()
"""
    found = run(server, SEND_THREE + TAKE_ALL + script)

    assert found["given back"] == ["contact.sync"]
    assert found["queued"] == ["contact.sync", "resync.full", "somebody.elses"]


def test_a_channel_has_one_client_for_each_pool(server: Valkey) -> None:
    script = """
channel = app.connection().channel()

def client():
    with channel.conn_or_acquire() as client:
        return client

first = client()
found["same"] = client() is first
channel._disconnect_pools()
found["same after a lost connection"] = client() is first
found["alive"] = client().ping()
"""
    assert run(server, script) == {
        "same": True,
        "same after a lost connection": False,
        "alive": True,
    }


def test_a_contact_message_is_what_celery_writes_itself(server: Valkey) -> None:
    script = """
from workers.tasks import contact_sync

lease = Lease("default", "c1", 7, Lane.CONSENT)
send([lease])
contact_sync.apply_async(
    kwargs={"connection": "default", "ghl_id": "c1", "lease": 7}, queue="consent"
)
for name, text in zip(("celery", "ours"), redis.lrange("consent", 0, -1)):
    message = json.loads(text)
    headers = message["headers"]
    found[name] = {
        "about": [message[key] for key in ("content-type", "content-encoding")],
        "headers": {
            key: headers[key]
            for key in ("lang", "task", "argsrepr", "kwargsrepr", "ignore_result")
        },
        "ids": headers["id"] == headers["root_id"]
        == message["properties"]["correlation_id"],
        "delivery": message["properties"]["delivery_info"],
    }
"""
    found = run(server, script)

    assert found["ours"] == found["celery"]


def test_events_wait_for_each_other_and_none_stays_behind(server: Valkey) -> None:
    script = """
from workers.events import EventsTogether

hub = Hub()
events = app.events.Dispatcher(app.connection(), buffer_group=["task"])
parent = SimpleNamespace(hub=hub, timer=hub.timer, event_dispatcher=events)
step = EventsTogether(parent)
step.start(parent)
for number in range(3):
    events.send("task-started", uuid=str(number))
found["while it runs"] = count("publish")
found["woken"] = len(hub._ready)
found["timers"] = len(hub.timer.queue)
step.stop(parent)
found["at its end"] = count("publish")
events.send("task-succeeded", uuid="0")
found["after its end"] = count("publish")
found["included"] = EventsTogether in app.steps["consumer"]
"""
    assert run(server, script) == {
        "while it runs": 0,
        "woken": 1,
        "timers": 1,
        "at its end": 1,
        "after its end": 2,
        "included": True,
    }


def test_a_workers_threads_wait_longer_for_each_other(server: Valkey) -> None:
    script = """
import sys

found["before"] = sys.getswitchinterval()
signals.celeryd_after_setup.send("w@h", instance=SimpleNamespace(concurrency=16))
found["after"] = sys.getswitchinterval()
"""
    found = run(server, script)

    assert found["before"] == pytest.approx(0.005)
    assert found["after"] == pytest.approx(0.02)


def test_every_event_of_a_contact_reaches_who_listens(server: Valkey) -> None:
    """With one slot: every task begins after the one before it has ended."""
    script = """
import subprocess, sys

worker = subprocess.Popen(
    [sys.executable, "-m", "celery", "-A", "workers", "worker", "-c", "1"],
    stderr=subprocess.DEVNULL,
    stdout=subprocess.DEVNULL,
)
seen = []

def heard(event):
    if not seen:
        # The worker is there, and so are we.
        send(Lease("default", f"c{n}", 7, Lane.BULK) for n in range(10))
    seen.append(event)
    ends = sum(event["type"] == "task-succeeded" for event in seen)
    receiver.should_stop = ends == 10

try:
    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": heard})
        receiver.capture(timeout=60, wakeup=False)
finally:
    worker.terminate()
    worker.wait()
tasks = {}
for event in seen:
    if event["type"].startswith("task-"):
        tasks.setdefault(event["uuid"], []).append(event)
found["types"] = [[event["type"] for event in events] for events in tasks.values()]
found["first"] = [
    [events[0]["name"], events[0]["kwargs"]] for events in tasks.values()
]
"""
    found = run(server, script)

    kwargs = "{{'connection': 'default', 'ghl_id': 'c{}', 'lease': 7}}"
    assert found["types"] == [["task-received", "task-started", "task-succeeded"]] * 10
    assert found["first"] == [["contact.sync", kwargs.format(n)] for n in range(10)]


def test_a_queue_of_each_lane_is_all_that_is_asked_for(server: Valkey) -> None:
    script = """
channel = app.connection().channel()
found["steps"] = channel.priority_steps
found["order"] = [queue.name for queue in app.amqp.queues.consume_from.values()]
"""
    assert run(server, script) == {"steps": [0], "order": [lane.value for lane in Lane]}
