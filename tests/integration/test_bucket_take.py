"""Leases, patience, the day and lost answers: everything in one script call."""

from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import RedisError

from pipeline.config import Rate
from pipeline.errors import BudgetSpent, LeaseLost
from pipeline.permit import Lane, Lease, Permit
from pipeline.store.bucket import (
    BULK_AHEAD_SECONDS,
    LIVE_AHEAD_SECONDS,
    Bucket,
)
from tests.bucket_world import START, World, WorldRedis
from tests.valkey import Valkey

RATE = Rate(100, 10.0)
LEASED, TOKENS = LEASE_KEYS = ("test:leased", "test:tokens")
DAY = {"X-RateLimit-Limit-Daily": "200000"}
MIDNIGHT = 1_700_006_400.0 - START  # the world begins at 22:13:20 UTC


@pytest.fixture(scope="module")
def redis() -> Iterator[WorldRedis]:
    with Valkey() as server, WorldRedis.from_url(server.url) as redis:
        yield redis


@pytest.fixture
def world(redis) -> World:
    world = World(redis)
    redis.zadd(LEASED, {"c1": 0})
    redis.hset(TOKENS, "c1", "7")
    return world


@pytest.fixture
def bucket(world) -> Bucket:
    bucket = world.bucket(RATE, lease_keys=LEASE_KEYS)
    world.wait_of(bucket)
    return bucket


def leased(lane: Lane = Lane.BULK, *, calls: int = 0, token: int = 7) -> Permit:
    return Permit(lane, Lease("default", "c1", token, lane), calls)


def test_a_token_is_counted_in_the_permit_and_in_the_day(world, bucket, redis):
    permit = leased()
    bucket.take(permit)
    bucket.take(permit)

    assert permit.calls == 2
    assert bucket.state().used_today == 3


def test_a_free_token_costs_one_round_trip(world, bucket):
    world.now += 1.0
    before = world.asks
    bucket.take(leased())

    assert world.asks == before + 1


def test_taking_renews_the_lease_from_the_moment_of_the_token(world, bucket, redis):
    for _ in range(3):
        bucket.take(leased())

    expiry = redis.zscore(LEASED, "c1") / 1000 - START
    assert expiry == pytest.approx(world.now + 30.0, abs=0.01)


def test_every_ask_of_a_waiting_contact_renews_its_lease(world, bucket, redis):
    bucket.learn(429, {}, 8.0)
    pauses = bucket.pauses(leased(calls=1))
    told = next(pauses)

    assert told == pytest.approx(8.0 - BULK_AHEAD_SECONDS)
    assert redis.zscore(LEASED, "c1") / 1000 - START == pytest.approx(
        world.now + told + 30.0, abs=0.01
    )


@pytest.mark.parametrize("loss", ["newer token", "no token", "not leased"])
def test_a_lost_lease_gets_no_token_and_is_not_renewed(world, bucket, redis, loss):
    if loss == "newer token":
        redis.hset(TOKENS, "c1", "8")
    elif loss == "no token":
        redis.hdel(TOKENS, "c1")
    else:
        redis.zrem(LEASED, "c1")
    score, permit = redis.zscore(LEASED, "c1"), leased()
    with pytest.raises(LeaseLost):
        bucket.take(permit)

    assert permit.calls == 0
    assert redis.zscore(LEASED, "c1") == score
    assert bucket.state().used_today == 1


def test_a_lease_lost_while_waiting_is_noticed_before_the_next_token(
    world, bucket, redis
):
    bucket.learn(429, {}, 8.0)
    pauses = bucket.pauses(leased(calls=1))
    world.now += next(pauses)
    redis.hset(TOKENS, "c1", "8")
    with pytest.raises(LeaseLost):
        next(pauses)


@pytest.mark.parametrize(
    ("permit", "patience"),
    [
        (leased(), 2.0),
        (leased(calls=1), 10.0),
        (leased(Lane.LIVE), 10.0),
        (Permit(Lane.BULK), 10.0),
        (Permit(Lane.LIVE, patience_seconds=1.0), 1.0),
    ],
)
def test_patience_ends_in_budget_spent_without_a_call(world, bucket, permit, patience):
    ahead = LIVE_AHEAD_SECONDS if permit.lane is Lane.LIVE else BULK_AHEAD_SECONDS
    calls = permit.calls
    bucket.learn(429, {}, patience + ahead - 0.5)
    start = world.now
    bucket.take(permit)
    waited = world.now - start
    world.now += 30.0
    bucket.learn(429, {}, patience + ahead + 0.5)
    with pytest.raises(BudgetSpent) as spent:
        bucket.take(
            permit if permit.lease is None else leased(permit.lane, calls=calls)
        )

    assert waited <= patience + ahead
    assert spent.value.wait_seconds == pytest.approx(patience + 0.5)
    assert not spent.value.daily


