"""What is going on, for whoever looks: at a terminal or on the status page."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.bootstrap import Kit, Pipeline
from pipeline.check import ACCEPT_DELETIONS, DECIDE_OPTOUTS, remedy
from pipeline.location_facts import day_of_ghl
from pipeline.store import call_history, dead_letters
from pipeline.store.bucket import BucketState
from pipeline.store.call_history import Sample
from pipeline.store.processes import Worker, unserved
from pipeline.store.records import RESTING, Run
from pipeline.wording import plural


def read_status(pipeline: Pipeline, kit: Kit) -> dict[str, Any]:
    """Everything that `status` tells, as JSON scalars."""
    others = {name: each for name, each in pipeline.kits.items() if each is not kit}
    pauses = {name: _pause(each) for name, each in others.items()}
    paused = {name: pause for name, pause in pauses.items() if pause}
    return {**read_connection(pipeline, kit), "others_paused": paused}


def read_connection(pipeline: Pipeline, kit: Kit) -> dict[str, Any]:
    """What `status` tells of this connection and of processes."""
    backlog, run = kit.ledger.backlog(), kit.ledger.run()
    alive = pipeline.processes.workers()
    ghl, mailjet = kit.ghl_bucket.state(), kit.mailjet_bucket.state()
    _, left = day_of_ghl(kit.connection, ghl)
    letters = dead_letters.read(pipeline.redis, kit.connection.name)
    return {
        "connection": kit.connection.name,
        "set_up": kit.setup.read() is not None,
        "read_only": pipeline.settings.read_only,
        "paused": _pause(kit),
        "paused_by_operator": _since(kit),
        "worker_slots": sum(worker.slots for worker in alive),
        "workers": sorted(worker.name for worker in alive),
        "queues_unserved": unserved(alive),
        "workers_differing": _differing(pipeline, alive),
        "beat_tick_age_seconds": pipeline.processes.tick_age_seconds(),
        "contacts": backlog.contacts,
        "waiting": {
            "consent": backlog.consent,
            "live": backlog.live,
            "bulk": backlog.bulk,
        },
        "leased": backlog.leased,
        "resting": kit.ledger.resting() or None,
        "dead_letters": dead_letters.causes(letters),
        "missing_held_back": kit.presence.held(),
        "optouts_held_back": len(kit.optouts.held()),
        "inbox_waiting": pipeline.inbox.counts().due,
        "run": run
        and {
            "id": run.id,
            "state": run.state,
            **_until(run, kit.connection.schedule.bulk_hours),
            "found": run.discovered,
            "done": run.settled,
            "dead": run.dead,
            "contacts_per_second": round(contacts_per_second(run), 1),
            "seconds_left": seconds_left(run),
            "finished_utc": utc(run.finished_ms) if run.finished_ms else None,
        },
        "budget": {
            "ghl": _budget(ghl, left),
            "mailjet": _budget(mailjet, mailjet.daily_remaining),
        },
    }


def _budget(state: BucketState, left: int | None) -> dict[str, float | int | None]:
    """One vendor's, with what is left of its day, None where that has no end."""
    return {
        "calls_per_second": round(state.calls_per_second, 2),
        "used_today": state.used_today,
        "daily_remaining": left,
    }


@dataclass(frozen=True)
class Need:
    """What waits for somebody.

    Args:
        facts: lines of what is known.
        what_to_do: in one line.
    """

    what: str
    facts: tuple[str, ...]
    what_to_do: str


def needs(status: Mapping[str, Any]) -> list[Need]:
    """What a status tells that somebody has to see to, the gravest first."""
    found = []
    others = status.get("others_paused", {})
    pauses = {status["connection"]: status["paused"], **others}
    for name, pause in pauses.items():
        if pause:
            what = f"Connection {name!r} is paused since {pause['since']} (UTC):"
            facts = (pause["reason"], f"next probe: {pause['next_probe']}")
            found.append(Need(what, facts, pause["what_to_do"]))
    if since := status["paused_by_operator"]:
        what = f"An operator paused all but consent since {since} (UTC):"
        resume = f"ghl-mailjet resume -c {status['connection']}"
        found.append(Need(what, (), resume))
    if others := status["workers_differing"]:
        run = plural(len(others), "worker runs", "workers run")
        what = f"{run} with other settings than these, which are read at the start:"
        found.append(Need(what, tuple(others), "restart what is older"))
    if status["workers"] and (queues := ", ".join(status["queues_unserved"])):
        what = f"No worker serves the queue {queues}: what is in it waits."
        found.append(Need(what, (), "start the worker that does"))
    if held := status["missing_held_back"]:
        missing = plural(held, "contact is", "contacts are")
        what = f"{missing} missing in GHL's listing and left alone:"
        found.append(Need(what, (), ACCEPT_DELETIONS))
    if mass := status["optouts_held_back"]:
        out = "opted out in GHL in a mass: excluded, still on lists:"
        what = f"{plural(mass, 'contact')} {out}"
        found.append(Need(what, (), DECIDE_OPTOUTS))
    return found


def note_calls(pipeline: Pipeline) -> None:
    """Keep the day's calls of every connection as they are now."""
    now_ms = pipeline.processes.now_ms()
    for kit in pipeline.kits.values():
        ghl, mailjet = kit.ghl_bucket.state(), kit.mailjet_bucket.state()
        sample = Sample(now_ms, ghl.used_today, mailjet.used_today)
        call_history.note(kit.redis, kit.connection.name, sample)


def _differing(pipeline: Pipeline, alive: Sequence[Worker]) -> list[str]:
    """Names of workers that began with other settings than this process."""
    own = pipeline.settings.digest
    return sorted(worker.name for worker in alive if worker.settings != own)


def _pause(kit: Kit) -> dict[str, str] | None:
    """Why and since when a connection is paused (UTC), and what to do about it."""
    pause = kit.health.paused()
    if pause is None:
        return None
    return {
        "since": utc(pause.since_ms),
        "reason": pause.reason,
        "next_probe": utc(pause.probe_at_ms),
        "what_to_do": remedy(pause),
    }


def _since(kit: Kit) -> str | None:
    """When an operator paused the connection (UTC)."""
    since_ms = kit.operator_pause.since_ms()
    return None if since_ms is None else utc(since_ms)


def state_of(run: Run, bulk_hours: tuple[int, int]) -> str:
    """The run's state, and until when it is so where the clock decides that."""
    until = _until(run, bulk_hours).get("resting_until", "")
    return f"{run.state} until {until}" if until else run.state


def _until(run: Run, bulk_hours: tuple[int, int]) -> dict[str, str]:
    if run.state != RESTING:
        return {}
    return {"resting_until": f"{bulk_hours[0] % 24:02}:00 UTC (SYNC_BULK_HOURS)"}


def contacts_per_second(run: Run) -> float:
    """How many contacts it brought to their end, on average since its start."""
    return (run.settled + run.dead) / elapsed_seconds(run)


def seconds_left(run: Run) -> int | None:
    """At the average rate so far; None where that tells nothing yet, or no more."""
    done = run.settled + run.dead
    if not run.is_active or run.state == "listing" or not done:
        return None
    return round((run.discovered - done) / contacts_per_second(run))


def elapsed_seconds(run: Run) -> float:
    ended_ms = run.finished_ms or time.time() * 1000
    return max(0.001, (ended_ms - run.started_ms) / 1000)


def outcomes(run: Run) -> str:
    """`12 created, 3 unchanged`, the most frequent first."""
    counted = sorted(run.outcomes.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {outcome}" for outcome, count in counted)


def utc(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
