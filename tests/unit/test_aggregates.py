"""What tasks, notes and appointments come to, and when time alone changes it."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pipeline.sync.activity import Activities, Appointment, Note, Task
from pipeline.sync.aggregates import (
    DATATYPES,
    NOT_TAKING_PLACE,
    TITLE_LENGTH,
    NoteText,
    aggregates,
    cut,
    iso,
    next_crossing_ms,
    shorten,
)

NOW_MS = 1_795_449_600_000  # 2026-11-23T16:00:00Z
NEW_YEAR_MS = 1_798_761_600_000  # 2027-01-01T00:00:00Z
END_OF_TIME_MS = 253_402_300_800_000
HOUR_MS = 3_600_000
TASK: dict[str, Any] = {
    "id": "t1",
    "title": "Call",
    "body": "",
    "assigned_to": "",
    "due_ms": None,
    "completed": False,
    "contact_id": "gh1",
}


def task(**fields: Any) -> Task:
    return Task(**{**TASK, **fields})


def note(body: str = "Hello", added_ms: int | None = NOW_MS, id: str = "n1") -> Note:
    return Note(id, body, added_ms, "gh1")


def meeting(
    start_ms: int | None, status: str = "confirmed", id: str = "m1", title: str = "Tea"
) -> Appointment:
    return Appointment(id, title, status, start_ms, start_ms, "gh1")


def plain(body: str) -> str:
    return re.sub(r"<[^>]*>", " ", body)


def told(
    now_ms: int = NOW_MS, *, excerpt: bool = False, **kinds: Any
) -> dict[str, str]:
    text = NoteText(plain, 40, excerpt=excerpt)
    return aggregates(Activities(**kinds), now_ms, text)


MOMENTS = st.sampled_from(
    [1, NOW_MS - 1, NOW_MS, NEW_YEAR_MS - 1, NEW_YEAR_MS, END_OF_TIME_MS - 1]
) | st.integers(1, END_OF_TIME_MS - 1)
NEARBY = st.integers(NOW_MS - HOUR_MS, NOW_MS + HOUR_MS)
IDS = st.sampled_from("abcdef")
STATUSES = st.sampled_from(
    ["confirmed", "new", "showed", "noshow", "cancelled", "invalid", ""]
)


def activities(moments: st.SearchStrategy[int]) -> st.SearchStrategy[Activities]:
    times = st.none() | moments
    tasks = st.builds(
        task,
        id=IDS,
        title=st.text(max_size=5),
        due_ms=times,
        completed=st.booleans(),
    )
    notes = st.builds(note, st.text(max_size=50), times, IDS)
    meetings = st.builds(meeting, times, STATUSES, IDS, st.text(max_size=5))
    kinds = (st.none() | st.lists(k, max_size=5) for k in (tasks, notes, meetings))
    return st.builds(
        lambda *found: Activities(*(k if k is None else tuple(k) for k in found)),
        *kinds,
    )


def test_nothing_is_told_of_what_is_unknown() -> None:
    assert told() == {}


def test_everything_is_cleared_where_nothing_is_left() -> None:
    assert told(tasks=(), notes=(), appointments=(), excerpt=True) == {
        **dict.fromkeys(DATATYPES, ""),
        "ghl_open_tasks": "0",
        "ghl_overdue_tasks": "0",
        "ghl_note_count": "0",
    }


def test_open_and_overdue_tasks_are_counted_and_done_ones_are_not() -> None:
    tasks = (
        task(id="late", due_ms=NOW_MS - 1),
        task(id="now", due_ms=NOW_MS),
        task(id="some day"),
        task(id="done", due_ms=NOW_MS - HOUR_MS, completed=True),
    )

    found = told(tasks=tasks)

    assert found["ghl_open_tasks"] == "3"
    assert found["ghl_overdue_tasks"] == "1"
    assert found["ghl_next_task_due"] == "2026-11-23T15:59:59Z"


@pytest.mark.parametrize(
    ("tasks", "title", "due"),
    [
        ([("b", NOW_MS), ("a", None)], "b", "2026-11-23T16:00:00Z"),
        ([("b", NOW_MS), ("a", NOW_MS - HOUR_MS)], "a", "2026-11-23T15:00:00Z"),
        ([("b", None), ("a", None)], "a", ""),
        ([("b", NEW_YEAR_MS), ("a", NEW_YEAR_MS - 1)], "a", "2026-12-31T23:59:59Z"),
        ([("a", None), ("b", END_OF_TIME_MS - 1)], "b", "9999-12-31T23:59:59Z"),
        ([("a", None), ("b", 1)], "b", "1970-01-01T00:00:00Z"),
    ],
)
def test_the_next_task_is_the_earliest_overdue_or_not_and_undated_ones_come_last(
    tasks: list[tuple[str, int | None]], title: str, due: str
) -> None:
    found = told(tasks=[task(id=name, title=name, due_ms=ms) for name, ms in tasks])

    assert found["ghl_next_task_title"] == title
    assert found["ghl_next_task_due"] == due


def test_the_last_note_is_the_newest_and_an_undated_one_counts_as_oldest() -> None:
    notes = (
        note("old", NOW_MS - HOUR_MS, "z"),
        note("new", NOW_MS, "a"),
        note("when?", None, "zz"),
    )

    found = told(notes=notes, excerpt=True)

    assert found == {
        "ghl_note_count": "3",
        "ghl_last_note_at": "2026-11-23T16:00:00Z",
        "ghl_last_note": "new",
    }


def test_notes_without_any_date_are_counted_all_the_same() -> None:
    found = told(notes=(note(added_ms=None),))

    assert found == {"ghl_note_count": "1", "ghl_last_note_at": ""}


def test_the_text_of_a_note_leaves_only_when_switched_on_and_cleaned() -> None:
    body = "<p>Dear <b>Ann</b></p><script>steal()</script>" + "x" * 100

    assert "ghl_last_note" not in told(notes=(note(body),))
    excerpt = told(notes=(note(body),), excerpt=True)["ghl_last_note"]
    assert excerpt == "Dear Ann steal() " + "x" * 22 + "…"
    assert len(excerpt) == 40


@pytest.mark.parametrize(
    ("meetings", "following", "last", "status"),
    [
        ([(-2, "showed"), (2, "confirmed"), (5, "new")], 2, -2, "confirmed"),
        ([(-5, "showed"), (-2, "noshow")], None, -2, "noshow"),
        ([(-2, "showed"), (2, "cancelled")], None, -2, "cancelled"),
        ([(2, "cancelled"), (5, "confirmed")], 5, None, "confirmed"),
        ([(-2, "cancelled"), (-5, "showed")], None, -5, "cancelled"),
        ([(-2, "invalid")], None, None, "invalid"),
        ([(0, "confirmed")], 0, None, "confirmed"),
        ([(None, "confirmed")], None, None, ""),
    ],
)
def test_the_next_the_last_and_the_status_of_appointments(
    meetings: list[tuple[int | None, str]],
    following: int | None,
    last: int | None,
    status: str,
) -> None:
    def at(hours: int | None) -> int | None:
        return None if hours is None else NOW_MS + hours * HOUR_MS

    rows = [meeting(at(h), state, str(h), f"{h} h") for h, state in meetings]

    found = told(appointments=rows)

    assert found == {
        "ghl_next_appointment_at": iso(at(following)),
        "ghl_next_appointment_title": "" if following is None else f"{following} h",
        "ghl_last_appointment_at": iso(at(last)),
        "ghl_appointment_status": status,
    }


@given(found=activities(MOMENTS), now_ms=MOMENTS)
@settings(max_examples=100, deadline=None)
def test_every_value_is_of_its_datatype_and_counts_agree(
    found: Activities, now_ms: int
) -> None:
    values = aggregates(found, now_ms, NoteText(plain, 40, excerpt=True))

    assert values.keys() <= DATATYPES.keys()
    for name, value in values.items():
        if DATATYPES[name] == "int":
            assert re.fullmatch(r"\d+", value)
        if DATATYPES[name] == "datetime":
            assert re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)?", value)
        assert len(value) <= TITLE_LENGTH
    for kind, name in (
        (found.tasks, "ghl_open_tasks"),
        (found.notes, "ghl_note_count"),
        (found.appointments, "ghl_appointment_status"),
    ):
        assert (kind is not None) == (name in values)
    waiting = [one for one in found.tasks or () if not one.completed]
    assert int(values.get("ghl_open_tasks", 0)) == len(waiting)
    assert int(values.get("ghl_overdue_tasks", 0)) == sum(
        one.due_ms is not None and one.due_ms < now_ms for one in waiting
    )
    assert int(values.get("ghl_note_count", 0)) == len(found.notes or ())


@given(found=activities(NEARBY), order=st.randoms())
@settings(max_examples=50, deadline=None)
def test_the_order_in_which_ghl_lists_is_nobodys_change(
    found: Activities, order: Any
) -> None:
    def mixed(kind: tuple[Any, ...] | None) -> Any:
        one_each = {item.id: item for item in kind or ()}
        rows = list(one_each.values())
        return None if kind is None else (tuple(rows), order.sample(rows, len(rows)))

    kinds = {name: mixed(getattr(found, name)) for name in Activities().__dict__}
    one = {name: kind and kind[0] for name, kind in kinds.items()}
    other = {name: kind and kind[1] for name, kind in kinds.items()}

    assert told(**one, excerpt=True) == told(**other, excerpt=True)


@given(found=activities(NEARBY), share=st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_before_the_crossing_time_changes_nothing(
    found: Activities, share: float
) -> None:
    crossing_ms = next_crossing_ms(found, NOW_MS)
    last_ms = END_OF_TIME_MS if crossing_ms is None else crossing_ms - 1
    moments = {NOW_MS + round(share * (last_ms - NOW_MS)), last_ms}
    text = NoteText(plain, 40, excerpt=True)

    assert last_ms >= NOW_MS
    assert {str(aggregates(found, ms, text)) for ms in moments} == {
        str(aggregates(found, NOW_MS, text))
    }


@given(found=activities(NEARBY))
@settings(max_examples=100, deadline=None)
def test_at_the_crossing_something_has_changed(found: Activities) -> None:
    # Two meetings within a second are told as one time.
    found = replace(
        found,
        appointments=None
        if found.appointments is None
        else tuple(
            replace(one, start_ms=one.start_ms and one.start_ms // 1000 * 1000)
            for one in found.appointments
        ),
    )
    crossing_ms = next_crossing_ms(found, NOW_MS)
    assume(crossing_ms is not None)
    assert crossing_ms is not None
    text = NoteText(plain, 40)

    assert aggregates(found, crossing_ms, text) != aggregates(found, NOW_MS, text)
    assert next_crossing_ms(found, crossing_ms) != crossing_ms


@pytest.mark.parametrize(
    ("found", "crossing_ms"),
    [
        (Activities(), None),
        (Activities(tasks=(task(due_ms=NOW_MS),)), NOW_MS + 1),
        (Activities(tasks=(task(due_ms=NOW_MS - 1),)), None),
        (Activities(tasks=(task(due_ms=NEW_YEAR_MS, completed=True),)), None),
        (Activities(tasks=(task(),), notes=(note(),)), None),
        (Activities(appointments=(meeting(NEW_YEAR_MS),)), NEW_YEAR_MS + 1),
        (Activities(appointments=(meeting(NEW_YEAR_MS, "cancelled"),)), None),
    ],
)
def test_only_open_tasks_and_meetings_that_take_place_are_crossed(
    found: Activities, crossing_ms: int | None
) -> None:
    assert next_crossing_ms(found, NOW_MS) == crossing_ms


def test_what_does_not_take_place_has_ghls_words_in_small_letters() -> None:
    assert {"cancelled", "invalid"} == NOT_TAKING_PLACE


E_ACUTE = "e\u0301"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
THUMB = "\U0001f44d\U0001f3fd"
HEART = "\u2764\ufe0f"
FRANCE, GERMANY = "\U0001f1eb\U0001f1f7", "\U0001f1e9\U0001f1ea"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
HINDI = "\u0915\u093f"
ARABIC = "\u0639\u064e"
CHARACTERS = (
    *(
        "a",
        "Z",
        " ",
        "\n",
        "<",
        "\u05d0",
        "\u0627",
        "\u4e2d",
        "\U00020000",
        "\U0001f600",
    ),
    *(E_ACUTE, FAMILY, THUMB, HEART, FRANCE, GERMANY, SCOTLAND, HINDI, ARABIC),
)
"""Each is one character to a reader."""
READ = st.lists(st.sampled_from(CHARACTERS), max_size=30)
LENGTHS = st.integers(1, 40)


def borders(characters: list[str]) -> set[int]:
    found, at = {0}, 0
    for character in characters:
        at += len(character)
        found.add(at)
    return found


@given(characters=READ, length=LENGTHS)
@example(characters=[FAMILY] * 3, length=8)
@example(characters=[FRANCE, GERMANY, FRANCE], length=3)
@example(characters=["a", FRANCE, GERMANY, FRANCE], length=4)
@settings(max_examples=100, deadline=None)
def test_a_cut_falls_between_two_characters_and_takes_as_many_as_fit(
    characters: list[str], length: int
) -> None:
    text = "".join(characters)

    kept = cut(text, length)

    assert text.startswith(kept)
    assert len(kept) in borders(characters)
    assert len(kept) == max(end for end in borders(characters) if end <= length)


@given(characters=READ, length=LENGTHS)
@settings(max_examples=100, deadline=None)
def test_a_shortened_text_is_whole_characters_on_one_line(
    characters: list[str], length: int
) -> None:
    line = " ".join("".join(characters).split())

    short = shorten("".join(characters), length)

    assert len(short) <= length
    if len(line) <= length:
        assert short == line
    else:
        assert short.endswith("…")
        kept = short[:-1]
        assert line.startswith(kept)
        behind = line[len(kept)]
        assert unicodedata.category(behind)[0] != "M"
        assert "\u200d" not in (behind, kept[-1:])


@given(text=st.text(max_size=60), length=LENGTHS)
@example(text="\u0301" * 50, length=3)
@example(text="a" + "\u0301" * 300, length=40)
@settings(max_examples=100, deadline=None)
def test_any_text_is_shortened_within_its_length_and_once(
    text: str, length: int
) -> None:
    short = shorten(text, length)

    assert len(short) <= length
    assert short == short.strip()
    assert bool(short) == bool(text.strip())
    assert not set("\n\r\t\u2028") & set(short)
    assert shorten(short, length) == short
    short.encode()


@pytest.mark.parametrize(
    "text",
    [
        "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
        "\u0645\u0631\u062d\u0628\u0627\u064b \u0628\u0643",
        "\U0001f600\U00020000\U0001f680",
        FAMILY + FRANCE + THUMB,
    ],
)
@pytest.mark.parametrize("change", [str, lambda text: f"  {text}\n"])
def test_right_to_left_and_four_byte_text_that_fits_is_left_as_it_is(
    text: str, change: Callable[[str], str]
) -> None:
    assert shorten(change(text), 250) == text


def test_a_title_of_ten_thousand_characters_is_cut_in_both_places() -> None:
    title = "\U0001f600" * 10_000
    found = told(
        tasks=(task(title=title),), appointments=(meeting(NOW_MS, title=title),)
    )

    short = "\U0001f600" * (TITLE_LENGTH - 1) + "…"
    assert found["ghl_next_task_title"] == short
    assert found["ghl_next_appointment_title"] == short


def test_a_note_of_five_megabytes_is_cut() -> None:
    body = f"<div>{'word ' * 1_000_000}</div>"

    excerpt = told(notes=(note(body),), excerpt=True)["ghl_last_note"]

    assert excerpt == "word " * 7 + "word…"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, ""),
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (NEW_YEAR_MS - 1, "2026-12-31T23:59:59Z"),
        (NEW_YEAR_MS, "2027-01-01T00:00:00Z"),
        (1_709_208_000_999, "2024-02-29T12:00:00Z"),
        (END_OF_TIME_MS - 1, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_is_written_as_mailjet_writes_its_own(
    milliseconds: int | None, text: str
) -> None:
    assert iso(milliseconds) == text
