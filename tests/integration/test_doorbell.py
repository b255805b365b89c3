"""Beat's scheduler on a real broker, in a process of its own."""

import socket
import subprocess
import sys

from pipeline.store.state import process_key
from tests.valkey import Valkey

RING = """
from workers.celery import app
from workers.doorbell import Doorbell

bell = Doorbell(app=app)
entry = bell.schedule["dispatch.tick"]
for _ in range({times}):
    bell.apply_entry(entry)
"""
REDIS_DIES = (
    RING
    + """
import os, signal

os.kill({pid}, signal.SIGKILL)
bell.apply_entry(entry)
"""
)
SETTINGS = {
    "GHL_TOKEN": "t",
    "GHL_LOCATION_ID": "l",
    "MAILJET_API_KEY": "k",
    "MAILJET_SECRET_KEY": "s",
}


def run(url: str, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**SETTINGS, "REDIS_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def test_beat_stops_ringing_while_nobody_opens_and_rings_again_afterwards():
    with Valkey() as server, server.client() as redis:
        run(server.url, RING.format(times=3))
        heard = redis.llen("consent")
        run(server.url, RING.format(times=30))
        unheard = redis.llen("consent")
        redis.delete("consent")
        run(server.url, RING.format(times=2))

        assert (heard, unheard, redis.llen("consent")) == (3, 10, 2)


def test_beat_outlives_a_redis_that_goes_away():
    with Valkey() as server:
        finished = run(server.url, REDIS_DIES.format(times=1, pid=server.pid))

    assert finished.returncode == 0, finished.stderr[-500:]
    assert "not rung" in finished.stderr


def test_beat_tells_of_itself_whether_anybody_hears_it_or_not():
    with Valkey() as server, server.client() as redis:
        run(server.url, RING.format(times=30))
        key = process_key(f"beat:{socket.gethostname()}")
        redis.delete(key)
        run(server.url, RING.format(times=1))

        assert redis.exists(key)
