"""Digests, groups, the guard and masks: the small parts of a plan."""

import pytest

from pipeline.commands.plan_view import masked
from pipeline.errors import Drifted, Rejected
from pipeline.planning.digests import Digests
from pipeline.planning.groups import Groups
from pipeline.planning.guard import PlanGuard
from pipeline.planning.watched import Call
from pipeline.planning.writes import Kind, Turn, Write
from pipeline.sync.activity import Note
from pipeline.sync.aggregates import iso
from pipeline.sync.blocking import Block, Reason
from pipeline.sync.contact import Subscriber
from pipeline.sync.snapshot import Fingerprint
from tests.builders import EMAIL, KEY
from tests.tiny_vendors import NOW_MS

GHL_ID = "gh1"


def digests() -> Digests:
    return Digests(Fingerprint(KEY))


def upsert(city: str) -> Call:
    return Call("mailjet", "manage_contact", EMAIL, {"properties": {"city": city}})


def block(at_ms: int) -> Call:
    settings = {"Email": Block(Reason.UNSUBSCRIBED, at_ms).entry}
    values = {"values": {"dndSettings": settings}}
    return Call("ghl", "update_contact", GHL_ID, values)


def task(assigned_to: str, due_ms: int = NOW_MS) -> Call:
    facts = {"title": "Call back", "due_ms": due_ms, "assigned_to": assigned_to}
    return Call("ghl", "create_task", GHL_ID, facts)


def guard(*calls: Call) -> PlanGuard:
    known = digests()
    writes = (
        Write(call.vendor, call.route, Kind.TASK, known.of(GHL_ID, call))
        for call in calls
    )
    return PlanGuard(Turn(GHL_ID, writes=tuple(writes)), Fingerprint(KEY), digests())


def test_a_digest_changes_with_the_value_and_not_with_the_clock() -> None:
    known = digests()

    assert known.of(GHL_ID, upsert("Faro")) != known.of(GHL_ID, upsert("Porto"))
    assert known.of(GHL_ID, block(NOW_MS)) == known.of(GHL_ID, block(NOW_MS + 90_000))
    assert known.of(GHL_ID, task("")) == known.of(GHL_ID, task("", NOW_MS + 1))
    assert known.of(GHL_ID, task("")) != known.of(GHL_ID, task("ann"))


def test_a_digest_is_of_the_address_and_not_of_mailjets_number() -> None:
    planned, applied = digests(), digests()
    planned.met(Subscriber(-1, EMAIL))
    applied.met(Subscriber(1234, EMAIL))
    other = digests()
    other.met(Subscriber(1234, "bob@example.com"))

    def exclude(number: int) -> Call:
        return Call("mailjet", "update_contact", number, {"excluded": True})

    told = planned.of(GHL_ID, exclude(-1))
    assert told == applied.of(GHL_ID, exclude(1234))
    assert told != other.of(GHL_ID, exclude(1234))


def test_number_and_time_of_what_a_plan_makes_are_not_in_a_digest() -> None:
    found = []
    for note in (
        Note("planned-note-1", "", NOW_MS, GHL_ID),
        Note("pX3", "", NOW_MS + 9000, GHL_ID),
    ):
        known = digests()
        known.made(GHL_ID, note, b"12345678")
        values = {"at": iso(note.added_ms), "note": note.id}
        call = Call("mailjet", "update_contact_data", EMAIL, {"properties": values})
        found.append(known.of(GHL_ID, call))

    assert found[0] == found[1]


def test_the_guard_lets_pass_what_is_planned_in_its_order() -> None:
    both = guard(upsert("Porto"), task(""))

    assert both.write(upsert("Porto"), lambda: "done") == "done"
    both.write(task(""), lambda: None)
    assert len(both.sent) == 2

    late = guard(upsert("Porto"), task(""))
    late.write(task(""), lambda: None)
    with pytest.raises(Drifted):
        late.write(upsert("Porto"), lambda: None)


def test_the_guard_sends_nothing_that_is_not_planned() -> None:
    only = guard(upsert("Porto"))
    sent: list[str] = []

    with pytest.raises(Drifted) as refused:
        only.write(upsert("Faro"), lambda: sent.append("Faro"))

    assert sent == []
    assert refused.value.untouched


def test_what_follows_a_refusal_of_the_vendor_is_planned_too() -> None:
    one = guard(task("somebody who left"))

    def refuse() -> None:
        raise Rejected("ghl", "POST /contacts/:contactId/tasks", 422)

    with pytest.raises(Rejected):
        one.write(task("somebody who left"), refuse)
    one.write(task(""), lambda: None)

    assert len(one.sent) == 1
    with pytest.raises(Drifted):
        guard(task("ann")).write(task(""), lambda: None)


def test_contacts_that_share_an_address_are_one_group_however_they_are_joined() -> None:
    groups = Groups()
    groups.join("a", {b"1"})
    groups.join("b", {b"2"})
    groups.join("c", {b"1", b"2"})
    groups.join("d", {b"3"})
    groups.join("e", set())

    numbers = groups.numbers({"e"})

    assert numbers["a"] == numbers["b"] == numbers["c"]
    assert numbers["e"] not in (0, numbers["a"])
    assert "d" not in numbers


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (3, "(a number)"),
        ("", ""),
        (EMAIL, "(an address)"),
        ("2026-11-28T10:00:00Z", "(a time)"),
        ("Ann", "(text, up to 8)"),
        ("x" * 9, "(text, up to 32)"),
        ("x" * 256, "(text, over 255)"),
        ({"city": "Porto"}, "(text, up to 32)"),
    ],
)
def test_a_mask_tells_the_kind_of_a_value_alone(value: object, shown: object) -> None:
    assert masked(value) == shown
