"""What the ledger tells of a contact and its address, by itself and with the lease."""

import pytest
from redis import Redis

from pipeline.store.consents import Consents
from pipeline.store.ledger import Ledger
from pipeline.store.optouts import OptOuts
from pipeline.store.setup import SetupRecord, SetupStore
from pipeline.sync.consent import Source, Statement
from pipeline.sync.delivery import Delivery
from pipeline.sync.ports import Evidence, Told
from tests.leases import ADDRESS, OTHER_ADDRESS, lease_one, snapshot

NO = {Source.GHL_EMAIL: Statement(Source.GHL_EMAIL, 1000)}
OTHER_NO = {Source.MAILJET_SPAM: Statement(Source.MAILJET_SPAM, 2000)}
THIRD_NO = {Source.GHL_ALL: Statement(Source.GHL_ALL, 3000)}


@pytest.fixture
def optouts(redis: Redis) -> OptOuts:
    return OptOuts(redis, "default")


def test_of_somebody_new_nothing_is_known(ledger: Ledger) -> None:
    assert ledger.evidence("ana", ADDRESS) == Evidence()


def test_a_set_that_was_read_tells_of_everybody(
    ledger: Ledger, optouts: OptOuts
) -> None:
    optouts.add_ghl("r", ["bo"], [ADDRESS], first=True)
    optouts.complete_ghl("r")
    optouts.add_mailjet("r", [OTHER_ADDRESS], first=True)
    optouts.complete_mailjet("r")

    ana, bo = ledger.evidence("ana", OTHER_ADDRESS), ledger.evidence("bo", ADDRESS)
    assert ana == Evidence(in_ghl_set=False, in_mailjet_set=True)
    assert bo == Evidence(in_ghl_set=True, address_in_ghl_set=True)
    nobody = Evidence(in_ghl_set=False)
    assert ledger.evidence("ana", b"") == nobody, "sets hold an empty address"


def test_whatever_was_said_comes_with_the_mark_of_writing(
    ledger: Ledger, redis: Redis
) -> None:
    consents = Consents(redis, "default")
    told = Told(OTHER_NO, Delivery(hard_ms=5, alive_ms=9000))
    consents.tell(ADDRESS, told)
    consents.tell("ana", Told(THIRD_NO))
    ledger.settle(lease_one(ledger, "bo"), "created", snapshot(ADDRESS), OTHER_NO)
    ledger.settle(lease_one(ledger, "cy"), "created", snapshot(ADDRESS))
    ledger.settle(lease_one(ledger), "created", snapshot(ADDRESS), NO)

    evidence = ledger.begin(lease_one(ledger), [ADDRESS, OTHER_ADDRESS])

    assert evidence == ledger.evidence("ana", ADDRESS)
    assert evidence == Evidence(
        sharers={"bo": snapshot(ADDRESS), "cy": snapshot(ADDRESS)},
        records={"bo": OTHER_NO},
        own=NO,
        told=told,
        told_of_contact=THIRD_NO,
    )


def test_the_setup_comes_with_the_lease(ledger: Ledger, redis: Redis) -> None:
    setup, lease = SetupStore(redis, "default"), lease_one(ledger)
    assert ledger.open("ana", lease.token).setup is None

    record = SetupRecord(setup.fingerprint_key(), 7, "Porto", "UTC", True, 1)
    setup.save(record)

    assert ledger.open("ana", lease.token).setup == setup.read() == record
