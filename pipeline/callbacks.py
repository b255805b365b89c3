"""Where Mailjet posts events to: registered, watched and revived.

A callback is ours by its path, `/webhooks/mailjet/<connection>`. Mailjet has one of
each event; one on any other path is somebody else's and stays as it is.
"""

import logging
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from marshmallow import ValidationError

from pipeline.bootstrap import Kit
from pipeline.config import CONNECTION_VARIABLES
from pipeline.errors import ConfigError, PipelineError
from pipeline.findings import Finding, Level
from pipeline.mailjet.callbacks import Callback
from pipeline.mailjet.client import MailjetClient
from pipeline.permit import Lane, Permit
from pipeline.properties import Tell
from pipeline.settings.urls import BaseUrlField
from pipeline.sync.mail_event import EventKind

logger = logging.getLogger(__name__)

USER = "mailjet"
NOT_POLLED = frozenset({EventKind.SENT, EventKind.BLOCKED})
"""Mailjet has no feed of these: who has no callback does not hear of them."""
REGISTER = "run `ghl-mailjet setup --webhooks URL`"
DELETE_IT = "delete it in Mailjet (Account settings > Event notifications)"


def callback_url(kit: Kit, base_url: str) -> str:
    """The URL that Mailjet gets, with the password that the receiver asks for.

    Args:
        base_url: where the receiver is reached from outside, such as
            `https://sync.example.com`; may have a path.

    Raises:
        ConfigError: there is no password, or Mailjet could not post there safely.
    """
    secret = kit.connection.webhook_secret
    problems = []
    if not secret:
        variable = CONNECTION_VARIABLES["webhook_secret"]
        problems.append(
            f"{variable}: missing; put 16 or more of A-Z a-z 0-9 _ - in .env (or name "
            "the variable that holds it as webhook_secret_env in connections.toml)"
        )
    try:
        base = urlsplit(BaseUrlField().deserialize(base_url))
    except ValidationError as error:
        problems.append(f"--webhooks: {'; '.join(map(str, error.messages))}")
    if problems:
        raise ConfigError(problems)
    path = f"{base.path}{_path(kit)}"
    return f"{base.scheme}://{USER}:{secret}@{base.netloc}{path}"


def register(kit: Kit, base_url: str, tell: Tell) -> tuple[EventKind, ...]:
    """Have all events posted to us, and say what was done; safe to repeat.

    Returns:
        The events that do not come: somebody else's callback has them, or Mailjet does
        not revive ours.

    Raises:
        ConfigError: as `callback_url`.
        VendorError: Mailjet refused or did not answer.
    """
    url = callback_url(kit, base_url)
    mailjet = kit.mailjet(Permit(Lane.LIVE))
    known = _by_event(mailjet)
    for kind in EventKind:
        _put_in_place(mailjet, kind, known.get(kind), url, kit, tell)
    now = _by_event(mailjet)
    for kind in EventKind:
        if kind in now and _is_ours(now[kind], kit) and not now[kind].alive:
            tell(f"Mailjet callback of {kind}: still dead; {DELETE_IT} and {REGISTER}")
    good = {kind for kind, one in now.items() if one.alive and one.url == url}
    host = urlsplit(url).hostname
    tell(f"Mailjet posts {len(good)} of {len(EventKind)} events to {host}{_path(kit)}")
    return tuple(kind for kind in EventKind if kind not in good)


def dead_callbacks(kit: Kit) -> Iterator[Finding]:
    """What is wrong with our callbacks; nothing where webhooks are not in use."""
    secret = kit.connection.webhook_secret
    if not secret:
        return
    try:
        known = _by_event(kit.mailjet(Permit(Lane.LIVE)))
    except PipelineError as error:
        yield Finding(Level.WARNING, f"Mailjet callbacks: {error}")
        return
    ours = {kind: one for kind, one in known.items() if _is_ours(one, kit)}
    if not ours:
        return
    dead = [kind for kind, one in ours.items() if not one.alive]
    if dead:
        what = f"Mailjet gave up posting {', '.join(dead)}: polling alone tells of them"
        mend = f"see that the receiver is reached from outside, then {REGISTER}"
        yield Finding(Level.WARNING, what, mend)
    strange = [k for k, one in ours.items() if _split(one.url).password != secret]
    if strange:
        what = f"Mailjet posts {', '.join(strange)} with another password"
        yield Finding(Level.FAILURE, what, REGISTER)
    if not dead and not strange:
        yield Finding(Level.OK, "Mailjet callbacks")


def note_callbacks(kit: Kit) -> None:
    """Remember how many of our callbacks Mailjet still calls.

    Where it cannot be asked, what is remembered stays.
    """
    try:
        known = _by_event(kit.mailjet(Permit(Lane.LIVE)))
    except PipelineError as error:
        logger.warning("Mailjet callbacks: %s", error)
        return
    ours = {kind: one for kind, one in known.items() if _is_ours(one, kit)}
    dead = [kind for kind, one in ours.items() if not one.alive]
    kit.freshness.save_callbacks(len(ours) - len(dead), dead)


def _put_in_place(
    mailjet: MailjetClient,
    kind: EventKind,
    known: Callback | None,
    url: str,
    kit: Kit,
    tell: Tell,
) -> None:
    if known is None:
        mailjet.create_callback(kind, url)
        tell(f"Mailjet callback of {kind}: created")
    elif not _is_ours(known, kit):
        lost = "nobody hears of" if kind in NOT_POLLED else "only polling tells of"
        tell(
            f"Mailjet callback of {kind}: taken by another receiver and left alone; "
            f"{lost} these events. To have them at once {DELETE_IT} and {REGISTER}"
        )
    elif known.url != url or not known.alive:
        if known.url == url:
            # Only a URL that it did not have revives it, so it gets another one first.
            mailjet.replace_callback(known.id, f"{url}/")
        mailjet.replace_callback(known.id, url)
        done = "moved here" if known.alive else "was dead; revived"
        tell(f"Mailjet callback of {kind}: {done}")


def _by_event(mailjet: MailjetClient) -> dict[EventKind, Callback]:
    """Of each event that we know the callback in use; backups are not ours to touch."""
    kinds = set(EventKind)
    return {
        EventKind(one.event): one
        for one in mailjet.list_callbacks()
        if one.event in kinds and not one.is_backup
    }


def _is_ours(callback: Callback, kit: Kit) -> bool:
    return _split(callback.url).path.rstrip("/").endswith(_path(kit))


def _path(kit: Kit) -> str:
    return f"/webhooks/mailjet/{kit.connection.name}"


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
