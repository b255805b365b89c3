"""Rules: which changes of a contact, and events of its mails, become which work.

A rule says what it waits for, on what condition, and what it does. What it makes in GHL
carries a visible reference, by which whoever comes back finds it.
"""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TypeVar
from zoneinfo import ZoneInfo

from pipeline.sync.activity import Task
from pipeline.sync.aggregates import TITLE_LENGTH, cut, shorten
from pipeline.sync.deeds import Deed, KeepSummary
from pipeline.sync.expression import Expression
from pipeline.sync.mail_event import EventKind, MailEvent
from pipeline.sync.triggers import Change
from pipeline.sync.wishes import BODY_LENGTH

EVENT = "e"
"""Something happened that a rule waits for, or an order is to be decided; a letter as
those of `around.Kind`, stored beside them."""
COUNTED = frozenset({EventKind.SENT, EventKind.OPEN, EventKind.CLICK})
"""What a campaign's note counts, whichever of them have it written."""
REFERENCE = re.compile(r"\[mj:([a-z0-9-]{1,40}):([0-9a-f]{8})\]")

AnyDeed = TypeVar("AnyDeed", bound=Deed)


@dataclass(frozen=True)
class Rule:
    """What is done on what condition.

    Args:
        on: the triggers that it waits for: of `Trigger`, and of `EventKind`.
        when: a condition over the contact and the change; None is always.
        url_contains: of clicks, in any case of letters; "" is every link.
        campaign: pattern of the sender's name of the campaign, or of its number.
        hours_before: of what is due or soon: how long before it the rule fires.
        existing: of `created`: it fires for contacts that were there before as well.
    """

    name: str
    on: frozenset[str]
    do: tuple[Deed, ...] = ()
    when: Expression | None = None
    url_contains: str = ""
    campaign: str = "*"
    hours_before: int = 0
    existing: bool = False

    def deeds(self, kind: type[AnyDeed]) -> tuple[AnyDeed, ...]:
        """Those of one kind."""
        return tuple(deed for deed in self.do if isinstance(deed, kind))

    def wants(self, event: MailEvent) -> bool:
        """Whether the event may be one to answer; the condition is asked later."""
        return (
            event.kind in self.on
            and self.url_contains.casefold() in event.url.casefold()
            and self._is_of_campaign(event)
        )

    def counts(self, event: MailEvent) -> bool:
        """Whether the event is part of what a note of this rule tells."""
        is_told = event.campaign_id and event.kind in COUNTED
        keeps = bool(self.deeds(KeepSummary))
        return bool(keeps and is_told and self._is_of_campaign(event))

    def _is_of_campaign(self, event: MailEvent) -> bool:
        names = (event.campaign.casefold(), str(event.campaign_id))
        return any(fnmatchcase(name, self.campaign.casefold()) for name in names)

    def filled(self, text: str, change: Change, zone: ZoneInfo) -> str:
        """A text of the rule's with what it tells of a change.

        Of other fields than `{url}`, `{campaign}`, `{what}` and `{when}` none is there.
        """
        event = change.event
        return text.format(
            url=event.url if event else "",
            campaign=_campaign(event) if event else "",
            what=change.what,
            when=_when(change, zone),
        )

    def title(self, text: str, change: Change, zone: ZoneInfo) -> str:
        """A task's title."""
        return shorten(self.filled(text, change, zone), TITLE_LENGTH) or self.name

    def body(self, change: Change, zone: ZoneInfo) -> str:
        """What happened, and the reference."""
        event = change.event
        if event:
            told: tuple[str, ...] = (event.kind, event.url, _campaign(event))
        else:
            told = (change.trigger.replace("_", " "), change.what)
        origin = "Mailjet" if event else "Rule"
        words = f"{origin}: " + ", ".join(filter(None, (*told, _when(change, zone))))
        return f"{cut(words, BODY_LENGTH)}\n\n{self.reference(change)}"

    def reference(self, change: Change) -> str:
        """By which what was made for a change is known again."""
        return f"[mj:{self.name}:{change.digest}]"

    def changes_of(self, task: Task) -> set[str]:
        """Digests of the changes that the task was made for by this rule.

        An editor of HTML may have written the brackets as entities.
        """
        found = REFERENCE.findall(html.unescape(task.body))
        return {of_change for name, of_change in found if name == self.name}


def wants(rules: Iterable[Rule], event: MailEvent) -> bool:
    """Whether some rule waits for the event."""
    return any(rule.wants(event) for rule in rules)


def counts(rules: Iterable[Rule], event: MailEvent) -> bool:
    """Whether some note tells of the event."""
    return any(rule.counts(event) for rule in rules)


def wanted(rules: Iterable[Rule], event: MailEvent) -> bool:
    """Whether the event is to be kept at all."""
    return any(rule.wants(event) or rule.counts(event) for rule in rules)


def _campaign(event: MailEvent) -> str:
    return event.campaign or str(event.campaign_id or "")


def _when(change: Change, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(change.at_ms / 1000, zone):%Y-%m-%d %H:%M}"