def test_a_moment_just_past_is_as_good_as_now(world, bucket):
    permit = Permit(Lane.BULK)
    world.now += 1.0
    moments = []
    for busy in (0.02, 0.15, 0.08, 0.15, 0.02, 0.15):
        bucket.take(permit)
        moments.append(world.now)
        world.now += busy

    # Nothing is lost of a slot that is busy for longer than a token, and then shorter.
    assert moments[-1] - moments[0] <= 5 * 10.19 / 99 + 0.06


def test_a_token_more_than_100_ms_past_its_moment_is_taken_anew(world, bucket):
    bucket.take(Permit(Lane.LIVE))
    pauses = bucket.pauses(Permit(Lane.LIVE))
    world.now += next(pauses) + 0.11
    used = bucket.state().used_today
    for pause in pauses:
        world.now += pause

    assert bucket.state().used_today == used + 1


def test_a_late_answer_counts_from_when_it_was_asked_for(world, bucket):
    world.now += 1.0
    world.leg = 0.3
    world.random.uniform = lambda low, high: high
    used = bucket.state().used_today
    with pytest.raises(BudgetSpent):
        bucket.take(leased())

    assert bucket.state().used_today > used


def test_a_replayed_take_wastes_a_token_and_is_granted_once(world, bucket):
    world.replays = 1.0
    permit = leased(Lane.LIVE)
    start = world.now
    bucket.take(permit)
    world.replays = 0.0
    bucket.take(permit)

    assert permit.calls == 2
    assert bucket.state().used_today == 4
    assert world.now - start >= 2 * 10.19 / 99


def test_beyond_the_days_calls_nothing_is_granted_until_utc_midnight(world):
    bucket = world.bucket(RATE, daily=3)
    for _ in range(3):
        bucket.take(Permit(Lane.CONSENT))
    with pytest.raises(BudgetSpent) as spent:
        bucket.take(Permit(Lane.CONSENT))

    assert spent.value.daily
    assert spent.value.wait_seconds == pytest.approx(MIDNIGHT - world.now, abs=0.2)
    world.now += spent.value.wait_seconds
    bucket.take(Permit(Lane.CONSENT))
    assert bucket.state().used_today == 1


@pytest.mark.parametrize(
    ("status", "retry_after", "wait"), [(200, None, 900.0), (429, 4000.0, 4000.0)]
)
def test_a_day_that_the_vendor_calls_spent_is_spent_but_not_a_slower_rate(
    world, bucket, status, retry_after, wait
):
    pace = bucket.state().calls_per_second
    said = {"X-RateLimit-Daily-Remaining": "0"}
    bucket.learn(status, said, retry_after)
    with pytest.raises(BudgetSpent) as spent:
        bucket.take(leased())

    assert spent.value.daily
    assert spent.value.wait_seconds == pytest.approx(wait)
    assert bucket.state().daily_remaining == 0
    assert bucket.state().calls_per_second == pace


def spend(world: World, bucket: Bucket, lane: Lane, calls: int) -> None:
    for _ in range(calls):
        world.wait_of(bucket, lane)


def test_bulk_work_leaves_the_reserve_to_the_other_lanes(world):
    bucket = world.bucket(RATE, daily=10, reserve=4)
    spend(world, bucket, Lane.BULK, 6)
    with pytest.raises(BudgetSpent) as spent:
        bucket.take(Permit(Lane.BULK))
    spend(world, bucket, Lane.LIVE, 2)
    spend(world, bucket, Lane.CONSENT, 2)
    with pytest.raises(BudgetSpent):
        bucket.take(Permit(Lane.CONSENT))

    assert spent.value.daily
    assert spent.value.wait_seconds == pytest.approx(MIDNIGHT - world.now, abs=2.0)


def test_bulk_work_leaves_the_reserve_of_what_the_vendor_says_is_left(world):
    bucket = world.bucket(RATE, daily=200_000, reserve=1000)
    world.wait_of(bucket)
    bucket.learn(200, {**DAY, "X-RateLimit-Daily-Remaining": "1003"}, None)
    spend(world, bucket, Lane.BULK, 3)
    with pytest.raises(BudgetSpent) as spent:
        bucket.take(Permit(Lane.BULK))
    bucket.take(Permit(Lane.LIVE))

    assert spent.value.daily
    assert bucket.state().daily_remaining == 999


