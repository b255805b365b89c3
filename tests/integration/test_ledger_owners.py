"""A dead worker's leases come back at the next tick, a living worker's never do."""

import pytest

from pipeline.permit import Lane, Lease
from pipeline.store.dead_letters import WORKER_LOST, read, worker_lost
from pipeline.store.ledger import MAX_EXPIRIES, Ledger
from tests.driver import expire_all, waiting
from tests.leases import (
    ADDRESS,
    ENDS,
    lease_all,
    lease_one,
    snapshot,
)


def tick(ledger: Ledger, *alive: str) -> int:
    """What Beat's tick does while these boots live; how many leases it returned."""
    return ledger.expire(worker_lost(1), alive)


def open_one(ledger: Ledger, owner: str, ghl_id: str = "ana") -> Lease:
    lease = lease_one(ledger, ghl_id)
    ledger.open(ghl_id, lease.token, owner)
    return lease


def test_what_a_dead_worker_held_comes_back_at_once(ledger, redis):
    open_one(ledger, "dead", "ana")
    open_one(ledger, "alive", "bo")

    assert tick(ledger, "alive", "other") == 1
    assert waiting(ledger, redis, Lane.BULK) == {"ana"}
    assert ledger.backlog().leased == 1


def test_without_any_living_worker_all_that_was_opened_comes_back(ledger):
    open_one(ledger, "boot1", "ana")
    open_one(ledger, "boot2", "bo")

    assert tick(ledger) == 2


def test_a_lease_that_nobody_owns_only_expires(ledger, redis):
    open_one(ledger, "", "ana")
    lease_one(ledger, "bo")
    before = tick(ledger)
    expire_all(ledger, redis)

    assert before == 0
    assert tick(ledger) == 2


def test_a_living_worker_loses_what_it_let_expire(ledger, redis):
    open_one(ledger, "alive")
    expire_all(ledger, redis)

    assert tick(ledger, "alive") == 1


def test_what_expired_and_lost_its_worker_counts_once(ledger, redis):
    ledger.mark(Lane.BULK, ["ana"])
    for _ in range(MAX_EXPIRIES - 1):
        ledger.open("ana", lease_all(ledger)["ana"].token, "dead")
        expire_all(ledger, redis)
        assert tick(ledger) == 1

    assert ledger.backlog().dead == 0
    assert ledger.backlog().bulk == 1


def test_a_contact_that_kills_ten_workers_is_a_dead_letter(ledger, redis):
    ledger.mark(Lane.BULK, ["ana"])
    for number in range(MAX_EXPIRIES):
        ledger.open("ana", lease_all(ledger)["ana"].token, f"boot{number}")
        tick(ledger)

    assert [letter.cause for letter in read(redis, "default")] == [WORKER_LOST]


def test_a_change_that_a_dead_worker_did_not_see_comes_back_in_its_lane(ledger):
    open_one(ledger, "dead")
    ledger.mark(Lane.CONSENT, ["ana"])

    tick(ledger)

    assert lease_all(ledger)["ana"].lane is Lane.CONSENT


def test_what_a_dead_worker_had_begun_to_write_is_read_by_the_next(ledger):
    ledger.begin(open_one(ledger, "dead"), [ADDRESS])

    tick(ledger)

    lease = lease_all(ledger)["ana"]
    assert ledger.open("ana", lease.token, "alive").unsettled
    ledger.begin(lease_one(ledger, "bo"), [ADDRESS])


def test_a_worker_that_was_declared_dead_wrongly_changes_nothing(ledger):
    lost = open_one(ledger, "slow")
    tick(ledger)
    lease_all(ledger)

    assert not ledger.settle(lost, "updated", snapshot())
    assert ledger.backlog().leased == 1


def test_the_next_owner_is_the_one_that_counts(ledger):
    lease = open_one(ledger, "dead")
    ledger.open("ana", lease.token, "alive")

    assert tick(ledger, "alive") == 0


@pytest.mark.parametrize("end", ENDS)
def test_an_owner_is_forgotten_when_its_lease_ends(ledger, redis, end):
    end(ledger, redis, open_one(ledger, "boot"))

    assert redis.exists(ledger.key("owners")) == 0


# Pages


def test_the_page_of_a_dead_worker_is_fetched_at_once(ledger):
    ledger.start("run1", "full", {"after": 0})
    page = ledger.claim_page(60, "dead")
    while_claimed = ledger.claim_page(60, "alive")

    tick(ledger, "alive")

    assert while_claimed is None
    assert ledger.wanted_page() == {"after": 0}
    assert ledger.claim_page(60, "alive") == page


@pytest.mark.parametrize("owner", ["alive", ""])
def test_the_page_of_a_living_worker_or_of_nobody_stays_claimed(ledger, owner):
    ledger.start("run1", "full", {"after": 0})
    ledger.claim_page(60, owner)

    tick(ledger, "alive")

    assert ledger.claim_page(60, "alive") is None


def test_a_page_that_could_not_be_had_waits_although_its_worker_died(ledger):
    ledger.start("run1", "full", {"after": 0})
    page = ledger.claim_page(60, "dead")
    ledger.release_page(page, 60)

    tick(ledger, "alive")

    assert ledger.wanted_page() is None


def test_a_page_that_a_dead_worker_still_brings_is_committed_once(ledger):
    ledger.start("run1", "full", {"after": 0})
    slow = ledger.claim_page(60, "slow")
    tick(ledger, "alive")
    page = ledger.claim_page(60, "alive")

    committed = [ledger.commit_page(each, None, ["ana"]) for each in (page, slow)]

    assert committed == [True, False]
    assert ledger.run().discovered == 1
