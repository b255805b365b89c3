"""What is wrong with an installation, as its state in Redis tells it.

The same conditions as the rules of `deploy/prometheus`, for whoever has no Prometheus.
Texts name connections, vendors, lanes and causes, never a person.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.bootstrap import Kit, Pipeline
from pipeline.check import remedy
from pipeline.consent_report import drift_counts
from pipeline.location_facts import day_of_ghl
from pipeline.permit import Lane
from pipeline.store.alerts import Alerts
from pipeline.store.processes import unserved
from pipeline.sync.orders import State
from pipeline.wording import plural

PAUSED_SECONDS = 300
"""A vendor that is back by then is no news."""
SILENT_SECONDS = 60
LOOKED_SECONDS = 900
LOOKS_MISSED = 3
REPORT_SECONDS = 172_800
OLD_SECONDS = {Lane.CONSENT: 600, Lane.LIVE: 600, Lane.BULK: 21_600}
GREW_SECONDS = 3600
NEARLY_SPENT = 0.1


@dataclass(frozen=True)
class Condition:
    """One thing that is wrong now.

    Args:
        name: the same as long as it lasts, such as `paused acme`.
        text: in one line.
        runbook: the title of its section in deploy/RUNBOOK.md.
        passes: it may be over in a moment: after a pause everything is old until GHL
            was asked and the first contacts are synced, and when Redis is back no
            process has told of itself yet.
    """

    name: str
    text: str
    runbook: str
    passes: bool = False


def conditions(pipeline: Pipeline, kits: Iterable[Kit]) -> Iterator[Condition]:
    """Everything that is wrong with processes and these; nothing before a setup.

    Raises:
        RedisError: it does not answer.
    """
    set_up = [kit for kit in kits if kit.record() is not None]
    if not set_up:
        return
    yield from _of_processes(pipeline)
    alerts, now_ms = Alerts(pipeline.redis), pipeline.processes.now_ms()
    for kit in set_up:
        yield from _of_connection(kit, now_ms)
        yield from _of_counts(kit, alerts, now_ms)


def _of_processes(pipeline: Pipeline) -> Iterator[Condition]:
    section = "Beat is silent, or there is no worker"
    age = pipeline.processes.tick_age_seconds()
    if age is None or age > SILENT_SECONDS:
        text = "no tick of Beat has reached a worker for over a minute"
        yield Condition("beat", text, section, passes=True)
    alone = unserved(pipeline.processes.workers())
    if len(alone) == len(Lane):
        yield Condition("workers", "no worker is alive", section, passes=True)
    else:
        for queue in alone:
            text = f"no worker serves the queue {queue}"
            gone = "One of the workers is gone"
            yield Condition(f"queue {queue}", text, gone, passes=True)
    if failed := pipeline.inbox.counts().failed:
        text = f"{failed} of what was received could not be handled"
        yield Condition("inbox", text, "`ghl-mailjet inbox` shows failed entries")


def _of_connection(kit: Kit, now_ms: int) -> Iterator[Condition]:
    name = kit.connection.name
    pause = kit.health.paused()
    if pause is not None:
        if now_ms - pause.since_ms >= PAUSED_SECONDS * 1000:
            text = f"{name} is paused ({pause.vendor}: {pause.cause}): {remedy(pause)}"
            yield Condition(f"paused {name}", text, "A connection is paused")
    else:
        yield from _of_age(kit, name, now_ms)
    drift = drift_counts(kit)
    differing = sum(round(drift.get(one, 0)) for one in ("mailable", "unblocked"))
    if differing:
        differ = plural(differing, "contact differs", "contacts differ")
        text = f"{name}: {differ} in consent"
        section = "Somebody who opted out in GHL can be mailed in Mailjet"
        yield Condition(f"drift {name}", text, section)
    _, dead = kit.freshness.callbacks() or (0, ())
    if dead:
        text = f"Mailjet gave up calling {name} back: {', '.join(dead)}"
        yield Condition(f"callbacks {name}", text, "Nothing comes in from Mailjet")
    daily, left = day_of_ghl(kit.connection, kit.ghl_bucket.state())
    if left < daily * NEARLY_SPENT:
        text = f"{left:,} of {daily:,} calls of {name}'s day at GHL are left"
        yield Condition(f"budget {name}", text, "The day's calls are nearly spent")


def _of_age(kit: Kit, name: str, now_ms: int) -> Iterator[Condition]:
    """What waits too long, while nothing of it is meant to."""
    by_operator = kit.operator_pause.since_ms() is not None
    backlog = kit.ledger.backlog()
    ages = kit.freshness.oldest_ages_seconds()
    resting = {
        Lane.CONSENT: False,
        Lane.LIVE: by_operator,
        Lane.BULK: by_operator or backlog.rests or backlog.bulk_rests,
    }
    for lane, age in ages.items():
        if age > OLD_SECONDS[lane] and not resting[lane]:
            text = f"in the lane {lane} of {name} somebody has waited {_span(age)}"
            section = "The backlog is old"
            yield Condition(f"backlog {name} {lane}", text, section, passes=True)
    looked_ms = kit.freshness.successes_ms().get("looked", now_ms)
    silent = (now_ms - looked_ms) / 1000
    rhythm = kit.connection.schedule.changes_interval_seconds
    if silent > max(LOOKED_SECONDS, LOOKS_MISSED * rhythm) and not by_operator:
        text = f"GHL has told {name} no changes for {_span(silent)}"
        section = "Nothing was synced for a while"
        yield Condition(f"looked {name}", text, section, passes=True)
    reported_ms = drift_counts(kit).get("at_ms", now_ms)
    if now_ms - reported_ms > REPORT_SECONDS * 1000:
        text = f"nobody has compared consent of {name} for two days"
        yield Condition(f"report {name}", text, "The consent report is old")


def _of_counts(kit: Kit, alerts: Alerts, now_ms: int) -> Iterator[Condition]:
    """What became more within the last hour."""
    name = kit.connection.name
    since_ms = now_ms - GREW_SECONDS * 1000
    dead = kit.ledger.backlog().dead
    if alerts.grew_ms(f"dead {name}", dead, now_ms) > since_ms and dead:
        text = f"contacts of {name} fail for good: {plural(dead, 'dead letter')}"
        yield Condition(f"dead {name}", text, "Syncs fail")
    states = kit.orders.states()
    failed = states[State.FAILED]
    if alerts.grew_ms(f"sends {name}", failed, now_ms) > since_ms and failed:
        text = f"what rules of {name} want sent fails: {failed:,} until now"
        section = "`failed` grows in `ghl-mailjet campaigns`"
        yield Condition(f"sends {name}", text, section)


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
