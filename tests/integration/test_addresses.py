"""Addresses come, change, go and are shared; consent goes with the person."""

import pytest

from pipeline.permit import Lane
from tests.driver import FULL_ROW, dnd
from tests.sandbox import fresh_email

every_lane = pytest.mark.parametrize("lane", list(Lane))


def test_a_contact_without_an_address_waits_for_one(driver):
    ana = driver.person(email="")
    before = driver.sync(ana["id"])
    writes = driver.writes()
    email = fresh_email()
    driver.sandbox.put_contact(id=ana["id"], email=email)

    after = driver.sync(ana["id"])

    assert (before, after) == ("no e-mail", "created")
    assert writes == []
    assert driver.on_list(email)


def test_a_broken_address_is_never_sent_to_mailjet(driver):
    ana = driver.person(email="ana@@example.com")

    outcome = driver.sync(ana["id"])

    assert outcome == "invalid e-mail"
    assert driver.writes() == []


def test_who_loses_the_address_leaves_our_lists_and_comes_back_with_it(driver):
    ana = driver.person()
    driver.sync(ana["id"])

    driver.sandbox.put_contact(id=ana["id"], email="")
    removed = driver.sync(ana["id"])
    place = driver.on_list(ana["email"])
    driver.sandbox.put_contact(id=ana["id"], email=ana["email"])
    added = driver.sync(ana["id"])

    assert (removed, added) == ("no e-mail", "created")
    assert place is None
    assert driver.on_list(ana["email"])


def test_an_opt_out_outlives_the_loss_of_the_address(driver):
    ana = driver.person(**dnd("active"))
    driver.sync(ana["id"])
    driver.sandbox.put_contact(id=ana["id"], email="", **dnd("inactive"))
    driver.sync(ana["id"])
    place = driver.on_list(ana["email"])
    email = fresh_email()
    driver.sandbox.put_contact(id=ana["id"], email=email)

    outcome = driver.sync(ana["id"])

    assert outcome == "opted out"
    assert place is False
    assert driver.on_list(email) is False


@every_lane
def test_a_changed_address_inherits_lists_properties_and_leaves_the_old_one(
    driver, mailjet_list, lane
):
    ana = driver.person()
    driver.sync(ana["id"])
    driver.sandbox.put_subscriber(
        email=ana["email"],
        properties={"favourite_dish": "ramen"},
        lists={mailjet_list: {"unsubscribed": False}},
    )
    email = fresh_email()
    driver.sandbox.put_contact(id=ana["id"], email=email)

    driver.sync(ana["id"], lane)

    properties = driver.subscriber(email)["properties"]
    assert properties["favourite_dish"] == "ramen"
    assert properties["city"] == FULL_ROW["city"]
    assert properties["ghl_contact_id"] == ana["id"]
    assert driver.on_list(email)
    assert driver.on_list(email, mailjet_list)
    assert driver.on_list(ana["email"]) is None


@every_lane
@pytest.mark.parametrize("said_no_in", ["ghl", "mailjet"])
def test_a_changed_address_inherits_the_opt_out_and_the_old_one_keeps_it(
    driver, lane, said_no_in
):
    ana = driver.person(**(dnd("active") if said_no_in == "ghl" else {}))
    driver.sync(ana["id"])
    if said_no_in == "mailjet":
        place = {driver.list_id: {"unsubscribed": True}}
        driver.sandbox.put_subscriber(email=ana["email"], lists=place)
    email = fresh_email()
    driver.sandbox.put_contact(id=ana["id"], email=email, **dnd("inactive"))

    outcome = driver.sync(ana["id"], lane)

    assert outcome == "opted out"
    assert driver.on_list(email) is False
    assert driver.on_list(ana["email"]) is False
    assert driver.subscriber(email)["properties"]["ghl_email_status"] == "opted_out"


def test_an_exclusion_is_inherited_too(driver):
    ana = driver.person()
    driver.sync(ana["id"])
    driver.sandbox.put_subscriber(email=ana["email"], excluded=True)
    email = fresh_email()
    driver.sandbox.put_contact(id=ana["id"], email=email)

    driver.sync(ana["id"])

    assert driver.subscriber(email)["excluded"]
    assert driver.subscriber(ana["email"])["excluded"]


