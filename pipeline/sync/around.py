"""Which of a contact's tasks, notes and appointments to read, and what follows of them.

Each kind costs a call of its own, so it is read only where something points at it: the
contact is new or changed, an event or the clock named the kind, or a sweep of the whole
location, which costs pages instead of calls, saw other rows than those carried.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pipeline.errors import NotFound, PermanentError, Reach
from pipeline.sync import aggregates, history
from pipeline.sync.activity import (
    Activities,
    Appointment,
    Carried,
    Item,
    Listing,
    Note,
    Task,
)
from pipeline.sync.contact import Contact
from pipeline.sync.history import State
from pipeline.sync.ports import Ghl, Mailjet, Memory, Policy
from pipeline.sync.snapshot import UNKNOWN, Snapshot

APPOINTMENT_WINDOW_MS = 365 * 86_400_000
"""Appointments further away, on either side, are left out: calendars are read by
windows, and a contact's own list must tell the same."""
INCOMING = "i"
"""Somebody wrote in Mailjet's history what is to become a note or a task in GHL."""
DOUBT = "d"
"""An attempt that may have told something in the history was cut short, and settled
since by one that did not look at that."""


class Kind(StrEnum):
    """What somebody may point at; a letter each, as it is stored."""

    TASKS = "t"
    NOTES = "n"
    APPOINTMENTS = "a"


TOLD = frozenset({Kind.TASKS, Kind.NOTES})
"""Kinds that the history tells of."""
PROPERTIES = {
    Kind.TASKS: aggregates.TASK_DATATYPES.keys(),
    Kind.NOTES: aggregates.NOTE_DATATYPES.keys(),
    Kind.APPOINTMENTS: aggregates.APPOINTMENT_DATATYPES.keys(),
}


@dataclass(frozen=True)
class Around:
    """What was found around a contact.

    Args:
        looked: everything that somebody pointed at was read.
        alone: tasks or appointments were read of this contact, not of a sweep.
        forgets_notes: the contact lost the tag without which notes are not carried.
        backfills: the history gets what the first import found as well.
        postponed: it could not be read, and something else could not wait for it.
        left_alone: kinds that could not be read, each with the reason.
    """

    activities: Activities = field(default_factory=Activities)
    looked: bool = False
    alone: bool = False
    forgets_notes: bool = False
    backfills: bool = False
    postponed: bool = False
    left_alone: tuple[str, ...] = ()

    def wanted(self, policy: Policy) -> dict[str, str]:
        """What Mailjet should hold, by column; kinds that are unknown are left out."""
        carrying = policy.carrying
        forgotten = PROPERTIES[Kind.NOTES] if self.forgets_notes else ()
        return dict.fromkeys(forgotten, "") | aggregates.aggregates(
            self.activities, carrying.now_ms, carrying.note_text
        )

    def carried(self, before: Carried, policy: Policy) -> Carried:
        """What to remember of it."""
        now = history.carried(self.activities, before, policy.fingerprint)
        return replace(
            now,
            notes=None if self.forgets_notes else now.notes,
            backfilled=before.backfilled or (self.backfills and not self.left_alone),
            looked_ms=policy.carrying.now_ms if self.alone else before.looked_ms,
        )

    def crossings(self, now_ms: int) -> dict[str, int]:
        """When time alone will change what each kind tells; 0 for never."""
        found = self.activities
        by_kind = {
            Kind.TASKS: Activities(tasks=found.tasks),
            Kind.NOTES: Activities(notes=found.notes),
            Kind.APPOINTMENTS: Activities(appointments=found.appointments),
        }
        return {
            str(kind): aggregates.next_crossing_ms(one, now_ms) or 0
            for kind, one in by_kind.items()
            if one != Activities()
        }


def look(
    contact: Contact, ghl: Ghl, memory: Memory, policy: Policy, base: Snapshot | None
) -> Around:
    """Read what is pointed at, and what Mailjet was never told.

    Args:
        base: the snapshot of the same address, None without one.

    Raises:
        NotFound: the contact is gone.
    """
    before, carrying = carried_before(memory), policy.carrying
    can_tell = bool(carrying.historic & {history.TASK_HISTORY, history.NOTE_HISTORY})
    backfills = carrying.backfill and can_tell and not before.backfilled
    pointed_at = {*memory.touched, *(TOLD if is_doubtful(memory) else ())}
    named = pointed_at | _untold(memory, policy, base)
    if backfills:
        named |= set(Kind)
    if before.notes is None:
        named.add(Kind.NOTES)
    carries_notes = carrying.notes_tag in ("", *(contact.tags or ()))
    reader = _Reader(contact, ghl, memory, policy, named)
    found = Activities(
        tasks=reader.tasks(),
        notes=reader.notes() if carries_notes else None,
        appointments=reader.appointments(),
    )
    return Around(
        found,
        looked=not reader.unread.keys() & pointed_at,
        alone=bool(reader.read & {Kind.TASKS, Kind.APPOINTMENTS}),
        forgets_notes=not carries_notes and before.notes is not None,
        backfills=backfills,
        left_alone=tuple(reader.unread.values()),
    )


