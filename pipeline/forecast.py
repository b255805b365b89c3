"""What the calls of a full run take of the time, the night and GHL's day."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

OVER_THE_FLOOR = 1.03
"""What the bucket takes over calls / rate, so that no window ever sees too many."""


@dataclass(frozen=True)
class Budget:
    """What both vendors allow.

    Args:
        configured: vendor to calls a second, as `GHL_RATE` and `MAILJET_RATE` say.
        now: vendor to calls a second, after what their answers taught.
        ghl_daily: calls a day, as `GHL_DAILY` says.
        ghl_left: calls that are left of today to bulk work.
        bulk_hours: `Schedule.bulk_hours`.
    """

    configured: Mapping[str, float]
    now: Mapping[str, float]
    ghl_daily: int
    ghl_left: int
    bulk_hours: tuple[int, int]

    @property
    def night_hours(self) -> int:
        """How long the hours of nightly runs are."""
        start, end = self.bulk_hours
        return (end - start) % 24 or 24


@dataclass(frozen=True)
class Forecast:
    """What a full run takes.

    Args:
        hours: at the rates configured; the vendor that takes longer counts.
        hours_now: at the pace of now, never less.
        day_share, left_share: of GHL's calls a day, and of those left today; the
            latter is None where none are left.
        nights: in so many nights of `SYNC_BULK_HOURS` it is through.
    """

    calls: Mapping[str, Mapping[str, int]]
    hours: float
    hours_now: float
    day_share: float
    left_share: float | None
    nights: int

    @property
    def fits_the_day(self) -> bool:
        return self.left_share is not None and self.left_share <= 1


def forecast(calls: Mapping[str, Mapping[str, int]], budget: Budget) -> Forecast:
    """What these calls take of the time and of GHL's day."""
    totals = {vendor: sum(routes.values()) for vendor, routes in calls.items()}
    hours = max(
        OVER_THE_FLOOR * number / budget.configured[vendor] / 3600
        for vendor, number in totals.items()
    )
    hours_now = max(
        number / budget.now[vendor] / 3600 for vendor, number in totals.items()
    )
    hours_now = max(hours, hours_now)
    ghl = totals["ghl"]
    by_time = ceil(hours_now / budget.night_hours)
    return Forecast(
        calls,
        hours,
        hours_now,
        day_share=ghl / budget.ghl_daily,
        left_share=ghl / budget.ghl_left if budget.ghl_left > 0 else None,
        nights=max(1, by_time, ceil(ghl / budget.ghl_daily)),
    )
