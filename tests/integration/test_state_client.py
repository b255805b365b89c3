"""Each thread keeps a connection to Redis, and no longer than it lives."""

import subprocess
import sys
from threading import Thread

from pipeline.store.client import StateClient
from tests.valkey import Valkey

FORKS = """
import os, sys
from pipeline.store.client import StateClient
client = StateClient.from_url(sys.argv[1])
mine = client.client_id()
if not (child := os.fork()):
    os._exit(client.client_id() == mine)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "a socket is shared"
assert client.client_id() == mine
"""


def id_in_a_thread(client: StateClient) -> int:
    """Redis' number for the connection that a new thread's commands come by."""
    found: list[int] = []

    def ask() -> None:
        found.extend(client.client_id() for _ in range(2))

    thread = Thread(target=ask)
    thread.start()
    thread.join()
    assert found[0] == found[1], "a thread changed its connection"
    return found[0]


def test_every_thread_keeps_a_connection_of_its_own(valkey: Valkey) -> None:
    with StateClient.from_url(valkey.url) as client:
        own = client.client_id()
        others = {id_in_a_thread(client) for _ in range(3)}
        assert client.client_id() == own
    assert own not in others
    assert len(others) == 1, "what a thread kept was lost with it"


def test_a_forked_process_makes_a_connection_of_its_own(valkey: Valkey) -> None:
    subprocess.run([sys.executable, "-c", FORKS, valkey.url], check=True)
