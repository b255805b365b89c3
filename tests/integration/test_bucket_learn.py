"""What a bucket learns from answers, on made-up time and a real server."""

from collections.abc import Iterator

import pytest

from pipeline.config import Rate
from pipeline.permit import Lane, Permit
from pipeline.store.bucket import ARRIVAL_SECONDS, Bucket
from tests.bucket_world import Pauses, World, WorldRedis
from tests.valkey import Valkey

RATE = Rate(100, 10.0)
MAX, INTERVAL = "X-RateLimit-Max", "X-RateLimit-Interval-Milliseconds"
REMAINING, DAILY = "X-RateLimit-Remaining", "X-RateLimit-Daily-Remaining"


def per_second(calls: float, window: float = 10.0) -> float:
    return (calls - 1) / (window + ARRIVAL_SECONDS)


@pytest.fixture(scope="module")
def redis() -> Iterator[WorldRedis]:
    with Valkey() as server, WorldRedis.from_url(server.url) as redis:
        yield redis


@pytest.fixture
def world(redis) -> World:
    return World(redis)


@pytest.fixture
def bucket(world) -> Bucket:
    bucket = world.bucket(RATE)
    world.wait_of(bucket)
    return bucket


def pace(bucket: Bucket) -> float:
    return bucket.state().calls_per_second


def test_the_headers_set_the_rate(bucket):
    bucket.learn(200, {MAX: "25", INTERVAL: "10000"}, None)

    assert pace(bucket) == pytest.approx(per_second(25), rel=1e-3)


def test_header_names_may_have_any_case(bucket):
    bucket.learn(200, {MAX.lower(): "25", INTERVAL.upper(): "10000"}, None)

    assert pace(bucket) == pytest.approx(per_second(25), rel=1e-3)


def test_without_an_interval_the_limit_is_for_the_configured_window(bucket):
    bucket.learn(200, {MAX: "25"}, None)

    assert pace(bucket) == pytest.approx(per_second(25), rel=1e-3)


def test_a_limit_that_rises_again_is_followed_up_to_the_configured_rate(bucket):
    bucket.learn(200, {MAX: "25", INTERVAL: "10000"}, None)
    bucket.learn(200, {MAX: "60", INTERVAL: "10000"}, None)
    risen = pace(bucket)
    bucket.learn(200, {MAX: "5000", INTERVAL: "10000"}, None)

    assert risen == pytest.approx(per_second(60), rel=1e-3)
    assert pace(bucket) == pytest.approx(per_second(100), rel=1e-3)


def test_a_longer_window_binds_as_well(bucket):
    bucket.learn(200, {MAX: "100", INTERVAL: "60000"}, None)

    assert pace(bucket) == pytest.approx(per_second(100, 60.0), rel=1e-3)


@pytest.mark.parametrize("garbage", ["", "x", "-5", "0", "1e3", "9" * 30, "9" * 5000])
def test_garbage_in_headers_is_ignored(bucket, garbage):
    names = (MAX, INTERVAL, REMAINING, "X-RateLimit-Limit-Daily")
    bucket.learn(200, dict.fromkeys(names, garbage), None)
    bucket.learn(200, {MAX: "100", INTERVAL: garbage, DAILY: "-1"}, None)

    assert pace(bucket) == pytest.approx(per_second(100), rel=1e-3)
    assert bucket.state().daily_remaining is None


def test_a_lower_limit_counts_the_calls_already_made(world, bucket):
    for _ in range(40):
        world.wait_of(bucket)
    made = world.now
    bucket.learn(200, {MAX: "25", INTERVAL: "10000"}, None)
    world.wait_of(bucket)

    assert world.now - made >= 10.0


def test_what_our_own_calls_explain_lowers_nothing(world, bucket):
    for _ in range(30):
        world.wait_of(bucket)
    bucket.learn(200, {MAX: "100", INTERVAL: "10000", REMAINING: "69"}, None)

    assert world.wait_of(bucket) <= 0.11


def test_calls_of_somebody_else_make_us_stand_back_once(world, bucket):
    said = {MAX: "100", INTERVAL: "10000", REMAINING: "49"}
    bucket.learn(200, said, None)
    first = world.wait_of(bucket)
    bucket.learn(200, said, None)

    assert first == pytest.approx(50 / per_second(100), rel=0.05)
    assert world.wait_of(bucket) <= 0.11


def test_nobody_stands_back_longer_than_the_vendor_remembers(world, bucket):
    bucket.learn(200, {MAX: "100000", INTERVAL: "10000", REMAINING: "0"}, None)

    assert world.wait_of(bucket) <= 10.0 + ARRIVAL_SECONDS


def test_equal_answers_cost_one_call_to_redis_per_second(world, bucket):
    said = {MAX: "100", INTERVAL: "10000", REMAINING: "98", DAILY: "190000"}
    before = world.asks
    for _ in range(100):
        bucket.learn(200, said, None)
        world.now += 0.0301

    assert world.asks - before == 3


