"""What is planned: turns of contacts, their writes, and what each changes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

Calls = Mapping[str, Mapping[str, int]]
"""Vendor to route to a number of calls."""
Named = TypeVar("Named", bound=StrEnum)


class Kind(StrEnum):
    """What a write is for, as the totals name it."""

    NEW_SUBSCRIBER = "subscribers made"
    SUBSCRIBER = "subscribers changed"
    LISTS = "places in lists changed"
    EXCLUSION = "exclusions changed"
    HISTORY = "history entries added"
    ERASURE = "people deleted in Mailjet"
    DND = "e-mail DND changed"
    FIELDS = "contacts changed"
    TAGS = "tags added"
    TAGS_GONE = "tags removed"
    NOTE = "notes written"
    TASK = "tasks made"
    NEW_CONTACT = "contacts made"
    DELETION = "contacts deleted in GHL"
    MAIL = "mails"
    DRAFT = "campaigns scheduled"
    WEBHOOK = "webhooks called"


class Effect(StrEnum):
    """What a write does to whether a person is mailed."""

    UNSUBSCRIBED = "unsubscribed"
    ENTERED_CLOSED = "entered as unsubscribed"
    EXCLUDED = "excluded from campaigns"
    BLOCKED = "blocked in GHL"
    SUBSCRIBED = "put on a list for the first time"
    RESUBSCRIBED = "subscribed again"
    INCLUDED = "included in campaigns again"
    UNBLOCKED = "unblocked in GHL"
    TRANSACTIONAL = "sent a transactional mail although opted out"


@dataclass(frozen=True)
class Change:
    """One thing that becomes another; None is nothing there.

    Args:
        what: such as `property city`, `list 123`, `tag`, `note`.
    """

    what: str
    before: object = field(default=None, repr=False)
    after: object = field(default=None, repr=False)


@dataclass(frozen=True)
class Write:
    """One call that writes.

    Args:
        digest: see `planning.digests`.
    """

    vendor: str
    route: str
    kind: Kind
    digest: bytes
    effects: tuple[Effect, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Turn:
    """One sync of a contact; a contact that wakes another, or itself, has several.

    Args:
        outcome: as a sync names it; "" where it failed.
        letters: kinds of activities to point at before, beside what state points at.
        group: contacts that share an address have the same number, and their turns
            keep their order; 0 for all others.
        calls: vendor and route of each call, the reads too.
        problem: why it could not be planned; no address, no name.
        left_alone: what could not be read, each with the reason.
        remarks: as of a sync's result.
    """

    contact_id: str
    outcome: str = ""
    letters: str = ""
    group: int = 0
    writes: tuple[Write, ...] = ()
    calls: Mapping[tuple[str, str], int] = field(default_factory=dict)
    problem: str = ""
    left_alone: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a sync of contacts would do.

    Args:
        list_id: Mailjet's list that the connection keeps.
        map_digest: of the mapping.
        made_ms: milliseconds since 1970 UTC.
        is_whole: of everybody; applying reads anew who said no then.
        before: calls that applying makes beside the turns.
        remarks: what is good to know.
        untold: what the plan cannot tell.
    """

    connection: str
    location_id: str
    list_id: int
    map_digest: bytes
    made_ms: int
    is_whole: bool
    turns: tuple[Turn, ...] = ()
    before: Calls = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[Turn, ...]:
        """Turns to apply: those that write, and those without which others with the
        same address would be judged otherwise."""
        groups = {turn.group for turn in self.turns if turn.group and turn.writes}
        return tuple(
            turn
            for turn in self.turns
            if turn.writes or (turn.group in groups and not turn.problem)
        )

    @property
    def totals(self) -> "Totals":
        """Of all contacts."""
        return totals_of((turn, turn.outcome, turn.writes) for turn in self.turns)

    @property
    def calls(self) -> dict[str, dict[str, int]]:
        """What applying costs, the busiest route first."""
        found: dict[str, Counter[str]] = {"ghl": Counter(), "mailjet": Counter()}
        for vendor, routes in self.before.items():
            found[vendor].update(routes)
        for turn in self.needed:
            for (vendor, route), number in turn.calls.items():
                found[vendor][route] += number
        return {vendor: dict(routes.most_common()) for vendor, routes in found.items()}


@dataclass(frozen=True)
class Totals:
    """Numbers of turns by outcome, of writes by kind and route, of people by effect."""

    outcomes: Mapping[str, int]
    kinds: Mapping[str, int]
    routes: Mapping[str, int]
    effects: Mapping[str, int]


def totals_of(rows: Iterable[tuple[Turn, str, Iterable[Write]]]) -> Totals:
    """Count turns with what came, or would come, of them.

    Args:
        rows: the turn, its outcome, the writes that were made or are planned.
    """
    outcomes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    routes: Counter[str] = Counter()
    people: dict[Effect, set[str]] = {effect: set() for effect in Effect}
    for turn, outcome, writes in rows:
        outcomes[outcome or "failed"] += 1
        for write in writes:
            kinds[str(write.kind)] += 1
            routes[f"{write.vendor} {write.route}"] += 1
            for effect in write.effects:
                people[effect].add(turn.contact_id)
    effects = {str(effect): len(ids) for effect, ids in people.items() if ids}
    return Totals(
        dict(outcomes.most_common()),
        dict(kinds.most_common()),
        dict(routes.most_common()),
        effects,
    )
