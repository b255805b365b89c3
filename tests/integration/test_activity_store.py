"""What is kept of sweeps, which lapse, repeat and lose people."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.client import Pipeline

from pipeline.store.activities import (
    COMMIT_SECONDS,
    COMPLETE,
    READING_SECONDS,
    SWEPT_SECONDS,
    ActivityStore,
    unpack_items,
)
from pipeline.store.ledger import Ledger
from pipeline.store.snapshots import pack_snapshot
from pipeline.sync.activity import Carried, Task
from pipeline.sync.history import differs
from tests.builders import make_snapshot
from tests.history_world import FINGERPRINT, NOW_MS, meeting, note, remembered, task
from tests.leases import lease_one
from tests.valkey import Valkey

OWN = "gm:default:"
DIFFERS = partial(differs, "tasks", FINGERPRINT, for_run=True)
CALL, MAIL, DONE = task("t1", "Call"), task("t2", "Mail"), task("t3", completed=True)


def nobody(before: Carried) -> bool:
    """No contact was looked at since the sweep began."""
    return False


def looked_lately(before: Carried) -> bool:
    return before.looked_ms >= NOW_MS


@pytest.fixture
def store(redis: Redis) -> ActivityStore:
    return ActivityStore(redis, "default")


def remember(redis: Redis, **tasks: tuple[Task, ...]) -> None:
    """As the settlement does: what was carried of each contact."""
    for ghl_id, items in tasks.items():
        keep(redis, ghl_id, remembered(tasks=items))


def differing(
    store: ActivityStore, kind: Any, reader: str, differs: Any = DIFFERS
) -> list[str]:
    """Contacts that differ, where a sweep is newer than all that is known."""
    return list(store.differing(kind, reader, differs, nobody).sure)


def keep(redis: Redis, ghl_id: str, told: Carried) -> None:
    redis.hset(OWN + "snapshots", ghl_id, pack_snapshot(make_snapshot(carried=told)))


def swept(redis: Redis, kind: Any = "tasks") -> dict[str, tuple[Any, ...]]:
    """The rows that contacts find."""
    stored: Mapping[bytes, bytes] = redis.hgetall(f"{OWN}swept:{kind}")
    return {
        ghl_id.decode(): unpack_items(kind, packed)
        for ghl_id, packed in stored.items()
        if ghl_id.decode() != COMPLETE
    }


def everything(redis: Redis) -> dict[bytes, object]:
    """All keys of the connection, with what is in them and whether they lapse."""
    found: dict[bytes, object] = {}
    for key in redis.scan_iter(OWN + "*", count=1000):
        kind = redis.type(key)
        reads = {b"hash": redis.hgetall, b"set": redis.smembers, b"string": redis.get}
        found[key] = (reads[kind](key), redis.ttl(key) > 0)
    return found


# Sweeps


def test_only_contacts_that_differ_are_found_and_find_their_rows(store, redis):
    remember(redis, same=(CALL,), other=(CALL,), emptied=(CALL,), idle=())
    rows = {"same": [CALL], "other": [MAIL], "new": [CALL, DONE]}
    assert store.add("tasks", "r1", rows, first=True)

    found = differing(store, "tasks", "r1")
    store.keep("tasks", "r1")

    assert sorted(found) == ["emptied", "new", "other"]
    assert swept(redis) == {"emptied": (), "new": (CALL, DONE), "other": (MAIL,)}


def test_who_vanishes_from_a_sweep_has_nothing_any_more(store, redis):
    remember(redis, gone=(CALL, MAIL), idle=())
    store.add("tasks", "r1", {}, first=True)

    assert differing(store, "tasks", "r1") == ["gone"]
    store.keep("tasks", "r1")
    assert swept(redis) == {"gone": ()}


def test_who_agrees_does_not_vanish(store, redis):
    remember(redis, ana=(CALL,), bo=(MAIL, DONE))
    store.add("tasks", "r1", {"ana": [CALL], "bo": [DONE, MAIL]}, first=True)

    assert differing(store, "tasks", "r1") == []
    assert differing(store, "tasks", "r1") == []


def test_who_was_settled_before_a_repetition_finds_no_row(store, redis):
    store.add("tasks", "r1", {"ana": [CALL], "bo": [CALL]}, first=True)
    differing(store, "tasks", "r1")
    remember(redis, ana=(CALL,))

    assert differing(store, "tasks", "r1") == ["bo"]
    store.keep("tasks", "r1")
    assert swept(redis) == {"bo": (CALL,)}


def test_the_mark_of_a_sweep_is_no_contact(store):
    store.add("tasks", "r1", {"ana": []}, first=True)

    found = differing(store, "tasks", "r1", lambda before, rows: True)

    assert found == ["ana"]


def test_rows_of_one_contact_may_come_on_several_pages(store, redis):
    remember(redis, ana=(CALL, MAIL, DONE))
    store.add("tasks", "r1", {"ana": [CALL]}, first=True)
    store.add("tasks", "r1", {"ana": [MAIL], "bo": [CALL]}, first=False)
    store.add("tasks", "r1", {"ana": [DONE]}, first=False)

    assert differing(store, "tasks", "r1") == ["bo"]


def test_the_later_of_two_rows_of_a_task_counts(store, redis):
    renamed = task("t1", "Call again")
    store.add("tasks", "r1", {"ana": [CALL, MAIL]}, first=True)
    store.add("tasks", "r1", {"ana": [renamed]}, first=False)

    differing(store, "tasks", "r1")
    store.keep("tasks", "r1")

    assert swept(redis) == {"ana": (renamed, MAIL)}


def test_a_reader_that_begins_again_forgets_its_earlier_rows(store, redis):
    store.add("tasks", "r1", {"ana": [CALL], "bo": [CALL]}, first=True)

    store.add("tasks", "r1", {"ana": [MAIL]}, first=True)

    differing(store, "tasks", "r1")
    store.keep("tasks", "r1")
    assert swept(redis) == {"ana": (MAIL,)}


def test_an_empty_page_goes_on_and_an_empty_location_is_one(store, redis):
    assert store.add("tasks", "r1", {}, first=True)
    assert store.add("tasks", "r1", {}, first=False)
    assert store.add("tasks", "r1", {"ana": [CALL]}, first=False)
    assert differing(store, "tasks", "r1") == ["ana"]


def test_two_readers_and_two_kinds_do_not_meet(store, redis):
    store.add("tasks", "r1", {"ana": [CALL]}, first=True)
    store.add("tasks", "r2", {"bo": [CALL]}, first=True)
    store.add("meetings", "r1", {"cy": [meeting()]}, first=True)

    assert differing(store, "tasks", "r1") == ["ana"]
    assert differing(store, "tasks", "r2") == ["bo"]
    is_met = partial(differs, "meetings", FINGERPRINT, for_run=True)
    assert differing(store, "meetings", "r1", is_met) == ["cy"]
    store.keep("tasks", "r1")
    store.keep("meetings", "r1")
    assert swept(redis) == {"ana": (CALL,)}
    assert swept(redis, "meetings") == {"cy": (meeting(),)}


@pytest.mark.parametrize("rows", [{}, {"ana": [MAIL]}])
def test_a_sweep_that_lapsed_in_mid_read_begins_again(store, redis, rows):
    store.add("tasks", "r1", {"ana": [CALL]}, first=True)
    redis.delete(OWN + "sweep:tasks:r1")  # as its TTL does

    assert not store.add("tasks", "r1", rows, first=False)
    assert not store.add("tasks", "r1", rows, first=False)
    assert everything(redis) == {}


class Lapsing(Redis):
    """A sweep's time is over between two of our commands."""

    def pipeline(self, *args: Any, **options: Any) -> Pipeline:
        self.delete(OWN + "sweep:tasks:r1")
        return super().pipeline(*args, **options)


