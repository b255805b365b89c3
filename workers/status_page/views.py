"""What the templates of the status page are given."""

import json
import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pipeline import overview, replaying
from pipeline.alert_conditions import conditions
from pipeline.bootstrap import Kit, Pipeline
from pipeline.overview import Need, utc
from pipeline.replaying import Wanted
from pipeline.store import call_history
from pipeline.store.dead_letters import DeadLetter
from pipeline.store.records import Run
from workers.status_page.chart import Chart, chart

CONTACT_ID = re.compile(r"[A-Za-z0-9]{1,64}|mailjet:\d{1,20}")
MOST_LETTERS = 100
RUNS_SHOWN = 5
AGES = {"": 0, "1h": 3600, "1d": 86_400, "7d": 7 * 86_400}
"""How old dead letters have to be, as the form names it, in seconds."""


@dataclass(frozen=True)
class Card:
    """One connection among the others.

    Args:
        state: in a word; `tone` says how it is shown.
        waiting: contacts that wait or are being synced.
        run: under way; None without one.
    """

    name: str
    state: str
    tone: str
    waiting: int
    dead: int
    run: Run | None
    needs: list[Need]


def card(pipeline: Pipeline, kit: Kit) -> Card:
    """A connection as a line of the first page."""
    status = overview.read_connection(pipeline, kit)
    state, tone = state_of(status)
    run = kit.ledger.run()
    return Card(
        kit.connection.name,
        state,
        tone,
        sum(status["waiting"].values()) + status["leased"],
        sum(status["dead_letters"].values()),
        run if run and run.is_active else None,
        overview.needs(status),
    )


def state_of(status: dict[str, Any]) -> tuple[str, str]:
    """A connection's health in a word, and its tone: good, warn or bad."""
    if not status["set_up"]:
        return "not set up", "warn"
    if status["paused"]:
        return "paused: a vendor fails", "bad"
    if status["paused_by_operator"]:
        return "paused by an operator", "warn"
    if not status["worker_slots"]:
        return "no worker", "bad"
    if status["resting"]:
        return f"resting: {status['resting']}", "warn"
    return ("works, read-only", "warn") if status["read_only"] else ("works", "good")


@dataclass(frozen=True)
class Gauge:
    """What is used of an allowance.

    Args:
        most: None where nothing bounds it.
    """

    label: str
    used: int
    most: int | None
    pace: str


def live(pipeline: Pipeline, kit: Kit) -> dict[str, Any]:
    """What moves on a connection's page."""
    status = overview.read_connection(pipeline, kit)
    state, tone = state_of(status)
    run = kit.ledger.run()
    hours = kit.connection.schedule.bulk_hours
    return {
        "name": kit.connection.name,
        "status": status,
        "state": state,
        "tone": tone,
        "needs": overview.needs(status),
        "alerts": list(conditions(pipeline, [kit])),
        "run": run,
        "run_state": overview.state_of(run, hours) if run else "",
        "run_done": run.settled + run.dead if run else 0,
        "run_rate": overview.contacts_per_second(run) if run else 0.0,
        "run_left": _duration(overview.seconds_left(run)) if run else "",
        "run_took": _duration(round(overview.elapsed_seconds(run))) if run else "",
        "outcomes": overview.outcomes(run) if run else "",
        "gauges": _gauges(kit),
        "chart": _chart(kit),
        "now": utc(round(time.time() * 1000)),
    }


def _gauges(kit: Kit) -> list[Gauge]:
    ghl, mailjet = kit.ghl_bucket.state(), kit.mailjet_bucket.state()
    window = kit.connection.mailjet_rate
    return [
        Gauge(
            "GHL, today",
            ghl.used_today,
            ghl.daily_limit or kit.connection.ghl_daily,
            f"{ghl.calls_per_second:.1f} calls/s at the moment",
        ),
        Gauge(
            f"Mailjet, last {window.window_seconds:.0f} s",
            mailjet.used_in_window,
            window.calls,
            f"{mailjet.used_today:,} calls today, no daily limit",
        ),
    ]


def _chart(kit: Kit) -> Chart | None:
    connection = kit.connection
    return chart(
        call_history.read(kit.redis, connection.name),
        connection.ghl_rate.per_second * 60,
        connection.mailjet_rate.per_second * 60,
    )


def letters(kit: Kit, cause: str, age: str) -> dict[str, Any]:
    """Dead letters as the filter wants them, and what it can be set to."""
    everything = replaying.letters(kit, Wanted())
    chosen = replaying.letters(kit, wanted(cause, age))
    return {
        "letters": [_row(letter) for letter in chosen[-MOST_LETTERS:]],
        "chosen": len(chosen),
        "causes": Counter(letter.cause for letter in everything),
        "cause": cause,
        "ages": tuple(AGES),
        "age": age if age in AGES else "",
    }


def wanted(cause: str, age: str) -> Wanted:
    """What the filter names."""
    return Wanted(None, cause or None, AGES.get(age, 0))


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.ghl_id,
        "cause": letter.cause,
        "reason": letter.reason,
        "since": utc(letter.at_ms),
        "attempts": letter.attempts,
    }


def drift(kit: Kit) -> dict[str, Any] | None:
    """The counts of the last consent report; None before the first."""
    try:
        report = json.loads(kit.setup.drift() or "null")
    except ValueError:
        return None
    if not isinstance(report, dict) or "at_ms" not in report:
        return None
    counts = {name: report.get(name, 0) for name in ("mailable", "unblocked")}
    return {**counts, "at": utc(report["at_ms"])}


def finished(kit: Kit) -> list[dict[str, Any]]:
    """The last runs."""
    return [
        {
            "id": run.id,
            "kind": run.kind,
            "state": run.state,
            "started": utc(run.started_ms),
            "took": _duration(round(overview.elapsed_seconds(run))),
            "done": run.settled,
            "found": run.discovered,
            "dead": run.dead,
            "outcomes": overview.outcomes(run),
        }
        for run in kit.ledger.finished_runs()[:RUNS_SHOWN]
    ]


def in_flower(flower_url: str, contact_id: str) -> str:
    """Where Flower lists the tasks of one contact; "" without a Flower.

    Its list takes a name from the address and puts it before what is searched for.
    """
    if not flower_url:
        return ""
    return f"{flower_url.rstrip('/')}/tasks?name={quote(f'contact.sync {contact_id}')}"


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
