"""What the command line shows: tables, a status, a progress bar."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import RedisError
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from pipeline.bootstrap import Kit, Pipeline
from pipeline.check import ACCEPT_DELETIONS, DECIDE_OPTOUTS, remedy
from pipeline.errors import ConfigError
from pipeline.findings import Finding, Level
from pipeline.store import dead_letters
from pipeline.store.dead_letters import DeadLetter
from pipeline.store.records import RESTING, Run

console = Console(highlight=False)
MARKS = {
    Level.OK: "[green]ok     [/]",
    Level.WARNING: "[yellow]warning[/]",
    Level.FAILURE: "[red]failure[/]",
}
REFRESH_SECONDS = 0.5
REDIS_PATIENCE_SECONDS = 120.0
BEAT_SILENT_SECONDS = 15


def show_finding(finding: Finding) -> None:
    console.print(MARKS[finding.level], unmarked(finding.what))
    if finding.mend:
        console.print("        ->", unmarked(finding.mend))


def show_runs(found: Iterable[Run], bulk_hours: tuple[int, int]) -> None:
    """A table of runs, newest first.

    Args:
        bulk_hours: `Schedule.bulk_hours`.
    """
    # Lean, so that 80 columns hold it; in fewer, words are broken and none is cut.
    started, rest = whole("started\n(UTC)"), ("done", "dead", "what happened")
    table = Table(whole("run"), "kind", "state", started, *rest, box=box.SIMPLE_HEAVY)
    for column in table.columns:
        column.overflow = "fold"
    for run in found:
        table.add_row(
            run.id,
            run.kind,
            state_of(run, bulk_hours),
            utc(run.started_ms).replace(" ", "\n"),
            f"{run.settled:,} of {run.discovered:,}",
            f"{run.dead:,}",
            outcomes(run),
        )
    if table.row_count:
        console.print(table)
    else:
        console.print("No run yet: ghl-mailjet resync --watch")


def state_of(run: Run, bulk_hours: tuple[int, int]) -> str:
    """The run's state, and until when it is so where the clock decides that."""
    until = _until(run, bulk_hours).get("resting_until", "")
    return f"{run.state} until {until}" if until else run.state


def _until(run: Run, bulk_hours: tuple[int, int]) -> dict[str, str]:
    if run.state != RESTING:
        return {}
    return {"resting_until": f"{bulk_hours[0] % 24:02}:00 UTC (SYNC_BULK_HOURS)"}


def outcomes(run: Run) -> str:
    """`12 created, 3 unchanged`, the most frequent first."""
    counted = sorted(run.outcomes.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {outcome}" for outcome, count in counted)


def show_letters(letters: list[DeadLetter]) -> None:
    """A table of dead letters, and how to replay them."""
    if not letters:
        console.print("No dead letters.")
        return
    table = Table(whole("contact"), "cause", "since (UTC)", "attempts", "reason")
    for letter in letters:
        row = (letter.ghl_id, letter.cause, utc(letter.at_ms), str(letter.attempts))
        table.add_row(*row, unmarked(letter.reason))
    console.print(table)
    console.print("Try again: ghl-mailjet replay CONTACT_ID | --cause CAUSE | --all")


def read_status(pipeline: Pipeline, kit: Kit) -> dict[str, Any]:
    """Everything that `status` tells, as JSON scalars."""
    backlog, run = kit.ledger.backlog(), kit.ledger.run()
    pauses = {name: _pause(each) for name, each in pipeline.kits.items()}
    budgets = {}
    for vendor, bucket in (("ghl", kit.ghl_bucket), ("mailjet", kit.mailjet_bucket)):
        state = bucket.state()
        budgets[vendor] = {
            "calls_per_second": round(state.calls_per_second, 2),
            "used_today": state.used_today,
            "daily_remaining": state.daily_remaining,
        }
    letters = dead_letters.read(pipeline.redis, kit.connection.name)
    return {
        "connection": kit.connection.name,
        "set_up": kit.setup.read() is not None,
        "read_only": pipeline.settings.read_only,
        "paused": pauses.pop(kit.connection.name),
        "others_paused": {name: pause for name, pause in pauses.items() if pause},
        "worker_slots": pipeline.processes.slots(),
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
        },
        "budget": budgets,
    }


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


