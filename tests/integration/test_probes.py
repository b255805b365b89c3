"""What a supervisor hears of a process, and how soon."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from threading import Event

import pytest
from redis import Redis

from pipeline.commands.health import within
from pipeline.config import from_env
from pipeline.probes import Answer, Process, probe
from pipeline.store.processes import BEAT_SECONDS, Processes, Worker
from pipeline.store.state import process_key
from tests.builders import ENVIRON
from tests.valkey import Valkey, free_port

HOST = socket.gethostname()
HEALTH = "import sys; sys.argv = ['ghl-mailjet', 'health', *sys.argv[1:]]; "
HEALTH += "from pipeline.__main__ import main; main()"
LIGHT = "import pipeline.__main__, pipeline.commands.health, sys; "
LIGHT += "print(*{'requests', 'lxml', 'rich', 'pipeline.bootstrap'} & set(sys.modules))"


def ask(url: str, process: Process, node: str = "celery", **environ: str) -> Answer:
    return probe(process, from_env({**ENVIRON, "REDIS_URL": url}), environ, node)


def health(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`ghl-mailjet health WORDS`."""
    return subprocess.run(
        [sys.executable, "-c", HEALTH, *words],
        env={**ENVIRON, "REDIS_URL": url},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def processes(redis: Redis) -> Processes:
    redis.delete(process_key("workers"), process_key(f"beat:{HOST}"))
    return Processes(redis)


@pytest.fixture
def silent() -> Iterator[str]:
    """A Redis that takes connections and says nothing."""
    with Valkey() as server:
        server.pause()
        yield server.url
        server.resume()


def test_only_the_worker_that_was_asked_for_counts(valkey, processes) -> None:
    processes.worker_alive(Worker("b1", 16, f"urgent@{HOST}"))
    processes.worker_alive(Worker("b2", 16, "bulk@elsewhere"))

    urgent, bulk = (ask(valkey.url, Process.WORKER, n) for n in ("urgent", "bulk"))
    elsewhere = ask(valkey.url, Process.WORKER, "bulk@elsewhere")

    assert (urgent.healthy, bulk.healthy, bulk.alive) == (True, False, False)
    assert elsewhere.healthy


def test_a_worker_that_ends_takes_no_more_and_is_not_started_anew(
    valkey, processes
) -> None:
    worker = Worker("b1", 16, f"celery@{HOST}")
    processes.worker_alive(worker)
    processes.worker_leaving(worker)

    answer = ask(valkey.url, Process.WORKER)

    assert (answer.healthy, answer.alive) == (False, True)


def test_the_beat_of_another_host_does_not_count(valkey, processes, redis) -> None:
    processes.ticked()
    processes.beat_rang("elsewhere")
    before = ask(valkey.url, Process.BEAT)
    processes.beat_rang(HOST)

    assert (before.healthy, before.alive) == (False, False)
    assert ask(valkey.url, Process.BEAT).healthy
    assert 0 < redis.ttl(process_key(f"beat:{HOST}")) <= BEAT_SECONDS


@pytest.mark.parametrize("process", [Process.RECEIVER, Process.FLOWER])
def test_a_server_that_nobody_started_is_dead(valkey, process: Process) -> None:
    port = str(free_port())
    settings = {"FLOWER_PORT": port, "RECEIVER_BIND": f"0.0.0.0:{port}"}

    answer = ask(valkey.url, process, **settings)

    assert (answer.healthy, answer.alive) == (False, False)
    assert "does not answer" in answer.why


@pytest.mark.parametrize("process", [Process.WORKER, Process.BEAT])
def test_a_silent_redis_is_no_reason_to_start_anew(process: Process, silent) -> None:
    began = time.monotonic()
    answer = ask(silent, process)
    seconds = time.monotonic() - began

    assert (answer.healthy, answer.alive) == (False, True)
    # As promised; its own wait is 0.5 s, and three retries would show.
    assert seconds < 2


def test_the_exit_code_says_it_and_one_line_why(valkey, processes) -> None:
    told = health(valkey.url, "worker")
    processes.worker_alive(Worker("b1", 16, f"celery@{HOST}"))
    well = health(valkey.url, "worker")
    away = f"redis://127.0.0.1:{free_port()}/0"

    assert (told.returncode, well.returncode) == (1, 0)
    assert told.stderr == f"no heartbeat of worker celery@{HOST}\n"
    assert well.stdout == f"worker celery@{HOST} is alive, with 16 slots\n"
    assert health(away, "worker").returncode == 1
    assert health(away, "worker", "--liveness").returncode == 0


def test_settings_that_cannot_be_used_end_with_1_as_supervisors_know_no_2() -> None:
    told = health("nowhere", "beat")

    assert told.returncode == 1
    assert "REDIS_URL" in told.stderr


def test_the_probe_imports_little() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ""


def test_an_answer_that_never_comes_is_not_waited_for() -> None:
    never = Event()
    try:
        answer = within(0.01, lambda: Answer(never.wait(), alive=True, why="late"))
    finally:
        never.set()

    assert (answer.healthy, answer.alive) == (False, True)
