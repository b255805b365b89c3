"""The commands about consent: who said what, an opt-in, the report, a mass."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

import click
from rich.table import Table

from pipeline import consent_report as report_
from pipeline import opting_in
from pipeline.bootstrap import Kit, Pipeline
from pipeline.command_line import fail, with_kit
from pipeline.overview import utc
from pipeline.sync import consent as domain
from pipeline.sync.aggregates import iso
from pipeline.terminal import console, progress_bar, unmarked, whole
from pipeline.wording import plural

SHOWN_IDS = 50


class Time(click.ParamType[int]):
    """ISO 8601, UTC where it names no zone, as milliseconds."""

    name = "time"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail("not a time; write 2026-11-27T10:00", param, ctx)
        placed = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(placed.timestamp() * 1000)


@click.command()
@click.argument("contact_id")
@click.option(
    "--opt-in",
    "proof",
    metavar="PROOF",
    help="Record an explicit opt-in of the person; say where its proof is.",
)
@click.option("--at", type=Time(), help="When the person opted in; now by default.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_kit
def consent(
    pipeline: Pipeline,
    kit: Kit,
    contact_id: str,
    proof: str | None,
    at: int | None,
    as_json: bool,
) -> None:
    """Who said what about mailing a contact, when, and what follows.

    Exit code 1 if nothing is known, or an opt-in did not open.

    Example: ghl-mailjet consent CONTACT_ID --opt-in "form 1234, page 2"
    """
    outcome = ""
    if proof is not None:
        outcome = opting_in.record_opt_in(kit, contact_id, proof, at)
    elif at is not None:
        raise click.UsageError("--at goes with --opt-in")
    known = opting_in.statements(kit, contact_id)
    if not known and not kit.presence.remembers(contact_id):
        fail(1, f"{contact_id}: never synced, so nothing is known of it")
    sharers = opting_in.shared_with(kit, contact_id)
    verdict = domain.decide(known)
    if sharers:
        verdict = domain.strictest([verdict, domain.Verdict.OPTED_OUT])
    if as_json:
        counting = {*domain.unanswered(known), domain.Source.OPT_IN}
        rows = [
            {**asdict(said), "at": iso(said.at_ms), "counts": source in counting}
            for source, said in known.items()
        ]
        told = {"contact": contact_id, "verdict": verdict, "statements": rows}
        click.echo(json.dumps({**told, "shared_with": list(sharers)}))
    else:
        if outcome:
            click.echo(f"Recorded. {contact_id}: {outcome}")
        _show_statements(contact_id, known, str(verdict), sharers)
    if proof is not None and not verdict.is_open:
        sys.exit(1)


def _show_statements(
    ghl_id: str, known: domain.Record, verdict: str, sharers: Iterable[str]
) -> None:
    """Who said what about mailing a contact, and what follows."""
    counting = domain.unanswered(known)
    table = Table(whole("who says so"), "when (UTC)", "still", "counts", "what")
    for source, said in sorted(known.items(), key=lambda item: item[1].at_ms):
        is_yes = source is domain.Source.OPT_IN
        still = "-" if is_yes else ("yes" if said.stands else "no")
        counts = "yes" if is_yes or source in counting else "no: opted in since"
        table.add_row(source, utc(said.at_ms), still, counts, unmarked(said.detail))
    if table.row_count:
        console.print(table)
    else:
        console.print("Nobody said anything about mailing this contact.")
    click.echo(f"{ghl_id}: {verdict}")
    for other in sharers:
        click.echo(f"  contact {other} has the same address and said no")


@click.command("consent-report")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, all ids.")
@with_kit
def consent_report(pipeline: Pipeline, kit: Kit, as_json: bool) -> None:
    """Compare consent on both sides completely; whoever differs is synced.

    Exit code 1 if somebody opted out in GHL and can be mailed in Mailjet.

    Example: ghl-mailjet consent-report --json
    """
    record = kit.require_record()
    with progress_bar() as (tell, progress):
        tell("reading Mailjet")
        report = report_.compare(kit, record, progress=progress)
    if as_json:
        click.echo(json.dumps(asdict(report)))
    else:
        click.echo(
            f"Compared {plural(report.contacts, 'contact')} with "
            f"{plural(report.subscribers, 'subscriber')}."
        )
        _show("opted out in GHL and mailable in Mailjet", report.mailable)
        _show("out in Mailjet and not blocked in GHL", report.unblocked)
        if held := kit.optouts.held():
            click.echo(
                f"{len(held):,} opted out in a mass: excluded, not yet unsubscribed; "
                "see `ghl-mailjet optouts`"
            )
    if report.mailable:
        sys.exit(1)


def _show(what: str, ids: tuple[str, ...]) -> None:
    click.echo(f"{len(ids):,} {what}{':' if ids else ''}")
    for ghl_id in ids[:SHOWN_IDS]:
        click.echo(f"  {ghl_id}")
    if len(ids) > SHOWN_IDS:
        click.echo(f"  and {len(ids) - SHOWN_IDS:,} more: --json has them all")


@click.command()
@click.option("--confirm", is_flag=True, help="They were meant: unsubscribe them.")
@click.option("--revoke", is_flag=True, help="A slip: include whom GHL has open again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, all ids.")
@with_kit
def optouts(
    pipeline: Pipeline, kit: Kit, confirm: bool, revoke: bool, as_json: bool
) -> None:
    """Contacts that opted out in GHL in a mass: excluded at once, unsubscribed from
    lists only once that is confirmed, because Mailjet cannot take it back.

    Example: ghl-mailjet optouts --confirm
    """
    if confirm and revoke:
        raise click.UsageError("--confirm or --revoke, not both")
    tell = partial(click.echo, err=as_json)
    confirmed = opting_in.confirm_mass(kit) if confirm else 0
    revoked = opting_in.revoke_mass(kit, tell) if revoke else 0
    held = tuple(kit.optouts.held())
    if as_json:
        told = {"confirmed": confirmed, "revoked": revoked, "held": held}
        click.echo(json.dumps(told))
    elif confirm:
        being = plural(confirmed, "contact is", "contacts are")
        click.echo(f"{being} being unsubscribed.")
    elif revoke:
        click.echo(f"{revoked:,} taken back.")
    else:
        _show("opted out in a mass; wait for --confirm or --revoke", held)
