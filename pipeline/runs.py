"""A run: when it is due, how it starts, and one page of it after the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import uuid4

from pipeline.bootstrap import Kit
from pipeline.discovery import Discovery
from pipeline.errors import (
    BudgetSpent,
    ConfigError,
    PipelineError,
    RateLimited,
    TransientError,
)
from pipeline.paging import Cursor
from pipeline.permit import Lane
from pipeline.retry import trouble
from pipeline.sync.noticing import watches
from pipeline.wording import DAY_SPENT

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


def start_run(
    kit: Kit, *, business: str | None = None, nightly: bool = False
) -> Started:
    """Start a full resync, or that of one business; joins the one under way.

    Args:
        nightly: nobody ordered it, so it keeps `SYNC_BULK_HOURS`. A full resync that
            is ordered takes these hours from the one it joins.

    Raises:
        ConfigError: the connection is not set up, so it may not write; or a full run is
            wanted while the run of one business is under way.
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
    under_way = kit.ledger.start(run_id, kind, cursor, nightly=nightly)
    joined = under_way != run_id
    current = kit.ledger.run() if joined else None
    if kind == "full" and current is not None and current.kind != kind:
        raise ConfigError(
            [f"run {under_way} of one business is under way; try again after it"]
        )
    if business is None and not joined:
        now_ms = round(time.time() * 1000)
        kit.setup.full_run_began(now_ms)
        if _looks_at_contacts(kit):
            kit.setup.arm(now_ms)
        kit.setup.raise_watermark(now_ms - CLOCK_SKEW_MS)
    return Started(under_way, joined=joined)


def start_due_run(kit: Kit, now_seconds: float) -> bool:
    """Start the first run ever, at any hour, or the nightly one; whether it was due.

    Args:
        now_seconds: Unix time.

    Raises:
        ConfigError: as `start_run`.
    """
    last_ms = kit.setup.full_run_ms()
    if last_ms is not None:
        _keep_armed(kit, round(now_seconds * 1000))
    run = kit.ledger.run()
    if run is not None and run.is_active:
        return False
    if kit.operator_pause.since_ms() is not None:
        return False
    if last_ms is not None:
        hours_ago = (now_seconds * 1000 - last_ms) / 3_600_000
        if hours_ago <= HOURS_BETWEEN_RUNS or not is_bulk_time(kit, now_seconds):
            return False
    start_run(kit, nightly=last_ms is not None)
    return True


def _keep_armed(kit: Kit, now_ms: int) -> None:
    """Rules that are new, or are there again, answer what happens from now on.

    Whoever was there, and what happened, while no rule looked is no news to them.
    """
    if _looks_at_contacts(kit):
        kit.setup.arm(now_ms)
    else:
        kit.setup.disarm()


def _looks_at_contacts(kit: Kit) -> bool:
    return watches(kit.rules) and not kit.settings.read_only


def keep_hours(kit: Kit, now_seconds: float) -> None:
    """Let a nightly run rest outside `SYNC_BULK_HOURS`, and go on within them."""
    kit.ledger.keep_hours(within=is_bulk_time(kit, now_seconds))


def is_bulk_time(kit: Kit, now_seconds: float) -> bool:
    """Whether that Unix time lies in `SYNC_BULK_HOURS`."""
    hours = kit.connection.schedule.bulk_hours
    return in_hours(time.gmtime(now_seconds).tm_hour, hours)


def in_hours(hour: int, hours: tuple[int, int]) -> bool:
    """Whether `hour` (0-23) lies in the hours named, which may run over midnight."""
    start, end = hours
    return start <= hour < end if start < end else not end <= hour < start


def wanted_stage(kit: Kit) -> str | None:
    """The stage whose next page should be fetched now; None when none should."""
    cursor = kit.ledger.wanted_page()
    if cursor is None or _is_full(kit):
        return None
    return str(cursor["stage"])


def step(kit: Kit, discovery: Discovery, owner: str = "") -> bool:
    """Fetch and commit one page of the run; whether another is to be fetched.

    `owner` is the boot of the worker that does it; the command line has none.
    """
    if _is_full(kit):
        return False
    page = kit.ledger.claim_page(CLAIM_SECONDS, owner)
    if page is None:
        return False
    try:
        found = discovery.fetch(page.cursor)
    except Exception:
        kit.ledger.release_page(page, AGAIN_SECONDS)
        raise
    kit.ledger.commit_page(page, found.next, found.ids, found.rows)
    return found.next is not None


def discover(
    kit: Kit, what: Callable[[Discovery], T], lane: Lane = Lane.BULK
) -> T | None:
    """Do a piece of discovery; a failure is the connection's and is noted there.

    Args:
        lane: what its calls are paid for as; what somebody did a moment ago does not
            wait for the day to turn.

    Returns:
        None when it failed, or the connection is not set up; Beat rings again.
    """
    record = kit.record()
    if record is None:
        return None
    try:
        return what(Discovery(kit, record, lane))
    except BudgetSpent as error:
        if error.daily and lane is Lane.BULK:
            # A run that lists has no contact yet that would say why it stands still.
            kit.ledger.rest(lane, error.wait_seconds, DAY_SPENT)
    except RateLimited:
        return None
    except TransientError as error:
        kit.health.stumble(trouble(error), uuid4().hex)
    except PipelineError as error:
        kit.health.pause(trouble(error))
    return None


def _is_full(kit: Kit) -> bool:
    high_water = kit.connection.calls_per_second * HIGH_WATER_SECONDS
    return kit.ledger.backlog().bulk > high_water
