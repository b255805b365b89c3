"""Leases end in many ways; none loses a change, and a replay changes nothing."""

import pytest
from redis import Redis

from pipeline.permit import Lane
from pipeline.store.dead_letters import WORKER_LOST, read
from pipeline.store.ledger import MAX_EXPIRIES, AddressHeld
from tests.driver import waiting
from tests.leases import (
    ADDRESS,
    ENDS,
    LETTER,
    OTHER_ADDRESS,
    bury,
    expire,
    give_back,
    lease_all,
    lease_one,
    settle,
    skip,
    snapshot,
)

every_end = pytest.mark.parametrize("end", ENDS)


def everything(redis: Redis) -> dict[bytes, object]:
    return {key: redis.dump(key) for key in redis.scan_iter()}


@every_end
def test_a_change_during_a_lease_brings_the_contact_back_in_its_lane(
    ledger, redis, end
):
    lease = lease_one(ledger)
    ledger.mark(Lane.BULK, ["ana"])
    ledger.mark(Lane.CONSENT, ["ana"])
    ledger.mark(Lane.LIVE, ["ana"])

    end(ledger, redis, lease)

    assert lease_all(ledger)["ana"].lane is Lane.CONSENT


@every_end
def test_the_change_brings_it_back_once(ledger, redis, end):
    lease = lease_one(ledger)
    ledger.mark(Lane.LIVE, ["ana"])
    end(ledger, redis, lease)

    ledger.settle(lease_all(ledger)["ana"], "updated", snapshot())

    assert ledger.backlog().waiting == ledger.backlog().leased == 0


@every_end
def test_an_end_that_is_replayed_finds_nothing_left_to_do(ledger, redis, end):
    lease = lease_one(ledger)

    end(ledger, redis, lease)
    after_one = everything(redis)
    end(ledger, redis, lease)

    assert everything(redis) == after_one


def test_a_contact_comes_back_in_the_lane_it_was_leased_from(ledger, redis):
    ledger.give_back(lease_one(ledger, "ana", Lane.LIVE), 0)
    expire(ledger, redis, lease_one(ledger, "bo", Lane.CONSENT))

    assert waiting(ledger, redis, Lane.CONSENT) == {"bo"}
    assert lease_all(ledger)["ana"].lane is Lane.LIVE


def test_settling_forgets_attempts_row_and_dead_letter(ledger, redis):
    ledger.bury(lease_one(ledger), LETTER, "Rejected")
    ledger.give_back(lease_one(ledger), 0, counted=True)
    redis.set(ledger.key("row:ana"), b"row")

    settle(ledger, redis, lease_all(ledger)["ana"])

    assert ledger.backlog().dead == 0
    assert redis.exists(ledger.key("attempts"), ledger.key("row:ana")) == 0


def test_settling_wakes_whom_it_concerns_in_the_live_lane(ledger, redis):
    ledger.settle(lease_one(ledger), "updated", snapshot(), wake=["bo", "cy"])

    assert waiting(ledger, redis, Lane.LIVE) == {"bo", "cy"}


def test_settling_without_a_snapshot_forgets_the_contact(ledger, redis):
    ledger.settle(lease_one(ledger), "created", snapshot(ADDRESS))
    before = ledger.backlog().contacts

    ledger.settle(lease_one(ledger), "deleted", None, old_address=ADDRESS)

    assert before == 1
    assert ledger.backlog().contacts == 0
    assert redis.exists(ledger.key("addresses")) == 0


def test_the_ids_of_an_address_follow_its_changes(ledger, redis):
    for ghl_id in ("ana", "bo"):
        ledger.settle(lease_one(ledger, ghl_id), "created", snapshot(ADDRESS))

    moved = snapshot(OTHER_ADDRESS)
    ledger.settle(lease_one(ledger), "updated", moved, old_address=ADDRESS)

    stored = redis.hgetall(ledger.key("addresses"))
    assert stored == {ADDRESS: b"bo", OTHER_ADDRESS: b"ana"}


