"""The `ghl-mailjet` command.

Exit codes: 0 done, 1 something is wrong (said on stderr), 2 wrong use or settings,
130 ended by Ctrl-C.
"""

import json
import sys
from dataclasses import asdict
from functools import partial

import click

from pipeline import callbacks as callbacks_
from pipeline import check as checks
from pipeline import setup as setup_
from pipeline import terminal, work
from pipeline.bootstrap import Kit, Pipeline
from pipeline.command_line import which, with_kit
from pipeline.commands.alerts import alert_test
from pipeline.commands.campaigns import campaigns
from pipeline.commands.consent import consent, consent_report, optouts
from pipeline.commands.erase import erase_person
from pipeline.commands.fields import fields
from pipeline.commands.health import health
from pipeline.commands.inbox import inbox
from pipeline.commands.init import init
from pipeline.commands.letters import dead_letters, replay, why
from pipeline.commands.plan import apply, plan
from pipeline.commands.rules import rules
from pipeline.commands.runs import resync, runs
from pipeline.commands.status import pause, resume, status
from pipeline.demo import demo
from pipeline.findings import Level
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

    Settings come from the environment and `.env`; see .env.example. What a command
    found goes to stdout, what is wrong and how far it is to stderr.

    Exit codes: 0 done, 1 something is wrong, 2 wrong use or settings, 130 Ctrl-C.

    Example: ghl-mailjet check
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
main.add_command(resync)
main.add_command(runs)
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

    Exit code 1 if something is missing.

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
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_kit
def setup(
    pipeline: Pipeline,
    kit: Kit,
    backfill_history: bool,
    webhooks: str | None,
    as_json: bool,
) -> None:
    """Make Mailjet's properties (and list), and read who is opted out.

    Safe to repeat; a connection writes nothing before it succeeded.

    Example: ghl-mailjet setup --webhooks https://sync.example.com
    """
    if webhooks:
        callbacks_.callback_url(kit, webhooks)  # ConfigError before anything is made
    steps: list[str] = []
    tell = steps.append if as_json else click.echo
    setup_.run(kit, tell, backfill=backfill_history)
    if webhooks:
        callbacks_.register(kit, webhooks, tell)
        callbacks_.note_callbacks(kit)  # else an alert lasts for up to an hour
    name, here = kit.connection.name, which(pipeline, kit)
    if as_json:
        click.echo(json.dumps({"connection": name, "steps": steps}))
        return
    click.echo(f"Connection {name!r} is set up. Next:")
    click.echo(f"  ghl-mailjet plan{here}")
    click.echo(f"  ghl-mailjet resync --watch{here}")


@main.command()
@click.argument("contact_id")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_kit
def sync(pipeline: Pipeline, kit: Kit, contact_id: str, as_json: bool) -> None:
    """Sync one contact now, in this process.

    Exit code 1 if it failed, has to wait for more than a minute, or is not in GHL.

    Example: ghl-mailjet sync gTqCpqZlEsF0mRTBJz3k
    """
    kit.require_record()
    known = kit.presence.remembers(contact_id)
    # Whoever asks for one contact wants to see all of it, now.
    kit.ledger.point_at([contact_id], "".join(Kind))
    outcome = sync_now(kit, contact_id, tell=partial(click.echo, err=True))
    if outcome == Outcome.DELETED and not known:
        outcome = NOT_FOUND
    if as_json:
        click.echo(json.dumps({"contact": contact_id, "outcome": outcome}))
    else:
        click.echo(f"{contact_id}: {outcome}")
    if pause := kit.health.paused():
        click.echo(f"{pause.reason}\nwhat to do: {checks.remedy(pause)}", err=True)
    if outcome.startswith(("dead letter", "again in", work.PAUSED, NOT_FOUND)):
        sys.exit(1)