def show_status(status: dict[str, Any]) -> None:
    """The status as a short page; what needs somebody comes last, a line each."""
    table = Table.grid(padding=(0, 2))
    pauses = {**status["others_paused"]}
    if status["paused"]:
        pauses = {status["connection"]: status["paused"], **pauses}
    brief = {
        **status,
        "paused": bool(status["paused"]),
        "others_paused": ", ".join(status["others_paused"]),
    }
    for key, value in brief.items():
        table.add_row(f"[bold]{key.replace('_', ' ')}[/]", unmarked(_word(value)))
    console.print(table)
    for name, pause in pauses.items():
        _say(f"Connection {name!r} is paused since {pause['since']} (UTC):")
        _say(f"  {pause['reason']}")
        _say(f"  next probe: {pause['next_probe']}")
        _say(f"  what to do: {pause['what_to_do']}")
    if held := status["missing_held_back"]:
        _say(f"{held:,} contacts are missing in GHL's listing and were left alone:")
        _say(f"  what to do: {ACCEPT_DELETIONS}")
    if mass := status["optouts_held_back"]:
        _say(f"{mass:,} contacts opted out in GHL in a mass: excluded, still on lists:")
        _say(f"  what to do: {DECIDE_OPTOUTS}")


def _say(line: str) -> None:
    """A line that may be copied: never broken at the width of the terminal."""
    console.print(unmarked(line), soft_wrap=True)


def watch_run(pipeline: Pipeline, kit: Kit, run_id: str) -> int:
    """Show a run until it ends; 0 when it finished.

    Redis may go away for two minutes meanwhile.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    away_since: float | None = None
    state = ""
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("starting", total=0, rate="", note="")
        while True:
            try:
                run = _find(kit, run_id)
                note = _note(pipeline, kit)
                away_since = None
            except RedisError as error:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > REDIS_PATIENCE_SECONDS:
                    raise
                note = f"Redis is away ({type(error).__name__}); waiting"
                progress.update(bar, note=note)
                time.sleep(REFRESH_SECONDS)
                continue
            if run.state == RESTING != state:
                # On a line of its own: beside the bar there may be no room for it.
                until = state_of(run, kit.connection.schedule.bulk_hours)
                _say(f"Run {run.id} is {until}; at once: ghl-mailjet runs resume")
            state = run.state
            done = run.settled + run.dead
            progress.update(
                bar,
                description=run.state,
                completed=done,
                total=max(run.discovered, 1),
                rate=f"{done / _elapsed(run):.1f}/s",
                note=note,
            )
            if not run.is_active:
                break
            time.sleep(REFRESH_SECONDS)
    return _report(kit, run)


def _find(kit: Kit, run_id: str) -> Run:
    current = kit.ledger.run()
    if current is not None and current.id == run_id:
        return current
    for run in kit.ledger.finished_runs():
        if run.id == run_id:
            return run
    raise ConfigError([f"run {run_id} is known no more: Redis lost its data"])


def _note(pipeline: Pipeline, kit: Kit) -> str:
    if pause := kit.health.paused():
        return f"[red]paused: {pause.reason[:80]}[/]"
    if not pipeline.processes.slots():
        return "no worker: start `celery -A workers worker`"
    age = pipeline.processes.tick_age_seconds()
    if age is None or age > BEAT_SILENT_SECONDS:
        return "Beat is silent: start `celery -A workers beat`"
    if resting := kit.ledger.resting():
        return f"resting: {resting}"
    used = kit.ghl_bucket.state().used_today
    left = kit.connection.ghl_daily - used
    return f"GHL budget left today {left:,}"


def _report(kit: Kit, run: Run) -> int:
    console.print(f"Run {run.id} {run.state} in {_elapsed(run):.1f} s: {outcomes(run)}")
    if run.dead:
        letters = dead_letters.read(kit.redis, kit.connection.name)
        for cause, count in dead_letters.causes(letters).items():
            console.print(f"  {count:,} dead letters: {cause}")
        console.print("  See: ghl-mailjet dead-letters")
    return 0 if run.state == "finished" else 1


def _elapsed(run: Run) -> float:
    return max(0.001, ((run.finished_ms or time.time() * 1000) - run.started_ms) / 1000)


def whole(header: str) -> Column:
    """Never cut, however narrow the terminal: ids are there to be typed again."""
    return Column(header, no_wrap=True, overflow="fold")


def utc(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _word(value: Any) -> str:
    if isinstance(value, dict):
        words = (f"{name.replace('_', ' ')} {_word(v)}" for name, v in value.items())
        joint = "; " if any(isinstance(v, dict) for v in value.values()) else ", "
        return joint.join(words) or "-"
    plain = {True: "yes", False: "no", None: "-"}
    return plain[value] if isinstance(value, bool | None) else str(value) or "-"


def unmarked(text: str) -> str:
    """Vendors' words may hold brackets; they are not markup."""
    return text.replace("[", r"\[")
