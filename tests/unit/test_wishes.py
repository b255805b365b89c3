"""What people write into Mailjet's history becomes a note, a task, or nothing."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.sync.activity import HistoryEntry
from pipeline.sync.aggregates import TITLE_LENGTH
from pipeline.sync.wishes import (
    BODY_LENGTH,
    DAY_MS,
    END_MS,
    FIRST_MS,
    NOTE_FEED,
    TASK_FEED,
    Wish,
    facts_of,
    references,
    wishes,
)

NOW_MS = 1_795_449_600_000  # 2026-11-23T16:00:00Z
WRITTEN_MS = NOW_MS - DAY_MS
DUE_DAYS = 3
BY_DEFAULT_MS = WRITTEN_MS + DUE_DAYS * DAY_MS
SHALOM, ROCKET = "\u05e9\u05dc\u05d5\u05dd", "\U0001f680"
MANY = 5_000_000


def asked(
    data: object, name: str = TASK_FEED, created_ms: int | None = WRITTEN_MS
) -> list[Wish]:
    text = data if isinstance(data, str) else json.dumps(data)
    entry = HistoryEntry(7, 1, name, text, created_ms)
    return list(wishes([entry], due_days=DUE_DAYS, now_ms=NOW_MS))


def the_only(*args: Any, **fields: Any) -> Wish:
    (wish,) = asked(*args, **fields)
    return wish


@pytest.mark.parametrize(
    ("data", "title", "body"),
    [
        ({"title": "Call", "body": "About the offer"}, "Call", "About the offer"),
        ({"title": " Call \n Ann ", "body": " x "}, "Call Ann", "x"),
        ({"title": 42}, "42", ""),
        ({"body": "Call her\nabout it"}, "Call her", "Call her\nabout it"),
        ({"title": ["Call"], "body": "Ask"}, "Ask", "Ask"),
        ("Call\nAbout the offer", "Call", "About the offer"),
        ("  Call  ", "Call", ""),
        ('{"title": "Cal', '{"title": "Cal', ""),
        ("[1, 2]", "[1, 2]", ""),
        ("12", "12", ""),
        ('"Call"', '"Call"', ""),
        ("null", "null", ""),
        ({"title": "<script>x()</script>"}, "<script>x()</script>", ""),
        ({"title": SHALOM, "body": ROCKET}, SHALOM, ROCKET),
        ('{"title": "\\ud83d", "body": "a\\udc00"}', "\ufffd", "a\ufffd"),
    ],
)
def test_a_task_has_the_title_and_the_body_that_somebody_wrote(
    data: object, title: str, body: str
) -> None:
    wish = the_only(data)

    assert (wish.title, wish.body, wish.due_ms) == (title, body, BY_DEFAULT_MS)


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ({"body": " Likes tea "}, "Likes tea"),
        ({"body": 12}, "12"),
        ("Likes tea", "Likes tea"),
        ("\n Likes\ntea \n", "Likes\ntea"),
        ('{"body": ', '{"body":'),
        ("[]", "[]"),
        ('{"body": "\\ud83d"}', "\ufffd"),
        ("<script>x()</script>", "<script>x()</script>"),
        (SHALOM + ROCKET, SHALOM + ROCKET),
    ],
)
def test_a_note_has_the_text_that_somebody_wrote(data: object, body: str) -> None:
    wish = the_only(data, NOTE_FEED)

    assert wish == Wish(7, body)


@pytest.mark.parametrize("name", [NOTE_FEED, TASK_FEED])
@pytest.mark.parametrize(
    "data",
    [
        *("", "   ", "\n\t\u2028", "{}", " { } "),
        *({"body": ""}, {"body": " \n"}, {"title": "", "body": None}, {"else": "x"}),
        *({"title": [], "body": {}}, {"title": True, "body": False}),
    ],
)
def test_an_entry_without_any_text_asks_for_nothing(data: object, name: str) -> None:
    assert asked(data, name) == []


@pytest.mark.parametrize("name", ["ghl_task", "ghl_note", "birthday"])
def test_an_entry_of_another_property_asks_for_nothing(name: str) -> None:
    assert asked({"title": "Call", "body": "x"}, name) == []


@pytest.mark.parametrize(
    ("due", "due_ms"),
    [
        ("2026-12-24", 1_798_070_400_000),
        ("2026-12-24T10:00:00", 1_798_106_400_000),
        ("2026-12-24T10:00:00Z", 1_798_106_400_000),
        ("2026-12-24T10:00:00.5+02:00", 1_798_099_200_500),
        (1_798_106_400, 1_798_106_400_000),
        (1_798_106_400.25, 1_798_106_400_250),
        ("1798106400", 1_798_106_400_000),
        (1_798_106_400_000, 1_798_106_400_000),
        ("1798106400000", 1_798_106_400_000),
    ],
)
def test_a_due_date_is_iso_unix_seconds_or_milliseconds(due: Any, due_ms: int) -> None:
    assert the_only({"title": "Call", "due": due}).due_ms == due_ms


NONSENSE = [
    *(None, "", "tomorrow", "31.12.2026", "2026-02-30", "2026-13-01T00:00:00Z"),
    *("0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    *("99999-01-01", "1999-12-31T23:59:59Z", "2100-01-01", "nan", "inf", "-Infinity"),
    *(0, -1, -1_798_106_400, 1, 10**11, 10**400, 1e308, True, [], {}, [1_798_106_400]),
    *(float("nan"), float("inf"), float("-inf"), "9" * 5000, "2" * MANY, "\ud83d"),
]


@pytest.mark.parametrize(
    "due", NONSENSE, ids=lambda due: str(due)[:25].encode("ascii", "replace").decode()
)
def test_a_nonsense_due_date_leaves_the_default(due: Any) -> None:
    assert the_only({"title": "Call", "due": due}).due_ms == BY_DEFAULT_MS


@pytest.mark.parametrize("due", ["1" + "0" * 5000, "1e400", "-1e400", "NaN"])
def test_a_number_that_no_machine_holds_never_stops_the_others(due: str) -> None:
    wish = the_only(f'{{"title": "Call", "due": {due}}}')

    assert wish.title is not None
    assert wish.due_ms == BY_DEFAULT_MS


@pytest.mark.parametrize(
    "created_ms", [None, 0, -1, -62_135_596_800_000, 10**20, END_MS, FIRST_MS - 1]
)
def test_an_entry_of_an_unknown_time_is_due_from_now(created_ms: int | None) -> None:
    wish = the_only("Call", created_ms=created_ms)

    assert wish.due_ms == NOW_MS + DUE_DAYS * DAY_MS


@pytest.mark.parametrize("shape", [dict, str])
def test_what_a_title_cannot_hold_stands_in_the_body(shape: type) -> None:
    title = "word " * 1_000
    data = {"title": title, "body": "Why"} if shape is dict else f"{title}\nWhy"

    wish = the_only(data)

    assert wish.title == "word " * 49 + "word…"
    assert wish.body == f"{title.strip()}\n\nWhy"


def test_a_title_of_ten_thousand_characters_is_cut() -> None:
    wish = the_only({"title": ROCKET * 10_000, "body": "Why"})

    assert wish.title == ROCKET * (TITLE_LENGTH - 1) + "…"
    assert wish.body == ROCKET * BODY_LENGTH


def test_a_title_from_the_body_does_not_repeat_it() -> None:
    body = "word " * 100 + "\nmore"

    assert the_only({"body": body}).body == body


@pytest.mark.parametrize(
    ("name", "shape"), [(NOTE_FEED, str), (NOTE_FEED, dict), (TASK_FEED, dict)]
)
@pytest.mark.parametrize("unit", ["a", ROCKET, "\u05e9\u05bc", "e\u0301\u0323"])
def test_a_body_of_five_megabytes_is_cut_between_two_characters(
    name: str, shape: type, unit: str
) -> None:
    text = unit * (MANY // len(unit.encode()))

    wish = the_only({"title": "x", "body": text} if shape is dict else text, name)

    assert wish.body == unit * (BODY_LENGTH // len(unit))
    assert references([wish.text]) == {7}


@pytest.mark.parametrize("depth", [50, 300, 500, 700, 900, 990, 5_000, 1_000_000])
@pytest.mark.parametrize(
    "shape", ['{{"body": {0}{1}}}', '{{"title": {0}{1}}}', "{0}{1}"]
)
@pytest.mark.parametrize("name", [NOTE_FEED, TASK_FEED])
def test_huge_nesting_is_survived(depth: int, shape: str, name: str) -> None:
    for wish in asked(shape.format("[" * depth, "]" * depth), name):
        assert wish.body or wish.title


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
FACTS = st.fixed_dictionaries(
    {}, optional={"title": JSON, "body": JSON, "due": JSON | st.datetimes().map(str)}
)
WRITTEN = st.one_of(st.text(max_size=40), st.builds(json.dumps, JSON | FACTS))


@given(
    data=WRITTEN,
    name=st.sampled_from([NOTE_FEED, TASK_FEED]),
    created_ms=st.none() | st.integers(-(10**20), 10**20),
)
@example(data='{"title": "\u0301", "due": 1e300}', name=TASK_FEED, created_ms=None)
@example(data="\u0301" * 20_000, name=NOTE_FEED, created_ms=None)
@example(data="\u0301" * 20_000, name=TASK_FEED, created_ms=None)
@settings(max_examples=200, deadline=None)
def test_whatever_is_written_a_wish_has_text_and_a_sane_time_and_can_be_sent(
    data: str, name: str, created_ms: int | None
) -> None:
    for wish in asked(data, name, created_ms):
        assert wish.text.encode()
        assert 7 in references([wish.text])
        if name == NOTE_FEED:
            assert wish.title is None
            assert wish.body.strip()
        else:
            assert wish.title
            assert wish.title == wish.title.strip()
            assert len(wish.title.encode("utf-16-le")) <= 4 * TITLE_LENGTH
            assert FIRST_MS <= wish.due_ms < END_MS + (DUE_DAYS + 1) * DAY_MS
        assert len(wish.body) <= BODY_LENGTH


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "<p>{}</p>",
        "<div><p>Hi</p><p>{}</p></div>",
        "Hi<br><br>{}",
        "Hi&nbsp;{}&nbsp;",
        "{} and more",
    ],
)
@pytest.mark.parametrize(
    "reference", ["[mj:12345]", "&#91;mj:12345&#93;", "&lbrack;mj:12345&rbrack;"]
)
def test_a_reference_is_found_in_what_an_editor_made_of_it(
    body: str, reference: str
) -> None:
    assert references([body.format(reference)]) == {12345}


@given(
    body=st.text(max_size=50).filter(lambda text: "mj:" not in text),
    entry_id=st.integers(1, 2**64 - 1),
    wrap=st.sampled_from(["{}", "<p>{}</p>", "<div>{}<br></div>"]),
)
@settings(max_examples=100, deadline=None)
def test_every_wish_is_found_again_by_its_reference(
    body: str, entry_id: int, wrap: str
) -> None:
    sent = Wish(entry_id, body).text

    assert references([wrap.replace("{}", sent.replace("\n", "<br>"))]) == {entry_id}


@pytest.mark.parametrize(
    "body",
    ["", "[mj:]", "[mj:x]", "mj:5", "[ mj:5 ]", f"[mj:{'9' * 5000}]", "[mj:-1]"],
)
def test_what_is_no_reference_is_none(body: str) -> None:
    assert references([body]) == set()


def test_all_references_of_all_bodies_are_found() -> None:
    assert references(["[mj:1] [mj:2]", "", "a [mj:3]"]) == {1, 2, 3}


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        ('{"id": "t1"}', {"id": "t1"}),
        *((text, {}) for text in ("", "{", "[]", "3", '"x"', "null", "[" * 100_000)),
    ],
)
def test_the_facts_of_an_entry_are_an_object_or_nothing(
    data: str, facts: dict[str, object]
) -> None:
    assert facts_of(data) == facts
