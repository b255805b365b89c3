"""Whatever happens to tasks and notes, their history tells each state once."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.sync.activity import Activities, Task
from pipeline.sync.history import (
    Carried,
    differs,
    lean,
    missing,
    states,
    task_state,
)
from pipeline.sync.snapshot import Fingerprint
from tests.history_world import (
    FINGERPRINT,
    QUIET,
    REFERENCE,
    TELLING,
    World,
    is_from_mailjet,
    news,
    remembered,
    task,
)

ITEMS = st.sampled_from(["t1", "t2", "tm", "n1", "n2", "nm"])
CHANGES = st.tuples(
    st.sampled_from(["put", "put", "complete", "reopen", "delete"]),
    ITEMS,
    st.sampled_from(["one", "two", "three"]),
)
LOOKS = st.tuples(
    st.just("look"),
    st.sampled_from(["tn", "tn", "t", "n"]),
    st.sampled_from([-1, -1, 0, 1, 2]),
)
BACKFILLS = st.tuples(st.just("backfill"), st.just("tn"), st.sampled_from([-1, 0, 1]))
START = [("put", "t1", "one"), ("put", "n1", "one"), ("look", "tn", -1)]
EDITED_TWICE: list[Any] = [
    *START,
    *[
        ("put", "n1", "two"),
        ("look", "tn", 1),
        ("put", "n1", "three"),
        ("look", "n", 1),
    ],
]
EDITED_AND_BACKFILLED: list[Any] = [
    *START,
    *[("put", "n1", "two"), ("look", "tn", -1), ("backfill", "tn", 1)],
]
DELETED_AND_BACKFILLED: list[Any] = [
    *START,
    *[("delete", "n1", ""), ("delete", "t1", ""), ("backfill", "tn", -1)],
]
TOLD_AND_DELETED: list[Any] = [
    *START,
    *[("put", "n1", "two"), ("put", "t1", "two"), ("look", "tn", -1)],
    *[("delete", "n1", ""), ("delete", "t1", ""), ("look", "tn", 1)],
]
CLOSED_TWICE: list[Any] = [
    *[
        ("put", "tm", "one"),
        ("look", "t", -1),
        ("complete", "tm", ""),
        ("look", "t", 1),
    ],
    *[("put", "tm", "two"), ("look", "t", -1), ("reopen", "tm", ""), ("look", "t", -1)],
    *[
        ("complete", "tm", ""),
        ("look", "t", -1),
        ("delete", "tm", ""),
        ("look", "t", 0),
    ],
]


@given(
    steps=st.lists(CHANGES | LOOKS | BACKFILLS, min_size=8, max_size=30).map(
        lambda steps: [*START, *steps]
    ),
    bodies=st.booleans(),
    reads_always=st.booleans(),
)
@example(steps=EDITED_TWICE, bodies=False, reads_always=True)
@example(steps=EDITED_AND_BACKFILLED, bodies=False, reads_always=False)
@example(steps=DELETED_AND_BACKFILLED, bodies=True, reads_always=True)
@example(steps=TOLD_AND_DELETED, bodies=False, reads_always=False)
@example(steps=CLOSED_TWICE, bodies=False, reads_always=False)
@settings(max_examples=300, deadline=None)
def test_the_history_tells_each_state_seen_once_and_in_order(
    steps: list[tuple[str, str, Any]], bodies: bool, reads_always: bool
) -> None:
    world = World(TELLING if bodies else QUIET, reads_always)
    for what, which, detail in steps:
        if what in ("look", "backfill"):
            world.look(which, backfill=what == "backfill", crash_after=detail)
        else:
            world.change(what, which, detail)
    world.look("tn")

    assert world.told == {name: told for name, told in world.expected.items() if told}


@given(changes=st.lists(CHANGES, max_size=12))
@settings(max_examples=100, deadline=None)
def test_the_first_look_tells_nothing_and_a_second_backfill_adds_nothing(
    changes: list[tuple[str, str, str]],
) -> None:
    world = World(QUIET, reads_always=False)
    for change in changes:
        world.change(*change)
    world.look("tn")
    # But the end of a task of Mailjet's, which may have come while state was lost.
    assert all("closes" in json.loads(entry.data) for entry in world.entries)

    world.look("tn", backfill=True)
    after_one = list(world.entries)
    world.look("tn", backfill=True)

    ours = [i for i in (*world.tasks, *world.notes) if not is_from_mailjet(i)]
    closed = [
        t.id for t in world.tasks.values() if is_from_mailjet(t.id) and t.completed
    ]
    assert sorted(json.loads(e.data)["id"] for e in after_one) == sorted(ours + closed)
    assert world.entries == after_one


def test_losing_all_memory_and_backfilling_again_adds_nothing() -> None:
    world = World(QUIET, reads_always=False)
    for step in (("put", "n1", "one"), ("put", "n2", "one"), ("put", "t1", "one")):
        world.change(*step)
    world.look("tn")
    world.change("put", "n1", "two")
    world.look("tn")
    world.look("tn", backfill=True)
    told = list(world.entries)
    found = Activities((*world.tasks.values(),), (*world.notes.values(),))

    wanted = states(found, Carried(), Fingerprint(b"n" * 32), QUIET, backfill=True)

    assert len(wanted) == 3
    assert missing(wanted, told) == []


TASKS = st.builds(
    task,
    st.sampled_from("abc"),
    st.text(max_size=400),
    body=st.sampled_from(["", "long " * 50, f"x {REFERENCE} [mj:5]"]),
    due_ms=st.none() | st.integers(1, 253_402_300_799_999),
    completed=st.booleans(),
)


@given(found=TASKS)
@example(found=task(title="x" * 249 + " yz"))
@settings(max_examples=200, deadline=None)
def test_what_a_sweep_keeps_of_a_task_tells_the_same(found: Task) -> None:
    kept = lean(found)
    nothing = remembered(tasks=())

    assert task_state(kept, FINGERPRINT) == task_state(found, FINGERPRINT)
    assert news(nothing, tasks=(kept,)) == news(nothing, tasks=(found,))
    assert lean(kept) == kept
    assert len(kept.title) <= 250
    assert len(kept.body) < 20


@given(
    found=st.lists(TASKS, max_size=4, unique_by=lambda one: one.id),
    other=st.lists(TASKS, max_size=4, unique_by=lambda one: one.id),
)
@settings(max_examples=200, deadline=None)
def test_a_sweep_differs_exactly_where_a_look_would_remember_something_else(
    found: list[Task], other: list[Task]
) -> None:
    before = remembered(tasks=found)
    is_same = remembered(tasks=other) == before
    waiting = [lean(one) for one in other if not one.completed]
    was_waiting = remembered(tasks=[one for one in found if not one.completed])

    swept = [lean(one) for one in reversed(other)]

    assert differs("tasks", FINGERPRINT, before, swept, for_run=True) != is_same
    assert differs("tasks", FINGERPRINT, before, waiting, for_run=False) == (
        remembered(tasks=waiting) != was_waiting
    )
