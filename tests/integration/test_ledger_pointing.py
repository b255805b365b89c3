"""Pointing at kinds of activities: by events, by the clock, by sweeps; never forgotten
before somebody has looked."""

import pytest
from redis import Redis

from pipeline.permit import Lane, Lease
from pipeline.store.ledger import Ledger
from pipeline.store.records import Opened
from pipeline.sync.around import INCOMING
from pipeline.sync.rules import EVENT
from tests.driver import make_due, waiting
from tests.leases import ENDS, lease_all, snapshot

PAST_MS, FUTURE_MS = 1, 2**50


def opened(ledger: Ledger, ghl_id: str = "ana") -> tuple[Lease, Opened]:
    lease = ledger.take(ghl_id, Lane.BULK)
    assert lease is not None, "somebody else holds it"
    return lease, ledger.open(ghl_id, lease.token)


def letters(ledger: Ledger, ghl_id: str = "ana") -> set[str]:
    """What the next sync is told to read."""
    lease, told = opened(ledger, ghl_id)
    ledger.skip(lease, "only asked")
    return set(told.touched.decode().rstrip("0123456789"))


def crossings(ledger: Ledger, redis: Redis) -> dict[bytes, float]:
    return dict(redis.zrange(ledger.key("crossings"), 0, -1, withscores=True))


def settle(ledger: Ledger, lease: Lease, told: Opened, **due_ms: int) -> None:
    assert ledger.settle(
        lease, "updated", snapshot(), touched=told.touched, crossings=due_ms
    )


def test_pointing_adds_up_and_makes_nobody_wait(ledger, redis):
    ledger.point_at(["ana", "bo"], "t")
    ledger.point_at(["ana"], "nt")

    assert ledger.backlog().waiting == 0
    assert (letters(ledger), letters(ledger, "bo")) == ({"t", "n"}, {"t"})
    assert letters(ledger, "cy") == set()


@pytest.mark.parametrize("lane", Lane)
def test_who_is_pointed_at_in_a_lane_waits_there(ledger, redis, lane):
    ledger.point_at(["ana"], "t", lane)

    assert waiting(ledger, redis, lane) == {"ana"}


def test_more_than_a_script_can_take_are_pointed_at(ledger):
    everybody = [f"contact{number}" for number in range(2_500)]

    ledger.point_at(everybody, "a", Lane.BULK)

    assert ledger.backlog().bulk == 2_500
    assert letters(ledger, everybody[-1]) == {"a"}


def test_who_was_looked_at_is_pointed_at_no_more(ledger):
    ledger.point_at(["ana"], "tn")

    settle(ledger, *opened(ledger))

    assert letters(ledger) == set()


def test_what_was_not_looked_at_is_still_pointed_at(ledger):
    ledger.point_at(["ana"], "tn")
    lease, _ = opened(ledger)

    assert ledger.settle(lease, "updated", snapshot())

    assert letters(ledger) == {"t", "n"}


def test_what_is_said_while_somebody_looks_is_looked_at_again(ledger):
    ledger.point_at(["ana"], "t")
    lease, told = opened(ledger)
    ledger.point_at(["ana"], "t", Lane.LIVE)

    settle(ledger, lease, told)

    back = lease_all(ledger)["ana"]
    assert back.lane is Lane.LIVE
    assert ledger.open("ana", back.token).touched.startswith(b"t")


@pytest.mark.parametrize("end", ENDS[1:])
def test_every_other_end_forgets_nothing(ledger, redis, end):
    ledger.point_at(["ana"], "t")
    lease, _ = opened(ledger)

    end(ledger, redis, lease)

    assert letters(ledger) == {"t"}


def test_a_second_settlement_takes_nothing_out(ledger):
    lease, told = opened(ledger)
    settle(ledger, lease, told)
    ledger.point_at(["ana"], "t")

    assert not ledger.settle(lease, "updated", snapshot(), touched=b"t1")

    assert letters(ledger) == {"t"}


# Time alone


