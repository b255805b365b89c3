"""Which changes of a contact make which rules fire, and when nothing does."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.expressions import compile_condition
from pipeline.sync.activity import Activities, Appointment, Task
from pipeline.sync.contact import Contact
from pipeline.sync.newcomers import SOURCE
from pipeline.sync.noticing import FIRES_A_DAY, Noticed, notice, tells
from pipeline.sync.ports import Policy
from pipeline.sync.rule_memory import COUNTED_MOST, RuleMemory, pack, unpack
from pipeline.sync.rules import Rule
from pipeline.sync.triggers import DAY_MS, HOUR_MS, Trigger
from tests.builders import make_carrying, make_contact, make_policy, make_rule
from tests.tiny_vendors import NOW_MS

ARMED_MS = NOW_MS - 10 * DAY_MS
IMPORTED = ARMED_MS - DAY_MS
NOTHING = Activities()


def rule(on: Trigger, when: str = "", name: str = "rule", **facts: Any) -> Rule:
    condition = compile_condition(when, [on]) if when else None
    return make_rule(name=name, on=frozenset({on}), when=condition, **facts)


def policy(*rules: Rule, now_ms: int = NOW_MS) -> Policy:
    carrying = make_carrying(now_ms=now_ms)
    return make_policy(rules=rules, carrying=carrying, armed_ms=ARMED_MS)


def contact(city: str = "Lisboa", *tags: str, **facts: Any) -> Contact:
    told = {"values": {"city": city}, "tags": tags, "date_added_ms": IMPORTED}
    return make_contact(**{**told, **facts})


def look(
    own: Policy,
    one: Contact,
    before: RuleMemory | None,
    activities: Activities = NOTHING,
    *,
    is_whole: bool = True,
) -> Noticed:
    """What a sync notices; what is remembered goes through its stored form."""
    found = notice(one, activities, before, own, is_whole=is_whole)
    assert found.memory is not None
    assert unpack(pack(found.memory)) == found.memory
    return found


def keys(found: Noticed) -> list[tuple[str, str]]:
    return [(rule.name, change.key) for rule, change in found.fired]


def task(due_ms: int | None, id_: str = "t1", *, completed: bool = False) -> Task:
    return Task(id_, "Call", "", "", due_ms, completed, "gh1")


def meeting(start_ms: int | None, status: str = "confirmed") -> Appointment:
    return Appointment("a1", "Viewing", status, start_ms, None, "gh1")


FARO = contact("Faro")


def test_whom_the_first_import_meets_nothing_fires_for() -> None:
    rules = [rule(trigger, name=f"on-{trigger.value[:4]}") for trigger in Trigger]
    around = Activities(tasks=(task(NOW_MS - 1),), appointments=(meeting(NOW_MS + 1),))

    found = look(policy(*rules), contact("Porto", "vip"), None, around)

    assert found.fired == ()
    assert (
        look(policy(*rules), contact("Porto", "vip"), found.memory, around).fired == ()
    )


@pytest.mark.parametrize(
    ("added_ms", "armed_ms", "fires"),
    [
        (ARMED_MS - 1, ARMED_MS, False),
        (ARMED_MS, ARMED_MS, True),
        (NOW_MS, ARMED_MS, True),
        (NOW_MS + HOUR_MS, ARMED_MS, False),
        (NOW_MS, 0, False),
        (None, ARMED_MS, False),
    ],
)
def test_created_is_who_was_made_since_the_first_import_began(
    added_ms: int | None, armed_ms: int, fires: bool
) -> None:
    own = replace(policy(rule(Trigger.CREATED)), armed_ms=armed_ms)
    one = contact(date_added_ms=added_ms)

    found = look(own, one, None)

    assert keys(found) == ([("rule", "created")] if fires else [])
    assert look(own, one, found.memory).fired == ()


def test_who_was_there_before_is_created_only_where_that_was_asked_for() -> None:
    own = policy(rule(Trigger.CREATED, existing=True))

    assert keys(look(own, contact(), None)) == [("rule", "created")]


def test_the_condition_of_a_creation_has_to_hold() -> None:
    own = policy(rule(Trigger.CREATED, "'lead' in contact.tags"))
    new = {"date_added_ms": NOW_MS}

    assert look(own, contact("x", "lead", **new), None).fired
    assert not look(own, contact("x", "other", **new), None).fired


def test_updated_fires_when_its_condition_becomes_true() -> None:
    own = policy(rule(Trigger.UPDATED, "contact.city == 'Porto'"))
    memory, fired = None, []
    for city in ("Lisboa", "Porto", "Porto", "Faro", "Porto"):
        found = look(own, contact(city), memory)
        memory, fired = found.memory, [*fired, keys(found)]

    assert fired == [
        [],
        [("rule", "updated:rule:1")],
        [],
        [],
        [("rule", "updated:rule:2")],
    ]


def test_a_rule_that_is_new_fires_for_what_changes_not_for_what_is_so() -> None:
    memory = look(policy(rule(Trigger.TAGGED)), contact("Porto"), None).memory
    own = policy(rule(Trigger.UPDATED, "contact.city == 'Porto'"))
    other = contact("Porto", values={"city": "Porto", "phone": "+1"})

    assert not look(own, other, memory).fired


def test_a_condition_that_was_edited_fires_for_what_changes() -> None:
    memory = look(policy(rule(Trigger.UPDATED, "contact.city == 'Porto'")), FARO, None)
    own = policy(rule(Trigger.UPDATED, "contact.city != 'Porto'"))

    found = look(own, FARO, memory.memory)

    assert not found.fired
    porto = look(own, contact("Porto"), found.memory)
    assert look(own, FARO, porto.memory).fired


def test_what_changed_while_no_rule_was_about_it_is_no_news() -> None:
    own = policy(rule(Trigger.UPDATED, "'city' in change.fields"))
    before = look(own, FARO, None)
    without = look(policy(rule(Trigger.TAGGED)), contact("Porto"), before.memory)

    assert not look(own, contact("Porto"), without.memory).fired


def test_what_happened_while_no_rule_looked_is_no_news() -> None:
    rules = (
        rule(Trigger.TAGGED, name="tagged"),
        rule(Trigger.UPDATED, name="updated"),
        rule(Trigger.UPDATED, "contact.city == 'Porto'", name="porto"),
    )
    own = policy(*rules)
    tagged = look(own, contact("Faro", "vip"), look(own, FARO, None).memory)
    anew = replace(own, armed_ms=NOW_MS)

    met = look(anew, contact("Porto", "lead"), tagged.memory)

    assert not met.fired
    # What keeps orders apart is still known.
    found = look(anew, contact("Porto", "lead", "vip"), met.memory)
    (key,) = [key for name, key in keys(found) if name == "tagged"]
    assert key.endswith(":2")


def test_whom_we_made_of_a_subscriber_is_not_new() -> None:
    own = policy(rule(Trigger.CREATED), rule(Trigger.TAGGED, name="tagged"))
    made = contact("x", "a", values={"source": SOURCE}, date_added_ms=NOW_MS)

    assert not look(own, made, None).fired


def test_tags_that_a_row_did_not_tell_did_not_come() -> None:
    own = policy(rule(Trigger.TAGGED))
    thin = contact(tags=None)
    met = look(own, thin, None, is_whole=False)

    told = look(own, contact("x", "a"), met.memory)

    assert not told.fired
    assert look(own, contact("x", "a", "b"), told.memory).fired
    assert not look(own, thin, told.memory, is_whole=False).fired


def test_each_change_is_one_where_the_rule_asks_what_changed() -> None:
    own = policy(rule(Trigger.UPDATED, "'city' in change.fields"))
    first = look(own, contact("Lisboa"), None)
    second = look(own, contact("Porto"), first.memory)
    third = look(own, contact("Faro"), second.memory)

    assert keys(second) == [("rule", "updated:rule:1")]
    assert keys(third) == [("rule", "updated:rule:2")]
    assert not look(own, contact("Faro"), third.memory).fired


def test_without_a_condition_every_change_of_a_field_is_one() -> None:
    own = policy(rule(Trigger.UPDATED))
    first = look(own, contact("Lisboa"), None)
    tagged = look(own, contact("Lisboa", "vip"), first.memory)
    again = contact("Lisboa", "vip", date_updated_ms=NOW_MS)

    assert tagged.fired[0].change.facts == {"change.fields": ["tags"]}
    assert not look(own, again, tagged.memory).fired


def test_what_a_row_does_not_tell_has_not_changed() -> None:
    own = policy(rule(Trigger.UPDATED, "contact.city == 'Porto'"))
    before = look(own, contact("Porto"), None).memory
    thin = make_contact(values={}, date_added_ms=IMPORTED)

    found = look(own, thin, before, is_whole=False)

    assert not found.fired
    assert not look(own, contact("Porto"), found.memory).fired
    assert not tells(thin, own.rules)
    assert tells(contact(), own.rules)
    of_mails = compile_condition("contact.city == 'Porto'", ["click"])
    assert tells(thin, [make_rule(on=frozenset({"click"}), when=of_mails)])


def test_a_tag_that_goes_and_comes_is_another_change() -> None:
    own = policy(rule(Trigger.TAGGED, "change.tag == 'vip'"))
    memory, fired = None, []
    for tags in ((), ("vip",), ("vip", "x"), ("x",), ("x", "vip")):
        found = look(own, contact("Porto", *tags), memory)
        memory, fired = found.memory, [*fired, [key for _, key in keys(found)]]

    one, two = fired[1][0], fired[4][0]
    assert [len(each) for each in fired] == [0, 1, 0, 0, 1]
    assert one.endswith(":1")
    assert two.endswith(":2")
    assert "vip" not in one


def test_a_new_contact_was_tagged_with_what_it_has() -> None:
    own = policy(rule(Trigger.TAGGED))

    assert len(look(own, contact("x", "a", "b", date_added_ms=NOW_MS), None).fired) == 2
    assert not look(own, contact("x", "a", "b"), None).fired


def test_a_task_is_due_once_and_again_when_it_was_put_off() -> None:
    own = policy(rule(Trigger.TASK_DUE))
    before = look(own, contact(), None, Activities(tasks=(task(NOW_MS + HOUR_MS),)))
    assert before.crossings == {"t": NOW_MS + HOUR_MS}

    later = policy(rule(Trigger.TASK_DUE), now_ms=NOW_MS + HOUR_MS)
    due = Activities(tasks=(task(NOW_MS + HOUR_MS), task(None, "t2")))
    found = look(later, contact(), before.memory, due)
    assert keys(found) == [("rule", f"task:t1:{NOW_MS + HOUR_MS}")]
    assert not look(later, contact(), found.memory, due).fired

    done = Activities(tasks=(task(NOW_MS + HOUR_MS, completed=True),))
    assert not look(later, contact(), before.memory, done).fired
    put_off = Activities(tasks=(task(NOW_MS + HOUR_MS + 1),))
    at_last = policy(rule(Trigger.TASK_DUE), now_ms=NOW_MS + 2 * HOUR_MS)
    assert look(at_last, contact(), found.memory, put_off).fired


@pytest.mark.parametrize(
    ("start_ms", "status", "fires"),
    [
        (NOW_MS + 25 * HOUR_MS, "confirmed", False),
        (NOW_MS + 24 * HOUR_MS, "confirmed", True),
        (NOW_MS + 1, "new", True),
        (NOW_MS, "confirmed", False),
        (NOW_MS + 1, "cancelled", False),
        (None, "confirmed", False),
    ],
)
def test_an_appointment_is_soon_in_the_hours_before_it(
    start_ms: int | None, status: str, fires: bool
) -> None:
    own = policy(rule(Trigger.APPOINTMENT_SOON, hours_before=24))
    before = look(own, contact(), None, Activities(appointments=())).memory

    found = look(
        own, contact(), before, Activities(appointments=(meeting(start_ms, status),))
    )

    assert bool(found.fired) is fires


def test_what_a_new_timed_rule_waits_for_is_read_first() -> None:
    own = policy(rule(Trigger.TASK_DUE))
    before = look(policy(rule(Trigger.TAGGED)), contact(), None).memory

    found = look(own, contact(), before)
    assert found.unread == "t"
    assert look(own, contact(), found.memory).unread == "t"
    read = look(own, contact(), found.memory, Activities(tasks=()))
    assert read.unread == ""
    assert look(own, contact(), read.memory).unread == ""


def test_rules_that_undo_each_other_come_to_rest() -> None:
    own = policy(rule(Trigger.TAGGED))
    memory, fired = look(own, contact(), None).memory, 0
    for turn in range(60):
        found = look(own, contact("x", *(["a"] if turn % 2 else [])), memory)
        memory, fired = found.memory, fired + len(found.fired)

    assert fired == FIRES_A_DAY
    assert found.too_often == ("rule",)
    tomorrow = policy(rule(Trigger.TAGGED), now_ms=NOW_MS + DAY_MS)
    assert look(tomorrow, contact("x", "b"), memory).fired


def test_what_cannot_be_told_fires_nothing_and_forgets_nothing() -> None:
    own = policy(rule(Trigger.UPDATED, "contact.custom['plan'] == 'pro'"))
    first = look(own, contact(), None)

    assert not look(own, contact("Porto"), first.memory).fired
    assert not (first.memory and first.memory.truths)


def test_what_is_remembered_has_a_bound_and_no_values() -> None:
    own = policy(rule(Trigger.TAGGED))
    memory = look(own, contact(), None).memory
    for day in range(3):
        later = policy(rule(Trigger.TAGGED), now_ms=NOW_MS + day * DAY_MS)
        tags = [f"secret-{day}-{i}" for i in range(100)]
        memory = look(later, contact("x", *tags), memory).memory

    assert memory is not None
    assert len(memory.came) <= COUNTED_MOST
    assert b"secret" not in pack(memory)


CITIES = st.sampled_from(["", "Porto", "Faro"])
TAG_SETS = st.sets(st.sampled_from(["vip", "lead"])).map(
    lambda tags: tuple(sorted(tags))
)


@given(turns=st.lists(st.tuples(CITIES, TAG_SETS, st.booleans()), max_size=12))
def test_repeating_a_turn_that_was_not_saved_gives_the_same_changes(
    turns: list[tuple[str, tuple[str, ...], bool]],
) -> None:
    """A crash before the settlement repeats; after it nothing fires twice."""
    own = policy(
        rule(Trigger.UPDATED, "contact.city == 'Porto'", "city"),
        rule(Trigger.TAGGED, "change.tag == 'vip'", "vip"),
        rule(Trigger.CREATED, name="new", existing=True),
    )
    memory, seen = None, set()
    for city, tags, crashes in turns:
        one = contact(city, *tags)
        found = look(own, one, memory)
        if crashes:
            assert look(own, one, memory) == found
        assert not seen & set(keys(found))
        seen |= set(keys(found))
        memory = found.memory
        assert not look(own, one, memory).fired
