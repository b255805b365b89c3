"""Rules that wait for a moment: a task falls due, an appointment comes near."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pipeline.sync.activity import Activities, Appointment, Task
from pipeline.sync.aggregates import NOT_TAKING_PLACE
from pipeline.sync.around import Kind
from pipeline.sync.contact import Contact
from pipeline.sync.rules import Rule
from pipeline.sync.triggers import DAY_MS, HOUR_MS, TIMED, Change, Trigger

KIND_OF = {Trigger.TASK_DUE: Kind.TASKS, Trigger.APPOINTMENT_SOON: Kind.APPOINTMENTS}


class Fired(NamedTuple):
    """A rule, and the change that it answers."""

    rule: Rule
    change: Change


def timing(rules: Iterable[Rule]) -> str:
    """4 hex digits for what decides when timed rules fire; "" without any."""
    told = sorted((r.name, sorted(r.on & TIMED), r.hours_before) for r in rules)
    timed = [one for one in told if one[1]]
    return blake2b(repr(timed).encode(), digest_size=2).hexdigest() if timed else ""


def moments(
    rules: Iterable[Rule], found: Activities, zone: ZoneInfo
) -> tuple[Fired, ...]:
    """When each rule fires for each task and appointment that it waits for.

    Args:
        zone: of the contact, in whose day and time a mail tells of it.
    """
    return tuple(one for rule in rules for one in _moments(rule, found, zone))


def crossings(coming: Iterable[Fired], now_ms: int) -> dict[str, int]:
    """When the next of them is, by kind of activity."""
    found: dict[str, int] = {}
    for _, change in coming:
        if change.at_ms > now_ms:
            kind = str(KIND_OF[Trigger(change.trigger)])
            found[kind] = min(change.at_ms, found.get(kind, change.at_ms))
    return found


def sooner(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """The earlier moment of each kind; of `one` 0 is never."""
    both = dict(one)
    for kind, at_ms in other.items():
        both[kind] = min(at_ms, both.get(kind) or at_ms)
    return both


def unread_kinds(rules: Iterable[Rule], found: Activities) -> str:
    """Letters of the kinds that timed rules are about, as far as they were not read."""
    kinds = {KIND_OF[Trigger(one)] for rule in rules for one in rule.on & TIMED}
    if found.tasks is not None:
        kinds.discard(Kind.TASKS)
    if found.appointments is not None:
        kinds.discard(Kind.APPOINTMENTS)
    return "".join(sorted(kinds))


def _moments(rule: Rule, found: Activities, zone: ZoneInfo) -> Iterator[Fired]:
    before_ms = rule.hours_before * HOUR_MS
    if Trigger.TASK_DUE in rule.on:
        for task in found.tasks or ():
            if not task.completed and task.due_ms is not None:
                yield Fired(rule, _due(task, task.due_ms, before_ms, zone))
    if Trigger.APPOINTMENT_SOON in rule.on:
        for meeting in found.appointments or ():
            takes_place = meeting.status not in NOT_TAKING_PLACE
            if takes_place and meeting.start_ms is not None:
                yield Fired(rule, _soon(meeting, meeting.start_ms, before_ms, zone))


def _due(task: Task, due_ms: int, before_ms: int, zone: ZoneInfo) -> Change:
    return Change(
        Trigger.TASK_DUE,
        f"task:{task.id}:{due_ms}",
        due_ms - before_ms,
        due_ms + DAY_MS,
        task.title,
        {"task.title": task.title, "task.due": due_ms, **_clock("task", due_ms, zone)},
    )


def _soon(
    meeting: Appointment, start_ms: int, before_ms: int, zone: ZoneInfo
) -> Change:
    """One that has begun is soon no more, unless the rule waits for its very start."""
    return Change(
        Trigger.APPOINTMENT_SOON,
        f"appointment:{meeting.id}:{start_ms}",
        start_ms - before_ms,
        start_ms + (0 if before_ms else HOUR_MS),
        meeting.title,
        {
            "appointment.title": meeting.title,
            "appointment.start": start_ms,
            "appointment.status": meeting.status,
            **_clock("appointment", start_ms, zone),
        },
    )


def _clock(name: str, at_ms: int, zone: ZoneInfo) -> dict[str, object]:
    """The day and the time as a person reads them."""
    at = datetime.fromtimestamp(at_ms / 1000, zone)
    return {f"{name}.day": f"{at:%Y-%m-%d}", f"{name}.time": f"{at:%H:%M}"}


def zone_of(contact: Contact, location: ZoneInfo) -> ZoneInfo:
    """The contact's own zone, else the location's."""
    try:
        return ZoneInfo(contact.values["timezone"])
    except (KeyError, ValueError, OSError):
        return location
