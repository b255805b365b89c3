"""What a person did with the mails of a campaign, and the note that tells it.

It is kept as marks, each with the newest time at which it was set. Of two marks the
later time counts, so events may come in any order, and more than once.
"""

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pipeline.sync.aggregates import shorten
from pipeline.sync.mail_event import EventKind, MailEvent

NAME, MAIL, OPENED, CLICKED = "n", "m", "o", "c"
"""Kinds of marks, as they are stored."""
URLS_TOLD = 10
URL_LENGTH = 500
NAME_LENGTH = 200
REFERENCE = re.compile(r"\[mj:campaign:([0-9]{1,20})\]")


class Mark(NamedTuple):
    """One thing that is known: a campaign, a kind, and a name, mail or link."""

    campaign_id: int
    kind: str
    what: str


@dataclass(frozen=True)
class Campaign:
    """One campaign, as far as one person is concerned.

    Args:
        mails: copies of its mails that the person was sent.
        opened: of these; who clicked a link has opened the mail.
        clicked: links, the newest first.
    """

    id: int
    name: str
    mails: int
    opened: int
    clicked: tuple[str, ...] = field(repr=False)
    last_ms: int

    def text(self, zone: ZoneInfo) -> str:
        """The note, with its reference."""
        words = f"Mailjet campaign {self.name or self.id}: "
        words += f"opened {self.opened} of {self.mails}"
        if self.clicked:
            told = [shorten(url, URL_LENGTH) for url in self.clicked[:URLS_TOLD]]
            words += f", clicked {', '.join(told)}"
        if more := self.clicked[URLS_TOLD:]:
            words += f" and {len(more)} more"
        last = datetime.fromtimestamp(self.last_ms / 1000, zone)
        return f"{words} (last: {last:%Y-%m-%d})\n\n[mj:campaign:{self.id}]"


def marks(event: MailEvent) -> dict[Mark, int]:
    """What an event leaves behind, with its time; nothing where it has no campaign."""
    if not event.campaign_id:
        return {}
    message = str(event.message_id)
    told = [(MAIL, message)]
    if event.campaign:
        told.append((NAME, shorten(event.campaign, NAME_LENGTH)))
    if event.kind in (EventKind.OPEN, EventKind.CLICK):
        told.append((OPENED, message))
    if event.kind is EventKind.CLICK and event.url:
        told.append((CLICKED, event.url))
    return {Mark(event.campaign_id, *one): event.at_ms for one in told}


def campaigns(found: Mapping[Mark, int]) -> dict[int, Campaign]:
    """All that the marks tell, by campaign."""
    by_campaign: dict[int, dict[Mark, int]] = {}
    for mark, at_ms in found.items():
        by_campaign.setdefault(mark.campaign_id, {})[mark] = at_ms
    return {id_: _campaign(id_, own) for id_, own in by_campaign.items()}


def _campaign(campaign_id: int, own: Mapping[Mark, int]) -> Campaign:
    newest = sorted(own, key=lambda mark: (-own[mark], mark))
    by_kind: dict[str, list[str]] = {NAME: [], MAIL: [], OPENED: [], CLICKED: []}
    for mark in newest:
        by_kind[mark.kind].append(mark.what)
    return Campaign(
        campaign_id,
        next(iter(by_kind[NAME]), ""),
        _count({*by_kind[MAIL], *by_kind[OPENED]}),
        _count(by_kind[OPENED]),
        tuple(by_kind[CLICKED]),
        max(own.values()),
    )


def _count(messages: Iterable[str]) -> int:
    """How many mails; one that is not told may be any of the others."""
    known = set(messages)
    return max(len(known - {"0"}), min(len(known), 1))


def campaign_of(body: str) -> int | None:
    """The campaign that a note with this body tells of; None for any other note.

    An editor of HTML may have written the brackets as entities.
    """
    found = REFERENCE.search(html.unescape(body))
    return int(found[1]) if found else None
