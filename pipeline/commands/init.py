"""`ghl-mailjet init`: a connection from a template, by a few questions or by flags."""

import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
from dotenv import dotenv_values
from marshmallow import ValidationError

from pipeline.command_line import fail
from pipeline.config import CONNECTION_VARIABLES, CONNECTIONS_FILE_VARIABLE
from pipeline.new_connection import (
    SCHEMA,
    SECRETS,
    NewConnection,
    add_connection,
    add_variables,
    connections_in,
    templates,
    without_value,
    write_schema,
)
from pipeline.settings.schema import ConnectionSchema

ENV_FILE = Path(".env")
FILE = "connections.toml"
QUESTIONS = {
    "ghl_token": "GHL token: Settings > Private Integrations (Enter: later)",
    "mailjet_api_key": "Mailjet API key: Account settings > API keys (Enter: later)",
    "mailjet_secret_key": "Mailjet secret key (Enter: later)",
}
NEXT = ("check", "fields", "setup", "plan", "resync --watch")


def _as(key: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Judge a flag as the same key of `connections.toml`."""

    def judge(
        context: click.Context, option: click.Parameter, text: str | None
    ) -> str | None:
        return None if text is None else _judged(key, text)

    return judge


def _judged(key: str, text: str) -> str:
    try:
        return str(ConnectionSchema().fields[key].deserialize(text.strip()))
    except ValidationError as error:
        raise click.BadParameter("; ".join(map(str, error.messages))) from None


@click.command()
@click.option(
    "--template",
    type=click.Choice(list(templates())),
    help="What the connection is for: core, unless you are asked.",
)
@click.option("-c", "--connection", callback=_as("name"), metavar="NAME")
@click.option(
    "--location",
    callback=_as("ghl_location_id"),
    metavar="ID",
    help="Id in the address of the sub-account's GHL pages.",
)
@click.option(
    "--list",
    "list_id",
    type=click.IntRange(min=1),
    metavar="ID",
    help="The Mailjet list that is kept; without it setup makes one.",
)
@click.option("--ghl-base-url", callback=_as("ghl_base_url"), metavar="URL")
@click.option("--mailjet-base-url", callback=_as("mailjet_base_url"), metavar="URL")
@click.option("--yes", is_flag=True, help="Ask nothing; secrets are filled in later.")
def init(
    template: str | None,
    connection: str | None,
    location: str | None,
    list_id: int | None,
    ghl_base_url: str | None,
    mailjet_base_url: str | None,
    yes: bool,
) -> None:
    """Write a connection into connections.toml, from a template.

    Makes the file, or adds to it; writes its JSON Schema beside it, and adds what is
    missing to .env. Secrets are asked for where there is a terminal, and never a flag.

    Example: ghl-mailjet init --template newsletter -c acme --location ID
    """
    path = Path(_setting(CONNECTIONS_FILE_VARIABLE) or FILE)
    asks = not yes and sys.stdin.isatty()
    there = _connections(path)
    if asks:
        template = template or _ask_template()
        connection = connection or _ask("Name of the connection", "name")
        location = location or _ask(
            "Id of the GHL location (in the address of its pages)", "ghl_location_id"
        )
        if list_id is None:
            list_id = _ask_list()
    missing = {"--connection": connection, "--location": location}
    if connection is None or location is None:
        flags = " and ".join(flag for flag, value in missing.items() if value is None)
        fail(2, f"init needs {flags}: nobody can be asked here")
    if connection in there:
        fail(2, f"{path} has a connection {connection!r} already: choose another name")
    facts = {
        "ghl_location_id": location,
        "mailjet_list_id": list_id,
        "ghl_base_url": ghl_base_url,
        "mailjet_base_url": mailjet_base_url,
    }
    new = NewConnection(connection, template or "core", facts)
    secrets = _secrets(new, asks=asks)
    _write(path, new, secrets)
    _say(path, new, there)


def _setting(name: str) -> str | None:
    return os.environ.get(name) or dotenv_values(ENV_FILE).get(name)


def _connections(path: Path) -> list[str]:
    try:
        return connections_in(path)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        fail(2, f"{path}: {error}")


def _ask(question: str, key: str) -> str:
    return str(click.prompt(question, value_proc=lambda text: _judged(key, text)))


def _ask_template() -> str:
    known = templates()
    for name, purpose in known.items():
        click.echo(f"  {name:16} {purpose}")
    choice = click.Choice(list(known))
    return str(click.prompt("Template", default="core", type=choice))


def _ask_list() -> int | None:
    question = "Id of the Mailjet list to keep (0: setup makes one)"
    return click.prompt(question, default=0, type=click.IntRange(min=0)) or None


def _secrets(new: NewConnection, *, asks: bool) -> dict[str, str]:
    """Variable to secret, of those that are not set; empty when it comes later."""
    found = {}
    for secret in SECRETS:
        variable = new.variables[secret]
        if without_value(ENV_FILE, [variable]):
            found[variable] = _ask_secret(QUESTIONS[secret]) if asks else ""
    return found


def _ask_secret(question: str) -> str:
    typed = click.prompt(question, default="", hide_input=True, show_default=False)
    return str(typed).strip()


def _write(path: Path, new: NewConnection, secrets: dict[str, str]) -> None:
    variables = dict(secrets)
    if not _setting(CONNECTIONS_FILE_VARIABLE):
        variables[CONNECTIONS_FILE_VARIABLE] = str(path)
    try:
        add_connection(path, new)
        write_schema(path.parent)
        add_variables(ENV_FILE, variables)
    except tomllib.TOMLDecodeError as error:
        fail(2, f"{path}: a table cannot be added at its end: {error}")
    except OSError as error:
        fail(1, f"{error.filename}: {error.strerror}")


def _say(path: Path, new: NewConnection, others: list[str]) -> None:
    what = f"connection {new.name!r} from the template {new.template}"
    click.echo(f"{path}: {what}")
    click.echo(f"{path.with_name(SCHEMA)}: what an editor checks it with")
    if empty := without_value(ENV_FILE, new.variables.values()):
        click.echo(f"{ENV_FILE}: fill in {', '.join(empty)}")
    if not others and any(_setting(CONNECTION_VARIABLES[key]) for key in SECRETS):
        click.echo(f"GHL_TOKEN and the like are no longer read: {path} counts now")
    which = f" -c {new.name}" if others else ""
    click.echo("Next:")
    for command in NEXT:
        click.echo(f"  ghl-mailjet {command}{which}")
