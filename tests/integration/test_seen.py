"""Mailjet's side, read in pages: what differs from what we remember, and only that."""

import pytest
from redis import Redis

from pipeline.store.ledger import Ledger
from pipeline.store.seen import SubscriberPages
from pipeline.store.snapshots import unpack_snapshot
from pipeline.sync.contact import Subscriber
from pipeline.sync.mapping import CONTACT_ID
from tests.builders import make_policy, make_snapshot
from tests.leases import lease_one

POLICY = make_policy()
COLUMNS = POLICY.field_map.columns
MAILJET_ID = 7
LOCATION = POLICY.field_map.location_id


def page_of(ghl_id: str, mailjet_id: int = MAILJET_ID, **properties: str) -> Subscriber:
    return Subscriber(mailjet_id, properties={CONTACT_ID: ghl_id, **properties})


@pytest.fixture
def pages(redis: Redis, ledger: Ledger) -> SubscriberPages:
    """Ana is remembered with a city."""
    remember(ledger, digest=POLICY.field_map.digest)
    return SubscriberPages(redis, "default", POLICY, is_new=True)


def remember(ledger: Ledger, *, digest: bytes) -> None:
    side = POLICY.fingerprint.subscriber(COLUMNS, page_of("ana", city="Porto"))
    snapshot = make_snapshot(digest=digest, mailjet=side, mailjet_id=MAILJET_ID)
    assert ledger.settle(lease_one(ledger, "ana"), "updated", snapshot)


def seen(redis: Redis) -> set[bytes]:
    return set(redis.hkeys("gm:default:seen"))


def test_what_somebody_changed_in_mailjet_is_kept(
    redis: Redis, pages: SubscriberPages
) -> None:
    assert len(pages.compare([page_of("ana", city="Faro")])) == 1
    assert seen(redis) == {b"ana"}


@pytest.mark.parametrize(
    "subscriber",
    [
        page_of("ana", city="Porto"),
        page_of("bo", city="Faro"),
        page_of("ana", MAILJET_ID + 1, city="Faro"),
        Subscriber(MAILJET_ID, properties={"city": "Faro"}),
        Subscriber(MAILJET_ID),
    ],
    ids=["same", "unknown", "another subscriber", "not ours", "no properties"],
)
def test_everything_else_leaves_no_trace(
    redis: Redis, pages: SubscriberPages, subscriber: Subscriber
) -> None:
    assert len(pages.compare([subscriber])) == 0
    assert seen(redis) == set()


def test_what_was_remembered_under_another_mapping_is_compared_with_nothing(
    redis: Redis, ledger: Ledger, pages: SubscriberPages
) -> None:
    remember(ledger, digest=b"old1")

    assert len(pages.compare([page_of("ana", city="Faro")])) == 0
    assert seen(redis) == set()


def known_in_mailjet(**properties: str) -> Subscriber:
    """As a sync of ours left Bo there."""
    ours = {"ghl_location_id": LOCATION, "ghl_email_status": "subscribed"}
    return page_of("bo", **{**ours, **properties})


def test_who_was_synced_before_state_was_lost_is_remembered_by_contact_id(
    redis: Redis, pages: SubscriberPages
) -> None:
    assert len(pages.compare([known_in_mailjet()])) == 0

    packed = redis.hget("gm:default:snapshots", "bo")
    snapshot = unpack_snapshot(packed)
    assert snapshot is not None
    assert (snapshot.mailjet_id, snapshot.address) == (MAILJET_ID, b"")


@pytest.mark.parametrize(
    "other",
    [
        known_in_mailjet(ghl_location_id="another"),
        known_in_mailjet(ghl_email_status="opted_out"),
        known_in_mailjet(ghl_email_status="complained"),
    ],
    ids=["another location", "out", "complained"],
)
def test_who_is_out_or_of_another_location_is_not(
    redis: Redis, pages: SubscriberPages, other: Subscriber
) -> None:
    pages.compare([other])

    assert not redis.hexists("gm:default:snapshots", "bo")


def test_after_a_full_run_an_address_that_somebody_left_is_not_taken_for_a_contact(
    redis: Redis, ledger: Ledger
) -> None:
    assert ledger.is_new()
    ledger.start("run1", "business", {"stage": "listing"})
    end(ledger)
    assert ledger.is_new()
    ledger.start("run2", "full", {"stage": "listing"})
    end(ledger)

    assert not ledger.is_new()
    later = SubscriberPages(redis, "default", POLICY, is_new=ledger.is_new())
    later.compare([known_in_mailjet()])
    assert not redis.hexists("gm:default:snapshots", "bo")


def end(ledger: Ledger) -> None:
    page = ledger.claim_page(60)
    assert page is not None
    assert ledger.commit_page(page, None, [])
