"""The commands about a whole connection: how it is, pausing it, letting it go on."""

import json
import time
from typing import Any

import click
from redis.exceptions import RedisError
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline import overview
from pipeline.bootstrap import Kit, Pipeline
from pipeline.check import remedy
from pipeline.command_line import with_kit
from pipeline.terminal import console, unmarked

REFRESH_SECONDS = 1.0


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--watch", is_flag=True, help="Again each second, until Ctrl-C.")
@with_kit
def status(pipeline: Pipeline, kit: Kit, as_json: bool, watch: bool) -> None:
    """What waits, what runs, what failed, what is left of the budget.

    Example: ghl-mailjet status --watch
    """
    if watch:
        _watch(pipeline, kit, as_json=as_json)
        return
    found = overview.read_status(pipeline, kit)
    if as_json:
        click.echo(json.dumps(found))
    else:
        _show(found)


def _watch(pipeline: Pipeline, kit: Kit, *, as_json: bool) -> None:
    """Show it again and again; Redis may be away meanwhile. Ctrl-C is the usual end."""
    try:
        if as_json or not console.is_terminal:
            while True:
                found = overview.read_status(pipeline, kit)
                if as_json:
                    click.echo(json.dumps(found))
                else:
                    _show(found)
                time.sleep(REFRESH_SECONDS)
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(_page_or_why_not(pipeline, kit), refresh=True)
                time.sleep(REFRESH_SECONDS)
    except KeyboardInterrupt:
        return


def _page_or_why_not(pipeline: Pipeline, kit: Kit) -> Group:
    try:
        return _page(overview.read_status(pipeline, kit))
    except RedisError as error:
        return Group(Text(f"Redis is away ({type(error).__name__}); waiting"))


def _show(status: dict[str, Any]) -> None:
    """A short page; what needs somebody comes last, a line each."""
    console.print(_table(status))
    for line in _needed(status):
        # It may be copied: never broken at the width of the terminal.
        console.print(unmarked(line), soft_wrap=True)


def _page(status: dict[str, Any]) -> Group:
    """The same on a screen that is drawn anew."""
    return Group(_table(status), *map(Text, _needed(status)))


def _table(status: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    brief = {
        **status,
        "paused": bool(status["paused"]),
        "others_paused": ", ".join(status["others_paused"]),
        "workers": ", ".join(status["workers"]),
        "queues_unserved": ", ".join(status["queues_unserved"]),
        "workers_differing": ", ".join(status["workers_differing"]),
    }
    for key, value in brief.items():
        table.add_row(f"[bold]{key.replace('_', ' ')}[/]", unmarked(_word(value)))
        if key == "run" and value and value["finished_utc"] is None:
            bar = ProgressBar(value["found"] or 1, value["done"] + value["dead"])
            table.add_row("", bar)
    return table


def _needed(status: dict[str, Any]) -> list[str]:
    lines = []
    for need in overview.needs(status):
        lines += [need.what, *(f"  {fact}" for fact in need.facts)]
        lines.append(f"  what to do: {need.what_to_do}")
    return lines


def _word(value: Any) -> str:
    if isinstance(value, dict):
        words = (f"{name.replace('_', ' ')} {_word(v)}" for name, v in value.items())
        joint = "; " if any(isinstance(v, dict) for v in value.values()) else ", "
        return joint.join(words) or "-"
    plain = {True: "yes", False: "no", None: "-"}
    return plain[value] if isinstance(value, bool | None) else str(value) or "-"


of_pause = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@click.command()
@of_pause
@with_kit
def pause(pipeline: Pipeline, kit: Kit, as_json: bool) -> None:
    """Pause a connection: all but consent waits, until `resume`.

    Contacts being synced now are finished. A no is still carried to the other side,
    and whoever said it is synced with it. `sync` and `apply` are orders, and work.

    Example: ghl-mailjet pause -c acme
    """
    kit.operator_pause.begin()
    if as_json:
        _tell_pause(kit)
        return
    click.echo(f"Connection {kit.connection.name!r} is paused; consent goes on.")
    click.echo("To go on: ghl-mailjet resume")


@click.command()
@of_pause
@with_kit
def resume(pipeline: Pipeline, kit: Kit, as_json: bool) -> None:
    """Let a connection go on that an operator paused; nothing was lost meanwhile.

    A pause that a vendor's failure made ends by itself.

    Example: ghl-mailjet resume -c acme
    """
    name = kit.connection.name
    was_paused = kit.operator_pause.end()
    if as_json:
        _tell_pause(kit)
        return
    click.echo(f"Connection {name!r} {'goes on' if was_paused else 'was not paused'}.")
    if (failure := kit.health.paused()) is not None:
        click.echo(f"It is still paused: {failure.reason}\n  {remedy(failure)}")


def _tell_pause(kit: Kit) -> None:
    failure, name = kit.health.paused(), kit.connection.name
    by_operator = kit.operator_pause.since_ms() is not None
    told = {"connection": name, "paused_by_operator": by_operator}
    click.echo(json.dumps({**told, "paused": failure and failure.reason}))
