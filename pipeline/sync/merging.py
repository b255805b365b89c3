"""Whose value goes where: both sides of each column, against both as remembered.

A row to Mailjet is GHL's: what differs there is written over. A row to GHL is Mailjet's
in the same way. Of a row for both, whichever side changed is carried; where both did,
the owner's. An empty value is carried only where the row says so, and never on the
strength of a memory that was lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from pipeline.sync.contact import Subscriber
from pipeline.sync.fields import Direction, Owner, Row
from pipeline.sync.mapping import FieldMap
from pipeline.sync.snapshot import UNKNOWN, Fingerprint, Snapshot


class Way(Enum):
    """Where a value goes."""

    NOWHERE = 0
    TO_MAILJET = 1
    TO_GHL = 2


class Pair(NamedTuple):
    """Fingerprints of one column on both sides; `UNKNOWN` where nobody told."""

    ghl: int
    mailjet: int

    def without(self, stand_in: int, empty: int) -> "Pair":
        """The same where what stands for an empty value is one."""
        ghl, mailjet = (
            empty if side == stand_in else side for side in (self.ghl, self.mailjet)
        )
        return Pair(ghl, mailjet)


@dataclass(frozen=True)
class Merge:
    """What follows for all columns, in their order.

    Args:
        to_mailjet, to_ghl: columns to write there.
        conflicts: columns that both sides changed, and whose value stays.
        emptied: of these columns, those that lose a value, or a tag in GHL.
    """

    to_mailjet: tuple[str, ...]
    to_ghl: tuple[str, ...] = ()
    conflicts: tuple[tuple[str, Owner], ...] = ()
    emptied: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Columns:
    """Both sides of every column.

    Args:
        wanted: GHL's side, as Mailjet should hold it.
        base: the snapshot of the same address, None without one.
        subscriber: Mailjet's side really read, None when it was not.
        seen: Mailjet's side as the last paged read found it different, else None.
        newer: the side that was changed last.
        unset: columns of fields that GHL left out of a whole contact.
        withheld: columns that are left as they are.
    """

    wanted: Mapping[str, str]
    base: Snapshot | None
    subscriber: Subscriber | None
    seen: tuple[int, ...] | None
    newer: Owner
    unset: frozenset[str] = frozenset()
    withheld: frozenset[str] = frozenset()

    def of_ghl(self, column: str) -> str | None:
        """GHL's side of a column; None where it is unknown.

        GHL may leave out of a whole contact what was never set. That is no reason to
        wipe anything, and none to keep from GHL what Mailjet has.
        """
        return self.wanted.get(column, "" if column in self.unset else None)


def merge(columns: Columns, field_map: FieldMap, fingerprint: Fingerprint) -> Merge:
    """Decide each column.

    Where Mailjet's side is known, it decides: equal needs no write, and so does "both
    as remembered" (Mailjet rewrites values, and an echo must stay silent). Where it is
    not, GHL's own change decides.
    """
    names, base = field_map.columns, columns.base
    known = columns.seen
    if columns.subscriber is not None:
        known = fingerprint.subscriber(names, columns.subscriber)
    shared, clearable = field_map.layout.shared, field_map.layout.clearable
    empties = field_map.layout.empties
    to_mailjet, to_ghl, conflicts, emptied = [], [], [], []
    for index, column in enumerate(names):
        value = columns.of_ghl(column)
        if value is None or column in columns.withheld:
            continue
        ghl = fingerprint.of(column, value)
        mailjet = known[index] if known else UNKNOWN
        row = shared.get(column)
        if row is None:
            before = base.mailjet[index] if base else UNKNOWN
            unmoved = base is not None and base.ghl[index] == ghl
            wishes = bool(value) or column in clearable
            if wishes and _is_stale(value, ghl, mailjet, before, unmoved=unmoved):
                to_mailjet.append(column)
                if not value and column in empties:
                    emptied.append(column)
            continue
        now = Pair(ghl, mailjet)
        then = Pair(base.ghl[index], base.mailjet[index]) if base else None
        way, is_conflict = _meet(row, now, then, fingerprint, columns.newer)
        if way is Way.TO_MAILJET and column in columns.wanted:
            to_mailjet.append(column)
            if not value and column in empties:
                emptied.append(column)
        elif way is Way.TO_GHL:
            to_ghl.append(column)
            if mailjet in [fingerprint.of(column, text) for text in row.nothings]:
                emptied.append(column)
        if is_conflict and way is not Way.NOWHERE:
            winner = Owner.GHL if way is Way.TO_MAILJET else Owner.MAILJET
            conflicts.append((column, winner))
    return Merge(tuple(to_mailjet), tuple(to_ghl), tuple(conflicts), frozenset(emptied))


def _is_stale(
    value: str, ghl: int, mailjet: int, before: int, *, unmoved: bool
) -> bool:
    """Whether Mailjet is to be written GHL's value, which alone counts.

    Args:
        before: what Mailjet held when both were last equal.
        unmoved: GHL's side is as it was then.
    """
    if not value:
        # No vendor rewrites nothing into something: what is held is stale.
        return (mailjet or before) not in (UNKNOWN, ghl)
    if mailjet == UNKNOWN:
        return not unmoved
    return mailjet != ghl and not (unmoved and before == mailjet)


def _meet(
    row: Row, now: Pair, then: Pair | None, fingerprint: Fingerprint, newer: Owner
) -> tuple[Way, bool]:
    """As `decide`; what stands for an empty value counts as one, unless Mailjet has
    nothing that it would wipe."""
    column = row.column
    nothing = frozenset(fingerprint.of(column, text) for text in row.nothings)
    if row.stand_in and now.mailjet not in nothing | {UNKNOWN}:
        stand_in = fingerprint.of(column, row.stand_in)
        empty = fingerprint.of(column, "")
        now = now.without(stand_in, empty)
        then = then and then.without(stand_in, empty)
    return decide(row, now, then, nothing, newer)


def decide(
    row: Row, now: Pair, then: Pair | None, nothing: frozenset[int], newer: Owner
) -> tuple[Way, bool]:
    """Where the value of a row that leads to GHL goes, and whether both had changed.

    Args:
        then: both sides as they were when last equal; None without a memory.
        nothing: fingerprints of the values that tell of nothing.
    """
    if now.mailjet == UNKNOWN:
        return _unread(row, now, then, nothing), False
    is_same = now.mailjet == now.ghl or {now.mailjet, now.ghl} <= nothing
    if is_same and row.to_mailjet:
        return Way.NOWHERE, False
    is_known = then is not None and UNKNOWN not in (then.ghl, then.mailjet)
    if then is None or not is_known:
        return _first(row, now, nothing, newer)
    ghl_moved = _has_moved(then.ghl, now.ghl, nothing)
    mailjet_moved = _has_moved(then.mailjet, now.mailjet, nothing)
    if not (ghl_moved or mailjet_moved):
        return Way.NOWHERE, False
    carries = {
        Way.TO_MAILJET: row.carries_nothing or now.ghl not in nothing,
        Way.TO_GHL: row.carries_nothing or now.mailjet not in nothing,
    }
    if row.direction is Direction.TO_GHL:
        return (Way.TO_GHL if carries[Way.TO_GHL] else Way.NOWHERE), False
    way = _owners(row.owner, newer)
    is_conflict = ghl_moved and mailjet_moved
    if not is_conflict:
        way = Way.TO_MAILJET if ghl_moved else Way.TO_GHL
    elif not carries[way]:
        # Emptied here and changed there: what was changed is the only value.
        way = Way.TO_GHL if way is Way.TO_MAILJET else Way.TO_MAILJET
    return (way if carries[way] else Way.NOWHERE), is_conflict


def _has_moved(then: int, now: int, nothing: frozenset[int]) -> bool:
    """Whether a side changed; from one form of nothing to another is no change."""
    return then != now and not {then, now} <= nothing


def _owners(owner: Owner, newer: Owner) -> Way:
    winner = newer if owner is Owner.NEWER else owner
    return Way.TO_GHL if winner is Owner.MAILJET else Way.TO_MAILJET


def _unread(row: Row, now: Pair, then: Pair | None, nothing: frozenset[int]) -> Way:
    """Nobody told Mailjet's side, which is as remembered then, or was never ours."""
    moved = then is None or then.ghl != now.ghl
    if not row.to_mailjet:
        # Mailjet's word counts, and somebody changed GHL's: it has to be read.
        return Way.TO_GHL if then and then.ghl and moved else Way.NOWHERE
    carries = now.ghl not in nothing or bool(then and row.carries_nothing)
    return Way.TO_MAILJET if moved and carries else Way.NOWHERE


def _first(
    row: Row, now: Pair, nothing: frozenset[int], newer: Owner
) -> tuple[Way, bool]:
    """Without a memory nothing is taken away: what is there on one side is carried."""
    if now.mailjet in nothing:
        is_there = row.to_mailjet and now.ghl not in nothing
        return (Way.TO_MAILJET if is_there else Way.NOWHERE), False
    if now.ghl in nothing or not row.to_mailjet:
        return Way.TO_GHL, False
    return _owners(row.owner, newer), True