def test_ten_lost_workers_make_a_dead_letter(ledger, redis):
    ledger.mark(Lane.BULK, ["ana"])
    for _ in range(MAX_EXPIRIES - 1):
        expire(ledger, redis, lease_all(ledger)["ana"])
    before = ledger.backlog().dead
    expire(ledger, redis, lease_all(ledger)["ana"])

    assert before == 0
    assert [letter.cause for letter in read(redis, "default")] == [WORKER_LOST]
    assert ledger.backlog().waiting == ledger.backlog().leased == 0


def test_a_settlement_begins_the_count_of_lost_workers_anew(ledger, redis):
    for _ in range(2):
        for _ in range(MAX_EXPIRIES - 1):
            expire(ledger, redis, lease_one(ledger))
        settle(ledger, redis, lease_one(ledger))

    assert ledger.backlog().dead == 0


def test_a_lost_worker_is_no_attempt_of_the_contact(ledger, redis):
    expire(ledger, redis, lease_one(ledger))

    lease = lease_all(ledger)["ana"]
    assert ledger.open("ana", lease.token).attempts == 0


def test_only_the_dead_are_replayed_and_only_once(ledger, redis):
    bury(ledger, redis, lease_one(ledger))

    replayed = [ledger.replay(["ana", "stranger"]) for _ in range(2)]

    assert replayed == [1, 0]
    assert ledger.backlog().dead == 0
    assert waiting(ledger, redis, Lane.LIVE) == {"ana"}


# Addresses


def test_an_address_is_written_by_one_contact_at_a_time(ledger):
    ledger.begin(lease_one(ledger, "ana"), [ADDRESS])
    other = lease_one(ledger, "bo")

    with pytest.raises(AddressHeld):
        ledger.begin(other, [OTHER_ADDRESS, ADDRESS])


@every_end
def test_an_address_is_free_once_its_holder_ends(ledger, redis, end):
    holder = lease_one(ledger, "ana")
    ledger.begin(holder, [ADDRESS, OTHER_ADDRESS])
    end(ledger, redis, holder)

    for ghl_id, address in (("bo", ADDRESS), ("cy", OTHER_ADDRESS)):
        ledger.begin(lease_one(ledger, ghl_id), [address])

    assert redis.hgetall(ledger.key("held")) == {ADDRESS: b"bo", OTHER_ADDRESS: b"cy"}


def test_a_refused_contact_holds_none_of_its_addresses(ledger):
    ledger.begin(lease_one(ledger, "ana"), [ADDRESS])
    with pytest.raises(AddressHeld):
        ledger.begin(lease_one(ledger, "bo"), [OTHER_ADDRESS, ADDRESS])

    ledger.begin(lease_one(ledger, "cy"), [OTHER_ADDRESS])


def test_beginning_twice_is_harmless(ledger):
    lease = lease_one(ledger)

    ledger.begin(lease, [ADDRESS])
    ledger.begin(lease, [ADDRESS])

    assert ledger.open("ana", lease.token).unsettled


@pytest.mark.parametrize("end", [give_back, bury, expire])
def test_who_began_to_write_stays_marked_until_a_settlement(ledger, redis, end):
    lease = lease_one(ledger)
    ledger.begin(lease, [ADDRESS])
    end(ledger, redis, lease)

    lease = ledger.take("ana", Lane.LIVE)
    assert lease is not None
    unsettled = ledger.open("ana", lease.token).unsettled
    settle(ledger, redis, lease)
    again = lease_one(ledger)

    assert unsettled
    assert not ledger.open("ana", again.token).unsettled


def test_whoever_began_once_frees_no_address_that_another_writes_by_now(ledger, redis):
    once = lease_one(ledger, "ana")
    ledger.begin(once, [ADDRESS])
    expire(ledger, redis, once)
    ledger.begin(ledger.take("bo", Lane.BULK), [ADDRESS])

    skip(ledger, redis, ledger.take("ana", Lane.LIVE))

    with pytest.raises(AddressHeld):
        ledger.begin(lease_one(ledger, "cy"), [ADDRESS])
