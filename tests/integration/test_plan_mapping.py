"""What a mapping gives to GHL, who is deleted and who comes: planned, and then done."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline.planning.applying import apply_plan
from pipeline.planning.planner import plan
from pipeline.planning.writes import Kind, Plan, totals_of
from pipeline.sync.fields import Direction, Owner, Row
from pipeline.sync.newcomers import ledger_id
from tests.driver import FULL_ROW, Driver
from tests.sandbox import MailjetCaller, Sandbox, fresh_email

CITY = Row("city", "city", direction=Direction.BOTH, owner=Owner.NEWER)


@pytest.fixture
def mailjet(sandbox: Sandbox) -> Iterator[MailjetCaller]:
    with closing(MailjetCaller(sandbox)) as caller:
        yield caller


def put(mailjet: MailjetCaller, email: str, **properties: object) -> None:
    pairs = [{"Name": name, "Value": value} for name, value in properties.items()]
    answer = mailjet.call("PUT", f"contactdata/{email}", {"Data": pairs})
    assert answer.status_code == 200, answer.text


def changes(made: Plan) -> dict[str, tuple[object, object]]:
    return {
        change.what: (change.before, change.after)
        for turn in made.turns
        for write in turn.writes
        for change in write.changes
    }


def must_be_done(driver: Driver, made: Plan) -> None:
    """Applying does what was planned, and leaves nothing to plan."""
    applied = apply_plan(driver.kit, made)

    rows = ((turn, turn.outcome, turn.writes) for turn in made.needed)
    assert applied.totals == totals_of(rows)
    assert (applied.drifted, applied.undone) == ((), {})
    assert plan(driver.kit).needed == ()


def test_fields_and_tags_that_go_to_ghl_are_in_the_plan(build_driver, mailjet) -> None:
    list_id = mailjet.new_list()
    tag = Row("tag:reader", f"list:{list_id}", direction=Direction.BOTH)
    driver = build_driver(CITY, tag)
    driver.setup()
    row = driver.sandbox.put_contact(email=fresh_email(), **FULL_ROW)
    driver.full_run()
    put(mailjet, row["email"], city="Faro")
    body = {"Email": row["email"], "Action": "addnoforce"}
    mailjet.call("POST", f"contactslist/{list_id}/managecontact", body)

    made = plan(driver.kit)

    told = changes(made)
    assert told["field city"] == ("Porto", "Faro")
    assert told["tag"] == (None, "reader")
    assert told["property ghl_tags"] == ("|lead|", "|lead|reader|")
    must_be_done(driver, made)
    after = driver.sandbox.contact(row["id"])
    assert (after["city"], after["tags"]) == ("Faro", ["lead", "reader"])


def test_a_field_that_both_sides_changed_is_a_remark(build_driver, mailjet) -> None:
    driver = build_driver(CITY)
    driver.setup()
    row = driver.sandbox.put_contact(email=fresh_email(), **FULL_ROW)
    driver.full_run()
    put(mailjet, row["email"], city="Faro")
    driver.sandbox.put_contact(id=row["id"], city="Braga")

    made = plan(driver.kit)

    assert any("1 contact: city changed on both sides" in one for one in made.remarks)
    assert made.untold == ()


@pytest.mark.parametrize(
    ("policy", "kind"),
    [
        ("keep", None),
        ("unsubscribe", Kind.SUBSCRIBER),
        ("remove-from-lists", Kind.LISTS),
        ("erase", Kind.ERASURE),
    ],
)
def test_what_becomes_of_the_deleted_is_planned_by_policy(
    build_driver, policy: str, kind: Kind | None
) -> None:
    driver = build_driver(SYNC_DELETIONS=policy)
    driver.setup()
    row = driver.sandbox.put_contact(
        email=fresh_email(),
        dateAdded="2026-01-01T00:00:00.000Z",
        dateUpdated="2026-01-01T00:00:00.000Z",
        **FULL_ROW,
    )
    driver.full_run()
    driver.sandbox.delete_contact(row["id"])

    made = plan(driver.kit)

    kinds = {write.kind for turn in made.turns for write in turn.writes}
    assert (kind in kinds) if kind else (kinds == set())
    if kind:
        must_be_done(driver, made)


def test_who_is_only_in_mailjet_is_planned_as_a_new_contact(
    build_driver, mailjet
) -> None:
    driver = build_driver(SYNC_CREATE_CONTACTS="true")
    driver.setup()
    email = fresh_email()
    mailjet.manage(email, Name="Ana Simões")

    made = plan(driver.kit)

    [turn] = [turn for turn in made.turns if turn.writes]
    number = driver.sandbox.subscriber(email)["id"]
    assert turn.contact_id == ledger_id(number)
    assert changes(made)["field name"] == (None, "Ana Simões")
    assert any("1 contact made in GHL" in remark for remark in made.remarks)
    applied = apply_plan(driver.kit, made)
    assert applied.totals.kinds == {"contacts made": 1}
    assert [c["email"] for c in driver.sandbox.contacts()] == [email]
