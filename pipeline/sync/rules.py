"""Rules: which events of a mail become which work in GHL.

A rule says what it waits for and does one of three things: it adds a tag, makes a task,
or keeps a note about the campaign. What it makes carries a visible reference, by which
whoever comes back finds it.
"""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from pipeline.sync.activity import Task
from pipeline.sync.aggregates import TITLE_LENGTH, cut, shorten
from pipeline.sync.mail_event import EventKind, MailEvent
from pipeline.sync.wishes import BODY_LENGTH

EVENT = "e"
"""Something happened to a mail that a rule waits for; a letter as those of
`around.Kind`, stored beside them."""
COUNTED = frozenset({EventKind.SENT, EventKind.OPEN, EventKind.CLICK})
"""What a campaign's note counts, whichever of them have it written."""
REFERENCE = re.compile(r"\[mj:([a-z0-9-]{1,40}):([0-9a-f]{8})\]")


@dataclass(frozen=True)
class Rule:
    """One of `tag`, `task` and `note` is set: what is done.

    Args:
        on: the events that it waits for.
        url_contains: of clicks, in any case of letters; "" is every link.
        campaign: pattern of the sender's name of the campaign, or of its number.
        tag: added to the contact.
        task: title of a task, in which `{url}`, `{campaign}` and `{when}` are filled.
        due_days: from when the task is made to its due date.
        assignee: GHL user who gets the task of a contact that nobody is assigned to.
        note: `summary` keeps one note for each campaign and contact.
    """

    name: str
    on: frozenset[EventKind]
    url_contains: str = ""
    campaign: str = "*"
    tag: str = ""
    task: str = ""
    due_days: int = 1
    assignee: str = ""
    note: str = ""

    def wants(self, event: MailEvent) -> bool:
        """Whether the event is to be answered."""
        return (
            event.kind in self.on
            and self.url_contains.casefold() in event.url.casefold()
            and self._is_of_campaign(event)
        )

    def counts(self, event: MailEvent) -> bool:
        """Whether the event is part of what a note of this rule tells."""
        is_told = self.note and event.campaign_id and event.kind in COUNTED
        return bool(is_told and self._is_of_campaign(event))

    def _is_of_campaign(self, event: MailEvent) -> bool:
        names = (event.campaign.casefold(), str(event.campaign_id))
        return any(fnmatchcase(name, self.campaign.casefold()) for name in names)

    def title(self, event: MailEvent, zone: ZoneInfo) -> str:
        filled = self.task.format(
            url=event.url, campaign=_campaign(event), when=_when(event, zone)
        )
        return shorten(filled, TITLE_LENGTH) or self.name

    def body(self, event: MailEvent, zone: ZoneInfo) -> str:
        """What happened, and the reference."""
        words = (event.kind, event.url, _campaign(event), _when(event, zone))
        told = cut("Mailjet: " + ", ".join(filter(None, words)), BODY_LENGTH)
        return f"{told}\n\n[mj:{self.name}:{digest(event)}]"

    def events_of(self, task: Task) -> set[str]:
        """Digests of the events that the task was made for by this rule.

        An editor of HTML may have written the brackets as entities.
        """
        found = REFERENCE.findall(html.unescape(task.body))
        return {of_event for name, of_event in found if name == self.name}


def wants(rules: Iterable[Rule], event: MailEvent) -> bool:
    """Whether some rule waits for the event."""
    return any(rule.wants(event) for rule in rules)


def counts(rules: Iterable[Rule], event: MailEvent) -> bool:
    """Whether some note tells of the event."""
    return any(rule.counts(event) for rule in rules)


def wanted(rules: Iterable[Rule], event: MailEvent) -> bool:
    """Whether the event is to be kept at all."""
    return any(rule.wants(event) or rule.counts(event) for rule in rules)


def digest(event: MailEvent) -> str:
    """8 hex digits that tell an event from the others of its person."""
    return event.digest(4).hex()


def _campaign(event: MailEvent) -> str:
    return event.campaign or str(event.campaign_id or "")


def _when(event: MailEvent, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(event.at_ms / 1000, zone):%Y-%m-%d %H:%M}"