@pytest.mark.parametrize(
    "change", [{MAX: "99"}, {INTERVAL: "9000"}, {REMAINING: "80"}, {DAILY: "180000"}]
)
def test_an_answer_that_says_something_new_is_reported_at_once(world, bucket, change):
    said = {MAX: "100", INTERVAL: "10000", REMAINING: "98", DAILY: "190000"}
    bucket.learn(200, said, None)
    before = world.asks
    bucket.learn(200, said | change, None)

    assert world.asks == before + 1


def test_an_answer_without_headers_costs_nothing(world, bucket):
    before = world.asks
    bucket.learn(200, {"Content-Type": "application/json"}, None)

    assert world.asks == before


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [(None, 10.0), (-1.0, 10.0), (0.0, 0.0), (60.0, 60.0), (1e9, 3600.0)],
)
def test_a_429_freezes_for_retry_after_or_the_window(
    world, bucket, retry_after, seconds
):
    bucket.learn(429, {}, retry_after)

    assert seconds <= world.wait_of(bucket) <= seconds + 0.5


def test_a_429_halves_the_rate_and_its_companions_do_not_halve_it_again(world, bucket):
    for _ in range(4):
        bucket.learn(429, {}, 0.0)
        world.now += 0.5
    world.now += 2.0

    assert pace(bucket) == pytest.approx(per_second(100) / 2, rel=1e-3)


def test_a_replayed_429_changes_nothing_more(world, bucket):
    world.replays = 1.0
    bucket.learn(429, {}, None)

    assert pace(bucket) == pytest.approx(per_second(100) / 2, rel=1e-3)


def test_two_calls_a_window_are_left_however_often_the_vendor_refuses(world, bucket):
    for _ in range(20):
        bucket.learn(429, {}, 0.0)
        world.now += 4.0

    assert pace(bucket) == pytest.approx(per_second(2), rel=1e-3)


def test_a_clean_window_gives_five_percent_back_up_to_the_ceiling(world, bucket):
    bucket.learn(429, {}, 10.0)
    world.now += 10.0 + 20.1
    world.wait_of(bucket)
    after_two = pace(bucket)
    world.now += 600.0
    world.wait_of(bucket)

    assert after_two == pytest.approx(per_second(100) * 0.6, rel=1e-3)
    assert pace(bucket) == pytest.approx(per_second(100), rel=1e-3)


def test_a_token_promised_before_a_429_is_not_used_in_the_freeze(world, bucket):
    bucket.take(Permit(Lane.LIVE))
    pauses = bucket.pauses(Permit(Lane.LIVE))
    world.now += next(pauses)
    bucket.learn(429, {}, 5.0)
    frozen = world.now
    for pause in pauses:
        world.now += pause

    assert world.now - frozen >= 5.0


class Vendor:
    """Refuses what is more than `limit` calls in any 10 s (or of a fixed window)."""

    def __init__(self, world: World, limit: int, *, fixed: bool) -> None:
        self.world, self.limit, self.fixed = world, limit, fixed
        self.accepted: list[float] = []
        self.refused: list[float] = []

    def call(self) -> int:
        now = self.world.now
        start = now // 10.0 * 10.0 if self.fixed else now - 10.0
        recent = sum(start <= t for t in self.accepted[-self.limit :])
        if recent >= self.limit:
            self.refused.append(now)
            return 429
        self.accepted.append(now)
        return 200


def worker(world: World, vendor: Vendor, bucket: Bucket, latency: float) -> Pauses:
    while True:
        yield from world.tokens(bucket, Permit(Lane.BULK))
        yield latency / 2
        status = vendor.call()
        yield latency / 2
        bucket.learn(status, {}, None)


@pytest.mark.parametrize(
    ("limit", "fixed", "steps"), [(25, False, 1), (25, True, 1), (5, False, 3)]
)
def test_a_limit_that_nobody_told_is_found_kept_and_left_when_it_rises(
    redis, limit, fixed, steps
):
    world = World(redis)
    vendor = Vendor(world, limit, fixed=fixed)
    buckets = [world.bucket(RATE) for _ in range(2)]
    for i in range(4):
        world.start(worker(world, vendor, buckets[i % 2], latency=0.3))
    world.run(400.0)
    found = [hit for hit in incidents(vendor.refused) if hit <= 60.0]
    probes = [hit for hit in incidents(vendor.refused) if hit > 60.0]

    assert len(found) <= steps
    assert len(probes) <= 2
    assert len(vendor.accepted) >= 0.8 * limit * 40

    vendor.limit = 100
    world.run(900.0)
    last = [t for t in vendor.accepted if t > 880.0]

    assert len(last) >= 0.9 * 20.0 * per_second(100)


def incidents(refused: list[float]) -> list[float]:
    """The first refusal of each group."""
    return [
        t
        for t, before in zip(refused, [-99.0, *refused], strict=False)
        if t - before > 10.0
    ]