def test_a_page_never_makes_a_sweep_of_its_own_when_the_others_lapse(valkey, redis):
    store = ActivityStore(redis, "default")
    store.add("tasks", "r1", {"ana": [CALL]}, first=True)

    with Lapsing.from_url(valkey.url) as slow:
        assert not ActivityStore(slow, "default").add(
            "tasks", "r1", {"bo": [MAIL]}, first=False
        )

    assert everything(redis) == {}


def test_nobody_has_vanished_from_a_sweep_that_lapsed(store, redis):
    remember(redis, ana=(CALL,))
    store.add("tasks", "r0", {"bo": [MAIL]}, first=True)
    differing(store, "tasks", "r0")
    store.keep("tasks", "r0")

    assert differing(store, "tasks", "r1") == []
    store.keep("tasks", "r1")

    assert swept(redis) == {}


def test_a_dropped_sweep_leaves_nothing(store, redis):
    store.add("tasks", "r1", {"ana": [CALL]}, first=True)
    differing(store, "tasks", "r1")

    store.drop("tasks", "r1")
    store.drop("tasks", "r1")

    assert everything(redis) == {}


def test_a_large_location_is_compared_in_batches(store, redis):
    ids = [f"contact{number:013}" for number in range(1500)]
    remember(redis, **dict.fromkeys(ids[:1200], (CALL,)))
    now = {key: [CALL] for key in ids[:900]} | {key: [MAIL] for key in ids[1200:]}
    store.add("tasks", "r1", {key: [CALL] for key in ids[:300]}, first=True)
    store.add("tasks", "r1", now, first=False)

    found = differing(store, "tasks", "r1")
    store.keep("tasks", "r1")

    assert sorted(found) == ids[900:]
    assert swept(redis).keys() == set(ids[900:])


