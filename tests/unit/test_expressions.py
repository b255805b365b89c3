"""Conditions and values of rules: right where they are right, harmless everywhere."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BadExpression, CannotTell
from pipeline.expression_variables import (
    ALWAYS,
    CONTACT_TEXTS,
    EVERY,
    LONGEST_TEXT,
    MOST_CHARACTERS,
    MOST_ITEMS,
    VARIABLES,
)
from pipeline.expressions import LONGEST, compile_condition, compile_value
from pipeline.settings.mapping import READABLE
from pipeline.sync.activity import Activities, Appointment, Task
from pipeline.sync.facts import TEXTS as FACTS_OF_TEXT
from pipeline.sync.facts import facts_of
from pipeline.sync.mail_event import EventKind
from pipeline.sync.timing import moments
from pipeline.sync.triggers import TIMED, Trigger, of_event, variables
from tests.builders import make_contact, make_event, make_rule
from tests.tiny_vendors import NOW_MS

ON = ("created",)
NOW = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
FACTS: Mapping[str, object] = {
    "contact.id": "c1",
    "contact.email": "ann@example.com",
    "contact.city": "Porto",
    "contact.timezone": "Asia/Tokyo",
    "contact.tags": ("lead", "event-2026"),
    "contact.dnd": False,
    "contact.custom": {"plan": "gold"},
    "contact.dateAdded": datetime(2026, 6, 1, tzinfo=UTC),
    "now": NOW,
    "event.url": "https://example.com/demo",
    "event.campaign_id": 7,
}
CLICK = ("click",)


def value(text: str, facts: Mapping[str, object] = FACTS) -> object:
    return compile_value(text, CLICK)(facts)


def refusal(text: str, triggers: tuple[str, ...] = ON) -> str:
    with pytest.raises(BadExpression) as caught:
        compile_value(text, triggers)
    told = str(caught.value)
    assert len(told) <= 200
    assert told.isprintable()
    return told


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        ("contact.city == 'Porto'", True),
        ("contact.city in ['Lisboa', 'Faro']", False),
        ("'lead' in contact.tags && !contact.dnd", True),
        ("contact.tags.exists(t, t.startsWith('event-'))", True),
        ("contact.tags.all(t, t == 'lead')", False),
        ("'plan' in contact.custom && contact.custom.plan == 'gold'", True),
        ("contact.custom['plan'] != 'gold'", False),
        ("contact.email.endsWith('@example.com')", True),
        ("event.url.contains('/demo') && event.campaign_id == 7", True),
        ("now - contact.dateAdded > duration('720h')", True),
        ("now.getHours() == 23", True),
        ("now.getDayOfWeek() == 3", True),
        ("contact.lastName == 'x' || contact.city == 'Porto'", True),
    ],
)
def test_a_condition_is_true_or_false(text: str, is_so: bool) -> None:
    assert compile_condition(text, CLICK)(FACTS) is is_so


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("contact.city", "Porto"),
        ("contact.dnd ? 'no' : 'yes'", "yes"),
        ("size(contact.tags) + 1", 3),
        ("double(event.campaign_id) / 2.0", 3.5),
        ("contact.dnd", False),
        ("now", "2026-07-01T23:30:00Z"),
        ("now + duration('90m')", "2026-07-02T01:00:00Z"),
        ("string(event.campaign_id)", "7"),
    ],
)
def test_a_value_is_what_a_template_can_show(text: str, found: object) -> None:
    told = value(text)

    assert (told, type(told)) == (found, type(found))


@pytest.mark.parametrize(
    "text",
    [
        *("[1]", "{'a': 1}", "null", "b'a'", "1u", "int", "duration('1h')"),
        *("[1, 'a'][0]", "contact.tags", "{[]: 1}", "now - now"),
    ],
)
def test_what_no_template_shows_is_no_value(text: str) -> None:
    refusal(text)


def test_a_value_is_no_condition() -> None:
    with pytest.raises(BadExpression) as caught:
        compile_condition("contact.city", ON)

    assert str(caught.value).startswith("is a value, not a condition")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "contact.cty == 'a'",
            "column 1: there is no such name; did you mean 'contact.c",
        ),
        (
            "1 == 1 && city == 'a'",
            "column 11: there is no such name; did you mean 'cont",
        ),
        ("1 == 1 &&\n contact.cty == 'a'", "line 2, column 2: there is no such name;"),
        (
            "contact.city.contain('a')",
            "column 14: there is no such name; did you mean 'c",
        ),
        ("secret_0123456789", "column 1: there is no such name; the README has those"),
        ("contact.city == 5", "column 14: == does not take (string, int)"),
        ("now > contact.city", "column 5: > does not take (timestamp, string)"),
        ("contact.city ? 1 : 2", "column 14: ?: does not take (string, int, int)"),
        (
            "'a' + contact.city",
            "column 5: + does not take (string, string): texts and l",
        ),
        ("dyn('a') + dyn('b')", "column 1: there is no dyn"),
        ("contact.tags + ['a']", "column 14: + does not take (list(string), list(stri"),
        ("contact.tags.map(t, t)", "column 14: there is no map; exists and all look"),
        ("contact.tags.filter(t, t == 'a')", "column 14: there is no filter; exists"),
        (
            "has(contact.custom.plan)",
            "column 1: there is no has; write 'key' in contact",
        ),
        ("contact.city.matches('a')", "column 14: there are no patterns; use contains"),
        (
            "now.getHours('UTC')",
            "column 5: getHours does not take that many; times are ",
        ),
        ("contact.city.size(1)", "column 14: size does not take"),
        ("contact.city.__class__", "column 13: this has no fields"),
        ("contact.city ==", "column 16: something is missing at the end"),
        ("contact.city = 'a'", "column 14: equal is =="),
        ("contact.city == 'a' and contact.dnd", "column 21: and is &&"),
        ("contact.dnd | contact.dnd", "column 13: or is ||"),
        ("true && not contact.dnd", "column 13: not is !"),
        ("contact.dnd # 1", "column 13: this is no character of the language"),
        ("'vip in contact.tags", "column 1: this text has no end"),
        (
            "contact.tags.contains('vip')",
            "column 22: contains does not take (list(string), string); write 'vip' in",
        ),
        (
            "now - contact.dateAdded > 30",
            "column 25: > does not take (duration, int); 30 days are duration('720h')",
        ),
        (
            "contact.dateAdded > '2026-01-01'",
            "column 19: > does not take (timestamp, string); write timestamp('2026-",
        ),
        (
            "contact.plan == 'x'",
            "column 1: there is no such name; did you mean 'contact.phone'? (a cust",
        ),
        ("99999999999999999999", "column 1: this number is too large"),
        ("contact.city == '\\z'", "column 17: this text has no end, or an escape t"),
        (
            "contact.city == '\\ud800'",
            "column 17: this text has no end, or an escape t",
        ),
        ("contact.city.exists(t, t == 'a')", "column 8: this is no list"),
        ("contact.tags.exists(1, true)", "column 21: all and exists begin with a name"),
        ("'é🎉' == x", "column 9: there is no such name"),
        ("", "is empty"),
        (" \n", "is empty"),
        ("'\ud800'", "is no text: half of a surrogate pair is in it"),
        ("'" + "a" * LONGEST + "'", "is longer than 1,000 characters"),
        ("(" * 300 + "1" + ")" * 300, "is nested too deeply"),
        ("[1].all(a, [1].exists(b, a == b))", "has more than one of all, exists and"),
        ("[1].all(a, [1]\n.exists // (\n (b, a == b))", "has more than one of all,"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, told: str) -> None:
    found = refusal(text)

    assert found.startswith(told)
    assert "0123456789" not in found


def test_a_variable_of_another_trigger_is_told_with_its_triggers() -> None:
    assert refusal("change.tag") == "column 1: change.tag is there on tagged alone"
    assert refusal("task.due > now", ("task_due", "click")).endswith(
        "task.due is there on task_due alone"
    )
    assert compile_value("event.url", ("open", "click")).mentions == {"event.url"}


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("contact.city == contact . name", {"contact.city", "contact.name"}),
        ("contact.city == 'contact.name'", {"contact.city"}),
        ("contact.city == 'a' // contact.name", {"contact.city"}),
        ("contact.custom.city == ''", {"contact.custom"}),
        ("contact.tags.exists(now, now == 'a')", {"contact.tags"}),
        ("true || contact.dnd", {"contact.dnd"}),
        ("1 == 1", set()),
    ],
)
def test_what_an_expression_mentions_is_known_exactly(
    text: str, mentioned: set[str]
) -> None:
    assert compile_condition(text, ON).mentions == mentioned


@pytest.mark.parametrize("name", EVERY)
def test_every_variable_is_known_by_its_name(name: str) -> None:
    (trigger, *_) = [each for each, more in VARIABLES.items() if name in more] or ON

    assert compile_condition(f"{name} == {name}", (trigger,)).mentions == {name}


def test_the_variables_of_a_contact_are_those_that_the_domain_tells() -> None:
    contact = make_contact(date_added_ms=1, date_updated_ms=2)

    told = facts_of(contact, {}, NOW_MS, is_whole=True)

    assert told.keys() == ALWAYS.keys()
    assert set(CONTACT_TEXTS) == {*FACTS_OF_TEXT} == {*READABLE} - {"dateAdded"}
    assert all(compile_condition(f"{name} == {name}", ON)(told) for name in told)


def test_the_variables_of_a_change_are_those_that_the_domain_tells() -> None:
    task = Task("t1", "Call", "", "", NOW_MS, False, "gh1")
    meeting = Appointment("a1", "Viewing", "confirmed", NOW_MS, NOW_MS, "gh1")
    rule = make_rule(on=frozenset(TIMED))
    timed = moments(
        [rule], Activities(tasks=(task,), appointments=(meeting,)), ZoneInfo("UTC")
    )

    changes = [of_event(make_event()), *(change for _, change in timed)]

    assert set(VARIABLES) == {*Trigger, *EventKind}
    assert [change.trigger for change in changes] == [
        "click",
        "task_due",
        "appointment_soon",
    ]
    for change in changes:
        told = variables(change.facts)
        assert told.keys() == VARIABLES[change.trigger].keys()
        for name in told:
            same = compile_condition(f"{name} == {name}", (change.trigger,))
            assert same(told) is True


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("contact.lastName", "nothing is known of contact.lastName"),
        ("contact.custom.nowhere", "has no value here"),
        ("contact.tags[7]", "has no value here"),
        ("1 / (size(contact.tags) - 2)", "has no value here"),
        ("1.0 / 0.0", "has no value here"),
        ("int(contact.city)", "has no value here"),
        ("9223372036854775807 + event.campaign_id", "has no value here"),
        ("timestamp('9999-12-31T00:00:00Z') + duration('9999h')", "has no value here"),
        ("timestamp(contact.city)", "has no value here"),
        ("true ? null : google.protobuf.StringValue{value: 'a'}", "has no value here"),
    ],
)
def test_what_has_no_value_is_said_and_tells_nobodys_data(text: str, why: str) -> None:
    with pytest.raises(CannotTell) as caught:
        value(text)

    assert str(caught.value).startswith(why)
    assert "Porto" not in str(caught.value)


@pytest.mark.parametrize(
    ("fact", "is_told"),
    [
        ({"contact.city": "a" * LONGEST_TEXT}, True),
        ({"contact.city": "a" * LONGEST_TEXT + "a"}, False),
        ({"contact.city": "\ud800"}, False),
        ({"contact.city": None}, False),
        ({"contact.city": 5}, False),
        ({"contact.tags": ("a",) * MOST_ITEMS}, True),
        ({"contact.tags": ("a",) * MOST_ITEMS + ("a",)}, False),
        ({"contact.tags": ("a" * LONGEST_TEXT,) * 26}, False),
        ({"contact.custom": {"a": "b", "long": "a" * LONGEST_TEXT + "a"}}, True),
        ({"contact.custom": {str(i): "a" * MOST_ITEMS for i in range(101)}}, False),
        ({"event.campaign_id": 2**63}, False),
        ({"now": datetime.max.replace(tzinfo=UTC)}, False),
    ],
)
def test_what_is_too_large_or_of_another_kind_is_not_told(
    fact: Mapping[str, object], is_told: bool
) -> None:
    (name,) = fact
    condition = compile_condition(f"{name} == {name}", CLICK)

    assert 26 * LONGEST_TEXT > MOST_CHARACTERS
    if is_told:
        assert condition(fact) is True
    else:
        with pytest.raises(CannotTell):
            condition(fact)


def test_one_expression_serves_many_threads() -> None:
    text = "contact.tags.exists(t, t == contact.city) ? contact.city : string(now)"
    compiled = compile_value(text, ON)
    start = threading.Barrier(16)

    def ask(number: int) -> bool:
        start.wait()
        city = f"city{number}"
        facts = {**FACTS, "contact.city": city, "contact.tags": ("a", city)}
        return all(compiled(facts) == city for _ in range(500))

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(ask, range(16)))


LONG = "a" * 999 + "b"
HOSTILE: Mapping[str, str] = {
    "one search in each turn": " || ".join(["contact.city.contains(contact.id)"] * 25),
    "all items in each turn": " || ".join(["contact.id in contact.tags"] * 28),
    "lists compared": " || ".join(["contact.tags != contact.tags"] * 30),
    "tables compared": " || ".join(["contact.custom != contact.custom"] * 25),
    "numbers read": " || ".join(["double(t) < 0.0"] * 50),
    "texts joined behind the checker's back": " || ".join(["['', 1][0] == t"] * 40),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_worst_that_fits_ends_soon(name: str) -> None:
    facts: Mapping[str, object] = {
        "contact.tags": tuple(f"{'a' * 95}{number}" for number in range(500)),
        "contact.custom": {f"{number}": "a" * 2000 for number in range(20)},
        "contact.city": "a" * 2000,
        "contact.id": LONG,
        "now": NOW,
    }

    started = time.thread_time()
    ended = outcome(f"contact.tags.exists(t, {HOSTILE[name]})", facts)

    assert ended in ("bool", "has no value here")
    assert time.thread_time() - started < 5


WORDS = (
    *("contact.city", "contact.tags", "contact.custom", "contact.dnd", "now", "t"),
    *("contact.cty", "event.campaign_id", "event.url", "true", "null", "1", "0", "-"),
    *("9223372036854775807", "1e308", "1u", "'a'", "'1h'", "b'\\xff'", "'\\ud800'"),
    *("'9999-12-31T23:59:59Z'", "timestamp", "duration", "string", "int", "double"),
    *("bytes", "type", "dyn", "matches", "size", "getHours", "contains", "exists(t,"),
    *("all(t,", "has(", "map(t,", "google.protobuf.Struct{", "__class__", "mro"),
    *("(", ")", "[", "]", "{", "}", ".", ",", ":", "?", "!", "+", "*", "/", "%"),
    *("==", "<", "&&", "||", "in", " ", "\n", "\x00", "//", '"', "'", "\\", "🎉"),
)
EXPRESSIONS = (
    st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)
    | st.lists(st.sampled_from(WORDS), max_size=200).map("".join)
    | st.text(max_size=60)
    | st.builds(
        lambda start, depth, middle, end: start * depth + middle + end * depth,
        st.sampled_from(WORDS),
        st.integers(0, 400),
        st.sampled_from(WORDS),
        st.sampled_from(WORDS),
    )
)
TEXTS = st.sampled_from(
    ["", "Porto", "1h", "/dev/zero", "Asia/Tokyo", "é\x00", "\ud800"]
)
SOME_FACTS = st.fixed_dictionaries(
    {},
    optional={
        "contact.city": TEXTS,
        "contact.tags": st.lists(TEXTS, max_size=5).map(tuple),
        "contact.custom": st.dictionaries(TEXTS, TEXTS, max_size=3),
        "contact.dnd": st.booleans(),
        "event.campaign_id": st.integers(),
        "now": st.datetimes(timezones=st.just(UTC)),
    },
)


@given(EXPRESSIONS, SOME_FACTS)
def test_any_text_ends_in_a_value_or_in_an_error_of_ours(
    text: str, facts: Mapping[str, object]
) -> None:
    started = time.thread_time()

    ended = outcome(text, facts)

    assert ended.isprintable()
    assert len(ended) <= 200
    assert time.thread_time() - started < 1


def outcome(text: str, facts: Mapping[str, object]) -> str:
    """What it ends in: a value's kind, or what an error of ours says."""
    try:
        return type(compile_value(text, CLICK)(facts)).__name__
    except (BadExpression, CannotTell) as error:
        return str(error)
