"""From both sides and the snapshot to the full list of writes, before any is run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.sync.actions import (
    Action,
    Edit,
    Exclude,
    Include,
    Resubscribe,
    Retire,
    SetLists,
    Unsubscribe,
    Upsert,
)
from pipeline.sync.blocking import Block, Unblock
from pipeline.sync.consent import Record, Verdict
from pipeline.sync.contact import ListAction, Subscriber
from pipeline.sync.mapping import NAME, FieldMap, is_clearable, written
from pipeline.sync.snapshot import UNKNOWN, Fingerprint, Snapshot


@dataclass(frozen=True)
class Inheritance:
    """What an old address hands over when the contact's address changed.

    Mailjet cannot change an address (PUT /contact takes no `Email`; Mailjet, contact
    resource, read 2026-11), so a changed address is a new subscriber.

    Args:
        lists: where the old address is subscribed.
        properties: its values, ours and others'.
        leaves: how the old address leaves our lists; empty where it stays as it is:
            another contact has it, or Mailjet has it no more. Who said no is
            unsubscribed, as the row is the memory of that; others are removed.
        was, told: Mailjet's side of it, and what events said of it.
    """

    mailjet_id: int
    lists: tuple[int, ...]
    properties: Mapping[str, object]
    opted_out: bool
    excluded: bool
    leaves: Mapping[int, ListAction]
    was: Subscriber
    told: Record = field(default_factory=dict)

    @property
    def retirement(self) -> tuple[Retire, ...]:
        return (Retire(self.mailjet_id, self.leaves),) if self.leaves else ()


@dataclass(frozen=True)
class Sides:
    """All that a plan is made from.

    Args:
        wanted: what GHL wants Mailjet to hold, by column.
        base: the snapshot of the same address, None without one.
        subscriber: Mailjet's side really read, None when it was not.
        seen: Mailjet's side as the last paged read found it different, else None.
        writes_properties: False for a contact that shares its address with an older
            one, which alone writes; consent counts all the same.
        exclude: who is not to be mailed is excluded from campaigns as well.
        inherits: the old address, when it changed.
        reopens: a recorded opt-in answers every no that Mailjet or GHL still has.
        bounced, recovers: the address takes no mail; it does again.
        held: one of a mass of opt-outs, unsubscribed only once that is confirmed.
        back: what GHL has to be told.
    """

    wanted: Mapping[str, str]
    verdict: Verdict
    base: Snapshot | None
    subscriber: Subscriber | None
    seen: tuple[int, ...] | None
    list_id: int
    writes_properties: bool
    exclude: bool
    inherits: Inheritance | None = None
    reopens: bool = False
    bounced: bool = False
    recovers: bool = False
    held: bool = False
    back: tuple[Block | Unblock, ...] = ()

    @property
    def is_excluded(self) -> bool:
        """Whether campaigns leave the address out, as far as we know."""
        if self.subscriber is not None:
            return bool(self.subscriber.excluded)
        return self.base is not None and self.base.excluded


def plan(
    sides: Sides, field_map: FieldMap, fingerprint: Fingerprint
) -> tuple[Action, ...]:
    """Every write that makes Mailjet what GHL wants; consent always comes first.

    An empty answer means that nothing changed on either side.
    """
    changed = changed_columns(sides, field_map.columns, fingerprint)
    heir = sides.inherits
    actions: list[Action] = []
    if heir and heir.opted_out:
        actions += heir.retirement
    if not sides.verdict.is_open:
        actions += _consent(sides, field_map)
    elif sides.reopens or sides.recovers:
        actions += _reopen(sides)
    actions += sides.back
    if sides.writes_properties:
        actions += _upsert(sides, changed)
        if sides.bounced and sides.verdict.is_open and sides.exclude:
            actions += [] if sides.is_excluded else [Exclude()]
    if sides.writes_properties and sides.verdict.is_open:
        actions += _tag_lists(sides, changed)
    if heir and sides.writes_properties and sides.verdict.is_open:
        known = _unsubscribed(sides).keys()
        join = tuple(
            i
            for i in heir.lists
            if i not in {*known, sides.list_id} and f"list:{i}" not in sides.wanted
        )
        actions += [SetLists(join=join, leave=())] if join else []
    if heir and not heir.opted_out:
        actions += heir.retirement
    return tuple(actions)


def holds_no(actions: Iterable[Action]) -> bool:
    """Whether a plan is to write an opt-out."""
    return any(isinstance(action, Unsubscribe | Exclude | Block) for action in actions)


def changed_columns(
    sides: Sides, columns: tuple[str, ...], fingerprint: Fingerprint
) -> tuple[str, ...]:
    """Columns to write: GHL owns them all. An empty value wipes what can be cleared,
    and nothing else.

    Where Mailjet's side is known, it decides: equal needs no write, and so does "both
    as remembered" (Mailjet rewrites values, and an echo must stay silent). Where it is
    not, GHL's own change decides.
    """
    known = sides.seen
    if sides.subscriber is not None:
        known = fingerprint.subscriber(columns, sides.subscriber)
    base = sides.base
    changed = []
    for index, column in enumerate(columns):
        value = sides.wanted.get(column)
        if value is None or not (value or is_clearable(column)):
            continue
        now = fingerprint.of(column, value)
        unmoved = base is not None and base.ghl[index] == now
        theirs = known[index] if known else UNKNOWN
        held = theirs or (base.mailjet[index] if base else UNKNOWN)
        if not value:
            # No vendor rewrites nothing into something: what is held is stale.
            if held in (UNKNOWN, now):
                continue
        elif theirs == UNKNOWN:
            if unmoved:
                continue
        elif theirs == now or (base and unmoved and base.mailjet[index] == theirs):
            continue
        changed.append(column)
    return tuple(changed)


def _consent(sides: Sides, field_map: FieldMap) -> list[Action]:
    managed = (sides.list_id, *sorted(set(field_map.tag_lists.values())))
    if sides.subscriber is not None:
        state = sides.subscriber.unsubscribed or {}
        unsubscribed = all(state.get(list_id) is True for list_id in managed)
    else:
        base = sides.base
        unsubscribed = base is not None and base.opted_out and not base.held
    actions: list[Action] = []
    if not (unsubscribed or sides.held):
        actions.append(Unsubscribe(managed))
    if (sides.exclude or sides.held) and not sides.is_excluded:
        actions.append(Exclude())
    return actions


def _reopen(sides: Sides) -> list[Action]:
    """Undo in Mailjet what nothing stands for any more; the lists only by an opt-in."""
    actions: list[Action] = []
    state = _unsubscribed(sides)
    wanted = [i for i in state if f"list:{i}" in sides.wanted]
    ours = [i for i in wanted if sides.wanted[f"list:{i}"] == "1"]
    gone = tuple(i for i in (sides.list_id, *ours) if state.get(i))
    if sides.reopens and gone:
        actions.append(Resubscribe(gone))
    if sides.is_excluded and not sides.bounced:
        actions.append(Include())
    return actions


def _upsert(sides: Sides, changed: tuple[str, ...]) -> list[Action]:
    properties = _inherited(sides)
    for column in changed:
        if column != NAME and not column.startswith("list:"):
            properties[column] = written(column, sides.wanted[column])
    name = sides.wanted[NAME] if NAME in changed else None
    is_missing = _is_missing(sides)
    if not (properties or name or is_missing):
        return []
    if sides.held:
        return [Edit(name, properties)]
    if not sides.verdict.is_open:
        return [Upsert(ListAction.UNSUBSCRIBE, name, properties)]
    if not is_missing and _is_off_the_list(sides):
        return [Edit(name, properties)]
    return [Upsert(ListAction.ADD, name, properties)]


def _inherited(sides: Sides) -> dict[str, object]:
    """What the old address had and neither GHL nor the new address has a value for."""
    if sides.inherits is None:
        return {}
    held = (sides.subscriber and sides.subscriber.properties) or {}
    return {
        name: value
        for name, value in sides.inherits.properties.items()
        if not (sides.wanted.get(name) or held.get(name))
        and not (name in sides.wanted and is_clearable(name))
    }


def _unsubscribed(sides: Sides) -> Mapping[int, bool]:
    return (sides.subscriber and sides.subscriber.unsubscribed) or {}


def _is_off_the_list(sides: Sides) -> bool:
    return sides.subscriber is not None and sides.list_id not in _unsubscribed(sides)


def _is_missing(sides: Sides) -> bool:
    """Mailjet has never had this address from us.

    Somebody whom an operator took off the list in Mailjet is not put back: only
    a contact without a snapshot is added.
    """
    if sides.base is not None and sides.base.mailjet_id:
        return False
    return sides.subscriber is None or _is_off_the_list(sides)


def _tag_lists(sides: Sides, changed: tuple[str, ...]) -> list[Action]:
    join, leave = [], []
    for column in changed:
        if not column.startswith("list:"):
            continue
        list_id = int(column.removeprefix("list:"))
        if sides.wanted[column] == "1":
            # `addnoforce` would change nothing, and be sent for ever.
            if not _unsubscribed(sides).get(list_id):
                join.append(list_id)
        elif sides.base is not None or sides.subscriber is not None:
            leave.append(list_id)
    return [SetLists(tuple(join), tuple(leave))] if join or leave else []
