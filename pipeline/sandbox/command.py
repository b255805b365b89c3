"""The `sandbox` command."""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.sandbox.settings import Settings

if TYPE_CHECKING:
    from pipeline.sandbox.world import World

READY = "Ready. Ctrl+C ends it and forgets everything."


@click.command()
@click.option("--ghl-port", default=8480, show_default=True, help="0: a free one.")
@click.option("--mailjet-port", default=8481, show_default=True, help="0: a free one.")
@click.option(
    "--contacts",
    default=200,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    help="How many people to invent in GHL.",
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
def sandbox(
    ghl_port: int,
    mailjet_port: int,
    contacts: int,
    tasks_per_contact: float,
    notes_per_contact: float,
    appointments_per_contact: float,
    seed: int,
    env_file: Path | None,
    **options: Any,
) -> None:
    """A GoHighLevel and a Mailjet on this machine, full of invented people.

    Nothing leaves the machine, nothing is kept. See how it is going, or break it, under
    /_sandbox/ on the GHL port.
    """
    try:
        settings = Settings(**options)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    try:
        # aiohttp is an extra; without it the other commands must still start.
        from pipeline.sandbox.server import serve
        from pipeline.sandbox.world import World
    except ModuleNotFoundError as missing:
        hint = "install it with: pip install 'ghl-mailjet[sandbox]'"
        raise click.ClickException(f"{missing.name} is missing; {hint}") from None
    plenty = {
        "tasks": tasks_per_contact,
        "notes": notes_per_contact,
        "appointments": appointments_per_contact,
    }
    world = World(settings, contacts=contacts, seed=seed, plenty=plenty)

    def on_ready(env: dict[str, str]) -> None:
        if env_file:
            write_env_file(env_file, env)
        _greet(env, world, env_file)

    try:
        asyncio.run(serve(world, ghl_port, mailjet_port, on_ready))
    except OSError as problem:
        raise click.ClickException(str(problem)) from None


def write_env_file(path: Path, env: dict[str, str]) -> None:
    """Write `NAME=value` lines for dotenv; a reader sees all of them or none."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{key}={value}\n" for key, value in env.items())
    Path(name).replace(path)


def _greet(env: dict[str, str], world: "World", env_file: Path | None) -> None:
    ghl, mailjet = env["GHL_BASE_URL"], env["MAILJET_BASE_URL"]
    people, known = len(world.location.book.rows), len(world.account.contacts)
    settings = world.settings
    click.echo(f"GoHighLevel  {ghl}  {people} contacts, rate {settings.ghl_rate}")
    click.echo(f"Mailjet      {mailjet}  {known} subscribers, {settings.mailjet_rate}")
    click.echo(f"What was asked      curl {ghl}/_sandbox/stats")
    click.echo(
        f'Break something     curl {ghl}/_sandbox/faults -d \'{{"kind":"500"}}\''
    )
    if env_file:
        click.echo(f"Addresses and keys  {env_file}")
    else:
        click.echo("\n".join(f"  {key}={value}" for key, value in env.items()))
    click.echo(READY)
