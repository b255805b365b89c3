"""A run: when it is due, how it starts, and one page of it after the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import uuid4

from pipeline.bootstrap import Kit
from pipeline.discovery import Cursor, Discovery
from pipeline.errors import (
    BudgetSpent,
    ConfigError,
    PipelineError,
    RateLimited,
    TransientError,
)
from pipeline.store.ledger import Run

CLAIM_SECONDS = 60.0
"""Longer than any page takes; a crashed fetch is repeated after this."""
AGAIN_SECONDS = 5.0
HIGH_WATER_SECONDS = 300.0
"""Discovery rests while this much budget is waiting."""
CLOCK_SKEW_MS = 300_000
HOURS_BETWEEN_RUNS = 20

T = TypeVar("T")


@dataclass(frozen=True)
class Started:
    """A run, and whether it was under way before we asked."""

    run_id: str
    joined: bool


def start_run(kit: Kit, *, business: str | None = None) -> Started:
    """Start a full resync, or that of one business; joins the one under way.

    Raises:
        ConfigError: the connection is not set up, so it may not write.
    """
    if kit.record() is None:
        name = kit.connection.name
        raise ConfigError(
            [f"connection {name!r} is not set up: run `ghl-mailjet setup` first"]
        )
    cursor: Cursor = {"stage": "optouts"}
    if business is not None:
        cursor = {"stage": "businesses", "waiting": [business]}
    run_id = uuid4().hex[:12]
    kind = "full" if business is None else "business"
    under_way = kit.ledger.start(run_id, kind, cursor)
    if business is None:
        kit.setup.raise_watermark(round(time.time() * 1000) - CLOCK_SKEW_MS)
    return Started(under_way, joined=under_way != run_id)


def full_run_is_due(kit: Kit) -> bool:
    """Whether Beat should start the nightly run, or the first one ever."""
    run = kit.ledger.run()
    if run is not None and run.is_active:
        return False
    finished = [r for r in kit.ledger.finished_runs() if r.kind == "full"]
    if not finished:
        return True
    hour = time.gmtime().tm_hour
    start, end = kit.settings.bulk_hours
    in_hours = start <= hour < end if start < end else not end <= hour < start
    return in_hours and _age_hours(finished[0]) > HOURS_BETWEEN_RUNS


def _age_hours(run: Run) -> float:
    return (time.time() * 1000 - run.started_ms) / 3_600_000


def wanted_stage(kit: Kit) -> str | None:
    """The stage whose next page should be fetched now; None when none should."""
    cursor = kit.ledger.wanted_page()
    if cursor is None or _is_full(kit):
        return None
    return str(cursor["stage"])


def step(kit: Kit, discovery: Discovery) -> bool:
    """Fetch and commit one page of the run; whether another is to be fetched."""
    if _is_full(kit):
        return False
    page = kit.ledger.claim_page(CLAIM_SECONDS)
    if page is None:
        return False
    try:
        found = discovery.fetch(page.cursor)
    except Exception:
        kit.ledger.release_page(page, AGAIN_SECONDS)
        raise
    kit.ledger.commit_page(page, found.next, found.ids, found.rows)
    return found.next is not None


def discover(kit: Kit, what: Callable[[Discovery], T]) -> T | None:
    """Do a piece of discovery; a failure is the connection's and is noted there.

    Returns:
        None when it failed, or the connection is not set up; Beat rings again.
    """
    record = kit.record()
    if record is None:
        return None
    try:
        return what(Discovery(kit, record))
    except (BudgetSpent, RateLimited):
        return None
    except TransientError as error:
        kit.health.stumble(str(error))
    except PipelineError as error:
        kit.health.pause(str(error))
    return None


def _is_full(kit: Kit) -> bool:
    connection = kit.connection
    slower = min(connection.ghl_rate.per_second, connection.mailjet_rate.per_second)
    return kit.ledger.backlog().bulk > slower * HIGH_WATER_SECONDS