def to_append(
    around: Around, mailjet: Mailjet, memory: Memory, policy: Policy, mailjet_id: int
) -> tuple[State, ...]:
    """Entries for Mailjet's history, without those that are there already.

    What is there is read only where it may hold more than we remember: an earlier
    attempt was cut short, state was lost, or something was deleted, whose name only
    the history knows.

    Args:
        mailjet_id: 0 for somebody new to Mailjet, who has no history.
    """
    found = [
        state
        for state in history.states(
            around.activities,
            carried_before(memory),
            policy.fingerprint,
            policy.carrying.note_text,
            backfill=around.backfills,
        )
        if state.name in policy.carrying.historic
    ]
    if not mailjet_id:
        return tuple(found)
    reads_all = is_doubtful(memory) or around.backfills
    names = {s.name for s in found if reads_all or s.is_deletion or s.closes}
    there = [
        entry
        for name in sorted(names)
        for entry in mailjet.contact_history(mailjet_id, name)
    ]
    return tuple(history.missing(found, there))


def within(found: Iterable[Appointment], now_ms: int) -> tuple[Appointment, ...]:
    """Those of the year before and the year after."""
    return tuple(
        one
        for one in found
        if one.start_ms is not None
        and abs(one.start_ms - now_ms) <= APPOINTMENT_WINDOW_MS
    )


def is_doubtful(memory: Memory) -> bool:
    """Whether the history may hold more than we remember."""
    return memory.unsettled or DOUBT in memory.touched


def carried_before(memory: Memory) -> Carried:
    return memory.snapshot.carried if memory.snapshot else Carried()


def _untold(memory: Memory, policy: Policy, base: Snapshot | None) -> set[str]:
    """Kinds of which Mailjet was never told a value, or holds another than it was."""
    if base is None:
        return set(Kind)
    seen = memory.seen or base.mailjet
    sides = zip(policy.field_map.columns, base.ghl, base.mailjet, seen, strict=True)
    untold = {
        column
        for column, told, then, now in sides
        if told == UNKNOWN
        or (now != then and UNKNOWN not in (now, then))
        # Nothing to tell, and Mailjet holds something: of a time before state was lost.
        or (then not in (UNKNOWN, told) and told == policy.fingerprint.of(column, ""))
    }
    return {kind for kind, names in PROPERTIES.items() if untold & names}


@dataclass
class _Reader:
    """Reads kinds of activities, each for itself.

    A kind that cannot be read holds up nothing else, and a row that cannot be read
    must not look like one that was deleted: the kind is left alone.

    Args:
        named: kinds that are wanted whatever a sweep tells.
        read: kinds that were read.
        unread: kinds that could not be read, with the reason.
    """

    contact: Contact
    ghl: Ghl
    memory: Memory
    policy: Policy
    named: set[str]
    read: set[str] = field(default_factory=set)
    unread: dict[str, str] = field(default_factory=dict)

    def tasks(self) -> tuple[Task, ...] | None:
        swept = self.memory.swept.tasks if self.memory.trusting else None
        if swept is not None and Kind.TASKS not in self.memory.touched:
            return swept
        if Kind.TASKS in self.named or not self.policy.carrying.sweeps_tasks:
            return self._read(Kind.TASKS, lambda: self.ghl.list_tasks(self.contact.id))
        return None

    def notes(self) -> tuple[Note, ...] | None:
        if Kind.NOTES in self.named or self._may_have_changed():
            return self._read(Kind.NOTES, lambda: self.ghl.list_notes(self.contact.id))
        return None

    def appointments(self) -> tuple[Appointment, ...] | None:
        carrying, kind = self.policy.carrying, Kind.APPOINTMENTS
        swept = self.memory.swept.appointments if self.memory.trusting else None
        found = None
        if swept is not None and kind not in self.memory.touched:
            found = swept
        elif kind in self.named or not carrying.sweeps_appointments:
            zone = carrying.appointment_zone or carrying.zone
            found = self._read(
                kind, lambda: self.ghl.list_appointments(self.contact.id, zone)
            )
        return None if found is None else within(found, carrying.now_ms)

    def _may_have_changed(self) -> bool:
        before = self.memory.snapshot
        if not self.memory.trusting or before is None:
            return True
        return (self.contact.date_updated_ms or 0) > before.updated_ms

    def _read(
        self, kind: Kind, listing: Callable[[], Listing[Item]]
    ) -> tuple[Item, ...] | None:
        try:
            found = listing()
        except PermanentError as error:
            if error.reach is Reach.CONNECTION:
                raise
            if isinstance(error, NotFound):
                # Gone with the contact, which this tells, or not to be found as yet.
                self.ghl.get_contact(self.contact.id)
            self.unread[kind] = f"{kind.name.lower()}: {error}"
            return None
        if found.bad_rows:
            rows = len(found.bad_rows)
            self.unread[kind] = f"{kind.name.lower()}: {rows} rows cannot be read"
            return None
        self.read.add(kind)
        return found.items
