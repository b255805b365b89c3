"""What Beat rings, and how often. The ledger decides whether anything is due.

Two Beats ring twice and nothing happens twice; a Beat that was away for an hour leaves
one run due, not sixty. A ring that nobody heard in time is forgotten (`expires`).
"""

from typing import Any

from pipeline.config import Settings

ACTIVITIES_INTERVAL_SECONDS = 60
REPORT_INTERVAL_SECONDS = 86_400
REPORT_RING_SECONDS = 600
WATCH_INTERVAL_SECONDS = 60
CALLBACKS_INTERVAL_SECONDS = 3600


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Beat's entries, in Celery's form.

    It rings as often as the connection that is looked at most; whose interval is longer
    is not due each time.
    """
    rhythms = [connection.schedule for connection in settings.connections]
    return {
        "dispatch.tick": _every("dispatch.tick", 1, expires=2),
        "discovery.contacts": _every("discovery.contacts", 15),
        "discovery.business": _every("discovery.business", 60),
        "discovery.changes": _every(
            "discovery.changes", min(each.changes_interval_seconds for each in rhythms)
        ),
        "discovery.optouts": _every(
            "discovery.optouts", min(each.optouts_interval_seconds for each in rhythms)
        ),
        "discovery.activities": _every(
            "discovery.activities", ACTIVITIES_INTERVAL_SECONDS
        ),
        "discovery.feedback": _every(
            "discovery.feedback",
            min(each.feedback_interval_seconds for each in rhythms),
        ),
        "consent.report": _every("consent.report", REPORT_RING_SECONDS),
        "alerts.check": _every("alerts.check", WATCH_INTERVAL_SECONDS),
    }


def _every(task: str, seconds: int, expires: int | None = None) -> dict[str, Any]:
    options = {"expires": expires or seconds}
    return {"task": task, "schedule": float(seconds), "options": options}