def test_who_crosses_a_moment_waits_and_is_pointed_at_once(ledger, redis):
    settle(ledger, *opened(ledger), t=PAST_MS, a=FUTURE_MS)
    settle(ledger, *opened(ledger, "bo"), t=FUTURE_MS)

    assert ledger.cross() == 1
    assert ledger.cross() == 0

    assert waiting(ledger, redis, Lane.BULK) == {"ana"}
    assert (letters(ledger), letters(ledger, "bo")) == ({"t"}, set())
    assert crossings(ledger, redis) == {b"aana": FUTURE_MS, b"tbo": FUTURE_MS}


def test_a_crossing_moves_with_the_next_look_and_goes_when_nothing_is_due(
    ledger, redis
):
    settle(ledger, *opened(ledger), t=PAST_MS, a=PAST_MS)
    settle(ledger, *opened(ledger), t=FUTURE_MS)
    assert crossings(ledger, redis) == {b"tana": FUTURE_MS, b"aana": PAST_MS}

    settle(ledger, *opened(ledger), a=0)

    assert crossings(ledger, redis) == {b"tana": FUTURE_MS}
    assert ledger.cross() == 0


def test_many_cross_in_steps(ledger, redis):
    for name in ("ana", "bo", "cy"):
        settle(ledger, *opened(ledger, name), t=PAST_MS)

    assert [ledger.cross(2), ledger.cross(2), ledger.cross(2)] == [2, 1, 0]
    assert waiting(ledger, redis, Lane.BULK) == {"ana", "bo", "cy"}


def test_who_crosses_while_leased_comes_back(ledger):
    settle(ledger, *opened(ledger), t=PAST_MS)
    lease, told = opened(ledger)

    ledger.cross()
    settle(ledger, lease, told)

    (back,) = lease_all(ledger).values()
    assert ledger.open("ana", back.token).touched.startswith(b"t")


def test_of_a_deleted_contact_nothing_stays(ledger, redis):
    settle(ledger, *opened(ledger), t=FUTURE_MS, a=FUTURE_MS)
    ledger.point_at(["ana"], "n")
    lease, _ = opened(ledger)

    assert ledger.settle(lease, "deleted in GHL", None)

    assert crossings(ledger, redis) == {}
    assert not redis.exists(ledger.key("touched"), ledger.key("snapshots"))


# Sweeps


SWEPT = {"swept_tasks": "swept:tasks", "swept_meetings": "swept:meetings"}
both = pytest.mark.parametrize("name", SWEPT)


@both
def test_a_contact_finds_its_rows_or_that_there_are_none_or_no_sweep(
    ledger, redis, name
):
    def told(ghl_id: str) -> bytes:
        lease, found = opened(ledger, ghl_id)
        ledger.skip(lease, "only asked")
        return getattr(found, name)

    before = told("ana")
    redis.hset(ledger.key(SWEPT[name]), mapping={"complete": "", "ana": "rows"})

    assert (before, told("ana"), told("bo")) == (b"-", b"rows", b"")


@both
def test_a_row_goes_at_the_settlement_of_a_look_and_at_no_other(ledger, redis, name):
    kind = {"swept_tasks": "t", "swept_meetings": "a"}
    key = ledger.key(SWEPT[name])
    redis.hset(key, mapping={"complete": "", "ana": "rows", "bo": "rows"})

    settle(ledger, *opened(ledger), **{"n": 0, "ta".replace(kind[name], ""): 0})
    assert redis.hkeys(key) == [b"complete", b"ana", b"bo"]

    settle(ledger, *opened(ledger), **{kind[name]: FUTURE_MS})
    assert redis.hkeys(key) == [b"complete", b"bo"]


@pytest.mark.parametrize("letter", [INCOMING, EVENT])
def test_whom_a_dead_worker_was_making_something_for_is_not_looked_at_at_once(
    ledger, redis, letter
):
    """GHL may carry out later what the dead worker sent; others come back at once."""
    ledger.point_at(["ana"], letter, Lane.LIVE)
    ledger.mark(Lane.LIVE, ["bo"])
    for lease in ledger.lease(9, max_out=9):
        ledger.open(lease.ghl_id, lease.token, "dead boot")

    assert ledger.expire("letter", ()) == 2

    assert [lease.ghl_id for lease in ledger.lease(9, max_out=9)] == ["bo"]
    assert waiting(ledger, redis, Lane.LIVE) == {"ana"}
    make_due(ledger, redis)
    assert [lease.ghl_id for lease in ledger.lease(9, max_out=9)] == ["ana"]
