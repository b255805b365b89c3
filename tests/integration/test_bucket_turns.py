"""Whose turn it is: lanes, callers, resources and days, on made-up time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Rate
from pipeline.errors import BudgetSpent
from pipeline.permit import Lane, Permit
from pipeline.store.bucket import (
    AHEAD_SECONDS,
    ARRIVAL_SECONDS,
    BULK_AHEAD_SECONDS,
    LIVE_AHEAD_SECONDS,
    SCRIPT_CONSTANTS,
    Bucket,
)
from tests.bucket_world import START, Pauses, World, WorldRedis, fullest_window
from tests.valkey import Valkey

RATES = st.builds(Rate, st.integers(2, 40), st.sampled_from([0.5, 1.0, 2.5, 10.0]))
URGENT = st.sampled_from([Lane.LIVE, Lane.CONSENT])
ROUNDED = 0.000_02
"""Redis counts whole microseconds, and every spacing is rounded up."""


@pytest.fixture(scope="module")
def redis() -> Iterator[WorldRedis]:
    with Valkey() as server, WorldRedis.from_url(server.url) as redis:
        yield redis


def spacing_of(rate: Rate) -> float:
    return (rate.window_seconds + ARRIVAL_SECONDS) / (rate.calls - 1)


@dataclass(frozen=True)
class Token:
    """When somebody began to ask for it, was promised it, and could use it."""

    name: str
    lane: Lane
    asked: float
    promised: float
    moment: float


def noting(
    world: World, bucket: Bucket, lane: Lane, name: str, tokens: list[Token]
) -> Pauses:
    """Ask for one token after the other, for ever."""
    while True:
        asked = promised = world.now
        for pause in world.tokens(bucket, Permit(lane)):
            promised = world.now
            yield pause
        tokens.append(Token(name, lane, asked, promised, world.now))
        yield 0.0


# Between lanes


@settings(max_examples=20, deadline=None)
@given(rate=RATES, bulk=st.integers(1, 8), at=st.floats(3, 8), lane=URGENT)
def test_live_and_consent_wait_no_longer_than_the_promised_bulk_tokens(
    redis, rate, bulk, at, lane
):
    world, tokens = World(redis), []
    for _ in range(bulk):
        world.start(world.caller(world.bucket(rate), Lane.BULK))
    world.run(at + spacing_of(rate))
    world.start(noting(world, world.bucket(rate), lane, "urgent", tokens))

    world.run(world.now + 1 + 2 * spacing_of(rate))

    assert tokens
    waited = tokens[0].moment - tokens[0].asked
    assert waited <= BULK_AHEAD_SECONDS + spacing_of(rate) + ROUNDED


@settings(max_examples=20, deadline=None)
@given(rate=RATES, bulk=st.integers(1, 6), urgent=st.integers(1, 12), lane=URGENT)
def test_among_any_crowd_no_more_than_the_promised_bulk_tokens_come_first(
    redis, rate, bulk, urgent, lane
):
    world, tokens = World(redis), []
    for i in range(bulk):
        start = noting(world, world.bucket(rate), Lane.BULK, f"bulk {i}", tokens)
        world.start(start)
    for i in range(urgent):
        start = noting(world, world.bucket(rate), lane, f"urgent {i}", tokens)
        world.start(start, after=3.0)
    world.run(10.0 + 60 * spacing_of(rate))

    ahead = max(
        sum(
            first.lane is Lane.BULK
            and first.promised <= token.asked < first.moment < token.moment
            for first in tokens
        )
        for token in tokens
        if token.lane is lane
    )
    assert ahead <= floor(BULK_AHEAD_SECONDS / spacing_of(rate)) + 1


@settings(max_examples=10, deadline=None)
@given(
    rate=RATES,
    urgent=st.integers(3, 8),
    lane=URGENT,
    step=st.sampled_from([0.0, -3600.0]),
    seed=st.integers(0, 2**32),
)
def test_bulk_work_has_its_turn_among_changes_that_take_every_token(
    redis, rate, urgent, lane, step, seed
):
    world, tokens = World(redis, seed, leg=0.002), []
    bucket = world.bucket(rate)
    for i in range(urgent):
        world.start(noting(world, bucket, lane, f"urgent {i}", tokens))
    world.start(noting(world, bucket, Lane.BULK, "bulk", tokens))
    turn = max(SCRIPT_CONSTANTS["TURN"] * spacing_of(rate), AHEAD_SECONDS)
    world.run(AHEAD_SECONDS)
    world.offset += step
    world.run(AHEAD_SECONDS + 10 * turn)

    # Who asks anew at the same moment comes by chance, so a turn may come late.
    assert sum(token.lane is Lane.BULK for token in tokens) >= 2


@settings(max_examples=10, deadline=None)
@given(rate=RATES, live=st.integers(3, 30))
def test_a_no_waits_no_longer_than_the_promised_live_tokens(redis, rate, live):
    world, tokens = World(redis), []
    for _ in range(live):
        world.start(world.caller(world.bucket(rate), Lane.LIVE))
    world.run(6 + spacing_of(rate))
    world.start(noting(world, world.bucket(rate), Lane.CONSENT, "a no", tokens))

    world.run(world.now + 2 + 2 * spacing_of(rate))

    waited = tokens[0].moment - tokens[0].asked
    assert waited <= LIVE_AHEAD_SECONDS + spacing_of(rate) + ROUNDED


def test_bulk_work_takes_no_more_than_its_turn(redis):
    world, tokens, rate = World(redis), [], Rate(10, 1.0)
    bucket = world.bucket(rate)
    for i in range(8):
        world.start(noting(world, bucket, Lane.LIVE, f"urgent {i}", tokens))
    world.start(noting(world, bucket, Lane.BULK, "bulk", tokens), after=3.0)
    turn = SCRIPT_CONSTANTS["TURN"] * spacing_of(rate)
    world.run(3.0 + 5 * turn)

    assert 2 <= sum(token.lane is Lane.BULK for token in tokens) <= 6


def test_after_a_restart_bulk_work_is_promised_nothing_far(redis):
    world, rate = World(redis), Rate(5, 10.0)
    bucket = world.bucket(rate)
    world.wait_of(bucket, Lane.BULK)
    world.now += 120.0
    world.lives += 1

    told = next(bucket.pauses(Permit(Lane.BULK)))
    stood_back = AHEAD_SECONDS + spacing_of(rate)
    assert told == pytest.approx(stood_back - BULK_AHEAD_SECONDS, abs=0.001)


# Between callers


@settings(max_examples=15, deadline=None)
@given(
    rate=RATES,
    lane=st.sampled_from(Lane),
    callers=st.integers(2, 10),
    late=st.sampled_from([0.0, 0.03]),
    seed=st.integers(0, 2**32),
)
def test_none_of_a_crowd_goes_empty(redis, rate, lane, callers, late, seed):
    world, tokens = World(redis, seed, leg=0.002, late=late), []
    for i in range(callers):
        world.start(noting(world, world.bucket(rate), lane, str(i), tokens))
    rounds = 40
    world.run(AHEAD_SECONDS + rounds * callers * spacing_of(rate))

    served = Counter(token.name for token in tokens)
    assert min(served[str(i)] for i in range(callers)) >= rounds / 10


# Between resources


@settings(max_examples=10, deadline=None)
@given(
    rates=st.lists(RATES, min_size=2, max_size=3),
    callers=st.integers(1, 3),
    lane=st.sampled_from(Lane),
)
def test_every_resource_has_an_allowance_of_its_own(redis, rates, callers, lane):
    world, used = World(redis), []
    for i, rate in enumerate(rates):
        tokens: list[Token] = []
        used.append(tokens)
        for _ in range(callers):
            bucket = world.bucket(rate, f"test:bucket:{i}", daily=10_000)
            world.start(noting(world, bucket, lane, str(i), tokens))
    seconds = 20.0
    world.run(seconds)

    for i, (rate, tokens) in enumerate(zip(rates, used, strict=True)):
        moments = [token.moment for token in tokens]
        calm = seconds - AHEAD_SECONDS - spacing_of(rate)
        assert fullest_window(moments, rate.window_seconds) <= rate.calls
        assert len(moments) >= floor(calm / spacing_of(rate)) - 1
        granted = world.bucket(rate, f"test:bucket:{i}").state().used_today
        ahead = ceil(AHEAD_SECONDS / spacing_of(rate)) + 1
        assert len(moments) <= granted <= len(moments) + ahead


# The day


@settings(max_examples=20, deadline=None)
@given(
    daily=st.integers(1, 60),
    callers=st.lists(st.sampled_from(Lane), min_size=1, max_size=5),
    replays=st.sampled_from([0.0, 0.1]),
    before=st.floats(1, 30),
    seed=st.integers(0, 2**32),
)
def test_no_utc_day_ever_sees_more_calls_than_its_own(
    redis, daily, callers, replays, before, seed
):
    world = World(redis, seed, leg=0.002, replays=replays)
    midnight = 1_700_006_400.0 - START
    world.now = midnight - before
    used: list[float] = []
    for lane in callers:
        bucket = world.bucket(Rate(40, 1.0), daily=daily)
        world.start(spending(world, bucket, lane, used))
    world.run(midnight + 30.0)

    # A call may come up to 0.1 s after its token's moment, and that into the next day.
    yesterday = [moment for moment in used if moment < midnight]
    today = [moment for moment in used if moment >= midnight + 0.1]
    assert len(yesterday) <= daily
    assert daily * (1 - 3 * replays) - 6 <= len(today) <= daily


def spending(world: World, bucket: Bucket, lane: Lane, used: list[float]) -> Pauses:
    """Call until the day is spent, sleep until the next one begins."""
    while True:
        try:
            yield from bucket.pauses(Permit(lane))
        except BudgetSpent as spent:
            yield spent.wait_seconds
        else:
            used.append(world.now)
            yield 0.0
