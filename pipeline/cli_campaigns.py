"""`ghl-mailjet campaigns`: what rules wanted sent, and what became of it."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import click
from rich import box
from rich.table import Table

from pipeline.bootstrap import Kit, Pipeline
from pipeline.command_line import fail, with_kit
from pipeline.overview import utc
from pipeline.store.order_records import Placed, Tally
from pipeline.sync.orders import OrderKind, State
from pipeline.terminal import console, unmarked, whole
from pipeline.wording import plural

EXPLAINED = (State.HELD, State.FAILED)
"""Ends that have a reason."""
ON_ITS_WAY = (State.READY, State.SENDING, State.DOUBTFUL)
Which = tuple[str, OrderKind]


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
        _retry(kit, retry, as_json=as_json)
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
            _show_campaigns(counted)


def _retry(kit: Kit, campaign: str, *, as_json: bool) -> None:
    retried = kit.orders.retry(campaign)
    if not retried:
        fail(1, "Nothing of that campaign has failed: ghl-mailjet campaigns")
    if as_json:
        click.echo(json.dumps({"campaign": campaign, "retried": retried}))
    else:
        click.echo(f"{plural(retried, 'order')} again: decided at the contact's turn.")


def _by_campaign(counts: Counter[Tally]) -> dict[Which, Counter[tuple[State, str]]]:
    found: dict[Which, Counter[tuple[State, str]]] = {}
    for tally, count in sorted(counts.items()):
        of_one = found.setdefault((tally.campaign, tally.kind), Counter())
        of_one[tally.state, tally.why] += count
    return found


def _told(which: Which, counts: Mapping[tuple[State, str], int]) -> dict[str, Any]:
    """A campaign's counts; those of an end with reasons are by reason."""
    told: dict[str, Any] = {"campaign": which[0], "kind": which[1]}
    for state in State:
        reasons = {why: n for (found, why), n in counts.items() if found is state}
        name = state.replace(" ", "_")
        told[name] = reasons if state in EXPLAINED else sum(reasons.values())
    return told


def _show_campaigns(counted: Mapping[Which, Counter[tuple[State, str]]]) -> None:
    if not counted:
        console.print("Nothing was ordered yet.")
        return
    ends = ("sent", "rehearsed", "held back", "failed")
    counts_of = ("waits", "on its way", *ends)
    table = Table(whole("campaign"), "kind", *counts_of, box=box.SIMPLE_HEAVY)
    for (campaign, kind), counts in counted.items():
        told = _told((campaign, kind), counts)
        on_its_way = sum(told[state] for state in ON_ITS_WAY)
        numbers = (told["waiting"], on_its_way, told["done"], told["rehearsed"])
        table.add_row(
            unmarked(campaign),
            kind,
            *(f"{number:,}" for number in numbers),
            _reasons(told["held_back"]),
            _reasons(told["failed"]),
        )
    console.print(table)
    console.print("Try what failed again: ghl-mailjet campaigns --retry CAMPAIGN")


def _reasons(counts: Mapping[str, int]) -> str:
    """`12 opted out, 1 bounced`, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return unmarked(", ".join(f"{count:,} {why}" for why, count in ordered))


def _show_orders(placed: Iterable[Placed]) -> None:
    headings = ("rule", "trigger", "made (UTC)", "state", "since (UTC)")
    table = Table(whole("campaign"), "kind", *headings, box=box.SIMPLE_HEAVY)
    for one in placed:
        order = one.order
        state = f"{one.state}: {one.why}" if one.why else one.state
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
