"""A mapping on both local vendors: every kind of row, and what GHL is sent."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline import setup
from pipeline.custom_fields import find_custom_fields
from pipeline.errors import ConfigError
from pipeline.field_report import field_report
from pipeline.findings import Level
from pipeline.ghl.records import CustomField
from pipeline.permit import Lane, Permit
from pipeline.store.state import connection_key
from pipeline.sync.fields import Direction, Owner, Row
from pipeline.sync.mapping import Layout
from tests.driver import FULL_ROW, Driver
from tests.sandbox import MailjetCaller, Sandbox, fresh_email

BOTH, TO_GHL = Direction.BOTH, Direction.TO_GHL


@pytest.fixture
def mailjet(sandbox: Sandbox) -> Iterator[MailjetCaller]:
    with closing(MailjetCaller(sandbox)) as caller:
        yield caller


def custom(driver: Driver, datatype: str) -> CustomField:
    """A custom field of the location of that type."""
    known = driver.kit.ghl(Permit(Lane.LIVE)).list_custom_fields()
    return next(one for one in known if one.data_type == datatype)


def person(driver: Driver, **fields: object) -> tuple[str, str]:
    row = driver.sandbox.put_contact(email=fresh_email(), **{**FULL_ROW, **fields})
    return row["id"], row["email"]


def held(driver: Driver, email: str) -> dict:
    subscriber = driver.sandbox.subscriber(email)
    assert subscriber is not None
    return dict(subscriber["properties"])


def put(mailjet: MailjetCaller, email: str, **properties: object) -> None:
    """Somebody changes properties in Mailjet."""
    pairs = [{"Name": name, "Value": value} for name, value in properties.items()]
    response = mailjet.call("PUT", f"contactdata/{email}", {"Data": pairs})
    assert response.status_code in (200, 304), response.text


def place(mailjet: MailjetCaller, email: str, list_id: int, action: str) -> None:
    """Somebody puts a subscriber on a list, or takes them off."""
    body = {"Email": email, "Action": action}
    response = mailjet.call("POST", f"contactslist/{list_id}/managecontact", body)
    assert response.status_code == 201, response.text


def sent_by_put(sandbox: Sandbox) -> list[dict]:
    """Bodies of what GHL was sent by PUT."""
    return [
        json.loads(exchange["request"])
        for exchange in sandbox.exchanges()
        if (exchange["vendor"], exchange["method"]) == ("ghl", "PUT")
    ]


def test_custom_fields_of_every_type_become_properties_of_a_type(build_driver) -> None:
    plain = build_driver()
    text, number = custom(plain, "TEXT"), custom(plain, "MONETORY")
    choices = custom(plain, "CHECKBOX")
    driver = build_driver(
        Row(text.key, "level", transforms=(("trim", None), ("lower", None))),
        Row(number.key, "worth", "float"),
        Row(choices.key, "interests", transforms=(("join", "; "),)),
    )
    driver.setup()
    ghl_id, email = person(
        driver,
        customFields=[
            {"id": text.id, "value": " Gold "},
            {"id": number.id, "value": 12.5},
            {"id": choices.id, "value": ["a", "b"]},
        ],
    )

    assert driver.sync(ghl_id) == "created"

    told = {"level": "gold", "worth": 12.5, "interests": "a; b"}
    assert told.items() <= held(driver, email).items()
    assert driver.sync(ghl_id) == "unchanged"


def test_what_changes_in_mailjet_goes_to_ghl_by_put_with_the_changed_keys_only(
    build_driver, mailjet
) -> None:
    number = custom(build_driver(), "MONETORY")
    driver = build_driver(
        Row("city", "city", direction=BOTH, owner=Owner.MAILJET),
        Row(number.key, "whole_worth", "int", BOTH),
        Row("website", "site", direction=TO_GHL),
    )
    driver.setup()
    ghl_id, email = person(driver)
    driver.full_run()
    put(mailjet, email, city="Faro", whole_worth=7, site="https://example.com")
    driver.sandbox.clear_log()
    driver.sandbox.settings(keep_exchanges=True)

    driver.full_run()

    contact = driver.sandbox.contact(ghl_id)
    assert (contact["city"], contact["website"]) == ("Faro", "https://example.com")
    assert {"id": number.id, "value": 7} in contact["customFields"]
    assert sent_by_put(driver.sandbox) == [
        {
            "city": "Faro",
            "website": "https://example.com",
            "customFields": [{"id": number.id, "field_value": 7}],
        }
    ]
    driver.sandbox.clear_log()
    driver.full_run()
    assert driver.writes() == []


def test_membership_of_a_list_becomes_a_tag_and_goes_with_it(
    build_driver, mailjet
) -> None:
    list_id = mailjet.new_list()
    driver = build_driver(Row("tag:reader", f"list:{list_id}", direction=BOTH))
    driver.setup()
    ghl_id, email = person(driver, tags=["lead"])
    driver.full_run()
    place(mailjet, email, list_id, "addnoforce")

    driver.full_run()

    assert driver.sandbox.contact(ghl_id)["tags"] == ["lead", "reader"]
    assert "|reader|" in held(driver, email)["ghl_tags"]
    place(mailjet, email, list_id, "remove")
    driver.full_run()
    assert driver.sandbox.contact(ghl_id)["tags"] == ["lead"]


def test_a_tag_is_a_boolean_property_and_follows_it_back(build_driver, mailjet) -> None:
    driver = build_driver(Row("tag:lead", "is_lead", "bool", BOTH))
    driver.setup()
    ghl_id, email = person(driver, tags=["lead", "old"])
    driver.full_run()
    assert held(driver, email)["is_lead"] is True

    put(mailjet, email, is_lead=False)
    driver.full_run()

    assert driver.sandbox.contact(ghl_id)["tags"] == ["old"]
    assert held(driver, email)["ghl_tags"] == "|old|"


def test_who_opts_out_keeps_the_tags_of_the_lists_that_are_left(
    build_driver, mailjet
) -> None:
    list_id = mailjet.new_list()
    driver = build_driver(Row("tag:reader", f"list:{list_id}", direction=BOTH))
    driver.setup()
    ghl_id, email = person(driver, tags=["reader"])
    driver.full_run()
    place(mailjet, email, list_id, "unsub")

    driver.full_run()

    assert "reader" in driver.sandbox.contact(ghl_id)["tags"]
    assert not driver.on_list(email)


def test_a_business_has_a_list_of_its_own(build_driver, mailjet) -> None:
    list_id = mailjet.new_list()
    plain = build_driver()
    businesses = plain.kit.ghl(Permit(Lane.LIVE)).list_businesses(0).businesses
    ours, other = businesses[0].id, businesses[1].id
    driver = build_driver(Row(f"business:{ours}", f"list:{list_id}"))
    driver.setup()
    member, stranger = (person(driver, businessId=one) for one in (ours, other))

    driver.full_run()

    assert driver.on_list(member[1], list_id)
    assert not driver.on_list(stranger[1], list_id)
    assert driver.on_list(stranger[1])


def test_a_value_that_the_type_cannot_hold_is_left_alone_and_told(
    build_driver, caplog: pytest.LogCaptureFixture
) -> None:
    text = custom(build_driver(), "TEXT")
    driver = build_driver(Row(text.key, "age", "int"))
    driver.setup()
    ghl_id, email = person(driver, customFields=[{"id": text.id, "value": "many"}])

    assert driver.sync(ghl_id) == "created"

    assert "age" not in held(driver, email)
    assert f"{text.key} is no number: not carried to age" in caplog.text
    assert "many" not in caplog.text


def test_a_value_that_ghl_cannot_hold_is_left_alone_and_told_once(
    build_driver, mailjet, caplog: pytest.LogCaptureFixture
) -> None:
    number = custom(build_driver(), "MONETORY")
    driver = build_driver(Row(number.key, "worth_told", direction=TO_GHL))
    driver.setup()
    _, email = person(driver)
    driver.full_run()
    put(mailjet, email, worth_told="many")

    driver.full_run()
    driver.full_run()

    told = f"worth_told is no number: not carried to {number.key}"
    assert caplog.text.count(told) == 1
    assert "many" not in caplog.text


def test_setup_names_the_custom_field_that_may_have_been_meant(build_driver) -> None:
    known = custom(build_driver(), "TEXT")
    driver = build_driver(Row(f"{known.key}s", "x"))

    with pytest.raises(ConfigError, match="no custom field") as caught:
        setup.run(driver.kit)

    assert f"did you mean {known.key!r}?" in str(caught.value.problems)


def test_fields_tells_before_the_first_write_what_cannot_work(
    build_driver, mailjet
) -> None:
    text = custom(build_driver(), "TEXT")
    mailjet.new_property(Name="taken", Datatype="bool")
    driver = build_driver(
        Row("contact.missing", "x"),
        Row(text.key, "age", "int"),
        Row("city", "taken"),
        Row("website", "site"),
    )
    number = {"id": text.id, "value": "many"}
    person(driver, customFields=[number], website="w" * 300)
    driver.sandbox.clear_log()

    report = field_report(driver.kit)

    told = {finding.what: finding.level for finding in report.findings}
    assert told.pop(f"{text.key} is no number: not carried, of 1 in 1 contact")
    assert told.pop("website has up to 300 characters") is Level.WARNING
    wrong = [what for what, level in told.items() if level is Level.FAILURE]
    assert [line.split(";")[0] for line in wrong] == [
        "GHL has no custom field 'contact.missing'",
        "Mailjet property 'taken': is of type bool, must be str",
    ]
    assert any(f"{text.key} is of type TEXT" in what for what in told)
    assert driver.writes() == []
    mapped = {field.name: field.mapped for field in report.ghl}
    assert mapped[text.key] == ("-> age",)
    assert mapped["city"] == ("-> city", "-> taken")


def test_a_mapping_that_fits_says_so_and_a_new_field_asks_for_setup(
    build_driver,
) -> None:
    text = custom(build_driver(), "TEXT")
    first = build_driver(Row("website", "site"))
    first.setup()

    assert [one.level for one in field_report(first.kit).findings] == [Level.OK]

    second = build_driver(Row("website", "site"), Row(text.key, "site2"))
    levels = {one.what: one.level for one in field_report(second.kit).findings}
    new = f"{text.key}: mapped since the last setup, and not carried yet"
    assert levels[new] is Level.FAILURE


def test_no_row_of_a_custom_field_costs_no_call(build_driver) -> None:
    driver = build_driver()
    ghl = driver.kit.ghl(Permit(Lane.LIVE))
    driver.sandbox.clear_log()

    assert find_custom_fields(ghl, Layout(), print) == {}
    assert driver.sandbox.log() == []


def test_a_new_field_puts_nobody_back_on_the_list(build_driver, mailjet) -> None:
    first = build_driver()
    first.setup()
    _, email = person(first, website="https://example.com")
    first.full_run()
    place(mailjet, email, mailjet.list_id, "remove")
    second = build_driver(Row("website", "site"))
    second.setup()

    second.full_run()

    assert held(second, email)["site"] == "https://example.com"
    assert second.on_list(email) is None


def look_at_mailjet(driver: Driver) -> set[str]:
    """What Beat rings between runs, as if the last time were long ago; who waits."""
    driver.pipeline.redis.delete(connection_key("default", "due:sweep:subscribers"))
    driver.discovery.feedback()
    return driver.waiting(Lane.LIVE)


def test_between_runs_what_changed_in_mailjet_comes_to_ghl(
    build_driver, mailjet
) -> None:
    list_id = mailjet.new_list()
    driver = build_driver(
        Row("city", "city", direction=BOTH),
        Row("tag:reader", f"list:{list_id}", direction=BOTH),
    )
    driver.setup()
    (ana, email), (bo, other) = person(driver), person(driver)
    driver.full_run()
    assert look_at_mailjet(driver) == set()
    put(mailjet, email, city="Faro")
    place(mailjet, other, list_id, "addnoforce")

    assert look_at_mailjet(driver) == {ana, bo}
    driver.work()

    assert driver.sandbox.contact(ana)["city"] == "Faro"
    assert "reader" in driver.sandbox.contact(bo)["tags"]
    assert look_at_mailjet(driver) == set()


def test_what_ghl_cannot_be_given_is_looked_at_once(build_driver, mailjet) -> None:
    driver = build_driver(Row("city", "city", direction=BOTH))
    driver.setup()
    ghl_id, email = person(driver)
    driver.full_run()
    driver.sandbox.add_fault(
        "scope_missing", vendor="ghl", route="/contacts/:contactId", method="PUT"
    )
    put(mailjet, email, city="Faro")

    assert look_at_mailjet(driver) == {ghl_id}
    assert driver.work() == {"updated": 1}
    assert driver.sandbox.contact(ghl_id)["city"] == "Porto"
    assert look_at_mailjet(driver) == set()
    driver.sandbox.clear_faults()
    driver.full_run()
    assert driver.sandbox.contact(ghl_id)["city"] == "Faro"


def test_a_mapping_that_leads_nowhere_but_to_mailjet_is_not_looked_at(driver) -> None:
    look_at_mailjet(driver)

    assert not driver.calls("GET", "/v3/REST/contactdata")


def readers(driver: Driver, mailjet: MailjetCaller, list_id: int) -> list[str]:
    """Twelve people on a list, who have its tag."""
    people = [person(driver, tags=["reader"]) for _ in range(12)]
    driver.full_run()
    assert all(driver.on_list(email, list_id) for _, email in people)
    return [ghl_id for ghl_id, _ in people]


def tagged(driver: Driver, ids: list[str]) -> int:
    return sum("reader" in driver.sandbox.contact(one)["tags"] for one in ids)


def test_a_list_that_is_deleted_in_mailjet_takes_no_mass_of_tags(
    build_driver, mailjet
) -> None:
    list_id = mailjet.new_list()
    driver = build_driver(Row("tag:reader", f"list:{list_id}", direction=BOTH))
    driver.setup()
    ids = readers(driver, mailjet, list_id)
    mailjet.call("DELETE", f"contactslist/{list_id}")

    driver.full_run()
    driver.full_run()

    # Ten are what a person may have done; the others wait for a word.
    assert tagged(driver, ids) == 2
    assert len(driver.kit.emptying.held()) == 2
    driver.kit.emptying.confirm()
    driver.kit.emptying.release(driver.kit.emptying.held())
    driver.full_run()
    assert tagged(driver, ids) == 0


def test_a_row_that_clears_empties_no_mass_of_properties(build_driver) -> None:
    text = custom(build_driver(), "TEXT")
    driver = build_driver(Row(text.key, "level", clears=True))
    driver.setup()
    values = [{"id": text.id, "value": "Gold"}]
    people = [person(driver, customFields=values) for _ in range(12)]
    driver.full_run()
    for ghl_id, _ in people:
        driver.sandbox.put_contact(id=ghl_id, customFields=[])

    driver.full_run()
    driver.full_run()

    kept = [email for _, email in people if held(driver, email).get("level")]
    assert len(kept) == 2
    assert len(driver.kit.emptying.held()) == 2
