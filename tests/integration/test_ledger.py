"""How contacts wait in the ledger, and are leased to one worker at a time."""

import pytest

from pipeline.errors import LeaseLost
from pipeline.permit import Lane, Lease
from pipeline.store.dead_letters import worker_lost
from pipeline.store.health import Health
from pipeline.sync.contact import Contact
from tests.driver import expire_all, make_due, waiting
from tests.leases import (
    ADDRESS,
    bury,
    expire,
    give_back,
    lease_all,
    lease_one,
    skip,
    snapshot,
)
from tests.troubles import DEAD_TOKEN

# Waiting


def test_a_marked_contact_waits_once_however_often_it_is_marked(ledger, redis):
    ledger.mark(Lane.BULK, ["ana", "bo"])
    ledger.mark(Lane.BULK, ["ana", "bo"])

    assert ledger.backlog().bulk == ledger.backlog().waiting == 2
    assert waiting(ledger, redis, Lane.BULK) == {"ana", "bo"}


def test_more_contacts_than_a_script_takes_are_marked_in_batches(ledger):
    ledger.mark(Lane.BULK, (f"id{number}" for number in range(2500)))

    assert ledger.backlog().bulk == 2500


def test_a_higher_lane_promotes_a_waiting_contact(ledger, redis):
    ledger.mark(Lane.BULK, ["ana"])

    ledger.mark(Lane.LIVE, ["ana"])
    live = waiting(ledger, redis, Lane.LIVE)
    ledger.mark(Lane.CONSENT, ["ana"])

    assert live == {"ana"}
    assert waiting(ledger, redis, Lane.CONSENT) == {"ana"}
    assert ledger.backlog().waiting == 1


def test_a_lower_lane_demotes_nobody(ledger, redis):
    ledger.mark(Lane.CONSENT, ["ana"])

    ledger.mark(Lane.BULK, ["ana"])

    assert waiting(ledger, redis, Lane.CONSENT) == {"ana"}
    assert ledger.backlog().waiting == 1


def test_promotion_makes_a_contact_that_waits_for_its_next_attempt_due(ledger):
    ledger.give_back(lease_one(ledger), 300)

    ledger.mark(Lane.LIVE, ["ana"])

    assert lease_all(ledger)["ana"].lane is Lane.LIVE


# Leasing


def test_the_most_urgent_lane_is_leased_first(ledger):
    for lane in (Lane.BULK, Lane.LIVE, Lane.CONSENT):
        ledger.mark(lane, [lane.value])

    leased = [ledger.lease(1, max_out=10)[0].lane for _ in range(3)]

    assert leased == [Lane.CONSENT, Lane.LIVE, Lane.BULK]


def test_no_contact_is_leased_twice(ledger):
    first = lease_one(ledger)

    ledger.mark(Lane.CONSENT, ["ana"])

    assert ledger.lease(10, max_out=10) == []
    assert ledger.take("ana", Lane.CONSENT) is None
    assert first.token > 0


def test_bulk_goes_out_up_to_the_limit_and_each_more_urgent_lane_beside_it(ledger):
    ledger.mark(Lane.BULK, [f"bulk{number}" for number in range(10)])
    bulk = ledger.lease(100, max_out=3)
    ledger.mark(Lane.LIVE, [f"live{number}" for number in range(10)])
    urgent = ledger.lease(100, max_out=3)

    assert [lease.lane for lease in bulk] == [Lane.BULK] * 3
    assert [lease.lane for lease in urgent] == [Lane.LIVE] * 3
    assert ledger.lease(100, max_out=3) == []
    ledger.mark(Lane.CONSENT, [f"no{number}" for number in range(10)])
    noes = ledger.lease(100, max_out=3)
    assert [lease.lane for lease in noes] == [Lane.CONSENT] * 3
    assert ledger.lease(100, max_out=3) == []


def test_a_contact_given_back_is_not_leased_before_its_time(ledger, redis):
    ledger.give_back(lease_one(ledger), 60)
    before = lease_all(ledger)
    make_due(ledger, redis)

    assert before == {}
    assert lease_all(ledger).keys() == {"ana"}


def test_take_leases_a_contact_that_is_not_due(ledger):
    ledger.give_back(lease_one(ledger), 60)

    taken = ledger.take("ana", Lane.LIVE)

    assert taken is not None
    assert taken.lane is Lane.LIVE
    assert ledger.backlog().waiting == 0
    assert ledger.backlog().leased == 1


def test_take_leases_a_contact_that_nobody_marked(ledger):
    assert ledger.take("stranger", Lane.LIVE) is not None
    assert ledger.backlog().leased == 1


def test_each_lease_has_a_larger_token(ledger):
    first = lease_one(ledger)
    ledger.give_back(first, 0)
    second = ledger.take("ana", Lane.LIVE)

    assert second is not None
    assert second.token > first.token


def test_opening_tells_what_is_remembered_and_renews_the_lease(ledger, redis):
    ledger.settle(lease_one(ledger), "created", snapshot(ADDRESS))
    lease = lease_one(ledger)
    ledger.begin(lease, [ADDRESS])
    ledger.give_back(lease, 0, counted=True)
    lease = lease_all(ledger)["ana"]
    redis.zadd(ledger.key("leased"), {"ana": 1})

    opened = ledger.open("ana", lease.token)

    assert opened.lease == lease
    assert opened.snapshot
    assert opened.unsettled
    assert opened.attempts == 1
    assert ledger.expire(worker_lost(1), ()) == 0


def test_a_paused_connection_leases_nothing(ledger, redis):
    health = Health(redis, "default")
    ledger.mark(Lane.CONSENT, ["ana"])

    health.pause(DEAD_TOKEN)
    while_paused = ledger.lease(10, max_out=10)
    health.resume()

    assert while_paused == []
    assert lease_all(ledger).keys() == {"ana"}


# Fencing


@pytest.fixture
def stale(ledger, redis) -> Lease:
    """A lease that expired, while somebody else holds the contact by now."""
    lease = lease_one(ledger)
    expire(ledger, redis, lease)
    lease_all(ledger)
    return lease


def test_a_stale_lease_settles_nothing(ledger, redis, stale):
    assert not ledger.settle(stale, "updated", snapshot(ADDRESS))
    assert ledger.backlog().leased == 1
    assert ledger.backlog().contacts == 0
    assert redis.exists(ledger.key("addresses")) == 0


@pytest.mark.parametrize("end", [skip, give_back, bury])
def test_a_stale_lease_ends_nothing(ledger, redis, stale, end):
    end(ledger, redis, stale)

    assert ledger.backlog().leased == 1
    assert ledger.backlog().waiting == ledger.backlog().dead == 0


def test_a_stale_lease_neither_opens_nor_begins(ledger, stale):
    with pytest.raises(LeaseLost):
        ledger.open("ana", stale.token)
    with pytest.raises(LeaseLost):
        ledger.begin(stale, [ADDRESS])


def test_a_lease_that_ran_out_is_good_until_somebody_returned_it(ledger, redis):
    lease = lease_one(ledger)
    expire_all(ledger, redis)

    assert ledger.settle(lease, "updated", snapshot())


def test_only_contacts_newer_than_their_snapshots_are_unseen(ledger):
    ledger.settle(lease_one(ledger), "updated", snapshot(updated_ms=1000))
    rows = [Contact("ana", date_updated_ms=1000), Contact("bo", date_updated_ms=1)]
    newer = [Contact("ana", date_updated_ms=1001)]

    assert ledger.unseen(rows) == ["bo"]
    assert ledger.unseen(newer) == ["ana"]
    assert ledger.unseen([]) == []
