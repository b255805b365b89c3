"""What the command line shows: tables, a status, a progress bar."""

import time
from collections.abc import Iterable

from redis.exceptions import RedisError
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from pipeline.bootstrap import Kit, Pipeline
from pipeline.errors import ConfigError
from pipeline.findings import Finding, Level
from pipeline.overview import (
    contacts_per_second,
    elapsed_seconds,
    outcomes,
    state_of,
    utc,
)
from pipeline.store import dead_letters
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
                rate=f"{contacts_per_second(run):.1f}/s",
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
    if kit.operator_pause.since_ms() is not None:
        return "paused by an operator: ghl-mailjet resume"
    used = kit.ghl_bucket.state().used_today
    left = kit.connection.ghl_daily - used
    return f"GHL budget left today {left:,}"


def _report(kit: Kit, run: Run) -> int:
    console.print(
        f"Run {run.id} {run.state} in {elapsed_seconds(run):.1f} s: {outcomes(run)}"
    )
    if run.dead:
        letters = dead_letters.read(kit.redis, kit.connection.name)
        for cause, count in dead_letters.causes(letters).items():
            console.print(f"  {count:,} dead letters: {cause}")
        console.print("  See: ghl-mailjet dead-letters")
    return 0 if run.state == "finished" else 1


def whole(header: str) -> Column:
    """Never cut, however narrow the terminal: ids are there to be typed again."""
    return Column(header, no_wrap=True, overflow="fold")


def unmarked(text: str) -> str:
    """Vendors' words may hold brackets; they are not markup."""
    return text.replace("[", r"\[")
