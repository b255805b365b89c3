"""A no on either side is a no on both, comes before everything else, and stays."""

import pytest

from pipeline import runs
from pipeline.permit import Lane
from tests.driver import dnd
from tests.sandbox import fresh_email

MANAGE = ("POST", "/v3/REST/contactslist/:list/managecontact")
EXCLUDE = ("PUT", "/v3/REST/contact/:contact")
every_lane = pytest.mark.parametrize("lane", list(Lane))
every_no = pytest.mark.parametrize(
    "no", [dnd("active"), dnd("permanent"), {"dnd": True, **dnd("inactive")}]
)


def status(driver, email: str) -> str:
    return driver.subscriber(email)["properties"]["ghl_email_status"]


def unsubscribe(driver, email: str, list_id: object = None) -> None:
    """As the person does, by the link in a mail."""
    place = {str(list_id or driver.list_id): {"unsubscribed": True}}
    driver.sandbox.put_subscriber(email=email, lists=place)


# GHL says no


@every_lane
@every_no
def test_an_opt_out_in_ghl_unsubscribes_and_excludes(driver, lane, no):
    ana = driver.person(**no)

    outcome = driver.sync(ana["id"], lane)

    assert outcome == "opted out"
    assert driver.on_list(ana["email"]) is False
    assert driver.subscriber(ana["email"])["excluded"]
    assert status(driver, ana["email"]) == "opted_out"


def test_consent_is_written_before_anything_else(driver):
    ana = driver.person()
    driver.sync(ana["id"])
    driver.sandbox.put_contact(id=ana["id"], city="Braga", **dnd("active"))
    driver.sandbox.clear_log()

    driver.sync(ana["id"], Lane.BULK)

    writes = [
        (call["method"], call["route"])
        for call in driver.sandbox.log("mailjet")
        if call["method"] != "GET"
    ]
    assert writes == [MANAGE, EXCLUDE, MANAGE]


def test_a_failure_after_the_opt_out_leaves_it_in_place(driver):
    ana = driver.person()
    driver.sync(ana["id"])
    driver.sandbox.put_contact(id=ana["id"], **dnd("active"))
    driver.sandbox.add_fault("500", method="PUT", route=EXCLUDE[1])

    driver.sync(ana["id"], Lane.BULK)

    assert driver.on_list(ana["email"]) is False


@every_lane
def test_that_ghl_forgot_an_opt_out_is_no_consent(driver, lane):
    ana = driver.person(**dnd("active"))
    driver.sync(ana["id"])

    driver.sandbox.put_contact(id=ana["id"], dnd=False, **dnd("inactive"))
    driver.sync(ana["id"], lane)

    assert driver.on_list(ana["email"]) is False
    assert driver.subscriber(ana["email"])["excluded"]
    assert status(driver, ana["email"]) == "opted_out"


def test_an_opt_out_is_written_once(driver):
    ana = driver.person(**dnd("active"))
    driver.sync(ana["id"])
    driver.sandbox.clear_log()

    outcomes = [driver.sync(ana["id"], lane) for lane in (Lane.BULK, Lane.LIVE)]

    assert outcomes == ["unchanged", "unchanged"]
    assert driver.writes() == []


def test_exclusion_can_be_switched_off(build_driver):
    driver = build_driver(SYNC_EXCLUDE_OPTED_OUT="false")
    driver.setup()
    ana = driver.person(**dnd("active"))

    driver.sync(ana["id"])

    assert driver.on_list(ana["email"]) is False
    assert not driver.subscriber(ana["email"])["excluded"]


# Mailjet says no


def test_who_unsubscribed_between_two_runs_stays_unsubscribed(driver):
    ana = driver.person()
    driver.full_run()
    unsubscribe(driver, ana["email"])

    outcomes = [driver.full_run().outcomes for _ in range(2)]

    assert outcomes == [{"opted out": 1}, {"unchanged": 1}]
    assert driver.on_list(ana["email"]) is False
    assert status(driver, ana["email"]) == "opted_out"


@every_lane
def test_who_unsubscribed_a_moment_ago_stays_unsubscribed(driver, lane):
    ana = driver.person()
    driver.sync(ana["id"])
    unsubscribe(driver, ana["email"])
    driver.sandbox.put_contact(id=ana["id"], city="Braga", tags=["vip"])

    driver.sync(ana["id"], lane)

    assert driver.on_list(ana["email"]) is False


@pytest.mark.parametrize("how", ["excluded", "unsubscribed"])
def test_who_said_no_before_we_came_is_not_revived(build_driver, mailjet_list, how):
    driver = build_driver()
    email = fresh_email()
    driver.sandbox.put_subscriber(email=email, excluded=how == "excluded")
    if how == "unsubscribed":
        unsubscribe(driver, email, mailjet_list)
    driver.person(email=email)
    driver.setup()

    driver.full_run()

    assert driver.on_list(email) is False
    assert status(driver, email) == "opted_out"


@every_lane
def test_with_the_scope_of_a_list_another_lists_opt_out_is_none(
    build_driver, mailjet_list, lane
):
    driver = build_driver(SYNC_OPTOUT_SCOPE="list")
    email = fresh_email()
    unsubscribe(driver, email, mailjet_list)
    ana = driver.person(email=email)
    driver.setup()

    driver.sync(ana["id"], lane)

    assert driver.on_list(email) is True
    assert driver.on_list(email, mailjet_list) is False


@every_lane
def test_with_the_scope_of_a_list_our_own_lists_opt_out_counts(build_driver, lane):
    driver = build_driver(SYNC_OPTOUT_SCOPE="list")
    email = fresh_email()
    unsubscribe(driver, email)
    ana = driver.person(email=email)
    driver.setup()

    outcome = driver.sync(ana["id"], lane)

    assert outcome == "opted out"
    assert status(driver, email) == "opted_out"


@pytest.mark.parametrize("lane", [Lane.LIVE, Lane.CONSENT])
def test_with_the_scope_of_a_list_an_opt_out_of_a_moment_ago_counts(build_driver, lane):
    driver = build_driver(SYNC_OPTOUT_SCOPE="list")
    driver.setup()
    ana = driver.person()
    driver.sync(ana["id"])
    unsubscribe(driver, ana["email"])

    outcome = driver.sync(ana["id"], lane)

    assert outcome == "opted out"


@every_lane
def test_with_the_scope_of_a_list_a_changed_address_inherits_the_opt_out(
    build_driver, lane
):
    driver = build_driver(SYNC_OPTOUT_SCOPE="list")
    driver.setup()
    ana = driver.person()
    driver.sync(ana["id"])
    unsubscribe(driver, ana["email"])
    email = fresh_email()
    driver.sandbox.put_contact(id=ana["id"], email=email)

    driver.sync(ana["id"], lane)

    assert driver.on_list(email) is False
    assert driver.on_list(ana["email"]) is False


def test_whose_address_somebody_opted_out_with_is_never_mailed_not_even_at_first(
    driver,
):
    email = fresh_email()
    older = driver.person(
        email=email, dateAdded="2026-01-01T00:00:00.000Z", **dnd("active")
    )
    younger = driver.person(email=email, dateAdded="2026-02-01T00:00:00.000Z")
    runs.start_run(driver.kit)
    driver.discover()

    first = driver.sync(younger["id"], Lane.BULK)

    assert first == "opted out"
    assert driver.on_list(email) is False
    assert driver.sync(older["id"], Lane.BULK) == "opted out"
