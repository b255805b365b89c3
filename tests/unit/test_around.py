"""What is read around a contact: what something points at; and what it comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pipeline.errors import BadPayload, NotFound, Reach, Unauthorized, VendorDown
from pipeline.html_text import plain_text
from pipeline.sync import around
from pipeline.sync.activity import (
    Activities,
    Appointment,
    Carried,
    HistoryEntry,
    Listing,
    Note,
    Task,
)
from pipeline.sync.aggregates import NoteText
from pipeline.sync.around import APPOINTMENT_WINDOW_MS, Around, Kind, look, to_append
from pipeline.sync.contact import Contact
from pipeline.sync.history import carried
from pipeline.sync.orders import Order
from pipeline.sync.ports import Evidence
from pipeline.sync.rule_memory import RuleMemory
from pipeline.sync.snapshot import UNKNOWN, Snapshot
from tests.builders import make_carrying, make_contact, make_policy, make_snapshot
from tests.history_world import FINGERPRINT, REFERENCE, meeting, note, task
from tests.tiny_vendors import NOW_MS, TinyGhl, TinyMailjet

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
POLICY = make_policy()
COLUMNS = POLICY.field_map.columns
ANN = make_contact(tags=(), date_updated_ms=NOW_MS - DAY_MS)
NOTHING = Activities(tasks=(), notes=(), appointments=())
KINDS = {"tasks": "t", "notes": "n", "appointments": "a"}


@dataclass
class TinyMemory:
    """What a lease opens, without a store: bulk work on somebody all is known of."""

    row: Contact | None = None
    snapshot: Snapshot | None = None
    seen: tuple[int, ...] | None = None
    unsettled: bool = False
    trusting: bool = True
    urgent: bool = False
    touched: frozenset[str] = frozenset()
    swept: Activities = field(default_factory=Activities)
    incoming: tuple[HistoryEntry, ...] = ()
    orders: tuple[Order, ...] = ()
    rule_memory: RuleMemory | None = None

    def evidence(self, address: bytes) -> Evidence:
        return Evidence()

    def begin(self, *addresses: bytes) -> Evidence:
        raise AssertionError("looking writes nothing")

    def holds_deletion(self) -> bool:
        return False

    def holds_emptying(self) -> bool:
        return False


class FailingGhl(TinyGhl):
    """Refuses to tell one kind."""

    def __init__(self, kind: str, failure: Exception | Listing[Any]) -> None:
        super().__init__([ANN])
        self.kind, self.failure = kind, failure

    def _tell(self, kind: str, found: Listing[Any]) -> Listing[Any]:
        if kind != self.kind:
            return found
        if isinstance(self.failure, Exception):
            raise self.failure
        return self.failure

    def list_tasks(self, contact_id: str) -> Listing[Task]:
        return self._tell("tasks", super().list_tasks(contact_id))

    def list_notes(self, contact_id: str) -> Listing[Note]:
        return self._tell("notes", super().list_notes(contact_id))

    def list_appointments(self, contact_id: str, zone: Any) -> Listing[Appointment]:
        return self._tell("appointments", super().list_appointments(contact_id, zone))


def settled(found: Activities = NOTHING, **fields: Any) -> Snapshot:
    """Everything was told, and nothing changed since."""
    told = (1,) * len(COLUMNS)
    before = carried(found, Carried(), FINGERPRINT)
    rest = {"ghl": told, "mailjet": told, "updated_ms": ANN.date_updated_ms}
    return make_snapshot(**{**rest, "carried": before, **fields})


def side(**values: int) -> tuple[int, ...]:
    return tuple(values.get(column, 1) for column in COLUMNS)


def looked(
    memory: TinyMemory,
    ghl: TinyGhl | None = None,
    policy: Any = POLICY,
    contact: Contact = ANN,
) -> tuple[Around, list[str]]:
    """What was found, and which kinds were read for it."""
    ghl = ghl or TinyGhl([ANN])
    found = look(contact, ghl, memory, policy, memory.snapshot)
    return found, ghl.reads


def test_nothing_is_read_of_somebody_whom_nothing_points_at():
    found, reads = looked(TinyMemory(snapshot=settled()))

    assert reads == []
    assert found == Around(looked=True)
    assert found.wanted(POLICY) == {}


def test_everything_is_read_of_somebody_new():
    found, reads = looked(TinyMemory())

    assert reads == ["tasks", "notes", "appointments"]
    assert found.activities == NOTHING


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_somebody_points_at_is_read_alone(kind):
    memory = TinyMemory(snapshot=settled(), touched=frozenset(KINDS[kind]))

    found, reads = looked(memory)

    assert reads == [kind]
    assert found.looked
    known = Activities(**{kind: ()})
    assert found.activities == known


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("ghl_open_tasks", "tasks"),
        ("ghl_next_task_due", "tasks"),
        ("ghl_note_count", "notes"),
        ("ghl_last_note_at", "notes"),
        ("ghl_next_appointment_at", "appointments"),
        ("ghl_appointment_status", "appointments"),
    ],
)
@pytest.mark.parametrize("why", ["never told", "changed there", "changed before"])
def test_a_kind_of_which_mailjet_holds_something_else_is_read(column, kind, why):
    other = side(**{column: 2})
    snapshot, seen = settled(), None
    if why == "never told":
        snapshot = replace(snapshot, ghl=side(**{column: UNKNOWN}))
    elif why == "changed there":
        seen = other
    else:
        # A write of ours is what Mailjet holds; a read that told nothing is no change.
        snapshot, seen = replace(snapshot, mailjet=other), side()
    _, reads = looked(TinyMemory(snapshot=snapshot, seen=seen))

    assert reads == [kind]


def test_a_side_that_tells_nothing_points_at_nothing():
    memory = TinyMemory(snapshot=settled(), seen=side(ghl_open_tasks=UNKNOWN))

    assert looked(memory)[1] == []


def test_a_sweep_that_saw_no_change_saves_the_reads_of_a_contact_that_changed():
    """Its notes are read: no sweep tells of them."""
    contact = replace(ANN, date_updated_ms=NOW_MS)

    assert looked(TinyMemory(snapshot=settled()), contact=contact)[1] == ["notes"]


def test_outside_bulk_work_notes_are_read_and_sweeps_are_not_believed():
    """A sweep may be hours old; an event says what changed, but for notes."""
    memory = TinyMemory(
        snapshot=settled(), trusting=False, swept=Activities(tasks=(task(),))
    )

    found, reads = looked(memory)

    assert reads == ["notes"]
    assert found.activities == Activities(notes=())


def test_rows_of_a_sweep_are_taken_without_a_read():
    swept = Activities(tasks=(task(),), appointments=(meeting(),))

    found, reads = looked(TinyMemory(snapshot=settled(), swept=swept))

    assert reads == []
    assert found.activities == swept


def test_the_rows_of_a_sweep_are_enough_for_somebody_new_too():
    swept = Activities(tasks=(), appointments=())

    _, reads = looked(TinyMemory(swept=swept))

    assert reads == ["notes"]


@pytest.mark.parametrize("kind", ["tasks", "appointments"])
def test_what_somebody_pointed_at_is_read_although_a_sweep_has_rows(kind):
    rows: Mapping[str, Any] = {"tasks": (task(),), "appointments": (meeting(),)}
    memory = TinyMemory(
        snapshot=settled(),
        swept=Activities(**{kind: rows[kind]}),
        touched=frozenset(KINDS[kind]),
    )

    found, reads = looked(memory)

    assert reads == [kind]
    assert found.activities == Activities(**{kind: ()})


def test_where_a_token_cannot_sweep_every_contact_is_read_singly():
    policy = make_policy(
        carrying=make_carrying(sweeps_tasks=False, sweeps_appointments=False)
    )

    assert looked(TinyMemory(snapshot=settled()), policy=policy)[1] == [
        "tasks",
        "appointments",
    ]


def test_appointments_further_away_than_a_year_are_left_out_however_they_are_read():
    edges = (-APPOINTMENT_WINDOW_MS, 0, APPOINTMENT_WINDOW_MS)
    near = tuple(meeting(f"m{at}", start_ms=NOW_MS + at) for at in edges)
    far = tuple(
        meeting(f"f{at}", start_ms=NOW_MS + at)
        for at in (-APPOINTMENT_WINDOW_MS - 1, APPOINTMENT_WINDOW_MS + 1)
    )
    undated = meeting("m-", start_ms=None)
    ghl = TinyGhl([ANN])
    ghl.appointments["gh1"] = [*near, *far, undated]
    swept = Activities(appointments=(*far, *near, undated))

    singly, _ = looked(TinyMemory(snapshot=settled(), touched=frozenset("a")), ghl)
    at_once, _ = looked(TinyMemory(snapshot=settled(), swept=swept))

    assert singly.activities.appointments == at_once.activities.appointments == near


# What cannot be read


UNREADABLE = BadPayload("ghl", "GET /x", 200, "not JSON")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("failure", "reason"),
    [(UNREADABLE, str(UNREADABLE)), (Listing((), ("x1",)), "1 rows cannot be read")],
)
def test_a_kind_that_cannot_be_read_is_left_as_it_was(kind, failure, reason):
    """A row that cannot be read must not look like one that was deleted."""
    ghl = FailingGhl(kind, failure)
    memory = TinyMemory(touched=frozenset("tna"))

    found, reads = looked(memory, ghl)

    others = {one: () for one in KINDS if one != kind}
    assert sorted(reads) == sorted(KINDS)
    assert found.activities == Activities(**others)
    assert found.left_alone == (f"{kind}: {reason}",)
    assert not found.looked, "it would not be read again"
    assert getattr(Kind, kind.upper()) not in found.crossings(NOW_MS)
    before = {"tasks": {"t9": 1}, "notes": {"n9": 2}, "meetings": 3}
    told = found.carried(Carried(**before), POLICY)
    name = {"appointments": "meetings"}.get(kind, kind)
    assert getattr(told, name) == before[name]


def test_the_reason_names_nothing_of_the_contact():
    ghl = FailingGhl("notes", Listing((note(body="secret"),), ("secret id",)))

    found, _ = looked(TinyMemory(), ghl)

    assert "secret" not in " ".join(found.left_alone)


@pytest.mark.parametrize(
    "failure", [Unauthorized("ghl", "GET /x", 401), VendorDown("ghl", "GET /x", 503)]
)
def test_a_vendor_that_is_away_and_a_token_that_is_dead_end_the_look(failure):
    assert failure.reach is not Reach.CONTACT

    with pytest.raises(type(failure)):
        looked(TinyMemory(), FailingGhl("notes", failure))


def test_a_contact_that_is_gone_ends_the_look():
    with pytest.raises(NotFound):
        looked(TinyMemory(), TinyGhl())


def test_what_is_not_found_of_a_contact_that_is_there_is_left_as_it_was():
    """Who was created a moment ago may not be known everywhere yet."""
    failure = NotFound("ghl", "GET /x", 400)

    found, _ = looked(TinyMemory(), FailingGhl("notes", failure))

    assert found.activities == Activities(tasks=(), appointments=())
    assert found.left_alone == (f"notes: {failure}",)


# Notes of contacts with a tag


TAGGED = make_policy(carrying=make_carrying(notes_tag="vip"))
VIP = replace(ANN, tags=("lead", "vip"))


def test_notes_of_contacts_without_the_tag_are_not_read():
    found, reads = looked(TinyMemory(touched=frozenset("n")), policy=TAGGED)

    assert "notes" not in reads
    assert found.activities.notes is None
    assert found.looked
    assert not found.forgets_notes, "there is nothing to take back"


def test_a_contact_that_got_the_tag_has_its_notes_read():
    before = settled(Activities(tasks=(), appointments=()))

    _, reads = looked(TinyMemory(snapshot=before), policy=TAGGED, contact=VIP)

    assert reads == ["notes"]


def test_a_contact_that_lost_the_tag_has_its_notes_taken_back_and_nothing_else():
    before = Activities(tasks=(task(),), notes=(note(),), appointments=())
    memory = TinyMemory(snapshot=settled(before))

    found, reads = looked(memory, policy=TAGGED)

    assert reads == []
    assert found.forgets_notes
    assert found.wanted(TAGGED) == {
        "ghl_note_count": "",
        "ghl_last_note_at": "",
        "ghl_last_note": "",
    }
    told = found.carried(memory.snapshot.carried, TAGGED)
    assert told == replace(memory.snapshot.carried, notes=None)
    assert to_append(found, TinyMailjet(), memory, TAGGED, 1) == ()


# What it comes to


def test_what_mailjet_should_hold_is_told_for_the_kinds_that_are_known():
    found = Around(Activities(tasks=(task(due_ms=NOW_MS - 1),)))

    assert found.wanted(POLICY) == {
        "ghl_open_tasks": "1",
        "ghl_overdue_tasks": "1",
        "ghl_next_task_title": "Call",
        "ghl_next_task_due": "2026-11-23T15:59:59Z",
    }


def test_each_kind_is_looked_at_again_when_time_changes_what_it_tells():
    found = Around(
        Activities(
            tasks=(task(due_ms=NOW_MS + HOUR_MS), task("t2", due_ms=NOW_MS - HOUR_MS)),
            notes=(note(),),
            appointments=(meeting(start_ms=NOW_MS + DAY_MS),),
        )
    )

    assert found.crossings(NOW_MS) == {
        "t": NOW_MS + HOUR_MS + 1,
        "n": 0,
        "a": NOW_MS + DAY_MS + 1,
    }
    done = Around(Activities(tasks=(task(completed=True, due_ms=NOW_MS + 1),)))
    assert done.crossings(NOW_MS) == {"t": 0}
    assert Around().crossings(NOW_MS) == {}


# Entries


def appended(memory: TinyMemory, found: Around, **fields: Any) -> list[str]:
    """`name status` of what is to be appended."""
    policy = make_policy(carrying=make_carrying(**fields))
    mailjet = TinyMailjet()
    mailjet.person(ANN.email)
    states = to_append(found, mailjet, memory, policy, 1)
    return [f"{state.name} {state.facts['status']}" for state in states]


CHANGED = Around(Activities(tasks=(task(title="New"),), notes=(note(body="New"),)))
BEFORE = settled(Activities(tasks=(task(),), notes=(note(),), appointments=()))


def test_what_the_first_look_finds_is_no_history():
    assert appended(TinyMemory(), CHANGED) == []


def test_what_changed_since_is():
    told = appended(TinyMemory(snapshot=BEFORE), CHANGED)

    assert told == ["ghl_task open", "ghl_note edited"]


@pytest.mark.parametrize("name", ["ghl_task", "ghl_note"])
def test_nothing_is_appended_to_a_property_that_the_account_does_not_have(name):
    told = appended(TinyMemory(snapshot=BEFORE), CHANGED, historic=frozenset({name}))

    assert [one.split()[0] for one in told] == [name]
    assert appended(TinyMemory(snapshot=BEFORE), CHANGED, historic=frozenset()) == []


class ReadMailjet(TinyMailjet):
    """Counts the histories that are read."""

    def __init__(self, *entries: HistoryEntry) -> None:
        super().__init__()
        self.person(ANN.email)
        self.entries, self.histories = list(entries), []

    def contact_history(self, contact_id: int, name: str) -> list[HistoryEntry]:
        self.histories.append(name)
        return super().contact_history(contact_id, name)


DONE = Around(Activities(tasks=(task(completed=True, body=REFERENCE),)))
OPEN_OF_MAILJETS = settled(Activities(tasks=(task(body=REFERENCE),)))


@pytest.mark.parametrize(
    ("memory", "found", "mailjet_id", "histories"),
    [
        (TinyMemory(snapshot=BEFORE), CHANGED, 1, []),
        (TinyMemory(), DONE, 0, []),
        (TinyMemory(snapshot=BEFORE, unsettled=True), CHANGED, 0, []),
        (
            TinyMemory(snapshot=BEFORE, unsettled=True),
            CHANGED,
            1,
            ["ghl_note", "ghl_task"],
        ),
        (
            TinyMemory(snapshot=BEFORE),
            replace(CHANGED, backfills=True),
            1,
            ["ghl_note", "ghl_task"],
        ),
        (
            TinyMemory(snapshot=BEFORE),
            Around(Activities(notes=())),
            1,
            ["ghl_note"],
        ),
        (TinyMemory(snapshot=OPEN_OF_MAILJETS), DONE, 1, ["ghl_task"]),
    ],
    ids=["plain", "lost", "new", "cut short", "backfill", "deleted", "closed"],
)
def test_the_history_is_read_only_where_it_may_hold_more_than_is_remembered(
    memory, found, mailjet_id, histories
):
    mailjet = ReadMailjet()

    to_append(found, mailjet, memory, POLICY, mailjet_id)

    assert mailjet.histories == histories


def test_what_an_attempt_that_was_cut_short_appended_is_not_appended_again():
    memory = TinyMemory(snapshot=BEFORE)
    first, second = to_append(CHANGED, ReadMailjet(), memory, POLICY, 1)
    there = HistoryEntry(5, 1, first.name, first.data, NOW_MS)

    again = to_append(
        CHANGED, ReadMailjet(there), replace(memory, unsettled=True), POLICY, 1
    )

    assert again == (second,)


def test_a_backfill_reads_everything_once_and_tells_all_of_it():
    ghl = TinyGhl([ANN])
    ghl.tasks["gh1"], ghl.notes["gh1"] = [task()], [note()]
    policy = make_policy(carrying=make_carrying(backfill=True))
    memory = TinyMemory(snapshot=BEFORE)

    found, reads = looked(memory, ghl, policy)
    states = to_append(found, ReadMailjet(), memory, policy, 1)
    after = replace(BEFORE, carried=found.carried(BEFORE.carried, policy))

    assert reads == [*KINDS]
    assert [state.item_id for state in states] == ["t1", "n1"]
    assert after.carried.backfilled
    ghl.reads.clear()
    assert looked(TinyMemory(snapshot=after), ghl, policy)[1] == []


def test_without_historic_properties_nothing_is_read_for_a_backfill():
    carrying = make_carrying(backfill=True, historic=frozenset())

    found, reads = looked(
        TinyMemory(snapshot=BEFORE), policy=make_policy(carrying=carrying)
    )

    assert (reads, found.backfills) == ([], False)


def test_a_kind_that_could_not_be_read_is_not_called_backfilled():
    """Else its entries would never come."""
    policy = make_policy(carrying=make_carrying(backfill=True))

    found, _ = looked(
        TinyMemory(snapshot=BEFORE), FailingGhl("notes", UNREADABLE), policy
    )

    assert not found.carried(BEFORE.carried, policy).backfilled


def test_how_a_note_is_told_is_the_operators_choice():
    text = NoteText(plain_text, 10, excerpt=True, bodies=True)
    policy = make_policy(carrying=make_carrying(note_text=text))
    found = Around(Activities(notes=(note(body="<p>Hello <b>world</b></p>"),)))
    memory = TinyMemory(snapshot=settled())

    (state,) = to_append(found, ReadMailjet(), memory, policy, 1)

    assert found.wanted(policy)["ghl_last_note"] == "Hello wor…"
    assert state.facts["body"] == "Hello wor…"
    assert around.carried_before(TinyMemory()) == Carried()
