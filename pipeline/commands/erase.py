"""`ghl-mailjet erase`: a person, on both sides and in our state, with a certificate."""

import json
import secrets
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from pipeline.bootstrap import Kit, Pipeline
from pipeline.command_line import fail, with_kit
from pipeline.erasing import Deletions, Erasure, erase
from pipeline.errors import ConfigError, PipelineError
from pipeline.person import Person, find

WORD = "erase"
STAYS = (
    "Mailjet: a row without address or name is listed for 30 days; statistics of mails "
    "that were sent stay, without the person.",
    "GHL: what it keeps itself of deleted contacts, and in its logs, as its terms say.",
    "Here: keyed hashes of events and webhooks, which tell no address, for up to "
    "10 days; the contact's id for up to 2 hours once GHL tells of the deletion, and "
    "until the end of a listing under way.",
    "Backups of Redis and exports of either side: until you delete them.",
    "An earlier address of the person that was replaced long ago is another subscriber "
    "in Mailjet: erase it by that address.",
)


@click.command(WORD)
@click.argument("who", metavar="EMAIL|CONTACT_ID")
@click.option("--yes", is_flag=True, help="Ask nothing; for scripts.")
@click.option(
    "--certificate",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the certificate is written; a new file in this directory by default.",
)
@click.option("--json", "as_json", is_flag=True, help="The certificate; needs --yes.")
@with_kit
def erase_person(
    pipeline: Pipeline,
    kit: Kit,
    who: str,
    yes: bool,
    certificate: Path | None,
    as_json: bool,
) -> None:
    """Erase a person in GHL, in Mailjet and here, for good.

    Every contact with the address is the same person. Repeating it does no harm, and
    finishes what was interrupted. Exit code 1 if something of it was not erased.

    Example: ghl-mailjet erase gTqCpqZlEsF0mRTBJz3k
    """
    if as_json and not yes:
        raise click.UsageError("--json asks nothing, so it goes with --yes")
    if kit.settings.read_only:
        raise ConfigError(["SYNC_MODE=read-only: nothing can be erased"])
    if pause := kit.health.paused():
        fail(1, f"Nothing was erased. The connection is paused: {pause.reason}")
    started = datetime.now(UTC)
    number = secrets.token_hex(16)
    path = certificate or Path(f"erasure-{started:%Y%m%dT%H%M%SZ}-{number[:8]}.json")
    if path.exists() or not path.parent.is_dir():
        fail(2, f"--certificate: {path} exists, or its directory does not")
    person = find(kit, who)
    if not person.is_known:
        fail(1, f"{who}: neither side has such a person, and nothing is kept of one.")
    if not as_json:
        _show(person)
    if not yes:
        _confirm(person)
    try:
        done = erase(kit, pipeline.inbox, person)
    except PipelineError as error:
        fail(
            1,
            f"Not finished, and no certificate: {type(error).__name__}: {error}",
            "What was erased is; run the same again for the rest.",
        )
    told = {
        "certificate": number,
        "product": f"ghl-mailjet {version('ghl-mailjet')}",
        "connection": kit.connection.name,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "erased": _erased(done),
        "stays": STAYS,
    }
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(told, indent=2) + "\n")
    except OSError as error:
        fail(1, f"Erased, but the certificate was not written: {error.strerror}")
    if as_json:
        click.echo(json.dumps({**told, "file": str(path)}))
    else:
        click.echo(f"{_summary(done)}\nCertificate: {path}")


def _show(person: Person) -> None:
    """What will be erased; addresses are not repeated."""
    contacts, subscribers = person.ghl_ids, person.mailjet_ids
    click.echo(f"In GHL, contacts: {len(contacts)}{_listed(contacts)}")
    if person.gone_ids:
        gone = person.gone_ids
        click.echo(f"  not there, or no more: {len(gone)}{_listed(gone)}")
    click.echo(f"In Mailjet, subscribers: {len(subscribers)}{_listed(subscribers)}")
    click.echo("Here: all that is kept of them.")
    if not (contacts or subscribers):
        click.echo("Neither side has such a person: check how it is written.")
    if moved := person.moved_ids:
        click.echo(
            f"Left, as GHL has them under another address now:{_listed(moved)}. Erase "
            "them by that id if they are meant."
        )


def _listed(ids: tuple[object, ...]) -> str:
    return f" ({', '.join(map(str, ids))})" if ids else ""


def _confirm(person: Person) -> None:
    words = {WORD, *person.ghl_ids, *person.gone_ids}
    typed = click.prompt(
        f"This cannot be taken back. Type `{WORD}`, or the contact's id, to go on",
        default="",
        show_default=False,
    )
    if typed.strip() not in words:
        fail(1, "Nothing was erased.")


def _erased(done: Erasure) -> dict[str, Any]:
    return {
        "ghl": _deletions("DELETE /contacts/:contactId", done.ghl),
        "mailjet": _deletions("DELETE /v4/contacts/:contactId", done.mailjet),
        "state": {"entries": done.state_entries},
        "inbox": {"entries": done.inbox_entries},
    }


def _deletions(route: str, done: Deletions) -> dict[str, Any]:
    return {
        "route": route,
        "erased": len(done.statuses),
        "http_statuses": done.statuses,
        "gone_already": done.gone_already,
    }


def _summary(done: Erasure) -> str:
    return (
        f"Erased: {len(done.ghl.statuses)} in GHL, {len(done.mailjet.statuses)} in "
        f"Mailjet, {done.state_entries + done.inbox_entries} entries here; gone "
        f"already: {done.ghl.gone_already + done.mailjet.gone_already}."
    )
