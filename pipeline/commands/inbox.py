"""`ghl-mailjet inbox`: what came in by webhook and is not handled."""

import json
from dataclasses import asdict

import click
from rich.table import Table

from pipeline.bootstrap import Pipeline
from pipeline.command_line import fail, show_replayed, with_pipeline
from pipeline.overview import utc
from pipeline.store.inbox import Failed, Inbox
from pipeline.terminal import console, unmarked, whole

ALL = "all"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--replay", metavar="ID|all", help="Let failed entries be tried anew.")
@with_pipeline
def inbox(pipeline: Pipeline, as_json: bool, replay: str | None) -> None:
    """What came in by webhook and waits, or failed for good, of all connections.

    Example: ghl-mailjet inbox --replay all
    """
    if replay is not None:
        _replay(pipeline.inbox, replay, as_json=as_json)
        return
    counts, failed = pipeline.inbox.counts(), pipeline.inbox.failed()
    if as_json:
        told = {
            "waiting": counts.waiting,
            "due": counts.due,
            "handled": pipeline.inbox.handled(),
            "failed": [asdict(one) for one in failed],
        }
        click.echo(json.dumps(told))
        return
    console.print(f"Waiting: {counts.waiting:,}, due now: {counts.due:,}.")
    _show(failed)


def _replay(inbox: Inbox, which: str, *, as_json: bool) -> None:
    ids = [one.id for one in inbox.failed()] if which == ALL else [which]
    replayed = inbox.replay(ids)
    if which != ALL and not replayed:
        fail(1, "No failed entry has that id: ghl-mailjet inbox")
    show_replayed(replayed, len(ids), as_json=as_json)


def _show(failed: list[Failed]) -> None:
    if not failed:
        console.print("No entry failed.")
        return
    table = Table(whole("id"), "source", "place", "received (UTC)", "tries", "reason")
    for one in failed:
        row = (one.source, unmarked(one.place), utc(one.received_ms), str(one.attempts))
        table.add_row(one.id, *row, unmarked(one.reason))
    console.print(table)
    console.print("Try again: ghl-mailjet inbox --replay ID|all")
