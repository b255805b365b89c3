"""Who is alive, and whose place a new worker takes."""

from dataclasses import replace

import pytest

from pipeline.permit import Lane
from pipeline.store.processes import (
    LEAVING_SECONDS,
    WORKER_SECONDS,
    Processes,
    Worker,
    unserved,
)
from pipeline.store.state import process_key

ANA = Worker("b0071", 16, "celery@ana")
NEXT_ANA = Worker("b0072", 8, "celery@ana")
BO = Worker("b0073", 4, "celery@bo")
KEY = process_key("workers")


@pytest.fixture
def processes(redis) -> Processes:
    redis.delete(KEY)
    return Processes(redis)


def age(processes: Processes, redis, seconds: int) -> None:
    """Let so much time pass."""
    for stored, until in redis.zrange(KEY, 0, -1, withscores=True):
        redis.zadd(KEY, {stored: until - seconds})


def test_living_workers_add_up_their_slots(processes):
    for worker in (ANA, BO, ANA):
        processes.worker_alive(worker)

    assert set(processes.workers()) == {ANA, BO}
    assert processes.slots() == 20


def test_a_worker_takes_the_place_of_its_predecessor_at_once(processes):
    processes.worker_started(ANA)
    processes.worker_started(BO)

    processes.worker_started(NEXT_ANA)

    assert set(processes.workers()) == {NEXT_ANA, BO}


def test_two_workers_of_one_name_both_live_on(processes):
    processes.worker_started(ANA)
    processes.worker_started(NEXT_ANA)

    processes.worker_alive(ANA)

    assert set(processes.workers()) == {ANA, NEXT_ANA}


def test_a_silent_worker_is_dead(processes, redis):
    processes.worker_alive(ANA)
    age(processes, redis, WORKER_SECONDS - 2)
    before = processes.workers()
    age(processes, redis, 3)

    assert before == [ANA]
    assert processes.workers() == []
    assert processes.slots() == 0


def test_the_next_heartbeat_sweeps_the_dead(processes, redis):
    processes.worker_alive(ANA)
    age(processes, redis, WORKER_SECONDS + 1)

    processes.worker_alive(BO)

    assert redis.zcard(KEY) == 1


def test_a_leaving_worker_has_no_slots_and_is_alive_while_it_finishes(processes, redis):
    processes.worker_alive(ANA)

    processes.worker_leaving(ANA)
    age(processes, redis, WORKER_SECONDS + 2)
    finishing = [worker.boot for worker in processes.workers()]
    age(processes, redis, LEAVING_SECONDS)

    assert processes.slots() == 0
    assert finishing == [ANA.boot]
    assert processes.workers() == []


def test_a_name_may_hold_blanks(processes):
    spoken = Worker("b0074", 2, "two words@host")

    processes.worker_alive(spoken)

    assert processes.workers() == [spoken]


def test_what_an_older_version_wrote_still_counts(processes, redis):
    processes.worker_alive(ANA)
    redis.zadd(KEY, {"16 celery@bo": redis.time()[0] + 10})

    assert processes.slots() == 32


def test_a_queue_that_no_worker_takes_from_is_found(processes):
    assert unserved(processes.workers()) == list(Lane)
    urgent = replace(BO, settings="d1", queues=("consent", "live"))
    processes.worker_alive(urgent)

    assert processes.workers() == [urgent]
    assert unserved(processes.workers()) == [Lane.BULK]
    # One of before this was told may take from any.
    processes.worker_alive(ANA)
    assert unserved(processes.workers()) == []
