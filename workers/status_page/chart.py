"""A chart of calls against the allowance, as numbers that a template draws."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.overview import utc
from pipeline.store.call_history import CallsPerMinute

WIDTH, HEIGHT = 720, 110
"""Of the plot, in the units of its viewBox; the height is what 100 % takes."""
MOST_PERCENT = 110.0
"""Tokens of two minutes may be counted in one of them."""


@dataclass(frozen=True)
class Line:
    """One vendor.

    Args:
        points: as SVG's `polyline` takes them; "" without two of them.
        per_minute: what is allowed.
        latest, highest: calls a minute.
    """

    vendor: str
    points: str
    per_minute: float
    latest: float
    highest: float


@dataclass(frozen=True)
class Chart:
    """Both vendors over the same time (UTC), each in percent of its allowance."""

    begins: str
    ends: str
    lines: tuple[Line, ...]


def chart(
    calls: Sequence[CallsPerMinute], ghl_per_minute: float, mailjet_per_minute: float
) -> Chart | None:
    """What is to be drawn; None before there are two minutes to show."""
    if len(calls) < 2:
        return None
    times = [each.at_ms for each in calls]
    return Chart(
        utc(times[0])[11:16],
        utc(times[-1])[11:16],
        (
            _line("GHL", times, [each.ghl for each in calls], ghl_per_minute),
            _line(
                "Mailjet", times, [each.mailjet for each in calls], mailjet_per_minute
            ),
        ),
    )


def _line(
    vendor: str, times: Sequence[int], values: Sequence[float], allowed: float
) -> Line:
    began, took = times[0], times[-1] - times[0]
    points = " ".join(
        f"{(at - began) / took * WIDTH:.1f},{_height(value / allowed * 100):.1f}"
        for at, value in zip(times, values, strict=True)
    )
    return Line(vendor, points, allowed, values[-1], max(values))


def _height(percent: float) -> float:
    return HEIGHT * (1 - min(percent, MOST_PERCENT) / 100)
