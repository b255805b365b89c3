"""The `sandbox` command."""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.sandbox.settings import Settings

if TYPE_CHECKING:
    from pipeline.sandbox.world import World

MOST_CONTACTS = 1_000_000
READY = "Ready. Ctrl+C ends it and forgets everything."


def read_counts(
    context: click.Context, option: click.Parameter, text: str
) -> list[int]:
    """`200`, or `5000,200` where the first has more than those that follow."""
    counts = [int(part) for part in text.split(",") if part.isdecimal()]
    if len(counts) != text.count(",") + 1 or max(counts) > MOST_CONTACTS:
        raise click.BadParameter(f"{text} is no count up to {MOST_CONTACTS:,}")
    return counts


@click.command()
@click.option("--ghl-port", default=8480, show_default=True, help="0: a free one.")
@click.option("--mailjet-port", default=8481, show_default=True, help="0: a free one.")
@click.option(
    "--locations",
    default=1,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="GHL locations, each with a Mailjet account, on the same two ports.",
)
@click.option(
    "--contacts",
    default="200",
    show_default=True,
    callback=read_counts,
    metavar="N[,N...]",
    help="How many people to invent in GHL; 5000,200: in the first, in each other.",
)
@click.option(
    "--tasks-per-contact",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 100),
    help="0.5 is one for every second contact.",
)
@click.option(
    "--notes-per-contact",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 100),
)
@click.option(
    "--appointments-per-contact",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 100),
)
@click.option("--seed", default=1, show_default=True, help="Same seed, same people.")
@click.option(
    "--ghl-rate",
    default=Settings.ghl_rate,
    show_default=True,
    help="Calls per seconds, or off.",
)
@click.option(
    "--mailjet-rate",
    default=Settings.mailjet_rate,
    show_default=True,
    help="Calls per seconds, or off.",
)
@click.option(
    "--mailjet-send-rate",
    default=Settings.mailjet_send_rate,
    show_default=True,
    help="That of its Send API alone.",
)
@click.option(
    "--window",
    default=Settings.window,
    show_default=True,
    type=click.Choice(["sliding", "fixed"]),
    help="How both vendors count their rate.",
)
@click.option(
    "--retry-after/--no-retry-after",
    default=Settings.retry_after,
    show_default=True,
    help="Whether a 429 says how long to wait.",
)
@click.option(
    "--latency-ms",
    default=Settings.latency_ms,
    show_default=True,
    help="Added to every answer.",
)
@click.option(
    "--values-rewritten",
    type=click.IntRange(min=1),
    metavar="N",
    help="Mailjet cuts text values to N characters.",
)
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the addresses and keys here, once both ports listen.",
)
@click.option(
    "--connections-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a connections.toml here, which names the variables of the env file.",
)
def sandbox(
    ghl_port: int,
    mailjet_port: int,
    locations: int,
    contacts: list[int],
    tasks_per_contact: float,
    notes_per_contact: float,
    appointments_per_contact: float,
    seed: int,
    env_file: Path | None,
    connections_file: Path | None,
    **options: Any,
) -> None:
    """A GoHighLevel and a Mailjet on this machine, full of invented people.

    Nothing leaves the machine, nothing is kept. See how it is going, or break it, under
    /_sandbox/ on the GHL port.

    Example: ghl-mailjet sandbox --contacts 1000 --env-file sandbox.env
    """
    try:
        settings = Settings(**options)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    try:
        # aiohttp is an extra; without it the other commands must still start.
        from pipeline.sandbox.server import serve
        from pipeline.sandbox.variables import connections, variables
        from pipeline.sandbox.world import World
    except ModuleNotFoundError as missing:
        hint = "install it with: pip install -c constraints.txt '.[sandbox]'"
        raise click.ClickException(f"{missing.name} is missing; {hint}") from None
    plenty = {
        "tasks": tasks_per_contact,
        "notes": notes_per_contact,
        "appointments": appointments_per_contact,
    }
    worlds = [
        World(
            replace(settings),
            contacts=contacts[min(number, len(contacts)) - 1],
            seed=seed,
            plenty=plenty,
            number=number,
        )
        for number in range(1, locations + 1)
    ]

    def on_ready(ghl_url: str, mailjet_url: str) -> None:
        env = variables(worlds, ghl_url, mailjet_url)
        if env_file:
            _write(env_file, "".join(f"{key}={text}\n" for key, text in env.items()))
        if connections_file:
            _write(connections_file, connections(worlds, ghl_url, mailjet_url))
        _greet(env, worlds, env_file)

    try:
        asyncio.run(serve(worlds, ghl_port, mailjet_port, on_ready))
    except OSError as problem:
        raise click.ClickException(str(problem)) from None


def _write(path: Path, text: str) -> None:
    """Write a file; a reader sees all of it or none."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    Path(name).replace(path)


def _greet(
    env: dict[str, str], worlds: "Sequence[World]", env_file: Path | None
) -> None:
    ghl, mailjet = env["GHL_BASE_URL"], env["MAILJET_BASE_URL"]
    people = sum(len(world.location.book.rows) for world in worlds)
    known = sum(len(world.account.contacts) for world in worlds)
    settings = worlds[0].settings
    if len(worlds) > 1:
        click.echo(f"Locations    {len(worlds)}, with a Mailjet account each")
    click.echo(f"GoHighLevel  {ghl}  contacts: {people}, rate {settings.ghl_rate}")
    click.echo(
        f"Mailjet      {mailjet}  subscribers: {known}, rate {settings.mailjet_rate}"
    )
    click.echo(f"What was asked      curl {ghl}/_sandbox/stats")
    click.echo(
        f'Break something     curl {ghl}/_sandbox/faults -d \'{{"kind":"500"}}\''
    )
    if env_file:
        click.echo(f"Addresses and keys  {env_file}")
    else:
        click.echo("\n".join(f"  {key}={value}" for key, value in env.items()))
    click.echo(READY)