# Shared addresses


@pytest.fixture
def sharing(driver):
    """Two contacts of one address, the older first."""
    email = fresh_email()
    older = driver.person(email=email, dateAdded="2026-01-01T00:00:00.000Z")
    younger = driver.person(
        email=email.upper(), firstName="Bo", dateAdded="2026-02-01T00:00:00.000Z"
    )
    return older, younger


@every_lane
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_contacts_that_share_an_address_the_oldest_writes(
    driver, sharing, lane, order
):
    for position in order:
        driver.sync(sharing[position]["id"], lane)
    driver.sync(sharing[1]["id"], lane)

    found = driver.subscriber(sharing[0]["email"])
    assert found["name"] == "Ana Simões"
    assert found["properties"]["ghl_contact_id"] == sharing[0]["id"]


def test_who_shares_an_address_with_an_older_contact_writes_nothing(driver, sharing):
    driver.sync(sharing[0]["id"])
    driver.sandbox.clear_log()

    outcome = driver.sync(sharing[1]["id"])

    assert outcome == "shares an address with an older contact"
    assert driver.writes() == []


@pytest.mark.parametrize("opted_out", [0, 1])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_contacts_that_share_an_address_one_no_is_enough(
    driver, sharing, opted_out, order
):
    driver.sandbox.put_contact(id=sharing[opted_out]["id"], **dnd("active"))

    for position in order:
        driver.sync(sharing[position]["id"], Lane.BULK)
    driver.work()

    found = driver.subscriber(sharing[0]["email"])
    assert driver.on_list(sharing[0]["email"]) is False
    assert found["excluded"]
    assert found["properties"]["ghl_email_status"] == "opted_out"


def test_a_later_no_of_one_reaches_the_other(driver, sharing):
    for contact in sharing:
        driver.sync(contact["id"])
    driver.sandbox.put_contact(id=sharing[1]["id"], **dnd("active"))

    driver.sync(sharing[1]["id"])
    driver.work()

    email = sharing[0]["email"]
    assert driver.on_list(email) is False
    assert driver.subscriber(email)["properties"]["ghl_email_status"] == "opted_out"


@every_lane
def test_who_moves_to_an_older_contacts_address_joins_it(driver, lane):
    older = driver.person(dateAdded="2026-01-01T00:00:00.000Z")
    younger = driver.person(firstName="Bo", dateAdded="2026-02-01T00:00:00.000Z")
    for contact in (older, younger):
        driver.sync(contact["id"])
    driver.sandbox.put_contact(id=younger["id"], email=older["email"])

    outcome = driver.sync(younger["id"], lane)

    assert outcome == "shares an address with an older contact"
    assert driver.subscriber(older["email"])["name"] == "Ana Simões"
    assert driver.on_list(older["email"])
    assert driver.on_list(younger["email"]) is None


@every_lane
def test_who_leaves_a_shared_address_leaves_it_to_the_other(driver, sharing, lane):
    for contact in sharing:
        driver.sync(contact["id"])
    email = fresh_email()
    driver.sandbox.put_contact(id=sharing[0]["id"], email=email)

    driver.sync(sharing[0]["id"], lane)
    driver.work()

    assert driver.on_list(email)
    assert driver.subscriber(email)["name"] == "Ana Simões"
    assert driver.on_list(sharing[0]["email"])
    assert driver.subscriber(sharing[0]["email"])["name"] == "Bo Simões"


def test_a_deleted_contact_leaves_a_shared_address_to_the_other(driver, sharing):
    for contact in sharing:
        driver.sync(contact["id"])
    driver.sandbox.delete_contact(sharing[0]["id"])

    driver.sync(sharing[0]["id"])
    driver.work()

    email = sharing[0]["email"]
    assert driver.on_list(email)
    assert driver.subscriber(email)["name"] == "Bo Simões"
