"""The commands about single contacts: dead letters, trying them again, why."""

import json
import re
import sys
from dataclasses import asdict

import click
from rich.table import Column, Table

from pipeline import replaying
from pipeline import why as why_
from pipeline.bootstrap import Kit, Pipeline
from pipeline.command_line import show_replayed, with_kit
from pipeline.overview import utc
from pipeline.replaying import Wanted
from pipeline.store.dead_letters import DeadLetter
from pipeline.terminal import console, unmarked, whole
from pipeline.why import Explanation

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Age(click.ParamType[float]):
    """`90s`, `30m`, `2h` or `7d`, as seconds."""

    name = "age"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = re.fullmatch(r"(\d{1,6})([smhd])", value)
        if found is None:
            self.fail("not an age; write 30m, 2h or 7d", param, ctx)
        return int(found[1]) * UNIT_SECONDS[found[2]]


of_cause = click.option("--cause", help="Only this cause, such as Rejected.")
of_age = click.option(
    "--older-than",
    type=Age(),
    default="0s",
    metavar="AGE",
    help="Failed at least so long ago: 30m, 2h, 7d.",
)


@click.command("dead-letters")
@of_cause
@of_age
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
@with_kit
def dead_letters(
    pipeline: Pipeline, kit: Kit, cause: str | None, older_than: float, as_json: bool
) -> None:
    """Contacts that could not be synced, with the reason.

    Example: ghl-mailjet dead-letters --cause Rejected --older-than 2h
    """
    found = replaying.letters(kit, Wanted(None, cause, older_than))
    if as_json:
        click.echo(json.dumps([asdict(letter) for letter in found]))
    else:
        _show_letters(found)


def _show_letters(letters: list[DeadLetter]) -> None:
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


@click.command()
@click.argument("contact_ids", nargs=-1)
@click.option("--contact", "more", metavar="ID", multiple=True, help="This contact's.")
@of_cause
@of_age
@click.option("--all", "everything", is_flag=True, help="All letters.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_kit
def replay(
    pipeline: Pipeline,
    kit: Kit,
    contact_ids: tuple[str, ...],
    more: tuple[str, ...],
    cause: str | None,
    older_than: float,
    everything: bool,
    as_json: bool,
) -> None:
    """Let dead letters be tried again; repeating it does no harm.

    What is named twice over narrows: `--cause Rejected --older-than 2h` is both.

    Example: ghl-mailjet replay --cause Rejected
    """
    ids = {*contact_ids, *more}
    if not (ids or cause or older_than or everything):
        raise click.UsageError("name contact ids, --cause, --older-than or --all")
    chosen = replaying.letters(kit, Wanted(ids or None, cause, older_than))
    show_replayed(replaying.replay(kit, chosen), len(chosen), as_json=as_json)


@click.command()
@click.argument("contact_id")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_kit
def why(pipeline: Pipeline, kit: Kit, contact_id: str, as_json: bool) -> None:
    """Why a contact is as it is: where it stands now, and what happened to it.

    Of the last 14 days, 50 entries at most; ids, routes and outcomes only. Exit code 1
    if nothing is known of it.

    Example: ghl-mailjet why gTqCpqZlEsF0mRTBJz3k
    """
    told = why_.explain(pipeline, kit, contact_id)
    if as_json:
        click.echo(json.dumps(asdict(told)))
    else:
        _show_why(told)
    if not told.is_known:
        sys.exit(1)


def _show_why(told: Explanation) -> None:
    first, *rest = told.now
    console.print(unmarked(f"{told.contact} {first}"), soft_wrap=True)
    for line in (told.letter, *rest):
        if line:
            console.print(unmarked(f"  {line}"), soft_wrap=True)
    if not told.timeline:
        console.print("Nothing happened to it in the last 14 days that changed it.")
        return
    table = Table(whole("when (UTC)"), "what", "lane", Column("why", overflow="fold"))
    for step in told.timeline:
        noes = [f"said no: {', '.join(step.said_no)}"] if step.said_no else []
        lines = [line for line in (step.detail, *noes, *step.calls) if line]
        table.add_row(step.at, step.what, step.lane, unmarked("\n".join(lines)))
    console.print(table)
