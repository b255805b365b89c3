"""The law: no window of the stated length ever sees more than the allowance."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from redis import Redis

from pipeline.config import Rate
from pipeline.errors import BudgetSpent
from pipeline.permit import Lane, Permit
from pipeline.store.bucket import AHEAD_SECONDS, TOKEN_LIFE_SECONDS, Bucket
from tests.bucket_world import (
    BUCKET_KEY,
    LEASE_KEYS,
    LEG_SECONDS,
    Pauses,
    World,
    WorldRedis,
    fullest_window,
)
from tests.valkey import Valkey

WORLD_SECONDS = 25.0
LATEST = TOKEN_LIFE_SECONDS - 2 * LEG_SECONDS
"""A token that is used as late as this is never taken anew."""


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture(scope="module")
def redis(server: Valkey) -> Iterator[WorldRedis]:
    with WorldRedis.from_url(server.url) as redis:
        yield redis


@dataclass(frozen=True)
class Fault:
    """What happens `at` seconds.

    A `step` of the clock; `loss` of the bucket; `restart` of the server, which brings
    back what was on the disk; `flush` of its scripts; or all `leases` go to others.
    """

    at: float
    kind: str
    size: float


# Smaller steps hide in the time that an answer takes; ARRIVAL_SECONDS covers them.
STEPS = st.floats(0.2, 100_000) | st.floats(-100_000, -0.2) | st.floats(0.2, 3)
MOMENTS = st.floats(0.5, WORLD_SECONDS - 1)
FAULTS = (
    st.builds(Fault, MOMENTS, st.just("step"), STEPS)
    | st.builds(Fault, MOMENTS, st.just("loss"), st.just(0.0))
    # No server starts again in a hundredth of a second.
    | st.builds(Fault, MOMENTS, st.just("restart"), st.floats(0.02, 1))
    | st.builds(Fault, MOMENTS, st.sampled_from(["flush", "leases"]), st.just(0.0))
)
RATES = st.builds(Rate, st.integers(2, 40), st.sampled_from([0.5, 1.0, 2.5, 10.0]))
CALLERS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(Lane),
        st.sampled_from([0, 0, 0.5, 3]),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


def happen(world: World, fault: Fault) -> Pauses:
    """Let it happen; the disk is `size` seconds old."""
    yield fault.at
    if fault.kind == "step":
        world.offset += fault.size
        return
    if fault.kind == "leases":
        world.lose_leases()
        return
    if fault.kind == "flush":
        world.redis.script_flush()
        return
    kept = world.redis.hgetall(BUCKET_KEY) if fault.kind == "restart" else {}
    yield fault.size
    world.redis.delete(BUCKET_KEY)
    if kept:
        world.redis.hset(BUCKET_KEY, mapping=kept)
        world.lives += 1


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rate=RATES,
    callers=CALLERS,
    faults=st.lists(FAULTS, max_size=4),
    replays=st.sampled_from([0.0, 0.0, 0.1]),
    late=st.sampled_from([0.0, LATEST, 0.3]),
    chance=st.sampled_from([0.0, 0.0, 1.0]),
    seed=st.integers(0, 2**32),
)
@example(
    rate=Rate(40, 0.5),
    callers=[(i % 3, Lane.LIVE, 0, False) for i in range(6)],
    faults=[],
    replays=0.0,
    late=LATEST,
    chance=0.0,
    seed=0,
)
def test_no_window_ever_sees_more_calls_than_the_allowance(
    redis, rate, callers, faults, replays, late, chance, seed
):
    world = World(
        redis, seed, leg=LEG_SECONDS, replays=replays, late=late, chance=chance
    )
    processes = [world.bucket(rate, lease_keys=LEASE_KEYS) for _ in range(3)]
    for process, lane, think, leased in callers:
        call = world.contacts if leased else world.caller
        world.start(call(processes[process], lane, think))
    for fault in faults:
        world.start(happen(world, fault))

    world.run(WORLD_SECONDS)

    event(f"asks: {world.asks // 200 * 200}+")
    assert fullest_window(world.arrivals, rate.window_seconds) <= rate.calls


@settings(max_examples=15, deadline=None)
@given(rate=RATES, bulk=st.integers(1, 6), faults=st.lists(FAULTS, max_size=3))
def test_whatever_happened_every_caller_is_served_soon_and_little_is_wasted(
    redis, rate, bulk, faults
):
    world = World(redis)
    for _ in range(bulk):
        world.start(world.caller(world.bucket(rate), Lane.BULK))
    for fault in faults:
        world.start(happen(world, fault))
    spacing = (rate.window_seconds + 0.19) / (rate.calls - 1)
    calm = WORLD_SECONDS + 2 * (AHEAD_SECONDS + spacing)
    world.run(calm)
    world.arrivals.clear()

    world.run(calm + 40 * spacing)

    assert len(world.arrivals) >= 38


def test_a_clock_set_back_by_a_year_makes_nobody_wait_longer_than_one_reservation(
    redis,
):
    world = World(redis)
    bucket = world.bucket(Rate(10, 1.0))
    world.wait_of(bucket)
    world.offset -= 365 * 86_400.0

    assert world.wait_of(bucket) <= AHEAD_SECONDS + 1.19 / 9 + 1e-5


def test_a_clock_set_back_makes_no_freeze_longer(redis):
    world = World(redis)
    bucket = world.bucket(Rate(10, 1.0))
    world.wait_of(bucket)
    bucket.learn(429, {}, 5.0)
    world.offset -= 3600.0

    assert 5.0 - 1e-5 <= world.wait_of(bucket) <= 5.0 + 1e-5


def test_a_clock_set_ahead_brings_no_reserved_token_nearer(redis):
    world = World(redis)
    bucket = world.bucket(Rate(10, 1.0))
    world.wait_of(bucket)
    world.offset += 3600.0

    assert world.wait_of(bucket) >= AHEAD_SECONDS


def test_a_lost_bucket_starts_when_everything_reserved_before_is_past(redis):
    world = World(redis)
    bucket = world.bucket(Rate(10, 1.0))
    world.wait_of(bucket)
    redis.delete(BUCKET_KEY)

    assert world.wait_of(bucket) >= AHEAD_SECONDS


class NotingClock(threading.local):
    """A monotonic clock that remembers what this thread read last."""

    last = 0.0

    def __call__(self) -> float:
        self.last = time.monotonic()
        return self.last


REAL_RATE = Rate(20, 1.0)


def used_in_this_process(url: str, threads: int) -> list[float]:
    """When real tokens were used, by a monotonic clock that all processes share."""
    clock, used = NotingClock(), list[float]()
    with Redis.from_url(url) as redis:
        bucket = Bucket(redis, BUCKET_KEY, REAL_RATE, clock=clock)

        def call() -> None:
            # Where the machine is too slow for any token, none is used: lawful too.
            with suppress(BudgetSpent):
                for _ in range(10):
                    bucket.take(Permit(Lane.LIVE))
                    # The moment at which the bucket let us go, not when we got here.
                    used.append(clock.last)

        running = [threading.Thread(target=call) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    return used


def test_the_law_holds_on_real_clocks_with_threads_and_processes(server, redis):
    redis.flushdb()
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(used_in_this_process, server.url, 2) for _ in range(3)]
        used = [moment for process in running for moment in process.result()]

    assert fullest_window(used, REAL_RATE.window_seconds) <= REAL_RATE.calls
