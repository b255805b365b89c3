"""How a plan, and what applying it did, look on a terminal and as JSON.

Values of people's fields are shown here and nowhere else.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click
from rich.table import Table

from pipeline.commands.forecast import Calls, call_lines, day_lines, hour_lines
from pipeline.forecast import Budget, Forecast, forecast
from pipeline.overview import utc
from pipeline.planning.applying import Applied
from pipeline.planning.writes import Change, Plan, Totals, Turn
from pipeline.sync import ghl_dnd
from pipeline.sync.aggregates import iso
from pipeline.terminal import console, unmarked, whole
from pipeline.wording import plural

CONTACTS_SHOWN = 20
IDS_SHOWN = 50
VALUE_LENGTH = 80
LENGTHS = (8, 32, 255)
"""Classes of a masked text's length."""
OPEN_WORDS = ("list ", "excluded from campaigns", "property ghl_email_status")
"""Changes whose values are our own words and tell nothing of a person."""


def show_plan(plan: Plan, budget: Budget, *, everybody: bool, mask: bool) -> None:
    """Print it: contacts with writes, then what it comes to."""
    turns = [turn for turn in plan.turns if turn.writes or turn.problem]
    shown = turns if everybody else turns[:CONTACTS_SHOWN]
    if shown:
        table = Table(whole("contact"), "outcome", "what changes", show_lines=True)
        for turn in shown:
            outcome = turn.outcome or "cannot be planned"
            table.add_row(turn.contact_id, outcome, _lines(turn, mask=mask))
        console.print(table)
    if rest := len(turns) - len(shown):
        click.echo(f"and {rest:,} more: --all shows them")
    contacts = len({turn.contact_id for turn in plan.turns})
    click.echo(
        f"Plan of connection {plan.connection!r}, made {utc(plan.made_ms)} UTC: "
        f"{plural(contacts, 'contact')}, "
        f"{plural(sum(plan.totals.kinds.values()), 'write')}. Nothing was written."
    )
    _show_totals(plan.totals)
    if plan.needed:
        click.echo("To apply it takes")
        found = forecast(plan.calls, budget)
        _echo((*call_lines(found.calls), *hour_lines(found), *day_lines(found, budget)))
    _echo(f"note: {remark}" for remark in plan.remarks)
    _echo(f"cannot tell: {untold}" for untold in plan.untold)


def _lines(turn: Turn, *, mask: bool) -> str:
    if turn.problem:
        return unmarked(turn.problem)
    lines, new = [], []
    for change in (change for write in turn.writes for change in write.changes):
        before, after = (_cut(v) for v in _values(change, mask=mask))
        name = _cut(change.what.removeprefix("property "))
        if name != change.what and not before:
            # A new subscriber has twenty of them.
            new.append(f"{name} {after}")
        elif before and after:
            lines.append(f"{name}: {before} -> {after}")
        else:
            lines.append(f"{name}: {f'+ {after}' if after else f'- {before}'}")
    return unmarked("\n".join([*lines, *([f"+ {', '.join(new)}"] if new else [])]))


def _values(change: Change, *, mask: bool) -> tuple[object, object]:
    if not mask or change.what.startswith(OPEN_WORDS):
        return change.before, change.after
    if change.what == "e-mail DND":
        return _status(change.before), _status(change.after)
    return masked(change.before), masked(change.after)


def _status(channel: object) -> str:
    """Of e-mail DND the status alone: the message may tell when, and to whom."""
    word = str(channel or "").partition(":")[0].lower()
    known = (*ghl_dnd.OPEN_STATUSES, "active", "permanent")
    return word if word in known else ""


def masked(value: object) -> object:
    """The kind of a value, and how long a text is at most; nothing of what it says."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return "(a number)"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if not text:
        return ""
    if "@" in text:
        return "(an address)"
    if _is_time(text):
        return "(a time)"
    most = next((most for most in LENGTHS if len(text) <= most), None)
    return f"(text, up to {most})" if most else f"(text, over {LENGTHS[-1]})"


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _cut(value: object) -> str:
    """One line without what a terminal would carry out; "" for nothing there."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    plain = "".join(c if c.isprintable() else " " for c in text[: VALUE_LENGTH + 1])
    return plain if len(text) <= VALUE_LENGTH else f"{plain[: VALUE_LENGTH - 1]}…"


def _show_totals(totals: Totals) -> None:
    if totals.outcomes:
        outcomes = (f"{n:,} {outcome}" for outcome, n in totals.outcomes.items())
        click.echo(f"  {', '.join(outcomes)}")
    if totals.effects:
        click.echo("Who is mailed, in people:")
        _echo(f"  {n:>9,}  {what}" for what, n in totals.effects.items())
    if totals.kinds:
        click.echo("Writes:")
        _echo(f"  {n:>9,}  {what}" for what, n in totals.kinds.items())


def show_applied(plan: Plan, applied: Applied) -> None:
    """Print what was done, in the form of the plan."""
    totals = applied.totals
    contacts = len({one.turn.contact_id for one in applied.done})
    click.echo(
        f"Applied the plan of {utc(plan.made_ms)} UTC: {plural(contacts, 'contact')}, "
        f"{plural(sum(totals.kinds.values()), 'write')}."
    )
    _show_totals(totals)
    _echo(call_lines(applied.calls))
    if applied.already:
        click.echo(
            f"{len(applied.already):,} already as planned: nothing left to write"
        )
    if applied.drifted:
        number = len(applied.drifted)
        click.echo(f"{number:,} drifted since the plan, and left alone; plan anew:")
        _echo(f"  {contact_id}" for contact_id in applied.drifted[:IDS_SHOWN])
        if number > IDS_SHOWN:
            click.echo(f"  and {number - IDS_SHOWN:,} more: --json has them all")
    for contact_id, reason in applied.undone.items():
        click.echo(f"not done: {contact_id}: {reason}")


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def plan_as_json(plan: Plan, budget: Budget, *, mask: bool) -> dict[str, Any]:
    """The plan with every contact, as JSON scalars."""
    return {
        "connection": plan.connection,
        "made_at": iso(plan.made_ms),
        "contacts": [_turn(turn, mask=mask) for turn in plan.turns],
        "totals": asdict(plan.totals),
        "calls": plan.calls,
        **_cost(forecast(plan.calls, budget)),
        "remarks": list(plan.remarks),
        "cannot_tell": list(plan.untold),
    }


def _cost(found: Forecast) -> Mapping[str, float]:
    return {
        "hours_at_configured_rates": round(found.hours, 3),
        "hours_at_pace_now": round(found.hours_now, 3),
        "share_of_ghl_daily": round(found.day_share, 6),
    }


def _turn(turn: Turn, *, mask: bool) -> dict[str, Any]:
    return {
        "contact": turn.contact_id,
        "outcome": turn.outcome,
        "problem": turn.problem,
        "writes": [
            {
                "vendor": write.vendor,
                "call": write.route,
                "kind": write.kind,
                "effects": list(write.effects),
                "changes": [
                    {"what": change.what, "before": before, "after": after}
                    for change in write.changes
                    for before, after in [_values(change, mask=mask)]
                ],
            }
            for write in turn.writes
        ],
    }


def applied_as_json(applied: Applied) -> dict[str, Any]:
    """What was done, as JSON scalars."""
    calls: Calls = applied.calls
    return {
        "totals": asdict(applied.totals),
        "calls": calls,
        "already": list(applied.already),
        "drifted": list(applied.drifted),
        "not_done": dict(applied.undone),
    }
