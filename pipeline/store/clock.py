"""Whether Redis' clock was set: it has none that nobody sets, but we have one.

A clock set back is seen by the scripts themselves. One set ahead looks to them like
idle time, although tokens reserved before are still to come; only a client that has
read both clocks before can tell.
"""

from typing import NamedTuple, Self

STEP_SECONDS = 0.01  # two clocks read a moment apart differ by scheduling
DRIFT = 0.0005  # NTP turns a clock by at most 500 ppm
ANCHOR_SECONDS = 10.0  # so long one reading is compared with: short of much drift


class ClockReading(NamedTuple):
    """Redis' clock, read somewhere between two moments of our monotonic one.

    Args:
        sent: our seconds before asking.
        answered: our seconds after the answer.
        redis: Unix time in seconds by Redis.
    """

    sent: float
    answered: float
    redis: float

    def lead(self, earlier: Self) -> float:
        """Seconds that Redis' clock surely gained (negative: lost) on ours since."""
        passed = self.redis - earlier.redis
        most, least = self.answered - earlier.sent, self.sent - earlier.answered
        slack = STEP_SECONDS + DRIFT * most
        return max(passed - most - slack, 0.0) + min(passed - least + slack, 0.0)

    def replaces(self, anchor: Self | None) -> bool:
        """Whether to compare with this reading from now on."""
        return anchor is None or self.sent - anchor.sent > ANCHOR_SECONDS
