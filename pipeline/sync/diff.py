"""From both sides and the snapshot to the full list of writes, before any is run."""

from collections.abc import Iterable, Mapping

from pipeline.sync.actions import (
    Action,
    Edit,
    Exclude,
    Include,
    Resubscribe,
    SetLists,
    Unsubscribe,
    Upsert,
)
from pipeline.sync.adopting import adopted
from pipeline.sync.blocking import Block
from pipeline.sync.contact import ListAction
from pipeline.sync.fields import LIST
from pipeline.sync.mapping import NAME, FieldMap
from pipeline.sync.sides import Sides
from pipeline.sync.snapshot import Fingerprint


def plan(
    sides: Sides, field_map: FieldMap, fingerprint: Fingerprint
) -> tuple[Action, ...]:
    """Every write that makes Mailjet what GHL wants; consent always comes first.

    An empty answer means that nothing changed on either side.
    """
    merged = sides.merged(field_map, fingerprint)
    changed = merged.to_mailjet
    heir = sides.inherits
    actions: list[Action] = []
    if heir and heir.opted_out:
        actions += heir.retirement
    if not sides.verdict.is_open:
        actions += _consent(sides, field_map)
    elif sides.reopens or sides.recovers:
        actions += _reopen(sides, field_map)
    actions += sides.back
    if sides.writes_properties:
        actions += _upsert(sides, changed, field_map)
        if sides.bounced and sides.verdict.is_open and sides.exclude:
            actions += [] if sides.is_excluded else [Exclude()]
    if sides.writes_properties and sides.verdict.is_open:
        actions += _tag_lists(sides, changed)
    if sides.writes_properties:
        actions += adopted(sides, merged.to_ghl, field_map)
    if heir and sides.writes_properties and sides.verdict.is_open:
        known = _unsubscribed(sides).keys()
        told = field_map.layout.joinable & sides.wanted.keys()
        join = tuple(
            i
            for i in heir.lists
            if i not in {*known, sides.list_id} and f"{LIST}{i}" not in told
        )
        actions += [SetLists(join=join, leave=())] if join else []
    if heir and not heir.opted_out:
        actions += heir.retirement
    return tuple(actions)


def holds_no(actions: Iterable[Action]) -> bool:
    """Whether a plan is to write an opt-out."""
    return any(isinstance(action, Unsubscribe | Exclude | Block) for action in actions)


def is_on_list(sides: Sides, actions: Iterable[Action]) -> bool:
    """Whether the person is on our list once the actions are carried out."""
    adds = any(isinstance(a, Upsert) and a.action is ListAction.ADD for a in actions)
    return adds or not _is_off_the_list(sides)


def _consent(sides: Sides, field_map: FieldMap) -> list[Action]:
    managed = (sides.list_id, *field_map.layout.managed)
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


def _reopen(sides: Sides, field_map: FieldMap) -> list[Action]:
    """Undo in Mailjet what nothing stands for any more; the lists only by an opt-in."""
    actions: list[Action] = []
    state = _unsubscribed(sides)
    wanted = [c for c in field_map.layout.joinable if sides.wanted.get(c) == "1"]
    ours = [i for i in state if f"{LIST}{i}" in wanted]
    gone = tuple(i for i in (sides.list_id, *ours) if state.get(i))
    if sides.reopens and gone:
        actions.append(Resubscribe(gone))
    if sides.is_excluded and not sides.bounced:
        actions.append(Include())
    return actions


def _upsert(
    sides: Sides, changed: tuple[str, ...], field_map: FieldMap
) -> list[Action]:
    properties = _inherited(sides, field_map)
    for column in changed:
        if column != NAME and not column.startswith(LIST):
            properties[column] = field_map.written(column, sides.wanted[column])
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


def _inherited(sides: Sides, field_map: FieldMap) -> dict[str, object]:
    """What the old address had and neither GHL nor the new address has a value for."""
    if sides.inherits is None:
        return {}
    held = (sides.subscriber and sides.subscriber.properties) or {}
    shared = field_map.layout.shared
    # What only leads to GHL is Mailjet's own: GHL's value says nothing against it.
    own = {name for name, row in shared.items() if not row.to_mailjet}
    wanted = {name: text for name, text in sides.wanted.items() if name not in own}
    return {
        name: value
        for name, value in sides.inherits.properties.items()
        if not (wanted.get(name) or held.get(name))
        and not (name in wanted and field_map.is_clearable(name))
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
    if sides.remembered_id:
        return False
    return sides.subscriber is None or _is_off_the_list(sides)


def _tag_lists(sides: Sides, changed: tuple[str, ...]) -> list[Action]:
    join, leave = [], []
    for column in changed:
        if not column.startswith(LIST):
            continue
        list_id = int(column.removeprefix(LIST))
        if sides.wanted[column] == "1":
            # `addnoforce` would change nothing, and be sent for ever.
            if not _unsubscribed(sides).get(list_id):
                join.append(list_id)
        elif sides.base is not None or sides.subscriber is not None:
            leave.append(list_id)
    return [SetLists(tuple(join), tuple(leave))] if join or leave else []
