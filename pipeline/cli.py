"""The `ghl-mailjet` command.

Exit codes: 0 done, 1 something is wrong (said on stderr), 2 wrong use or settings.
"""

import json
import sys
from dataclasses import asdict
from functools import partial
from typing import Any

import click

from pipeline import callbacks as callbacks_
from pipeline import check as checks
from pipeline import runs as runs_
from pipeline import setup as setup_
from pipeline import terminal, work
from pipeline.bootstrap import Kit, Pipeline
from pipeline.cli_alerts import alert_test
from pipeline.cli_campaigns import campaigns
from pipeline.cli_consent import consent, consent_report, optouts
from pipeline.cli_erase import erase_person
from pipeline.cli_fields import fields
from pipeline.cli_forecast import show_forecast
from pipeline.cli_health import health
from pipeline.cli_inbox import inbox
from pipeline.cli_init import init
from pipeline.cli_letters import dead_letters, replay, why
from pipeline.cli_plan import apply, plan
from pipeline.cli_rules import rules
from pipeline.cli_status import pause, resume, status
from pipeline.command_line import fail, on_connection, with_kit
from pipeline.demo import demo
from pipeline.findings import Level
from pipeline.permit import Lane, Permit
from pipeline.sandbox.command import sandbox
from pipeline.sync.around import Kind
from pipeline.sync.case import Outcome
from pipeline.sync_now import sync_now

NOT_FOUND = "not found in GHL"
"""Unlike `deleted in GHL`: we never knew it either, so it may be a slip of the pen."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ghl-mailjet")
def main() -> None:
    """Keep GoHighLevel contacts and Mailjet subscribers aligned.

    Settings come from the environment and `.env`; see .env.example.
    """


main.add_command(sandbox)
main.add_command(demo)
main.add_command(consent)
main.add_command(consent_report)
main.add_command(optouts)
main.add_command(health)
main.add_command(inbox)
main.add_command(alert_test)
main.add_command(fields)
main.add_command(init)
main.add_command(erase_person)
main.add_command(plan)
main.add_command(apply)
main.add_command(rules)
main.add_command(campaigns)
main.add_command(status)
main.add_command(pause)
main.add_command(resume)
main.add_command(dead_letters)
main.add_command(replay)
main.add_command(why)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
@with_kit
def check(pipeline: Pipeline, kit: Kit, as_json: bool) -> None:
    """Look at Redis, both accounts and the setup; say how to mend what is missing.

    Example: ghl-mailjet check -c acme
    """
    findings = []
    for finding in checks.check(pipeline, kit):
        findings.append(finding)
        if not as_json:
            terminal.show_finding(finding)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings]))
    if any(finding.level is Level.FAILURE for finding in findings):
        sys.exit(1)


@main.command()
@click.option(
    "--backfill-history",
    is_flag=True,
    help="Add the tasks and notes that there are to Mailjet's history.",
)
@click.option(
    "--webhooks",
    metavar="URL",
    help="Have Mailjet post its events here: where the receiver is reached.",
)
@with_kit
def setup(
    pipeline: Pipeline, kit: Kit, backfill_history: bool, webhooks: str | None
) -> None:
    """Make Mailjet's properties (and list), and read who is opted out.

    Safe to repeat; a connection writes nothing before it succeeded.

    Example: ghl-mailjet setup --webhooks https://sync.example.com
    """
    if webhooks:
        callbacks_.callback_url(kit, webhooks)  # ConfigError before anything is made
    setup_.run(kit, click.echo, backfill=backfill_history)
    if webhooks:
        callbacks_.register(kit, webhooks, click.echo)
    name = kit.connection.name
    which = f" -c {name}" if len(pipeline.kits) > 1 else ""
    click.echo(f"Connection {name!r} is set up. Next:")
    click.echo(f"  ghl-mailjet plan{which}")
    click.echo(f"  ghl-mailjet resync --watch{which}")


@main.command()
@click.argument("contact_id")
@with_kit
def sync(pipeline: Pipeline, kit: Kit, contact_id: str) -> None:
    """Sync one contact now, in this process.

    Example: ghl-mailjet sync gTqCpqZlEsF0mRTBJz3k
    """
    kit.require_record()
    known = kit.presence.remembers(contact_id)
    # Whoever asks for one contact wants to see all of it, now.
    kit.ledger.point_at([contact_id], "".join(Kind))
    outcome = sync_now(kit, contact_id, tell=partial(click.echo, err=True))
    if outcome == Outcome.DELETED and not known:
        outcome = NOT_FOUND
    click.echo(f"{contact_id}: {outcome}")
    if pause := kit.health.paused():
        click.echo(f"{pause.reason}\nwhat to do: {checks.remedy(pause)}", err=True)
    if outcome.startswith(("dead letter", "again in", work.PAUSED, NOT_FOUND)):
        sys.exit(1)


@main.command()
@click.option("--business", metavar="ID", help="Only the contacts of one business.")
@click.option("--watch", is_flag=True, help="Show progress until the run has finished.")
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
@click.option("--json", "as_json", is_flag=True, help="The forecast as one object.")
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

    The work is done by the workers and beat. Ends with 0 when the run has finished.

    Example: ghl-mailjet resync --watch
    """
    if forecast and (business or watch or accept_deletions or accept_emptying):
        raise click.UsageError("--forecast is of a full resync, and starts none")
    if as_json and not forecast:
        raise click.UsageError("--json goes with --forecast")
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
    if started.joined:
        click.echo(f"Run {started.run_id} is under way already: joined it.")
    else:
        click.echo(f"Run {started.run_id} started.")
    if watch:
        sys.exit(terminal.watch_run(pipeline, kit, started.run_id))
    if kit.operator_pause.since_ms() is not None:
        click.echo("The connection is paused; let it go on: ghl-mailjet resume")
    click.echo("Follow it with: ghl-mailjet resync --watch, or: ghl-mailjet runs")


@main.group(invoke_without_command=True)
@on_connection
@click.pass_context
def runs(context: click.Context, connection: str) -> None:
    """List the last runs; pause, resume or cancel the one under way."""
    if context.invoked_subcommand is None:
        context.invoke(list_runs, connection=connection, as_json=False)
    else:
        context.default_map = {
            context.invoked_subcommand: {"connection": connection},
        }


@runs.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
@with_kit
def list_runs(pipeline: Pipeline, kit: Kit, as_json: bool) -> None:
    """The run under way and the last 50 finished ones."""
    current = kit.ledger.run()
    active = [current] if current and current.is_active else []
    found = [*active, *kit.ledger.finished_runs()]
    if as_json:
        click.echo(json.dumps([asdict(run) for run in found]))
    else:
        terminal.show_runs(found, kit.connection.schedule.bulk_hours)


def _control(action: Any, done: str) -> None:
    @runs.command(action, help=f"{action.capitalize()} the run under way.")
    @with_kit
    def control(pipeline: Pipeline, kit: Kit) -> None:
        run = kit.ledger.run()
        if run is None or not run.is_active:
            fail(1, "No run is under way. Start one: ghl-mailjet resync")
        state = kit.ledger.control(action)
        click.echo(f"Run {run.id}: {done}" if state else "no run")


_control("pause", "paused; its contacts wait")
_control("resume", "goes on")
_control("cancel", "cancelled; contacts being synced now are finished")
