"""What of Mailjet's side a GHL contact is given: fields, custom fields and tags."""

from collections.abc import Iterable, Mapping

from pipeline.sync.actions import Adopt
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.fields import Row
from pipeline.sync.mapping import FieldMap
from pipeline.sync.ports import Policy
from pipeline.sync.sides import Sides
from pipeline.sync.snapshot import subscriber_value
from pipeline.sync.transforms import text_of

HELD_BACK = "would lose something, with many others: held back"


def remarks(
    contact: Contact, sides: Sides, policy: Policy, *, wrote: bool
) -> tuple[str, ...]:
    """What a plan leaves unsaid: values that the other side cannot hold, and fields
    that both sides changed; no value is told.

    Args:
        wrote: the plan asked for something. Else GHL's values are no news; but what
            moved in Mailjet, and cannot go to GHL, may be all that there was.
    """
    field_map = policy.field_map
    misfits = field_map.misfits(contact) if wrote else ()
    is_known = wrote or sides.subscriber is not None
    held = tuple(f"{column} {HELD_BACK}" for column in sorted(sides.withheld))
    if not (field_map.layout.shared and sides.writes_properties and is_known):
        return (*misfits, *held)
    merged = sides.merged(field_map, policy.fingerprint)
    conflicts = tuple(
        f"{column} changed on both sides: {winner}'s value stays"
        for column, winner in merged.conflicts
    )
    if sides.subscriber is None:
        return (*misfits, *held, *conflicts)
    rows = _rows_to_ghl(sides, merged.to_ghl, field_map)
    others = adoption(rows, sides.subscriber, field_map, sides.wanted)[1]
    return (*misfits, *others, *held, *conflicts)


def _rows_to_ghl(
    sides: Sides, columns: Iterable[str], field_map: FieldMap
) -> list[Row]:
    rows = [field_map.layout.shared[column] for column in columns]
    if sides.verdict.is_open:
        return rows
    # Whoever opted out left all lists: that is no word about their tags.
    return [row for row in rows if not row.list_id]


def adopted(
    sides: Sides, columns: Iterable[str], field_map: FieldMap
) -> tuple[Adopt, ...]:
    """The write to GHL that these columns ask for; empty for none."""
    rows = _rows_to_ghl(sides, columns, field_map)
    if not rows:
        return ()
    if sides.subscriber is None:
        # Only a page told that something changed. Because there is something to write,
        # Mailjet's side is read next, and the plan made anew.
        return (Adopt({}, {}),)
    wanted, read_ms = sides.wanted, sides.read_ms
    found = adoption(rows, sides.subscriber, field_map, wanted, read_ms)[0]
    return (found,) if found.body or found.add or found.remove else ()


def adoption(
    rows: Iterable[Row],
    subscriber: Subscriber,
    field_map: FieldMap,
    wanted: Mapping[str, str],
    read_ms: int = 0,
) -> tuple[Adopt, tuple[str, ...]]:
    """What GHL lacks of these rows, and what it cannot hold, each with the reason.

    Args:
        wanted: GHL's side by column; what is equal already is left out.
        read_ms: GHL's date of the contact as it was read, 0 when unknown.
    """
    values: dict[str, object] = {}
    custom: list[dict[str, object]] = []
    texts: dict[str, str] = {}
    add: list[str] = []
    remove: list[str] = []
    misfits: list[str] = []
    for row in rows:
        if row.is_custom and row.ghl not in field_map.custom:
            # Mapped since the last setup, which alone tells its id.
            continue
        held = subscriber_value(row.column, subscriber)
        if row.tag:
            has = text_of(held).lower() in ("1", "true")
            if wanted.get(row.column) != row.flag(has):
                (add if has else remove).append(row.tag)
                texts[row.column] = row.flag(has)
            continue
        try:
            value = row.for_ghl(held, field_map.custom)
            text = row.as_told(value)
        except ValueError as error:
            misfits.append(f"{row.column} {error}: not carried to {row.ghl}")
            continue
        if wanted.get(row.column) == text:
            continue
        texts[row.column] = text
        if row.is_custom:
            known = field_map.custom[row.ghl]
            custom.append({"id": known.id, "field_value": value})
        else:
            values[row.ghl] = value
    found = Adopt(values, texts, tuple(custom), tuple(add), tuple(remove), read_ms)
    return found, tuple(misfits)
