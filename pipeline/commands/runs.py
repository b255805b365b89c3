"""The commands about full resyncs: starting one, looking at them, steering one."""

import json
import sys
from dataclasses import asdict
from typing import Literal

import click

from pipeline import runs as runs_
from pipeline import setup as setup_
from pipeline import terminal
from pipeline.bootstrap import Kit, Pipeline
from pipeline.command_line import INTERRUPTED, fail, on_connection, which, with_kit
from pipeline.commands.forecast import show_forecast
from pipeline.permit import Lane, Permit


@click.command()
@click.option("--business", metavar="ID", help="Only the contacts of one business.")
@click.option("--watch", is_flag=True, help="Wait for its end, and show how far it is.")
@click.option(
    "--accept-deletions",
    is_flag=True,
    help="Contacts missing in GHL were really deleted, however many.",
)
@click.option(
    "--accept-emptying",
    is_flag=True,
    help="Values and tags that many lose at once are really to go.",
)
@click.option(
    "--forecast",
    is_flag=True,
    help="Say what a full resync would cost now, and start none.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_kit
def resync(
    pipeline: Pipeline,
    kit: Kit,
    business: str | None,
    watch: bool,
    accept_deletions: bool,
    accept_emptying: bool,
    forecast: bool,
    as_json: bool,
) -> None:
    """Resync every contact of the connection; joins a run that is under way.

    The work is done by the workers and beat. With --watch, exit code 1 if the run
    did not finish, and 130 after Ctrl-C, which leaves it running.

    Example: ghl-mailjet resync --watch
    """
    if forecast and (business or watch or accept_deletions or accept_emptying):
        raise click.UsageError("--forecast is of a full resync, and starts none")
    if forecast:
        show_forecast(kit, as_json=as_json)
        return
    if kit.record() is None:
        setup_.restore(kit)
    if business is not None:
        kit.ghl(Permit(Lane.LIVE)).business_contacts(business, 0)  # NotFound, if so
    if accept_deletions:
        kit.presence.accept()
    if accept_emptying:
        kit.emptying.confirm()
        kit.emptying.release(kit.emptying.held())
    started = runs_.start_run(kit, business=business)
    if not as_json:
        _say_started(started)
    if watch:
        _watch(pipeline, kit, started, as_json=as_json)
    elif as_json:
        _tell(kit, started)
    else:
        here = which(pipeline, kit)
        if kit.operator_pause.since_ms() is not None:
            mend = f"ghl-mailjet resume{here}"
            click.echo(f"The connection is paused; let it go on: {mend}")
        watching = f"ghl-mailjet resync --watch{here}"
        click.echo(f"Follow it with: {watching}, or: ghl-mailjet runs{here}")


def _say_started(started: runs_.Started) -> None:
    if started.joined:
        click.echo(f"Run {started.run_id} is under way already: joined it.")
    else:
        click.echo(f"Run {started.run_id} started.")


def _watch(
    pipeline: Pipeline, kit: Kit, started: runs_.Started, *, as_json: bool
) -> None:
    try:
        run = terminal.watch_run(pipeline, kit, started.run_id)
    except KeyboardInterrupt:
        fail(INTERRUPTED, "Interrupted. The run goes on: ghl-mailjet runs")
    if as_json:
        _tell(kit, started)
    else:
        terminal.show_end(kit, run)
    if not run.is_finished:
        sys.exit(1)


def _tell(kit: Kit, started: runs_.Started) -> None:
    run = terminal.find_run(kit, started.run_id)
    click.echo(json.dumps({"joined": started.joined, "run": asdict(run)}))


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
@on_connection
@click.pass_context
def runs(context: click.Context, connection: str, as_json: bool) -> None:
    """List the last runs; pause, resume or cancel the one under way.

    Example: ghl-mailjet runs
    """
    told = {"connection": connection, "as_json": as_json}
    if context.invoked_subcommand is None:
        context.invoke(list_runs, **told)
    else:
        context.default_map = {context.invoked_subcommand: told}


@runs.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
@with_kit
def list_runs(pipeline: Pipeline, kit: Kit, as_json: bool) -> None:
    """The run under way and the last 50 finished ones.

    Example: ghl-mailjet runs list
    """
    current = kit.ledger.run()
    active = [current] if current and current.is_active else []
    found = [*active, *kit.ledger.finished_runs()]
    if as_json:
        click.echo(json.dumps([asdict(run) for run in found]))
    else:
        terminal.show_runs(found, kit.connection.schedule.bulk_hours)


def _control(action: Literal["pause", "resume", "cancel"], done: str) -> None:
    help_ = f"{action.capitalize()} the run under way; exit code 1 if there is none."

    @runs.command(action, help=f"{help_}\n\nExample: ghl-mailjet runs {action}")
    @click.option("--json", "as_json", is_flag=True, help="One JSON object.")
    @with_kit
    def control(pipeline: Pipeline, kit: Kit, as_json: bool) -> None:
        run = kit.ledger.run()
        if run is None or not run.is_active:
            fail(1, "No run is under way. Start one: ghl-mailjet resync")
        state = kit.ledger.control(action)
        if as_json:
            click.echo(json.dumps({"run": run.id, "state": state}))
        else:
            click.echo(f"Run {run.id}: {done}" if state else "no run")


_control("pause", "paused; its contacts wait")
_control("resume", "goes on")
_control("cancel", "cancelled; contacts being synced now are finished")
