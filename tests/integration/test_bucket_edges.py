"""The edges of the bucket: one call a window, a clock set back, a long freeze.

On made-up time and a real server, see `tests/bucket_world.py`.
"""

from collections.abc import Iterator

import pytest

from pipeline.config import Rate
from pipeline.errors import BudgetSpent
from pipeline.permit import Lane, Permit
from pipeline.store.bucket import ARRIVAL_SECONDS, Bucket
from tests.bucket_world import World, WorldRedis
from tests.valkey import Valkey

RATE = Rate(100, 10.0)
FULL = 99 / (10.0 + ARRIVAL_SECONDS)
HOUR = 3600.0
MAX, INTERVAL = "X-RateLimit-Max", "X-RateLimit-Interval-Milliseconds"
REMAINING, DAILY = "X-RateLimit-Remaining", "X-RateLimit-Daily-Remaining"


@pytest.fixture(scope="module")
def redis() -> Iterator[WorldRedis]:
    with Valkey() as server, WorldRedis.from_url(server.url) as redis:
        yield redis


@pytest.fixture
def world(redis: WorldRedis) -> World:
    return World(redis)


@pytest.fixture
def bucket(world: World) -> Bucket:
    bucket = world.bucket(RATE)
    world.wait_of(bucket)
    return bucket


def pace(bucket: Bucket) -> float:
    """Share of the configured pace."""
    return bucket.state().calls_per_second / FULL


def ask_in_vain(bucket: Bucket) -> None:
    with pytest.raises(BudgetSpent):
        bucket.take(Permit(Lane.BULK))


# One call a window


def test_one_call_a_window_is_a_pace_too(world: World) -> None:
    bucket = world.bucket(Rate(1, 10.0))

    assert bucket.state().calls_per_second == pytest.approx(
        1 / (10.0 + ARRIVAL_SECONDS), rel=1e-3
    )
    world.wait_of(bucket)
    assert world.wait_of(bucket) == pytest.approx(10.0 + ARRIVAL_SECONDS, abs=0.1)


def test_a_vendor_that_allows_one_call_a_window_gets_one(bucket: Bucket) -> None:
    bucket.learn(200, {MAX: "1", INTERVAL: "10000"}, None)

    assert bucket.state().calls_per_second == pytest.approx(
        1 / (10.0 + ARRIVAL_SECONDS), rel=1e-3
    )


# Growth after a 429


def test_nothing_is_given_back_for_the_time_of_the_freeze(
    world: World, bucket: Bucket
) -> None:
    bucket.learn(429, {}, 60.0)
    for _ in range(5):
        world.now += 5.0
        ask_in_vain(bucket)
    world.now = max(world.now, 65.0)
    world.wait_of(bucket)

    assert pace(bucket) == pytest.approx(0.5, rel=1e-3)


def test_a_part_of_a_clean_window_counts_towards_the_next(
    world: World, bucket: Bucket
) -> None:
    bucket.learn(429, {}, 0.0)
    for _ in range(4):
        world.now += 15.0
        world.wait_of(bucket)

    assert pace(bucket) == pytest.approx(0.8, rel=1e-3)


# A clock set back moves every moment with it


def test_a_freeze_is_no_longer_for_a_clock_set_back(
    world: World, bucket: Bucket
) -> None:
    bucket.learn(429, {}, 60.0)
    world.offset -= HOUR

    assert world.wait_of(bucket) <= 60.5


def test_the_pace_grows_again_after_a_clock_set_back(
    world: World, bucket: Bucket
) -> None:
    bucket.learn(429, {}, 0.0)
    world.offset -= HOUR
    world.wait_of(bucket)
    world.now += 25.0
    world.wait_of(bucket)

    assert pace(bucket) == pytest.approx(0.6, rel=1e-3)


def test_where_a_429_struck_is_forgotten_in_time_after_a_clock_set_back(
    world: World, bucket: Bucket
) -> None:
    bucket.learn(429, {}, 0.0)
    world.offset -= HOUR
    world.wait_of(bucket)
    world.now += 300.0
    world.wait_of(bucket)

    assert pace(bucket) == pytest.approx(1.0, rel=1e-3)


def test_the_next_429_counts_after_a_clock_set_back(
    world: World, bucket: Bucket
) -> None:
    bucket.learn(429, {}, 0.0)
    world.offset -= HOUR
    world.wait_of(bucket)
    world.now += 4.0
    bucket.learn(429, {}, 0.0)

    assert pace(bucket) == pytest.approx(0.25, rel=1e-3)


def test_the_calls_of_others_are_forgotten_in_time_after_a_clock_set_back(
    world: World, bucket: Bucket
) -> None:
    said = {MAX: "100", INTERVAL: "10000", REMAINING: "49"}
    bucket.learn(200, said, None)
    world.offset -= HOUR
    world.wait_of(bucket)
    world.now += 30.0
    world.wait_of(bucket)

    bucket.learn(200, said, None)

    assert world.wait_of(bucket) > 4.0


def test_a_spent_day_is_no_longer_for_a_clock_set_back(
    world: World, bucket: Bucket
) -> None:
    bucket.learn(200, {DAILY: "0"}, None)
    world.offset -= HOUR
    with pytest.raises(BudgetSpent) as spent:
        bucket.take(Permit(Lane.LIVE))

    assert spent.value.daily
    assert spent.value.wait_seconds <= 900.0


def test_a_spent_day_ends_when_it_is_over(world: World, bucket: Bucket) -> None:
    bucket.learn(200, {DAILY: "0"}, None)
    world.now += 901.0
    permit = Permit(Lane.LIVE)

    bucket.take(permit)

    assert permit.calls == 1


# What is left behind


def test_a_bucket_that_nobody_uses_is_gone_after_a_week(
    world: World, bucket: Bucket
) -> None:
    week = 7 * 86_400

    assert week - 60 <= world.redis.ttl("test:bucket") <= week
