"""What a vendor's answer says about its limits, and whether Redis must hear of it.

GHL's header names: https://marketplace.gohighlevel.com/docs/oauth/Faqs (2026-08).
Mailjet documents none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

REPORT_SECONDS = 1.0  # at most so old is what Redis knows; one call more per second
DAILY_CHANGE = 0.01  # of the day's limit
LARGEST = 10**9  # of any header; more is garbage


def _number(headers: Mapping[str, str], name: str, least: int) -> int | None:
    try:
        number = int(headers[name])
    except (KeyError, ValueError, TypeError):
        return None
    return number if least <= number <= LARGEST else None


@dataclass(frozen=True)
class Limits:
    """The limits in an answer's headers; None where it said nothing that makes sense.

    Args:
        calls: allowed in a window.
        window_ms: the window's length in milliseconds.
        remaining: calls left in the vendor's window.
        daily_calls: allowed in a day.
        daily_remaining: calls left in the vendor's day.
    """

    calls: int | None = None
    window_ms: int | None = None
    remaining: int | None = None
    daily_calls: int | None = None
    daily_remaining: int | None = None

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> "Limits":
        """Read GHL's `X-RateLimit-*`, in upper or lower case; garbage is ignored."""
        said = {name.lower(): value for name, value in headers.items()}
        calls = _number(said, "x-ratelimit-max", 1)
        remaining = _number(said, "x-ratelimit-remaining", 0)
        if calls is None or (remaining is not None and remaining > calls):
            remaining = None
        return cls(
            calls=calls,
            window_ms=_number(said, "x-ratelimit-interval-milliseconds", 1),
            remaining=remaining,
            daily_calls=_number(said, "x-ratelimit-limit-daily", 1),
            daily_remaining=_number(said, "x-ratelimit-daily-remaining", 0),
        )

    def for_script(self) -> list[int]:
        """Arguments of the learn script: windows in microseconds, -1 = not said."""
        window = -1 if self.window_ms is None else self.window_ms * 1000
        day = [self.daily_remaining, self.daily_calls]
        said = [self.calls, window, self.remaining, *day]
        return [-1 if value is None else value for value in said]


class Reporter:
    """Decides without Redis which answers are worth a call to it.

    Args:
        clock: seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next_report = clock()
        self._last = Limits()
        self._least_explained = -1

    def is_due(self, limits: Limits) -> bool:
        """True when something changed, or one second after the last report."""
        if limits.calls is None and limits.daily_remaining is None:
            return False
        last, remaining = self._last, limits.remaining
        return (
            self._clock() >= self._next_report
            or (limits.calls, limits.window_ms) != (last.calls, last.window_ms)
            or (remaining is not None and remaining < self._least_explained)
            or self._day_changed(limits)
        )

    def _day_changed(self, limits: Limits) -> bool:
        left, before = limits.daily_remaining, self._last.daily_remaining
        if left is None or before is None:
            return left is not None
        of = limits.daily_calls or max(left, before)
        return abs(left - before) > DAILY_CHANGE * of or (left == 0) != (before == 0)

    def reported(self, limits: Limits, explained: int) -> None:
        """Remember what Redis knows now.

        Args:
            explained: the lowest Remaining that the calls known to Redis explain.
        """
        self._next_report = self._clock() + REPORT_SECONDS
        self._last = limits
        per_second = 1000 * (limits.calls or 0) / (limits.window_ms or 10_000)
        self._least_explained = explained - round(REPORT_SECONDS * per_second)
