"""The demo: the whole product on this machine, and nothing left of it afterwards."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline.store.state import connection_key
from tests.system.installation import GOOD_NIGHT
from tests.system.processes import BIN, Process, Processes, until
from tests.valkey import Valkey

MARK = "GM_TEST_DEMO"
END_SECONDS = 120.0
COMMAND = (str(BIN / "ghl-mailjet"), "demo", "--contacts", "20")

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"
)


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Whatever is started here, and by that, carries a mark."""
    with Processes({MARK: uuid4().hex}) as processes:
        yield processes


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """The server of a user."""
    with Valkey() as valkey:
        yield valkey


def left_of(processes: Processes, demo: Process) -> list[str]:
    """The commands of all that runs in the demo's session, or carries its mark."""
    mark = f"{MARK}={processes.env[MARK]}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ = (folder / "environ").read_bytes().split(b"\0")
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        # The Redis server writes its title over its environment.
        state, session = stat[0], int(stat[3])
        if state != "Z" and (mark in environ or session == demo.pid):
            found.append(command.decode())
    return found


def test_the_demo_shows_a_contact_on_both_sides_and_leaves_nothing_running(
    processes: Processes,
) -> None:
    demo = processes.start("demo", *COMMAND)

    demo.wait_for("Full resync")
    running = left_of(processes, demo)
    status = demo.wait(END_SECONDS)

    _, _, told = demo.log.rpartition("The same contact after")
    after, _, unsubscribed = told.partition("They unsubscribe in Mailjet")
    assert status == 0, demo.log
    assert "(nobody)" in demo.log
    run = re.search(r"Run \w+ finished in [\d.]+ s: (.*)", demo.log)
    assert run is not None
    assert sum(map(int, re.findall(r"\b\d+ ", run[1]))) == 20
    assert "ghl_contact_id" in after
    shown = " ".join(after.split())
    for told in ("task: Send the offer", "note: <p>Met at", "appointment: Viewing"):
        assert told in shown, told
    assert re.search(r"ghl_open_tasks: [1-9]", shown)
    assert re.search(r"ghl_note_count: [1-9]", shown)
    assert "ghl_next_appointment_title: Viewing" in shown
    assert "ghl_email_status: subscribed" in shown
    shown = " ".join(unsubscribed.split())
    for said in ("Email DND: active", "mailjet-unsubscribed", "opted_out"):
        assert said in shown, said
    for name in ("worker", "beat", "flower", "pipeline.sandbox", "gunicorn", "valkey"):
        assert any(name in command for command in running), name
    assert_nothing_is_left(processes, demo)


def test_ctrl_c_ends_the_demo_and_all_that_it_started(processes: Processes) -> None:
    demo = processes.start("demo", *COMMAND)
    demo.wait_for("Setup")

    demo.interrupt()
    demo.wait(END_SECONDS)

    assert_interrupted(processes, demo)


def test_ctrl_c_in_mid_run_leaves_the_redis_of_a_user_as_it_was(
    valkey: Valkey,
) -> None:
    env = {MARK: uuid4().hex, "REDIS_URL": valkey.url}
    with valkey.client() as redis, Processes(env) as processes:
        redis.set("theirs", "precious")
        demo = processes.start("demo", *COMMAND)
        demo.wait_for("Full resync")
        running, keys = left_of(processes, demo), redis.dbsize()

        demo.interrupt()
        demo.wait(END_SECONDS)

        assert_interrupted(processes, demo)
        assert any("worker" in command for command in running)
        assert not any("valkey" in command for command in running)
        assert keys > 1
        assert redis.keys("*") == [b"theirs"]


def assert_interrupted(processes: Processes, demo: Process) -> None:
    assert "Interrupted; shutting down." in demo.log
    assert "Traceback" not in demo.log
    assert_nothing_is_left(processes, demo)


def assert_nothing_is_left(processes: Processes, demo: Process) -> None:
    """What the demo kills is gone a moment later."""
    until(lambda: not left_of(processes, demo), "nothing is left", GOOD_NIGHT)


def test_the_redis_of_an_installation_is_refused(valkey: Valkey) -> None:
    key = connection_key("default", "setup")
    with valkey.client() as redis, Processes({"REDIS_URL": valkey.url}) as processes:
        redis.hset(key, "list_id", 1)

        done = processes.command("demo", "--contacts", "20")

        assert done.returncode == 2
        assert "REDIS_URL: that server holds the state of an installation" in (
            done.stdout.replace("\n", " ")
        )
        assert redis.keys("*") == [key.encode()]