def test_the_reserve_is_a_part_of_the_vendors_own_day(world):
    bucket = world.bucket(RATE, daily=200_000, reserve=20_000)
    world.wait_of(bucket)
    small = {"X-RateLimit-Limit-Daily": "100"}
    bucket.learn(200, {**small, "X-RateLimit-Daily-Remaining": "12"}, None)
    spend(world, bucket, Lane.BULK, 2)
    with pytest.raises(BudgetSpent) as spent:
        bucket.take(Permit(Lane.BULK))

    assert spent.value.daily
    assert bucket.state().daily_limit == 100


def test_without_a_limit_the_most_that_was_left_is_the_vendors_day(world):
    bucket = world.bucket(RATE, daily=200_000, reserve=20_000)
    world.wait_of(bucket)
    for left in ("10000", "1003"):
        bucket.learn(200, {"X-RateLimit-Daily-Remaining": left}, None)
    spend(world, bucket, Lane.BULK, 3)
    with pytest.raises(BudgetSpent):
        bucket.take(Permit(Lane.BULK))


def test_bulk_work_goes_on_when_the_vendors_day_turns(world):
    bucket = world.bucket(RATE, daily=1000, reserve=100)
    spend(world, bucket, Lane.LIVE, 900)
    bucket.learn(200, {"X-RateLimit-Daily-Remaining": "100"}, None)
    with pytest.raises(BudgetSpent):
        bucket.take(Permit(Lane.BULK))
    world.now += 5.0
    bucket.learn(200, {"X-RateLimit-Daily-Remaining": "999"}, None)
    bucket.take(Permit(Lane.BULK))

    assert bucket.state().used_today == 1


def test_without_other_traffic_one_bulk_call_asks_whether_the_day_has_turned(world):
    bucket = world.bucket(RATE, daily=200_000, reserve=1000)
    world.wait_of(bucket)
    bucket.learn(200, {**DAY, "X-RateLimit-Daily-Remaining": "1000"}, None)
    with pytest.raises(BudgetSpent) as spent:
        bucket.take(Permit(Lane.BULK))
    world.now += spent.value.wait_seconds
    bucket.take(Permit(Lane.BULK))
    with pytest.raises(BudgetSpent):
        bucket.take(Permit(Lane.BULK))

    assert spent.value.wait_seconds == pytest.approx(900.0, abs=1.0)


def test_a_day_that_the_vendor_gives_anew_is_used_at_once(world, bucket):
    bucket.learn(200, {"X-RateLimit-Daily-Remaining": "0"}, None)
    bucket.learn(200, {"X-RateLimit-Daily-Remaining": "10000"}, None)
    bucket.take(leased())

    assert bucket.state().daily_remaining == 9_999


def test_the_day_of_a_token_is_the_utc_day_of_its_moment(world, bucket):
    world.now = MIDNIGHT - 1.5
    world.start(world.caller(bucket, Lane.LIVE))
    world.run(MIDNIGHT - 0.5)
    before = bucket.state().used_today
    for _ in range(10):
        world.start(world.caller(bucket, Lane.CONSENT, think=100.0))
    world.run(MIDNIGHT + 0.001)

    # Those of after midnight that were reserved before it.
    assert before > 5
    assert 1 <= bucket.state().used_today <= 10


def test_the_state_of_a_new_bucket_is_its_configured_rate(world):
    state = world.bucket(RATE, daily=5).state()

    assert state.calls_per_second == pytest.approx(99 / 10.19, rel=1e-3)
    assert state.frozen_until is None
    assert state.wait_seconds <= 10.19
    assert (state.used_today, state.daily_remaining, state.used_in_window) == (
        0,
        None,
        0,
    )


def test_the_state_counts_the_window_and_names_the_end_of_a_freeze(world, bucket):
    for _ in range(30):
        world.wait_of(bucket)
    bucket.learn(429, {}, 60.0)
    state = bucket.state()

    assert 30 <= state.used_in_window <= 32
    assert state.frozen_until == pytest.approx(START + world.now + 60.0)
    assert state.wait_seconds == pytest.approx(60.0, abs=0.1)


def test_without_redis_nothing_is_granted_and_an_answer_is_not_lost():
    with Valkey() as server, Redis.from_url(server.url, retry=None) as redis:
        bucket = Bucket(redis, "test:bucket", RATE)
        server.kill()

        bucket.learn(429, {}, None)
        with pytest.raises(RedisError):
            bucket.take(Permit(Lane.BULK))


def test_after_a_restart_everything_reserved_before_is_waited_for(world, bucket):
    world.now += 0.01
    world.lives += 1

    assert world.wait_of(bucket) >= 2.0
