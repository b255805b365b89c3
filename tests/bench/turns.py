"""How much each of many connections was served, in one window after the other."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tests.sandbox import Row
from tests.system.installation import Installation

GOAL, QUOTA_GOAL = 0.9, 0.95


@dataclass(frozen=True)
class Reading:
    """What each connection has done, and has left, at a moment (monotonic seconds)."""

    at: float
    settled: dict[str, int]
    left: dict[str, int]


@dataclass(frozen=True)
class Window:
    """What happened between two readings.

    Args:
        contacts: settled, of each connection that had work to the end.
        calls: of each connection, to the vendor that it called more often.
        quota: calls that the rate allows each; None where it is no limit.
    """

    seconds: float
    contacts: dict[str, int]
    calls: dict[str, int]
    quota: float | None

    @property
    def least(self) -> int:
        return min(self.contacts.values(), default=0)

    @property
    def most(self) -> int:
        return max(self.contacts.values(), default=0)

    @property
    def is_fair(self) -> bool:
        return bool(self.contacts) and all(
            self._has_its_share(count) or self._has_its_quota(name)
            for name, count in self.contacts.items()
        )

    def _has_its_share(self, count: int) -> bool:
        # One contact is cut by the edges of the window.
        return count > 0 and count + 1 >= GOAL * self.most

    def _has_its_quota(self, name: str) -> bool:
        return self.quota is not None and self.calls[name] >= QUOTA_GOAL * self.quota


def read(running: Installation) -> Reading:
    settled, left = {}, {}
    for name, kit in running.pipeline.kits.items():
        run, backlog = kit.ledger.run(), kit.ledger.backlog()
        settled[name] = run.settled if run else 0
        left[name] = backlog.waiting
    return Reading(time.monotonic(), settled, left)


def windows(
    running: Installation, seconds_each: float, count: int, rate: str | None
) -> Iterator[Window]:
    """Look at the beginning and at the end of each; then ask for the log, which takes
    the vendors' time.

    Args:
        rate: what binds each connection, such as `10/10`; None where it is no limit.
    """
    readings = [read(running)]
    for _ in range(count):
        time.sleep(seconds_each)
        readings.append(read(running))
    logs = {
        name: running.sandbox.location(number).log()
        for number, name in enumerate(running.pipeline.kits, start=1)
    }
    for before, after in pairwise(readings):
        seconds = after.at - before.at
        yield Window(
            seconds,
            {
                name: after.settled[name] - before.settled[name]
                for name, left in after.left.items()
                if left
            },
            calls_between(logs, before.at, after.at),
            None if rate is None else allowed(rate, seconds),
        )


def calls_between(
    logs: dict[str, list[Row]], start: float, end: float
) -> dict[str, int]:
    """By connection, to the vendor that it called more often."""
    found = {}
    for name, log in logs.items():
        vendors = [call["vendor"] for call in log if start <= call["arrival"] < end]
        found[name] = max(vendors.count("ghl"), vendors.count("mailjet"))
    return found


def allowed(rate: str, seconds: float) -> float:
    """Calls that a bucket gives which no window ever sees overdrawn."""
    calls, window = (float(part) for part in rate.split("/"))
    return seconds * (calls - 1) / (window + 0.19)
