"""What becomes of one contact, read in the two vendors' own accounts."""

import pytest

from pipeline.permit import Lane
from tests.driver import FULL_ROW, dnd
from tests.sandbox import fresh_email

MANAGE = "mailjet POST /v3/REST/contactslist/:list/managecontact"
ADD_TAGS = "ghl POST /contacts/:contactId/tags"
every_lane = pytest.mark.parametrize("lane", list(Lane))


# From GHL to Mailjet


@every_lane
def test_a_new_contact_is_created_with_all_it_has(driver, lane):
    ana = driver.person(tags=["vip", "lead"])

    outcome = driver.sync(ana["id"], lane)

    found = driver.subscriber(ana["email"])
    assert outcome == "created"
    assert found["name"] == "Ana Simões"
    assert driver.on_list(ana["email"])
    assert not found["excluded"]
    # What is around a person does not hold up a no, even one that nobody said.
    around = {"ghl_open_tasks": 0, "ghl_overdue_tasks": 0, "ghl_note_count": 0}
    assert found["properties"] == {
        **({} if lane is Lane.CONSENT else around),
        "firstname": FULL_ROW["firstName"],
        "lastname": FULL_ROW["lastName"],
        "phone": FULL_ROW["phone"],
        "company": FULL_ROW["companyName"],
        "city": FULL_ROW["city"],
        "state": FULL_ROW["state"],
        "country": FULL_ROW["country"],
        "postal_code": FULL_ROW["postalCode"],
        "timezone": FULL_ROW["timezone"],
        "source": FULL_ROW["source"],
        "ghl_assigned_to": FULL_ROW["assignedTo"],
        "ghl_contact_id": ana["id"],
        "ghl_location_id": driver.kit.connection.ghl_location_id,
        "ghl_tags": "|vip|lead|",
        "ghl_email_status": "subscribed",
    }
    assert driver.writes() == [MANAGE]


def test_a_change_sends_what_changed_and_nothing_else(driver):
    ana = driver.person()
    driver.sync(ana["id"])
    driver.sandbox.clear_log()

    driver.sandbox.put_contact(id=ana["id"], phone="+351220000000")
    outcome = driver.sync(ana["id"], Lane.BULK)

    properties = driver.subscriber(ana["email"])["properties"]
    assert outcome == "updated"
    assert properties["phone"] == "+351220000000"
    assert driver.writes() == [MANAGE]


@every_lane
def test_who_left_the_list_a_moment_ago_is_not_put_back_by_a_change(driver, lane):
    ana = driver.person()
    driver.sync(ana["id"])
    place = {driver.list_id: None}
    driver.sandbox.put_subscriber(email=ana["email"], lists=place)
    driver.sandbox.put_contact(id=ana["id"], firstName="Anna", city="Braga")

    outcomes = [driver.sync(ana["id"], lane) for _ in range(2)]

    found = driver.subscriber(ana["email"])
    assert outcomes == ["updated", "unchanged"]
    assert found["name"] == "Anna Simões"
    assert found["properties"]["city"] == "Braga"
    assert driver.on_list(ana["email"]) is None


def test_a_rewritten_change_of_somebody_off_the_list_is_written_once(driver):
    driver.sandbox.settings(values_rewritten=5)
    ana = driver.person()
    driver.sync(ana["id"])
    place = {driver.list_id: None}
    driver.sandbox.put_subscriber(email=ana["email"], lists=place)
    driver.sandbox.put_contact(id=ana["id"], companyName="Foghorn Ltd")

    outcomes = [driver.sync(ana["id"]) for _ in range(2)]

    assert driver.subscriber(ana["email"])["properties"]["company"] == "Fogho"
    assert outcomes == ["updated", "unchanged"]


@pytest.mark.parametrize("said_no", ["our list", "another list", "excluded"])
def test_a_change_finds_who_said_no_a_moment_ago(driver, mailjet_list, said_no):
    ana = driver.person()
    driver.full_run()
    if said_no == "excluded":
        driver.sandbox.put_subscriber(email=ana["email"], excluded=True)
    else:
        list_id = driver.list_id if said_no == "our list" else mailjet_list
        place = {str(list_id): {"unsubscribed": True}}
        driver.sandbox.put_subscriber(email=ana["email"], lists=place)
    driver.sandbox.put_contact(id=ana["id"], city="Braga")

    outcome = driver.sync(ana["id"], Lane.BULK)

    assert outcome == "opted out"
    assert driver.on_list(ana["email"]) is False


@every_lane
def test_an_unchanged_contact_writes_nothing(driver, lane):
    ana = driver.person()
    driver.sync(ana["id"])
    driver.sandbox.clear_log()

    outcome = driver.sync(ana["id"], lane)

    assert outcome == "unchanged"
    assert driver.writes() == []


