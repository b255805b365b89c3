"""What Beat rings, and how often. The ledger decides whether anything is due.

Two Beats ring twice and nothing happens twice; a Beat that was away for an hour leaves
one run due, not sixty. A ring that nobody heard in time is forgotten (`expires`).
"""

from typing import Any

from pipeline.config import Settings


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Beat's entries, in Celery's form."""
    return {
        "dispatch.tick": _every("dispatch.tick", 1, expires=2),
        "discovery.contacts": _every("discovery.contacts", 15),
        "discovery.business": _every("discovery.business", 60),
        "discovery.changes": _every(
            "discovery.changes", settings.changes_interval_seconds
        ),
        "discovery.optouts": _every(
            "discovery.optouts", settings.optouts_interval_seconds
        ),
    }


def _every(task: str, seconds: int, expires: int | None = None) -> dict[str, Any]:
    options = {"expires": expires or seconds}
    return {"task": task, "schedule": float(seconds), "options": options}
