"""How many calls a vendor takes: a sliding or a fixed window, and a day's quota."""

import time
from collections import deque
from dataclasses import dataclass

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Rate:
    """At most `calls` in `seconds`."""

    calls: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.calls}/{self.seconds:g}"


def parse_rate(text: str) -> Rate | None:
    """Read `100/10` (100 calls in 10 seconds) or `off` (None).

    Raises:
        ValueError: it is neither.
    """
    if text == "off":
        return None
    calls, _, seconds = text.partition("/")
    rate = Rate(int(calls), float(seconds))
    if rate.calls < 1 or rate.seconds <= 0:
        raise ValueError(f"a rate needs calls and seconds above 0: {text}")
    return rate


class Allowance:
    """The calls that one credential has left.

    A call that is refused costs nothing, so an impatient caller is not locked out.

    Args:
        rate: None takes every call.
        sliding: whether the window ends now, or starts afresh every `rate.seconds`.
        daily: calls per UTC day; None is no quota.
    """

    def __init__(
        self, rate: Rate | None, *, sliding: bool = True, daily: int | None = None
    ) -> None:
        self._recent: deque[float] = deque()
        self._day = 0
        self._today = 0
        self.change(rate, sliding=sliding, daily=daily)

    def change(self, rate: Rate | None, *, sliding: bool, daily: int | None) -> None:
        """Apply other limits; calls already taken still count, unless by no rate."""
        self.rate, self.sliding, self.daily = rate, sliding, daily
        if rate is None:
            self._recent.clear()

    def arrive(self, now: float) -> float | None:
        """Take one call at `now` (monotonic seconds).

        Returns:
            None when it may come in, else the seconds until one may.
        """
        self._forget(now)
        if self.daily is not None and self._today >= self.daily:
            return SECONDS_PER_DAY - time.time() % SECONDS_PER_DAY
        if self.rate and len(self._recent) >= self.rate.calls:
            oldest = self._recent[-self.rate.calls]
            return self._window_start(oldest, now) + self.rate.seconds - now
        self._today += 1
        if self.rate:
            self._recent.append(now)
        return None

    @property
    def remaining(self) -> int:
        """Calls left in the window as of the last arrival; 0 without a rate."""
        return max(0, self.rate.calls - len(self._recent)) if self.rate else 0

    @property
    def remaining_today(self) -> int:
        """Calls left of the day's quota; 0 without one."""
        return max(0, self.daily - self._today) if self.daily else 0

    def _window_start(self, oldest: float, now: float) -> float:
        if not self.rate or self.sliding:
            return oldest
        return now - now % self.rate.seconds

    def _forget(self, now: float) -> None:
        day = int(time.time() // SECONDS_PER_DAY)
        if day != self._day:
            self._day, self._today = day, 0
        if not self.rate:
            return
        start = now - self.rate.seconds if self.sliding else self._window_start(0, now)
        recent = self._recent
        while recent and (recent[0] <= start if self.sliding else recent[0] < start):
            recent.popleft()
