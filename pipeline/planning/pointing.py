"""Which activities of a contact a full run would have looked at."""

from collections.abc import Iterable

from pipeline.planning.pictured_ghl import PicturedGhl
from pipeline.planning.pictured_mailjet import PicturedMailjet
from pipeline.sync import aggregates, around, history
from pipeline.sync.activity import Activities, Appointment, Task
from pipeline.sync.around import Kind
from pipeline.sync.contact import Subscriber
from pipeline.sync.ports import Policy
from pipeline.sync.snapshot import UNKNOWN, Snapshot

EVERYTHING = "".join(Kind)
"""Whoever asks for one contact wants to see all of it."""


def letters(
    ghl_id: str,
    base: Snapshot | None,
    ghl: PicturedGhl,
    mailjet: PicturedMailjet,
    policy: Policy,
) -> str:
    """Kinds of which a vendor shows other than is remembered, or time changed it.

    Sweeps, the clock and the paged read of Mailjet point at them in a full run.
    """
    if base is None or base.digest != policy.field_map.digest:
        # Everything is looked at anyway.
        return ""
    found = _moved_in_mailjet(base, mailjet, policy)
    if ghl.tasks is not None:
        tasks = tuple(ghl.tasks.get(ghl_id, ()))
        if _differs("tasks", tasks, Activities(tasks=tasks), base, policy):
            found.add(Kind.TASKS)
    if ghl.appointments is not None:
        now_ms = policy.carrying.now_ms
        meetings = around.within(ghl.appointments.get(ghl_id, ()), now_ms)
        told = Activities(appointments=meetings)
        if _differs("meetings", meetings, told, base, policy):
            found.add(Kind.APPOINTMENTS)
    return "".join(sorted(found))


def _differs(
    kind: str,
    rows: Iterable[Task | Appointment],
    told: Activities,
    base: Snapshot,
    policy: Policy,
) -> bool:
    fingerprint = policy.fingerprint
    if history.differs(kind, fingerprint, base.carried, rows, for_run=True):
        return True
    before = dict(zip(policy.field_map.columns, base.ghl, strict=True))
    now_ms, text = policy.carrying.now_ms, policy.carrying.note_text
    values = aggregates.aggregates(told, now_ms, text)
    return any(
        before.get(column, UNKNOWN) not in (UNKNOWN, fingerprint.of(column, value))
        for column, value in values.items()
    )


def _moved_in_mailjet(
    base: Snapshot, mailjet: PicturedMailjet, policy: Policy
) -> set[str]:
    person = mailjet.person(base.mailjet_id)
    if person is None or person.properties is None:
        return set()
    columns = policy.field_map.columns
    one = Subscriber(person.id, properties=person.properties)
    now = policy.fingerprint.subscriber(columns, one)
    sides = zip(columns, now, base.mailjet, strict=True)
    moved = {name for name, a, b in sides if UNKNOWN not in (a, b) and a != b}
    return {str(kind) for kind, names in around.PROPERTIES.items() if moved & names}
