"""Which changes become an entry, what it says, and when it is there already."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline.sync.activity import Activities, Appointment, HistoryEntry, Task
from pipeline.sync.aggregates import iso
from pipeline.sync.history import (
    NOTE_HISTORY,
    TASK_HISTORY,
    Carried,
    carried,
    differs,
    missing,
    note_state,
    task_state,
)
from pipeline.sync.snapshot import Fingerprint
from tests.history_world import (
    FINGERPRINT,
    NOW_MS,
    REFERENCE,
    TELLING,
    appended,
    entry,
    meeting,
    news,
    note,
    remembered,
    task,
)


@pytest.mark.parametrize(
    ("before", "now", "facts"),
    [
        ((), task(), {"title": "Call", "due": iso(NOW_MS), "status": "open"}),
        ((task(),), task(title="Write"), {"title": "Write", "status": "open"}),
        ((task(),), task(due_ms=None), {"due": "", "status": "open"}),
        ((task(),), task(completed=True), {"status": "completed"}),
        ((task(completed=True),), task(), {"status": "open"}),
        ((task(),), task(title="x" * 10_000), {"title": "x" * 249 + "…"}),
    ],
)
def test_a_new_and_a_changed_task_are_told(
    before: tuple[Task, ...], now: Task, facts: dict[str, object]
) -> None:
    (state,) = news(remembered(tasks=before), tasks=(now,))

    assert (state.name, state.item_id) == ("ghl_task", "t1")
    assert {**state.facts, **facts} == state.facts
    assert json.loads(state.data) == {"id": "t1", **state.facts}


@pytest.mark.parametrize(
    "now",
    [
        task(),
        task(body="more words"),
        task(assigned_to="somebody"),
        task(due_ms=NOW_MS + 999),
        task(title=" Call\n"),
    ],
)
def test_what_an_entry_does_not_tell_is_no_change(now: Task) -> None:
    assert news(remembered(tasks=(task(),)), tasks=(now,)) == []


def test_notes_are_told_by_time_and_their_text_only_when_switched_on() -> None:
    body = "<p>Dear Ann,</p><script>steal()</script> \u05e9\u05dc\u05d5\u05dd" * 9
    before = remembered(notes=())

    (quiet,) = news(before, notes=(note(body=body),))
    (telling,) = news(before, TELLING, notes=(note(body=body),))
    (edited,) = news(remembered(notes=(note(),)), notes=(note(body=body),))

    assert quiet.facts.keys() == {"added", "status", "version"}
    assert quiet.facts["added"] == "2026-11-23T16:00:00Z"
    assert telling.facts == {**quiet.facts, "body": "Dear Ann, steal() \u05e9…"}
    assert edited.facts == {**quiet.facts, "status": "edited"}
    assert "\u05e9" in telling.data


def test_a_kind_that_was_not_looked_at_tells_nothing_and_stays_remembered() -> None:
    before = replace(
        remembered(tasks=(task(),), notes=(note(),), appointments=(meeting(),)),
        backfilled=True,
    )

    assert news(before) == []
    assert carried(Activities(), before, FINGERPRINT) == before
    emptied = carried(Activities((), (), ()), before, FINGERPRINT)
    assert (emptied.tasks, emptied.notes, emptied.backfilled) == ({}, {}, True)
    assert emptied.meetings not in (None, before.meetings)


@pytest.mark.parametrize(
    "kinds",
    [
        {"tasks": (task(body=REFERENCE),)},
        {"tasks": (task(title="edited", body=f"<p>{REFERENCE}</p>"),)},
        {"notes": (note(body=REFERENCE),)},
        {"notes": (note(body=f"<p>edited {REFERENCE}</p>"),)},
    ],
)
@pytest.mark.parametrize("backfill", [False, True])
def test_what_came_from_mailjet_is_not_carried_back(
    kinds: dict[str, Any], backfill: bool
) -> None:
    nothing = remembered(tasks=(), notes=())
    there = remembered(**kinds)

    assert news(nothing, backfill=backfill, **kinds) == []
    assert news(there, backfill=backfill, tasks=(), notes=()) == []


def test_a_task_from_mailjet_gets_its_closing_entry_once() -> None:
    waiting, done = task(body=REFERENCE), task(body=REFERENCE, completed=True)
    before = remembered(tasks=(waiting,))

    (closing,) = news(before, tasks=(done,))

    assert closing.facts["closes"] == 77
    assert closing.facts["status"] == "completed"
    there = appended(closing)
    assert missing([closing], there) == []
    renamed = news(before, tasks=(replace(done, title="New"),))
    assert missing(renamed, there) == []
    assert news(remembered(tasks=(done,)), tasks=(replace(done, title="New"),)) == []


def test_a_deleted_task_is_told_by_the_name_it_had() -> None:
    before = remembered(tasks=(task(),), notes=(note(),))
    deletions = news(before, tasks=(), notes=())
    told = appended(*news(remembered(tasks=(), notes=()), tasks=(task(),)))

    found = missing(deletions, told)

    assert [one.is_deletion for one in found] == [True, True]
    assert [one.facts for one in found] == [
        {"title": "Call", "due": iso(NOW_MS), "status": "deleted"},
        {"status": "deleted"},
    ]
    assert missing(deletions, [*told, *appended(*found)]) == []


@pytest.mark.parametrize(
    "data",
    [
        *("", "{", "[]", "null", "7", '"t1"', "[" * 100_000, "{}", '{"id": null}'),
        *('{"id": "other", "status": "open"}', '{"id": ["t1"]}', '{"id": {}}'),
        *('{"id": "t1"}', '{"id": "t1", "status": 5}', '{"id": "t1", "x": "\\ud83d"}'),
    ],
)
def test_entries_that_others_wrote_hold_nothing_up(data: str) -> None:
    wanted = news(remembered(tasks=(), notes=()), tasks=(task(),), notes=(note("t1"),))

    there = [entry(1, TASK_HISTORY, data), entry(2, NOTE_HISTORY, data)]

    assert missing(wanted, there) == wanted


def test_the_last_entry_is_the_last_by_time_then_number() -> None:
    first, last = task(), task(title="Write")
    nothing = remembered(tasks=())
    one, two = news(nothing, tasks=(first,)) + news(nothing, tasks=(last,))
    there = [
        HistoryEntry(9, 1, TASK_HISTORY, one.data, NOW_MS - 1000),
        HistoryEntry(5, 1, TASK_HISTORY, two.data, NOW_MS),
        HistoryEntry(4, 1, TASK_HISTORY, one.data, NOW_MS),
        HistoryEntry(10, 1, TASK_HISTORY, one.data, None),
    ]

    assert missing([two], there) == []
    assert missing([one], there) == [one]


def test_a_state_that_is_wanted_twice_is_missing_once() -> None:
    wanted = news(remembered(tasks=()), tasks=(task(), task()))

    assert missing(wanted, []) == wanted[:1]


@pytest.mark.parametrize("kind", ["tasks", "meetings"])
def test_only_a_run_begins_with_a_contact_never_looked_at(kind: str) -> None:
    rows: list[Any] = [task() if kind == "tasks" else meeting()]

    assert differs(kind, FINGERPRINT, Carried(), rows, for_run=True)
    assert not differs(kind, FINGERPRINT, Carried(), rows, for_run=False)
    assert not differs(kind, FINGERPRINT, Carried(), (), for_run=True)


def test_appointments_differ_by_what_is_told_of_them_in_any_order() -> None:
    rows = [meeting("m1"), meeting("m2", start_ms=NOW_MS + 1), meeting("m3")]
    before = remembered(appointments=rows)

    def is_other(*now: Appointment) -> bool:
        return differs("meetings", FINGERPRINT, before, now, for_run=False)

    assert not is_other(*reversed(rows))
    assert is_other(*rows[:2])
    assert is_other()
    for change in ({"status": "cancelled"}, {"title": "Lunch"}, {"start_ms": None}):
        assert is_other(replace(rows[0], **change), *rows[1:])


def test_an_item_has_another_state_under_another_key() -> None:
    other = Fingerprint(b"o" * 32)

    assert task_state(task(), other) != task_state(task(), FINGERPRINT)
    assert note_state(note(), other) != note_state(note(), FINGERPRINT)
