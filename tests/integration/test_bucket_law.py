"""The law: no window of the stated length ever sees more than the allowance."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from pipeline.config import Rate
from pipeline.errors import BudgetSpent
from pipeline.permit import Lane, Permit
from pipeline.store.bucket import BULK_AHEAD_SECONDS, LIVE_AHEAD_SECONDS, Bucket
from tests.bucket_world import LEG_SECONDS, Pauses, World, WorldRedis, fullest_window
from tests.valkey import Valkey

WORLD_SECONDS = 25.0
KEY = "test:bucket"


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
    """What happens `at` seconds: `step` of the clock, `loss` or `restart`."""

    at: float
    kind: str
    size: float


# Smaller steps hide in the time that an answer takes; ARRIVAL_SECONDS covers them.
STEPS = st.floats(0.2, 100_000) | st.floats(-100_000, -0.2) | st.floats(0.2, 3)
MOMENTS = st.floats(0.5, WORLD_SECONDS - 1)
FAULTS = (
    st.builds(Fault, MOMENTS, st.just("step"), STEPS)
    | st.builds(Fault, MOMENTS, st.just("loss"), st.just(0.0))
    | st.builds(Fault, MOMENTS, st.just("restart"), st.floats(0, 1))
)
RATES = st.builds(Rate, st.integers(2, 40), st.sampled_from([0.5, 1.0, 2.5, 10.0]))
CALLERS = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from(Lane), st.sampled_from([0, 0, 0.5, 3])
    ),
    min_size=1,
    max_size=6,
)


def happen(world: World, fault: Fault) -> Pauses:
    """A restart brings back what was on the disk `size` seconds before."""
    yield fault.at
    if fault.kind == "step":
        world.offset += fault.size
        return
    kept = world.redis.hgetall(KEY) if fault.kind == "restart" else {}
    yield fault.size
    world.redis.delete(KEY)
    if kept:
        world.redis.hset(KEY, mapping=kept)
        world.lives += 1


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rate=RATES,
    callers=CALLERS,
    faults=st.lists(FAULTS, max_size=4),
    replays=st.sampled_from([0.0, 0.0, 0.1]),
    late=st.sampled_from([0.0, 0.09, 0.3]),
    seed=st.integers(0, 2**32),
)
def test_no_window_ever_sees_more_calls_than_the_allowance(
    redis, rate, callers, faults, replays, late, seed
):
    world = World(redis, seed, leg=LEG_SECONDS, replays=replays, late=late)
    processes = [world.bucket(rate) for _ in range(3)]
    for process, lane, think in callers:
        world.start(world.caller(processes[process], lane, think))
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
    calm = WORLD_SECONDS + 2 * (LIVE_AHEAD_SECONDS + spacing)
    world.run(calm)
    world.arrivals.clear()

    world.run(calm + 40 * spacing)

    assert len(world.arrivals) >= 38


@settings(max_examples=20, deadline=None)
@given(
    rate=RATES,
    bulk=st.integers(1, 8),
    at=st.floats(3, 8),
    lane=st.sampled_from([Lane.LIVE, Lane.CONSENT]),
)
def test_live_and_consent_wait_behind_no_more_than_the_promised_bulk_tokens(
    redis, rate, bulk, at, lane
):
    world = World(redis)
    for _ in range(bulk):
        world.start(world.caller(world.bucket(rate), Lane.BULK))
    spacing = (rate.window_seconds + 0.19) / (rate.calls - 1)
    world.run(at + spacing)
    waited: list[float] = []
    world.start(stopwatch(world, world.bucket(rate), lane, waited))

    while not waited:
        world.run(world.now + 1)

    assert waited[0] <= BULK_AHEAD_SECONDS + spacing + 0.002


def stopwatch(world: World, bucket: Bucket, lane: Lane, waited: list[float]) -> Pauses:
    start = world.now
    yield from world.tokens(bucket, Permit(lane))
    waited.append(world.now - start)


def test_a_clock_set_back_by_a_year_makes_nobody_wait_longer_than_one_reservation(
    redis,
):
    world = World(redis)
    bucket = world.bucket(Rate(10, 1.0))
    world.wait_of(bucket)
    world.offset -= 365 * 86_400.0

    assert world.wait_of(bucket) <= LIVE_AHEAD_SECONDS + 1.19 / 9 + 1e-5


def test_a_clock_set_ahead_brings_no_reserved_token_nearer(redis):
    world = World(redis)
    bucket = world.bucket(Rate(10, 1.0))
    world.wait_of(bucket)
    world.offset += 3600.0

    assert world.wait_of(bucket) >= LIVE_AHEAD_SECONDS


def test_a_lost_bucket_starts_when_everything_reserved_before_is_past(redis):
    world = World(redis)
    bucket = world.bucket(Rate(10, 1.0))
    world.wait_of(bucket)
    redis.delete(KEY)

    assert world.wait_of(bucket) >= LIVE_AHEAD_SECONDS


class NotingClock(threading.local):
    """A monotonic clock that remembers what this thread read last."""

    last = 0.0

    def __call__(self) -> float:
        self.last = time.monotonic()
        return self.last


def test_the_law_holds_on_real_clocks_with_threads(server):
    rate, clock = Rate(20, 1.0), NotingClock()
    used: list[float] = []
    with server.client() as redis:
        redis.flushdb()
        buckets = [Bucket(redis, KEY, rate, clock=clock) for _ in range(2)]

        def call(bucket: Bucket) -> None:
            # Where the machine is too slow for any token, none is used: lawful too.
            with suppress(BudgetSpent):
                for _ in range(10):
                    bucket.take(Permit(Lane.LIVE))
                    # The moment at which the bucket let us go, not when we got here.
                    used.append(clock.last)

        threads = [threading.Thread(target=call, args=(b,)) for b in buckets * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert fullest_window(used, rate.window_seconds) <= rate.calls