def test_after_a_sweep_in_which_nobody_differed_everybody_is_told_so(
    store, ledger, redis
):
    remember(redis, ana=(CALL,))

    before = told(ledger, "ana")
    sweep(store, {"ana": [CALL]})

    assert (before, told(ledger, "ana"), told(ledger, "bo")) == (b"-", b"", b"")


def test_who_differs_finds_rows_and_who_does_not_is_told_so(store, ledger, redis):
    remember(redis, ana=(CALL,), bo=(CALL,))

    sweep(store, {"ana": [MAIL], "bo": [CALL]})

    assert unpack_items("tasks", told(ledger, "ana")) == (MAIL,)
    assert told(ledger, "bo") == b""


def test_after_a_sweep_that_was_refused_nobody_is_told_anything(store, ledger, redis):
    sweep(store, {"ana": [MAIL]})

    store.forget("tasks")

    assert (told(ledger, "ana"), told(ledger, "bo")) == (b"-", b"-")


def test_a_sweep_that_lapsed_puts_the_one_before_to_an_end(store, ledger, redis):
    sweep(store, {"ana": [MAIL]})

    store.differing("tasks", "r2", DIFFERS, nobody)
    store.keep("tasks", "r2")

    assert (told(ledger, "ana"), told(ledger, "bo")) == (b"-", b"-")


def test_a_sweep_leaves_out_who_may_be_known_better(store, redis):
    for ghl_id, looked_ms in {"before": NOW_MS - 1, "after": NOW_MS}.items():
        keep(redis, ghl_id, replace(remembered(tasks=(CALL,)), looked_ms=looked_ms))
    store.add("tasks", "r1", {"before": [MAIL], "after": [MAIL]}, first=True)

    found = store.differing("tasks", "r1", DIFFERS, looked_lately)
    store.keep("tasks", "r1")

    assert (found.sure, found.doubtful) == (("before",), ("after",))
    assert found.rows["before"] == found.rows["after"]
    assert swept(redis) == {"before": (MAIL,)}


def test_who_was_looked_at_meanwhile_can_be_told_from_the_others(store, redis):
    ids = [f"contact{number:013}" for number in range(1200)]
    for ghl_id in ids[::2]:
        keep(redis, ghl_id, replace(remembered(tasks=()), looked_ms=NOW_MS))

    assert store.doubted(ids, looked_lately) == ids[::2]
    assert store.doubted([], looked_lately) == []


def test_those_whose_notes_were_read_are_told_from_the_others(store, redis):
    keep(redis, "none", remembered(notes=()))
    keep(redis, "one", remembered(notes=(note(),)))
    keep(redis, "never", remembered(tasks=(CALL,)))

    assert sorted(id_ for some in store.with_notes() for id_ in some) == ["none", "one"]


def sweep(store: ActivityStore, rows: dict[str, list[Task]]) -> None:
    assert store.add("tasks", "r1", rows, first=True)
    store.differing("tasks", "r1", DIFFERS, nobody)
    store.keep("tasks", "r1")


def told(ledger: Ledger, ghl_id: str) -> bytes:
    """What a contact that is opened hears of the last sweep of tasks."""
    lease = lease_one(ledger, ghl_id)
    opened = ledger.open(lease.ghl_id, lease.token)
    ledger.skip(lease, "only asked")
    return opened.swept_tasks


CONTACTS = st.sampled_from(["ana", "bo", "cy", "di"])
TASKS = st.sampled_from([CALL, MAIL, DONE, task("t1", "Renamed")])
PAGE = st.dictionaries(CONTACTS, st.lists(TASKS, max_size=3), max_size=4)


