"""Where a process counts what it does; what for is in `metrics.py`."""

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from pipeline import metrics
from pipeline.metrics import Metric
from pipeline.permit import Permit


class Meters:
    """Here nowhere: a command ends before anybody could ask it."""

    def count(self, row: Metric, *labels: str) -> None:
        """One more of a row that counts; labels in the order of the row."""

    def observe(self, row: Metric, value: float, *labels: str) -> None:
        """One more value of a histogram, in the unit of the row."""


NO_METERS = Meters()


class Allowance(Protocol):
    """What a session asks before each request, see `session.Budget`."""

    def take(self, permit: Permit) -> None: ...

    def learn(
        self, status: int, headers: Mapping[str, str], retry_after_seconds: float | None
    ) -> None: ...


class MeteredBudget:
    """An allowance whose waits are observed, those in vain too."""

    def __init__(
        self, budget: Allowance, meters: Meters, connection: str, vendor: str
    ) -> None:
        self._budget = budget
        self._meters = meters
        self._labels = (connection, vendor)
        self.learn = budget.learn

    def take(self, permit: Permit) -> None:
        """As of the budget, with what it raises."""
        began = time.perf_counter()
        try:
            self._budget.take(permit)
        finally:
            waited = time.perf_counter() - began
            self._meters.observe(metrics.WAITED, waited, *self._labels, permit.lane)


def counted_calls(
    meters: Meters, connection: str
) -> Callable[[str, str, int | None, float], None]:
    """What a session tells of its requests, as counts; see `ApiSession`'s `on_call`."""

    def count(vendor: str, route: str, status: int | None, _: float) -> None:
        answered = "none" if status is None else str(status)
        meters.count(metrics.CALLS, connection, vendor, route, answered)

    return count
