"""Workers that are killed, and workers that are told to end, in mid-run."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.store.records import Run
from tests.driver import make_due
from tests.system.installation import Installation
from tests.system.mid_run import (
    assert_everybody_is_there_once,
    begin_run,
    twenty_a_second,
)
from tests.system.processes import STOP_SECONDS, Process


@pytest.fixture(scope="module")
def started() -> Iterator[tuple[Installation, list[Process]]]:
    with twenty_a_second() as running:
        yield running


@pytest.fixture
def workers(started: tuple[Installation, list[Process]]) -> list[Process]:
    return started[1]


@pytest.fixture
def in_mid_run(
    started: tuple[Installation, list[Process]],
) -> tuple[Installation, Run]:
    return started[0], begin_run(started[0])


NEVER_EXPIRE = """
local owned = 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local has_owner = redis.call('HEXISTS', KEYS[2], id)
  redis.call('ZADD', KEYS[1], has_owner == 1 and ARGV[1] or 1, id)
  owned = owned + has_owner
end
return owned
"""


def never_expire(running: Installation) -> int:
    """Only its owner's death ends a lease from now on; how many leases have one.

    Those that nobody has begun end at once: their messages died with the worker.
    """
    redis = running.pipeline.redis
    keys = [running.kit.ledger.key(name) for name in ("leased", "owners")]
    in_an_hour = (redis.time()[0] + 3600) * 1000
    return int(redis.eval(NEVER_EXPIRE, len(keys), *keys, in_an_hour))


def has_finished(running: Installation) -> bool:
    """Whether the run has; whom the killed worker wrote at that moment is tried at
    once, not after the half minute in which its call could still arrive."""
    make_due(running.kit.ledger, running.pipeline.redis)
    return running.has_finished()


@contextmanager
def second_worker(running: Installation) -> Iterator[Process]:
    """A worker with a name of its own, beside the first."""
    worker = running.processes.worker("--loglevel", "info", "-n", "second@%h")
    try:
        running.until(lambda: "ready." in worker.log, "the second worker is ready")
        yield worker
    finally:
        worker.end()


def test_a_worker_that_is_killed_in_mid_run_loses_no_contact(
    in_mid_run: tuple[Installation, Run], workers: list[Process]
) -> None:
    running, run = in_mid_run

    workers[-1].kill()
    lost = never_expire(running)
    workers.append(running.processes.worker("--loglevel", "info"))
    running.until(lambda: has_finished(running), "the run has finished")

    after = running.last_run()
    assert lost > 0
    assert after is not None
    assert (after.id, after.settled, after.dead) == (run.id, after.discovered, 0)
    assert_everybody_is_there_once(running)


def test_while_another_worker_lives_the_killed_one_is_missed_as_well(
    started: tuple[Installation, list[Process]],
) -> None:
    running, workers = started
    with second_worker(running):
        run = begin_run(running)
        workers[-1].kill()
        lost = never_expire(running)
        running.until(lambda: has_finished(running), "the other has finished the run")
        workers.append(running.processes.worker("--loglevel", "info"))
        running.until(lambda: len(running.pipeline.processes.workers()) > 1, "both")

    after = running.last_run()
    assert lost > 0
    assert after is not None
    assert (after.id, after.settled, after.dead) == (run.id, after.discovered, 0)
    assert_everybody_is_there_once(running)


def test_nobody_takes_from_a_leaving_worker_what_it_finishes(
    started: tuple[Installation, list[Process]],
) -> None:
    running, _ = started
    with second_worker(running) as leaving:
        begin_run(running)
        running.until(lambda: leaving.log.count("succeeded") > 5, "it works")
        running.sandbox.add_fault("slow", vendor="mailjet", seconds=3.0)
        running.let_beat_tick()
        before = leaving.log.count("succeeded")
        leaving.terminate()
        running.let_beat_tick()
        running.sandbox.clear_faults()

        status = leaving.wait(STOP_SECONDS)

    running.until(running.has_finished, "the run has finished")
    assert status == 0
    assert leaving.log.count("succeeded") > before
    assert "lease lost" not in leaving.log
    assert_everybody_is_there_once(running)


def test_a_worker_that_is_told_to_end_finishes_what_it_holds(
    in_mid_run: tuple[Installation, Run], workers: list[Process]
) -> None:
    running, _ = in_mid_run

    status = workers[-1].end()

    slots, backlog = running.pipeline.processes.slots(), running.kit.ledger.backlog()
    workers.append(running.processes.worker("--loglevel", "info"))
    assert status == 0
    assert slots == 0
    assert backlog.waiting > 0
    running.until(running.has_finished, "the next worker has finished the run")
    assert_everybody_is_there_once(running)
