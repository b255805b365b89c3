"""Which connections a periodic task is about at this moment."""

import time
from collections.abc import Callable

from pipeline.bootstrap import Kit
from pipeline.settings.schedule import Schedule
from workers.celery import pipeline
from workers.schedule import (
    ACTIVITIES_INTERVAL_SECONDS,
    CALLBACKS_INTERVAL_SECONDS,
    REPORT_INTERVAL_SECONDS,
)

ABOUT_CONSENT = frozenset({"optouts", "feedback", "report"})
"""What goes on while an operator's pause lets everything else wait."""


def working(
    task: str, wants: Callable[[Schedule], bool] = lambda schedule: True
) -> list[Kit]:
    """Connections that are set up, work, and have not had `task` in their interval."""
    return [
        kit
        for kit in pipeline().kits.values()
        if wants(kit.connection.schedule)
        and kit.record() is not None
        and kit.health.paused() is None
        and (task in ABOUT_CONSENT or kit.operator_pause.since_ms() is None)
        and kit.setup.claim_due(task, _seconds(kit.connection.schedule, task) * 0.9)
    ]


def to_report() -> list[Kit]:
    """Connections whose report of the day is due."""
    hour = time.gmtime().tm_hour
    return working("report", lambda schedule: schedule.report_hour == hour)


def _seconds(schedule: Schedule, task: str) -> int:
    """What lies between two rounds of a task."""
    return {
        "changes": schedule.changes_interval_seconds,
        "optouts": schedule.optouts_interval_seconds,
        "activities": ACTIVITIES_INTERVAL_SECONDS,
        "feedback": schedule.feedback_interval_seconds,
        "report": REPORT_INTERVAL_SECONDS,
        "callbacks": CALLBACKS_INTERVAL_SECONDS,
    }[task]
