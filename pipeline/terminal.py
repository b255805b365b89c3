"""What the command line shows: tables, and how far something is.

Results go to stdout. Progress goes to stderr, and only where that is a terminal.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
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
from pipeline.wording import plural

console = Console(highlight=False)
errors = Console(highlight=False, stderr=True)
MARKS = {
    Level.OK: "[green]ok     [/]",
    Level.WARNING: "[yellow]warning[/]",
    Level.FAILURE: "[red]failure[/]",
}
REFRESH_SECONDS = 0.5
REDIS_PATIENCE_SECONDS = 120.0
BEAT_SILENT_SECONDS = 15
Tell = Callable[[str], object]
Count = Callable[[int, int | None], object]
"""Gets how many are done, of how many where that is known."""


def show_finding(finding: Finding) -> None:
    # Never broken at the width of the terminal: it may be searched, or copied.
    console.print(MARKS[finding.level], unmarked(finding.what), soft_wrap=True)
    if finding.mend:
        console.print("        ->", unmarked(finding.mend), soft_wrap=True)


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


def _bars(*columns: ProgressColumn, stays: bool = False) -> Progress:
    """Bars on stderr, or nothing; one that stays is left on the screen at the end."""
    return Progress(
        *columns, console=errors, transient=not stays, disable=not errors.is_terminal
    )


@contextmanager
def progress_bar() -> Iterator[tuple[Tell, Count]]:
    """A bar: what is done, and how many contacts of how many it has been done for."""
    text = TextColumn("{task.description}")
    with _bars(text, BarColumn(), MofNCompleteColumn()) as bars:
        bar = bars.add_task("", total=None)
        yield (
            lambda what: bars.update(bar, description=what),
            lambda done, total: bars.update(
                bar, description="contacts", completed=done, total=total
            ),
        )


def watch_run(pipeline: Pipeline, kit: Kit, run_id: str) -> Run:
    """Show how far a run is until it ends; the run as it is then.

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
    with _bars(*columns, stays=True) as progress:
        bar = progress.add_task("starting", total=0, rate="", note="")
        while True:
            try:
                run = find_run(kit, run_id)
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
                line = f"Run {run.id} is {until}; at once: ghl-mailjet runs resume"
                # It may be copied: never broken at the width of the terminal.
                errors.print(unmarked(line), soft_wrap=True)
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
    return run


def find_run(kit: Kit, run_id: str) -> Run:
    """The run under way, or one of the last that ended.

    Raises:
        ConfigError: it is none of these.
    """
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


def show_end(kit: Kit, run: Run) -> None:
    """Say how a run ended, and what of it failed."""
    console.print(
        f"Run {run.id} {run.state} in {elapsed_seconds(run):.1f} s: {outcomes(run)}"
    )
    if run.dead:
        letters = dead_letters.read(kit.redis, kit.connection.name)
        for cause, count in dead_letters.causes(letters).items():
            console.print(f"  {plural(count, 'dead letter')}: {cause}")
        console.print("  See: ghl-mailjet dead-letters")


def whole(header: str) -> Column:
    """Never cut, however narrow the terminal: ids are there to be typed again."""
    return Column(header, no_wrap=True, overflow="fold")


def unmarked(text: str) -> str:
    """Vendors' words may hold brackets; they are not markup."""
    return text.replace("[", r"\[")
