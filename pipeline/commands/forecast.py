"""`ghl-mailjet resync --forecast`: what a full resync now would cost."""

import json
from collections.abc import Mapping
from typing import Any

import click

from pipeline.bootstrap import Kit
from pipeline.forecast import Budget, Forecast, forecast
from pipeline.location_facts import read_budget, read_facts, read_past
from pipeline.past_runs import Past
from pipeline.run_cost import calls_of
from pipeline.run_facts import Facts
from pipeline.wording import plural

Calls = Mapping[str, Mapping[str, int]]

ROUTES_SHOWN = 8
NAMES = {"ghl": "GHL", "mailjet": "Mailjet"}


def show_forecast(kit: Kit, *, as_json: bool) -> None:
    """Read, count and print; nothing is written anywhere.

    Raises:
        ConfigError: the connection is not set up.
        VendorError: a vendor is down, or a credential is dead.
    """
    facts, ways = read_facts(kit, kit.require_record())
    past, budget = read_past(kit), read_budget(kit)
    found = forecast(calls_of(facts, ways, past), budget)
    if as_json:
        click.echo(json.dumps(_told(facts, past, budget, found)))
        return
    name = kit.connection.name
    click.echo(f"A full resync of connection {name!r} now, {_basis(facts, past)}:")
    for line in (
        *call_lines(found.calls),
        *hour_lines(found),
        *_nights(found, budget),
        *day_lines(found, budget),
    ):
        click.echo(line)
    if ways.newcomers:
        click.echo("  not counted: who is only in Mailjet, about 12 calls each")


def _basis(facts: Facts, past: Past) -> str:
    """What the forecast rests on."""
    contacts = plural(facts.contacts, "contact")
    new = f"{facts.new:,} of {contacts} {'is' if facts.new == 1 else 'are'} new"
    if past.runs:
        return f"from {plural(past.runs, 'run')}; {new}"
    if not facts.remembered:
        return f"no run yet: everybody counts as new ({contacts} in GHL)"
    return f"no run has finished; {new}"


def call_lines(calls: Calls) -> list[str]:
    """Calls by vendor and route, the busiest routes first."""
    lines = []
    for vendor, routes in calls.items():
        lines.append(f"  {NAMES[vendor]}: {plural(sum(routes.values()), 'call')}")
        shown = list(routes.items())[:ROUTES_SHOWN]
        lines += [f"    {number:>9,}  {route}" for route, number in shown]
        if rest := sum(routes.values()) - sum(number for _, number in shown):
            lines.append(f"    {rest:>9,}  others")
    return lines


def hour_lines(found: Forecast) -> list[str]:
    """How long the calls take."""
    lines = [f"  takes {_hours(found.hours)} at the rates configured"]
    if found.hours_now > found.hours * 1.01:
        lines.append(
            f"    {_hours(found.hours_now)} at the pace of now: a vendor allows less"
        )
    return lines


def _nights(found: Forecast, budget: Budget) -> list[str]:
    start, end = budget.bulk_hours
    night = f"SYNC_BULK_HOURS {start}-{end} ({budget.night_hours} h)"
    if found.nights == 1:
        return [f"  fits into one night of {night}"]
    return [f"  does not fit into one night of {night}: {found.nights} nights"]


def day_lines(found: Forecast, budget: Budget) -> list[str]:
    """What they take of GHL's day."""
    share = f"  {found.day_share:.1%} of GHL's day ({budget.ghl_daily:,} calls)"
    left = f"{budget.ghl_left:,} calls left today for bulk work"
    if found.fits_the_day:
        return [f"{share}; fits into the {left} ({found.left_share:.1%})"]
    return [f"{share}; does not fit into the {left}: goes on when the day has turned"]


def _hours(hours: float) -> str:
    if hours * 60 < 1:
        return "less than a minute"
    return f"{hours * 60:.0f} min" if hours < 1 else f"{hours:.1f} h"


def _told(facts: Facts, past: Past, budget: Budget, found: Forecast) -> dict[str, Any]:
    """The forecast as JSON scalars."""
    return {
        "runs_looked_at": past.runs,
        "contacts": facts.contacts,
        "new_contacts": facts.new,
        "calls": found.calls,
        "hours_at_configured_rates": round(found.hours, 3),
        "hours_at_pace_now": round(found.hours_now, 3),
        "ghl_daily": budget.ghl_daily,
        "ghl_left_today": budget.ghl_left,
        "share_of_ghl_daily": round(found.day_share, 6),
        "share_of_ghl_left": found.left_share and round(found.left_share, 6),
        "fits_today": found.fits_the_day,
        "nights": found.nights,
    }