@given(
    before=st.dictionaries(CONTACTS, st.lists(TASKS, max_size=3).map(tuple)),
    pages=st.lists(PAGE, min_size=1, max_size=4),
    repeats=st.lists(st.integers(0, 3), max_size=4),
    ends=st.integers(1, 3),
)
@example(before={"ana": (CALL,)}, pages=[{"ana": [CALL]}], repeats=[0], ends=2)
@settings(max_examples=60, deadline=None)
def test_crashes_between_pages_and_at_the_end_change_nothing(
    valkey: Valkey,
    before: dict[str, tuple[Task, ...]],
    pages: list[dict[str, list[Task]]],
    repeats: list[int],
    ends: int,
) -> None:
    with connection_of(valkey, Redis) as redis:
        store = ActivityStore(redis, "default")
        remember(redis, **before)
        for number, page in enumerate(pages):
            for _ in range(1 + repeats.count(number)):
                assert store.add("tasks", "r1", page, first=number == 0)
        for _ in range(ends):
            # The crash came before the cursor was saved: the last page once more.
            assert store.add("tasks", "r1", pages[-1], first=len(pages) == 1)
            found = differing(store, "tasks", "r1")
            store.keep("tasks", "r1")

        rows: dict[str, dict[str, Task]] = {ghl_id: {} for ghl_id in before}
        for page in pages:
            for ghl_id, items in page.items():
                rows.setdefault(ghl_id, {}).update({one.id: one for one in items})
        wanted = {
            ghl_id: set(items.values())
            for ghl_id, items in rows.items()
            if DIFFERS(remembered_of(before.get(ghl_id)), tuple(items.values()))
        }
        assert {ghl_id: set(items) for ghl_id, items in swept(redis).items()} == wanted
        assert sorted(found) == sorted(wanted)


def remembered_of(tasks: tuple[Task, ...] | None) -> Carried:
    return remembered(tasks=tasks)


@contextmanager
def connection_of(valkey: Valkey, kind: type[Redis]) -> Iterator[Redis]:
    """A client of that kind, on which the connection is new."""
    with kind.from_url(valkey.url) as redis:
        if keys := list(redis.scan_iter(OWN + "*", count=1000)):
            redis.delete(*keys)
        yield redis


# Everything


def a_day(redis: Redis) -> list[object]:
    """All that a store is asked for, and its answers."""
    store = ActivityStore(redis, "default")
    remember(redis, same=(CALL,), gone=(CALL,))
    return [
        store.add("tasks", "r1", {"same": [CALL]}, first=True),
        store.add("tasks", "r1", {"new": [CALL, MAIL]}, first=False),
        sorted(differing(store, "tasks", "r1")),
        store.keep("tasks", "r1"),
        store.add("tasks", "r2", {"same": [MAIL]}, first=True),
        store.drop("tasks", "r2"),
        store.add("tasks", "r3", {"same": [MAIL]}, first=False),
        store.add("meetings", "r4", {"same": [meeting()]}, first=True),
        differing(store, "meetings", "r4", lambda before, rows: False),
        store.keep("meetings", "r4"),
        store.forget("meetings"),
        store.notes_turn(),
        store.notes_had_turn(20_000),
        store.notes_turn(),
    ]


class RepeatingPipeline(Pipeline):
    def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands = list(self.command_stack)
        super().execute(raise_on_error)
        self.command_stack.extend(commands)
        return super().execute(raise_on_error)


class Repeating(Redis):
    """Every first answer is lost, as redis-py sees it when a connection breaks."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        super().execute_command(*args, **options)
        return super().execute_command(*args, **options)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        return RepeatingPipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )


def test_a_command_that_is_sent_twice_leaves_the_same(valkey):
    with connection_of(valkey, Redis) as once:
        answers, left = a_day(once), everything(once)
    with connection_of(valkey, Repeating) as twice:
        repeated = a_day(twice)

    with Redis.from_url(valkey.url) as redis:
        assert everything(redis) == left
    assert repeated == answers
    assert len(left) == 7


def test_all_that_is_temporary_lapses(valkey):
    with connection_of(valkey, Redis) as redis:
        a_day(redis)
        ActivityStore(redis, "default").add("tasks", "r5", {}, first=True)
        lives = {
            key.decode().removeprefix(OWN): redis.ttl(key)
            for key in redis.scan_iter(OWN + "*", count=1000)
        }

    read = ["sweep:tasks:r1", "sweep:meetings:r4"]
    read += ["differing:tasks:r1", "differing:meetings:r4"]
    # A page that is committed needs them no more.
    bounds = {**dict.fromkeys(read, COMMIT_SECONDS), "swept:tasks": SWEPT_SECONDS}
    bounds["sweep:tasks:r5"] = READING_SECONDS
    assert lives.keys() == bounds.keys() | {"snapshots", "turn:notes"}
    assert all(bound / 2 < lives[name] <= bound for name, bound in bounds.items())
    assert lives["snapshots"] == lives["turn:notes"] == -1