def test_an_edit_of_one_of_our_properties_in_mailjet_is_put_right(driver):
    ana = driver.person()
    driver.sync(ana["id"])
    driver.sandbox.put_subscriber(email=ana["email"], properties={"city": "Braga"})

    outcome = driver.sync(ana["id"], Lane.LIVE)

    assert outcome == "updated"
    assert driver.subscriber(ana["email"])["properties"]["city"] == "Porto"


def test_a_value_that_mailjet_rewrites_is_written_once(driver):
    driver.sandbox.settings(values_rewritten=5)
    ana = driver.person(companyName="Lighthouse Ltd")
    outcomes = [driver.sync(ana["id"], lane) for lane in (Lane.BULK, Lane.LIVE)]

    stored = driver.subscriber(ana["email"])["properties"]["company"]
    assert stored == "Light"
    assert outcomes == ["created", "unchanged"]


def test_a_value_that_ghl_does_not_have_wipes_nothing(driver):
    ana = driver.person()
    driver.sync(ana["id"])

    driver.sandbox.put_contact(id=ana["id"], phone="", city=None)
    outcome = driver.sync(ana["id"])

    properties = driver.subscriber(ana["email"])["properties"]
    assert outcome == "unchanged"
    assert properties["phone"] == FULL_ROW["phone"]
    assert properties["city"] == FULL_ROW["city"]


def test_an_existing_subscriber_is_adopted_with_all_it_had(driver):
    email = fresh_email()
    other = driver.sandbox.put_subscriber(
        email=email, properties={"favourite_dish": "ramen"}
    )

    ana = driver.person(email=email.upper())
    driver.sync(ana["id"], Lane.BULK)

    found = driver.subscriber(email)
    assert found["id"] == other["id"]
    assert found["properties"]["favourite_dish"] == "ramen"
    assert found["properties"]["ghl_contact_id"] == ana["id"]
    assert driver.on_list(email)


def test_somebody_whom_an_operator_took_off_the_list_is_not_put_back(driver):
    ana = driver.person()
    driver.sync(ana["id"])
    place = {driver.list_id: None}
    driver.sandbox.put_subscriber(email=ana["email"], lists=place)

    outcome = driver.sync(ana["id"])

    assert outcome == "unchanged"
    assert driver.on_list(ana["email"]) is None


# Tags


def test_tags_are_carried_and_mirrored_by_lists(build_driver, mailjet_list):
    driver = build_driver(SYNC_TAG_LISTS=f"vip={mailjet_list}")
    driver.setup()
    ana = driver.person(tags=["vip", "lead"])
    driver.sync(ana["id"])
    joined = driver.on_list(ana["email"], mailjet_list)
    driver.sandbox.put_contact(id=ana["id"], tags=["lead"])

    driver.sync(ana["id"])

    assert joined is True
    assert driver.on_list(ana["email"], mailjet_list) is None
    assert driver.on_list(ana["email"])
    assert driver.subscriber(ana["email"])["properties"]["ghl_tags"] == "|lead|"


def test_a_contact_without_its_last_tag_has_no_tag_in_mailjet(driver):
    ana = driver.person(tags=["vip"])
    driver.sync(ana["id"])
    driver.sandbox.put_contact(id=ana["id"], tags=[])

    driver.sync(ana["id"])

    assert driver.subscriber(ana["email"])["properties"]["ghl_tags"] == "|"


def test_who_opted_out_joins_no_tag_list(build_driver, mailjet_list):
    driver = build_driver(SYNC_TAG_LISTS=f"vip={mailjet_list}")
    driver.setup()
    ana = driver.person(tags=["vip"], **dnd("active"))

    driver.sync(ana["id"])

    assert driver.on_list(ana["email"]) is False
    assert driver.on_list(ana["email"], mailjet_list) is False


@pytest.mark.parametrize("tag", ["synced", "Synced"])
def test_the_confirmation_tag_is_set_once_and_never_comes_back(build_driver, tag):
    driver = build_driver(SYNC_CONFIRMATION_TAG=tag)
    driver.setup()
    ana = driver.person(tags=["lead"])

    outcomes = [driver.sync(ana["id"]) for _ in range(3)]

    assert outcomes == ["created", "unchanged", "unchanged"]
    assert driver.sandbox.contact(ana["id"])["tags"] == ["lead", "synced"]
    assert driver.subscriber(ana["email"])["properties"]["ghl_tags"] == "|lead|"
    assert driver.writes() == [MANAGE, ADD_TAGS]


# Gone


def test_who_is_deleted_in_ghl_is_unsubscribed_and_forgotten(driver):
    ana = driver.person()
    driver.sync(ana["id"])
    driver.sandbox.delete_contact(ana["id"])

    outcome = driver.sync(ana["id"])

    assert outcome == "deleted in GHL"
    assert driver.on_list(ana["email"]) is False
    assert driver.ledger.backlog().contacts == 0


def test_who_was_never_synced_is_deleted_without_a_write(driver):
    outcome = driver.sync("stranger0000000000000")

    assert outcome == "deleted in GHL"
    assert driver.writes() == []
