"""How many calls each vendor had up to each minute of the last three hours."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from redis import Redis

from pipeline.store.state import connection_key

SAMPLES_KEPT = 181
SECONDS_KEPT = 3 * 3600
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Sample:
    """The day's calls so far, at a moment (milliseconds since 1970 UTC)."""

    at_ms: int
    ghl: int
    mailjet: int


@dataclass(frozen=True)
class CallsPerMinute:
    """The calls between two samples, as if evenly spread."""

    at_ms: int
    ghl: float
    mailjet: float


def note(redis: "Redis", connection: str, sample: Sample) -> None:
    """Add one, and let the oldest go."""
    key = connection_key(connection, "calls")
    pipe = redis.pipeline()
    pipe.rpush(key, f"{sample.at_ms} {sample.ghl} {sample.mailjet}")
    pipe.ltrim(key, -SAMPLES_KEPT, -1)
    pipe.expire(key, SECONDS_KEPT)
    pipe.execute()


def read(redis: "Redis", connection: str) -> list[CallsPerMinute]:
    """What was called, oldest first; a day's counters begin anew at its end."""
    key = connection_key(connection, "calls")
    stored = cast("list[bytes]", redis.lrange(key, 0, -1))
    samples = [Sample(*map(int, each.split())) for each in stored]
    return per_minute(samples)


def per_minute(samples: Sequence[Sample]) -> list[CallsPerMinute]:
    """What lies between samples that follow each other; none twice at one time."""
    return [
        CallsPerMinute(
            after.at_ms,
            _grown(before.ghl, after.ghl) * MINUTE_MS / (after.at_ms - before.at_ms),
            _grown(before.mailjet, after.mailjet)
            * MINUTE_MS
            / (after.at_ms - before.at_ms),
        )
        for before, after in pairwise(samples)
        if after.at_ms > before.at_ms
    ]


def _grown(before: int, after: int) -> int:
    return after - before if after >= before else after
