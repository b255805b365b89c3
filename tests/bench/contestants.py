"""Limiters that share one allowance over Redis, each behind `take()`: ours and others.

`limits` and `pyrate-limiter` come with the extra `bench`; who is not installed is left
out.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec

from redis import Redis

from pipeline.config import Rate
from pipeline.errors import BudgetSpent
from pipeline.permit import Lane, Permit
from pipeline.store.bucket import Bucket

Take = Callable[[], None]
"""Returns once a call may be made, however long that takes."""
KEY = "bench"


def ours(url: str, rate: Rate) -> Take:
    bucket = Bucket(Redis.from_url(url), KEY, rate)
    permit = Permit(Lane.BULK)

    def take() -> None:
        while True:
            try:
                return bucket.take(permit)
            except BudgetSpent as spent:
                time.sleep(spent.wait_seconds)

    return take


def limits_moving(url: str, rate: Rate) -> Take:
    from limits.strategies import MovingWindowRateLimiter

    return _limits(url, rate, MovingWindowRateLimiter)


def limits_fixed(url: str, rate: Rate) -> Take:
    from limits.strategies import FixedWindowRateLimiter

    return _limits(url, rate, FixedWindowRateLimiter)


def _limits(url: str, rate: Rate, strategy: Callable[..., object]) -> Take:
    """It only says yes or no: who is told no sleeps until its window has passed."""
    from limits import RateLimitItemPerSecond
    from limits.storage import RedisStorage
    from limits.strategies import RateLimiter

    limiter = strategy(RedisStorage(url))
    assert isinstance(limiter, RateLimiter)
    item = RateLimitItemPerSecond(rate.calls, round(rate.window_seconds))

    def take() -> None:
        while not limiter.hit(item, KEY):
            reset = limiter.get_window_stats(item, KEY).reset_time
            time.sleep(max(reset - time.time(), 0.001))

    return take


def pyrate(url: str, rate: Rate) -> Take:
    from pyrate_limiter import Limiter, RedisBucket
    from pyrate_limiter import Rate as PyrateRate

    rates = [PyrateRate(rate.calls, round(rate.window_seconds * 1000))]
    limiter = Limiter(RedisBucket.init(rates, Redis.from_url(url), KEY))

    def take() -> None:
        while not limiter.try_acquire(KEY):
            pass

    return take


CONTESTANTS: dict[str, Callable[[str, Rate], Take]] = {
    "ours": ours,
    "limits, moving window": limits_moving,
    "limits, fixed window": limits_fixed,
    "pyrate-limiter": pyrate,
}


def missing() -> list[str]:
    """Packages of the extra `bench` that are not installed."""
    modules = {"limits": "limits", "pyrate-limiter": "pyrate_limiter"}
    return [name for name, module in modules.items() if find_spec(module) is None]


def installed() -> list[str]:
    """The contestants that can be run here."""
    absent = missing()
    return [
        name
        for name in CONTESTANTS
        if not any(name.startswith(gone) for gone in absent)
    ]
