"""A world in which buckets need no waiting: real server and scripts, made-up time.

`World.now` is true time in seconds, what a monotonic clock shows. Redis' clock is true
time plus an offset that a test may change. Clients are generators that yield pauses.
"""

import heapq
import itertools
from bisect import bisect_right
from collections.abc import Iterator
from random import Random
from typing import Any
from unittest import mock

from redis import Redis

from pipeline.config import Rate
from pipeline.errors import BudgetSpent, LeaseLost
from pipeline.permit import Lane, Lease, Permit
from pipeline.store import bucket as bucket_module
from pipeline.store.bucket import ARRIVAL_SECONDS, TOKEN_LIFE_SECONDS, Bucket

START = 1_700_000_000.0  # 2023-11-14T22:13:20Z, Redis' clock when a world begins
STRETCH_SECONDS = 1.3  # of delays, and then of none
LEG_SECONDS = 0.01  # the slowest way to Redis or back
BUCKET_KEY = "test:bucket"
LEASE_KEYS = ("test:leased", "test:tokens")
CLOCK_KEY = "test:clock"
TEST_CLOCK = f"""
local clock = redis.call('HMGET', '{CLOCK_KEY}', 'now', 'life')
local now = tonumber(clock[1])
local function life() return clock[2] end
"""

Pauses = Iterator[float]


class WorldRedis(Redis):
    """Runs every script at the world's time, some of them twice as redis-py may."""

    world: "World"

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if args[0] != "EVALSHA":
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        world = self.world
        world.now += world.random.uniform(0, world.leg)
        runs = 1 + (world.random.random() < world.replays)
        with self.pipeline(transaction=False) as pipe:
            pipe.hset(CLOCK_KEY, "now", str(world.redis_micros()))
            pipe.hset(CLOCK_KEY, "life", world.life)
            for _ in range(runs):
                pipe.execute_command(*args, **options)  # type: ignore[no-untyped-call]
            answer = pipe.execute()[-1]
        # Not before: a server that does not know the script yet is asked twice.
        world.asks += 1
        world.now += world.random.uniform(0, world.leg)
        return answer


class World:
    """Time, a server without keys and the calls that arrived at a vendor.

    Args:
        leg: longest way to Redis or back, in seconds.
        replays: share of the scripts that run twice.
        late: by how many seconds a sleeper may wake too late.
        chance: share of the delays that come by chance, not in stretches.
    """

    def __init__(
        self,
        redis: WorldRedis,
        seed: int = 0,
        *,
        leg: float = 0.0,
        replays: float = 0.0,
        late: float = 0.0,
        chance: float = 1.0,
    ) -> None:
        self.redis, self.random = redis, Random(seed)
        self.leg, self.replays, self.late = leg, replays, late
        self.chance = chance
        self.now, self.offset, self.lives = 0.0, 0.0, 0
        self.asks = 0
        self.arrivals: list[float] = []
        self._events: list[tuple[float, int, Pauses]] = []
        self._order = itertools.count()
        redis.world = self
        redis.flushdb()

    @property
    def life(self) -> str:
        return f"life{self.lives}"

    def redis_micros(self) -> int:
        return round((START + self.now + self.offset) * 1_000_000)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def bucket(self, rate: Rate, key: str = BUCKET_KEY, **options: Any) -> Bucket:
        with mock.patch.object(bucket_module, "REDIS_CLOCK", TEST_CLOCK):
            return Bucket(
                self.redis,
                key,
                rate,
                sleep=self.sleep,
                clock=lambda: self.now,
                **options,
            )

    def wait_of(self, bucket: Bucket, lane: Lane = Lane.LIVE) -> float:
        """Seconds that one call waits for its token, however long."""
        start = self.now
        while True:
            try:
                bucket.take(Permit(lane))
            except BudgetSpent as spent:
                self.now += spent.wait_seconds
            else:
                return self.now - start

    def start(self, pauses: Pauses, after: float = 0.0) -> None:
        heapq.heappush(self._events, (self.now + after, next(self._order), pauses))

    def run(self, until: float) -> None:
        """Let everybody who was started go on until then."""
        while self._events and self._events[0][0] <= until:
            due, _, pauses = heapq.heappop(self._events)
            self.now = max(self.now, due)
            pause = next(pauses, None)
            if pause is not None:
                self.start(pauses, pause)
        self.now = max(self.now, until)

    def tokens(self, bucket: Bucket, permit: Permit) -> Pauses:
        """Wait for one token as `take` does, but never give up."""
        while True:
            try:
                for pause in bucket.pauses(permit):
                    yield pause + self._delay(self.late, self.now + pause)
            except BudgetSpent as spent:
                yield spent.wait_seconds + 0.001
            else:
                return

    def caller(self, bucket: Bucket, lane: Lane, think: float = 0.0) -> Pauses:
        """Call for ever; a call arrives up to 0.09 s after its token was used."""
        while True:
            yield from self.tokens(bucket, Permit(lane))
            self._arrive()
            yield self.random.uniform(0, think)

    def contacts(self, bucket: Bucket, lane: Lane, think: float = 0.0) -> Pauses:
        """Sync one leased contact after the other, each at a cost of 1 to 4 calls."""
        while True:
            permit = Permit(lane, self._lease(lane))
            try:
                for _ in range(self.random.randint(1, 4)):
                    yield from self.tokens(bucket, permit)
                    permit.calls += 1
                    self._arrive()
            except LeaseLost:
                yield self.leg
            yield self.random.uniform(0, think)

    def lose_leases(self) -> None:
        """Let all contacts be leased to others."""
        self.redis.delete(*LEASE_KEYS)

    def _lease(self, lane: Lane) -> Lease:
        leased, tokens = LEASE_KEYS
        lease = Lease("default", f"c{next(self._order)}", 1, lane)
        self.redis.zadd(leased, {lease.ghl_id: 0})
        self.redis.hset(tokens, lease.ghl_id, lease.token)
        return lease

    def _arrive(self) -> None:
        network = ARRIVAL_SECONDS - TOKEN_LIFE_SECONDS
        self.arrivals.append(self.now + self._delay(network, self.now))

    def _delay(self, longest: float, at: float) -> float:
        """Extremes break a law sooner than averages, and when they come together.

        For a while everything is delayed and then nothing is, so that what is late
        meets what is in time; or either happens by chance.
        """
        if self.random.random() < self.chance:
            return self.random.choice((0.0, longest))
        return longest if at % (2 * STRETCH_SECONDS) < STRETCH_SECONDS else 0.0


def fullest_window(arrivals: list[float], seconds: float) -> int:
    """The most calls that any window of this length holds, both ends included."""
    times = sorted(arrivals)
    ends = (bisect_right(times, first + seconds) for first in times)
    return max((end - i for i, end in enumerate(ends)), default=0)
