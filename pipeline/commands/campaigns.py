"""`ghl-mailjet campaigns`: what rules wanted sent, and what became of it."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import click
from rich import box
from rich.table import Column, Table

from pipeline.bootstrap import Kit, Pipeline
from pipeline.command_line import fail, which, with_kit
from pipeline.overview import utc
from pipeline.store.order_records import Placed, Tally
from pipeline.sync.orders import OrderKind, State
from pipeline.terminal import console, unmarked
from pipeline.wording import plural

EXPLAINED = (State.HELD, State.FAILED)
"""Ends that have a reason."""
ON_ITS_WAY = (State.READY, State.SENDING, State.DOUBTFUL)
WORDS = {State.DONE: "sent"}
"""Where people call it otherwise."""
Named = tuple[str, OrderKind]
"""A campaign's name, and the kind of its orders."""


@click.command()
@click.option("--contact", metavar="ID", help="The orders of one contact.")
@click.option("--retry", metavar="CAMPAIGN", help="Let what failed of it go again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list, or object.")
@with_kit
def campaigns(
    pipeline: Pipeline, kit: Kit, contact: str | None, retry: str | None, as_json: bool
) -> None:
    """What rules wanted sent: how much waits, went, was held back or failed, and why.

    Example: ghl-mailjet campaigns --contact gTqCpqZlEsF0mRTBJz3k
    """
    if retry is not None:
        _retry(pipeline, kit, retry, as_json=as_json)
    elif contact is not None:
        placed = kit.orders.of_contact(contact)
        if as_json:
            click.echo(json.dumps(list(map(_as_json, placed))))
        else:
            _show_orders(placed)
    else:
        counted = _by_campaign(kit.orders.counts())
        if as_json:
            told = [_told(which, counts) for which, counts in counted.items()]
            click.echo(json.dumps(told))
        else:
            _show_campaigns(counted, which(pipeline, kit))


def _retry(pipeline: Pipeline, kit: Kit, campaign: str, *, as_json: bool) -> None:
    retried = kit.orders.retry(campaign)
    if not retried:
        here = which(pipeline, kit)
        fail(1, f"Nothing of that campaign has failed: ghl-mailjet campaigns{here}")
    if as_json:
        click.echo(json.dumps({"campaign": campaign, "retried": retried}))
    else:
        click.echo(f"{plural(retried, 'order')} again: decided at the contact's turn.")


def _by_campaign(counts: Counter[Tally]) -> dict[Named, Counter[tuple[State, str]]]:
    found: dict[Named, Counter[tuple[State, str]]] = {}
    for tally, count in sorted(counts.items()):
        of_one = found.setdefault((tally.campaign, tally.kind), Counter())
        of_one[tally.state, tally.why] += count
    return found


def _told(which: Named, counts: Mapping[tuple[State, str], int]) -> dict[str, Any]:
    """A campaign's counts; those of an end with reasons are by reason."""
    told: dict[str, Any] = {"campaign": which[0], "kind": which[1]}
    for state in State:
        reasons = {why: n for (found, why), n in counts.items() if found is state}
        name = state.replace(" ", "_")
        told[name] = reasons if state in EXPLAINED else sum(reasons.values())
    return told


def _show_campaigns(
    counted: Mapping[Named, Counter[tuple[State, str]]], here: str
) -> None:
    if not counted:
        console.print("Nothing was ordered yet.")
        return
    headings = ("waits", "leaves", "sent", "rehearsed", "held back", "failed")
    numbers = (Column(each, justify="right", overflow="fold") for each in headings)
    table = Table(
        Column("campaign", overflow="fold", min_width=8),
        *(Column("kind", no_wrap=True), *numbers),
        box=box.SIMPLE_HEAVY,
        pad_edge=False,
    )
    for named, counts in counted.items():
        of = Counter[State]()
        for (state, _), count in counts.items():
            of[state] += count
        ends = (of[State.DONE], of[State.REHEARSED], *(of[end] for end in EXPLAINED))
        leaves = sum(of[state] for state in ON_ITS_WAY)
        told = (f"{count:,}" for count in (of[State.WAITING], leaves, *ends))
        table.add_row(unmarked(named[0]), named[1], *told)
    console.print(table)
    for named, counts in counted.items():
        told_why = _told(named, counts)
        for state in EXPLAINED:
            if why := _reasons(told_why[state.replace(" ", "_")]):
                console.print(unmarked(f"{named[0]}, {named[1]}: {state}: {why}"))
    if any(state is State.FAILED for of_one in counted.values() for state, _ in of_one):
        click.echo(
            f"Try what failed again: ghl-mailjet campaigns --retry CAMPAIGN{here}"
        )


def _reasons(counts: Mapping[str, int]) -> str:
    """`12 opted out, 1 bounced`, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {why}" for why, count in ordered)


def _show_orders(placed: Iterable[Placed]) -> None:
    headings = ("rule", "trigger", "made (UTC)", "state", "since (UTC)")
    table = Table(
        Column("campaign", overflow="fold", min_width=8),
        Column("kind", no_wrap=True),
        *(Column(each, overflow="fold") for each in headings),
        box=box.SIMPLE_HEAVY,
        pad_edge=False,
    )
    for one in placed:
        order = one.order
        state = WORDS.get(one.state, one.state)
        state = f"{state}: {one.why}" if one.why else state
        table.add_row(
            unmarked(order.campaign),
            order.kind,
            unmarked(order.rule),
            order.trigger,
            utc(order.made_ms),
            unmarked(state),
            utc(one.since_ms),
        )
    if table.row_count:
        console.print(table)
    else:
        console.print("No rule has ordered anything for that contact.")


def _as_json(placed: Placed) -> dict[str, Any]:
    """An order; what happened is left out, which may tell of the person."""
    told = {**asdict(placed), **asdict(placed.order)}
    return {name: v for name, v in told.items() if name not in ("order", "facts")}
