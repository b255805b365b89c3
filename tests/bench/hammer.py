"""Many processes that want every token of one limiter, and a counter that sees all.

What counts is the arrival at the counter, by Redis' own clock, as at a vendor: first
the token, then the arrival, in the same process.
"""

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from pipeline.config import Rate
from tests.bench.contestants import CONTESTANTS
from tests.valkey import Valkey

PROCESSES = 32
ARRIVE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local first = tonumber(redis.call('GET', KEYS[1])) or now
redis.call('SET', KEYS[1], string.format('%.0f', first))
if now >= first + ARGV[1] then return 0 end
redis.call('RPUSH', KEYS[2], string.format('%.0f', now))
return 1
"""
EMPTY_START_SECONDS = 2.5
"""Our bucket begins with a pause of two seconds, in case its memory was lost."""


@dataclass(frozen=True)
class Outcome:
    """What came of a limiter under many processes.

    Args:
        busiest: the most arrivals in any half-open window of the rate's length.
        utilisation: share of the allowance of all windows from the first arrival on.
        asks: round trips to Redis for each grant.
    """

    busiest: int
    utilisation: float
    asks: float


def hammer(name: str, rate: Rate, windows: int) -> Outcome:
    """Let 32 processes take from a contestant for so many windows."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.bench.hammer"])
    micros = round(windows * rate.window_seconds * 1_000_000)
    with Valkey() as server, server.client() as redis:
        if name == "ours":
            CONTESTANTS[name](server.url, rate)()
            time.sleep(EMPTY_START_SECONDS)
        ready = context.Barrier(PROCESSES)
        crowd = [
            context.Process(target=_take, args=(server.url, name, rate, micros, ready))
            for _ in range(PROCESSES)
        ]
        before = _reads(redis)
        for process in crowd:
            process.start()
        for process in crowd:
            process.join()
        assert not any(process.exitcode for process in crowd), f"{name}: one failed"
        reads = _reads(redis) - before
        arrivals = [int(moment) for moment in redis.lrange("arrivals", 0, -1)]
    grants = len(arrivals)
    window = round(rate.window_seconds * 1_000_000)
    return Outcome(
        busiest=busiest(arrivals, window),
        utilisation=grants / (rate.calls * windows),
        # Each grant's arrival is a round trip as well.
        asks=reads / grants - 1,
    )


def _take(url: str, name: str, rate: Rate, micros: int, ready: Any) -> None:
    with Redis.from_url(url) as redis:
        arrive = redis.register_script(ARRIVE)
        take = CONTESTANTS[name](url, rate)
        ready.wait()
        take()
        while arrive(["first", "arrivals"], [micros]):
            take()


def busiest(arrivals: Sequence[int], window: int) -> int:
    """The most of these sorted moments in any half-open window of that length."""
    most = first = 0
    for last, moment in enumerate(arrivals):
        while moment - arrivals[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


def _reads(redis: Redis) -> int:
    """How often the server has read from a socket: one for each round trip."""
    return int(redis.info("stats")["total_reads_processed"])
