"""What becomes in Mailjet of contacts that were deleted in GHL, by `SYNC_DELETIONS`."""

import pytest

from pipeline.permit import Lane
from pipeline.settings.schema import DELETIONS
from pipeline.sync.case import GONE_FROM_GHL, Outcome
from pipeline.sync.consent import Source, Statement
from pipeline.sync.ports import Deletions, Told
from tests.sandbox import Row

LONG_AGO = dict.fromkeys(("dateAdded", "dateUpdated"), "2026-01-01T00:00:00.000Z")
ERASE = "/v4/contacts/:contact"


@pytest.fixture
def driver_of(build_driver):
    def build(deletions: str):
        driver = build_driver(SYNC_DELETIONS=deletions)
        driver.setup()
        return driver

    return build


def known(driver, count: int = 1, **fields: object) -> list[Row]:
    people = [driver.person(**LONG_AGO, **fields) for _ in range(count)]
    driver.full_run()
    driver.sandbox.clear_log()
    return people


def place(driver, person: Row) -> object:
    """On our list: True, unsubscribed from it: False, not on it, or erased."""
    found = driver.sandbox.subscriber(person["email"])
    return driver.on_list(person["email"]) if found else "erased"


def test_every_policy_has_its_word():
    assert set(DELETIONS) == {str(one) for one in Deletions}


@pytest.mark.parametrize(
    ("deletions", "outcome", "found"),
    [
        ("keep", "deleted in GHL, kept in Mailjet", True),
        ("unsubscribe", "deleted in GHL", False),
        ("remove-from-lists", "deleted in GHL, off our lists", None),
        ("erase", "deleted in GHL, erased in Mailjet", "erased"),
    ],
)
def test_who_is_deleted_in_ghl_is_dealt_with_by_policy_and_once(
    driver_of, deletions, outcome, found
):
    driver = driver_of(deletions)
    ana, bo = known(driver, 2)
    driver.sandbox.delete_contact(ana["id"])

    run = driver.full_run()
    driver.sandbox.clear_log()
    again = driver.full_run()

    assert run.outcomes == {outcome: 1, "unchanged": 1}
    assert outcome in GONE_FROM_GHL
    assert (place(driver, ana), place(driver, bo)) == (found, True)
    assert again.outcomes == {"unchanged": 1}
    assert driver.writes() == []


def test_who_is_removed_is_mailed_again_once_they_are_made_anew(driver_of):
    driver = driver_of("remove-from-lists")
    [ana] = known(driver)
    driver.sandbox.delete_contact(ana["id"])
    driver.full_run()
    status = driver.subscriber(ana["email"])["properties"]["ghl_email_status"]

    again = driver.person(email=ana["email"])
    driver.sync(again["id"])

    assert status == "removed"
    assert place(driver, ana) is True


@pytest.mark.parametrize("deletions", DELETIONS)
def test_a_no_that_ghl_told_before_the_deletion_holds(driver_of, deletions):
    driver = driver_of(deletions)
    [ana] = known(driver)
    said = Statement(Source.GHL_EMAIL, 1_790_000_000_000, "webhook")
    driver.kit.consents.tell(ana["id"], Told({said.source: said}))
    driver.sandbox.delete_contact(ana["id"])

    driver.full_run()
    after = place(driver, ana)
    again = driver.person(email=ana["email"])

    assert after is (False if deletions != "erase" else after)
    assert driver.sync(again["id"]) == Outcome.OPTED_OUT
    assert place(driver, ana) is False


@pytest.mark.parametrize("deletions", DELETIONS)
def test_another_contact_with_the_address_keeps_it(driver_of, deletions):
    driver = driver_of(deletions)
    [ana] = known(driver)
    bo = driver.person(email=ana["email"], firstName="Bo")
    driver.sandbox.delete_contact(ana["id"])

    driver.full_run()

    assert place(driver, ana) is True
    assert driver.subscriber(ana["email"])["properties"]["ghl_contact_id"] == bo["id"]


@pytest.mark.parametrize("deletions", DELETIONS)
def test_whom_somebody_deletes_in_mailjet_stays_in_ghl(driver_of, mailjet, deletions):
    driver = driver_of(deletions)
    [ana] = known(driver)
    mailjet_id = driver.subscriber(ana["email"])["id"]
    mailjet.call("DELETE", f"/v4/contacts/{mailjet_id}")

    driver.full_run()
    outcome = driver.sync(ana["id"])

    assert outcome == Outcome.ERASED
    assert driver.sandbox.contact(ana["id"]) is not None
    assert not any(call.startswith("ghl") for call in driver.writes())


def test_nobody_is_erased_where_ghl_cannot_tell_who_else_has_the_address(driver_of):
    driver = driver_of("erase")
    [ana] = known(driver)
    driver.sandbox.delete_contact(ana["id"])
    driver.sandbox.add_fault("refused", route="/contacts/search")

    outcome = driver.sync(ana["id"])

    assert outcome == Outcome.DELETED
    assert place(driver, ana) is False


def test_whom_another_location_mails_through_the_account_is_not_erased(driver_of):
    driver = driver_of("erase")
    [ana] = known(driver)
    theirs = {"ghl_location_id": "elsewhere"}
    driver.sandbox.put_subscriber(email=ana["email"], properties=theirs)
    driver.sandbox.delete_contact(ana["id"])

    assert driver.sync(ana["id"]) == Outcome.DELETED
    assert place(driver, ana) is False


def test_a_mass_is_erased_only_once_it_is_accepted(driver_of):
    driver = driver_of("erase")
    people = known(driver, 12)
    for person in people:
        driver.sandbox.delete_contact(person["id"])

    held = driver.full_run()
    erased_before = driver.calls("DELETE", ERASE)
    driver.kit.presence.accept()
    run = driver.full_run()

    assert (held.outcomes, erased_before) == ({}, 0)
    assert run.outcomes == {Outcome.DELETED_ERASED: 12}
    assert [place(driver, person) for person in people] == ["erased"] * 12


def test_a_mass_that_is_found_one_by_one_is_held_back_too(driver_of):
    driver = driver_of("erase")
    people = known(driver, 12)
    for person in people:
        driver.sandbox.delete_contact(person["id"])

    outcomes = [driver.sync(person["id"], Lane.LIVE) for person in people]
    left = driver.full_run()

    assert outcomes[10:] == [Outcome.DELETED_HELD] * 2
    assert [place(driver, one) for one in people[10:]] == [True, True]
    assert left.outcomes == {Outcome.DELETED_HELD: 2}


def test_who_was_erased_already_is_done(driver_of, mailjet):
    driver = driver_of("erase")
    [ana] = known(driver)
    driver.sandbox.delete_contact(ana["id"])
    mailjet.call("DELETE", f"/v4/contacts/{driver.subscriber(ana['email'])['id']}")

    assert driver.sync(ana["id"]) == Outcome.DELETED
