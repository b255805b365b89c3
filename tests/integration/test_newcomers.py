"""People whom only Mailjet has become contacts in GHL: once, and not against a no."""

from collections.abc import Mapping

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.cli import main
from pipeline.errors import Rejected
from pipeline.sync import newcomers
from pipeline.sync.case import Case, Outcome
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.delivery import Delivery
from pipeline.sync.fields import Custom, Direction, Row
from pipeline.sync.ports import Told
from tests.builders import MAIN_LIST, VIP_LIST, make_field_map, make_policy
from tests.integration.tiny_pipeline import TinyPipeline
from tests.sandbox import Row as Json
from tests.sandbox import fresh_email
from tests.tiny_vendors import TinyGhl, TinyMailjet
from tests.unit.test_around import TinyMemory

POST = "/contacts/"
OTHER_LIST = 77
LONG_AGO = dict.fromkeys(("dateAdded", "dateUpdated"), "2026-01-01T00:00:00.000Z")


@pytest.fixture
def driver(build_driver):
    """Where it is wanted, and nobody is in Mailjet yet."""
    driver = build_driver(SYNC_CREATE_CONTACTS="true")
    for row in driver.sandbox.subscribers():
        driver.sandbox.delete_subscriber(row["id"])
    driver.setup()
    return driver


def member(driver, **fields: object) -> Json:
    """Somebody on our list whom GHL does not have."""
    place = {driver.list_id: {"unsubscribed": False}}
    given = {"email": fresh_email(), "name": "Ana Simões", "lists": place, **fields}
    return driver.sandbox.put_subscriber(**given)


def in_ghl(driver, email: str) -> list[Json]:
    return [row for row in driver.sandbox.contacts() if row.get("email") == email]


def bring(driver, person: Json) -> str:
    return driver.sync(newcomers.ledger_id(person["id"]))


def test_a_full_run_makes_contacts_of_members_and_the_next_one_writes_nothing(driver):
    ana = member(driver)

    run = driver.full_run()
    driver.sandbox.clear_log()
    again = driver.full_run()

    [made] = in_ghl(driver, ana["email"])
    facts = {name: made.get(name) for name in ("firstName", "lastName", "source")}
    assert facts == {"firstName": "Ana", "lastName": "Simões", "source": "Mailjet"}
    assert made["tags"] == []
    assert run.outcomes[Outcome.MADE_IN_GHL] == 1
    held = driver.subscriber(ana["email"])["properties"]
    assert held["ghl_contact_id"] == made["id"]
    assert driver.on_list(ana["email"]) is True
    assert again.outcomes == {"unchanged": 1}
    assert driver.writes() == []


def test_the_names_in_properties_count_before_the_contact_name(driver):
    ana = member(driver, properties={"firstname": "Ana", "lastname": "de Sá"})

    bring(driver, ana)

    [made] = in_ghl(driver, ana["email"])
    assert (made["firstName"], made["lastName"]) == ("Ana", "de Sá")


def test_nobody_is_made_a_contact_unless_it_is_wanted(build_driver):
    driver = build_driver()
    driver.setup()
    ana = member(driver)

    driver.full_run()

    assert bring(driver, ana) == Outcome.ONLY_IN_MAILJET
    assert in_ghl(driver, ana["email"]) == []


@pytest.mark.parametrize(
    "why",
    [
        *("unsubscribed", "left another list", "excluded", "complained"),
        *("no member", "bounced"),
    ],
)
def test_who_said_no_or_is_not_on_our_list_is_left_where_they_are(driver, mailjet, why):
    gone, fields = {"unsubscribed": True}, {}
    if why == "unsubscribed":
        fields = {"lists": {driver.list_id: gone}}
    elif why == "no member":
        fields = {"lists": {}}
    elif why in ("excluded", "complained"):
        fields = {why: True}
    ana = member(driver, **fields)
    if why == "left another list":
        lists = {str(mailjet.new_list()): gone}
        driver.sandbox.put_subscriber(email=ana["email"], lists=lists)

    if why == "bounced":
        record = driver.kit.require_record()
        address = driver.kit.policy(record).fingerprint.address(ana["email"])
        driver.kit.consents.tell(address, Told(delivery=Delivery(hard_ms=1)))

    run = driver.full_run()
    singly = bring(driver, ana)

    assert run.outcomes == {}
    assert singly == Outcome.ONLY_IN_MAILJET
    assert in_ghl(driver, ana["email"]) == []


def test_whom_ghl_has_is_not_made_again_and_learns_whose_subscriber_it_is(driver):
    ana = member(driver)
    there = driver.person(email=ana["email"])

    outcome = bring(driver, ana)
    driver.work()

    assert outcome == Outcome.IN_GHL
    held = driver.subscriber(ana["email"])["properties"]
    assert held["ghl_contact_id"] == there["id"]
    assert len(in_ghl(driver, ana["email"])) == 1


def test_who_was_a_contact_and_was_deleted_in_ghl_is_not_made_anew(build_driver):
    driver = build_driver(SYNC_CREATE_CONTACTS="true", SYNC_DELETIONS="keep")
    driver.setup()
    ana = driver.person(**LONG_AGO)
    driver.full_run()
    driver.sandbox.delete_contact(ana["id"])

    driver.full_run()
    driver.full_run()

    assert driver.on_list(ana["email"]) is True
    assert in_ghl(driver, ana["email"]) == []


def test_a_duplicate_that_search_does_not_show_yet_is_adopted(driver):
    driver.sandbox.settings(allow_duplicates=False)
    driver.sandbox.add_fault("search_lag", seconds=3600)
    ana = member(driver)
    there = driver.person(email=ana["email"])

    outcome = bring(driver, ana)
    driver.work()

    assert outcome == Outcome.IN_GHL
    held = driver.subscriber(ana["email"])["properties"]
    assert held["ghl_contact_id"] == there["id"]


@pytest.mark.parametrize("fault", ["no_answer_after", "refused_after", "truncated"])
def test_who_was_made_although_the_answer_said_otherwise_is_found(driver, fault):
    driver.sandbox.add_fault(fault, vendor="ghl", method="POST", route=POST, times=1)
    ana = member(driver)

    first = bring(driver, ana)
    waits = driver.ledger.lease(10, max_out=10)
    driver.make_due()
    outcomes = driver.work()

    assert first.startswith("again in 30 s")
    assert waits == []
    assert outcomes[Outcome.IN_GHL] == 1
    assert len(in_ghl(driver, ana["email"])) == 1
    assert driver.calls("POST", POST) == 1


def test_whoever_dies_while_making_a_contact_is_followed_after_a_while(driver):
    """Its request may still be carried out."""
    ana = member(driver)
    ledger_id = newcomers.ledger_id(ana["id"])
    driver.take(ledger_id)

    driver.lose_workers()

    assert driver.ledger.lease(10, max_out=10) == []
    driver.make_due()
    assert driver.work()[Outcome.MADE_IN_GHL] == 1


def test_who_is_refused_is_a_dead_letter_until_replayed(driver):
    refusal = driver.sandbox.add_fault(
        "refused", vendor="ghl", method="POST", route=POST
    )
    ana = member(driver)
    bring(driver, ana)
    driver.make_due()

    driver.work()
    [letter] = driver.letters()
    driver.sandbox.remove_fault(refusal)
    replayed = driver.ledger.replay([letter.ghl_id])

    assert letter.ghl_id == f"mailjet:{ana['id']}"
    assert replayed == 1
    assert driver.work()[Outcome.MADE_IN_GHL] == 1


def test_they_are_typed_as_the_ledger_has_them(driver, sandbox, valkey):
    ana = member(driver)
    env = {**sandbox.env, "REDIS_URL": valkey.url, "SYNC_CREATE_CONTACTS": "true"}
    fast = {"GHL_RATE": "100000/10", "MAILJET_RATE": "100000/10"}

    ended = CliRunner().invoke(
        main, ["sync", f"mailjet:{ana['id']}"], env={**env, **fast}
    )

    assert ended.exit_code == 0, ended.output
    assert ended.output == f"mailjet:{ana['id']}: created in GHL\n"


def test_a_token_that_may_not_write_contacts_stops_nobody_else(driver):
    driver.sandbox.add_fault("scope_missing", vendor="ghl", method="POST", route=POST)
    ana, bo = member(driver), driver.person(**LONG_AGO)

    run = driver.full_run()

    assert run.outcomes == {Outcome.ONLY_IN_MAILJET: 1, Outcome.CREATED: 1}
    assert driver.on_list(bo["email"]) is True
    assert in_ghl(driver, ana["email"]) == []


def test_in_read_only_nobody_is_made(driver, build_driver):
    reader = build_driver(SYNC_CREATE_CONTACTS="true", SYNC_MODE="read-only")
    ana = member(reader)

    assert bring(reader, ana) == "read-only: not written"
    assert reader.writes() == []


class OnePhone(TinyGhl):
    """A location in which somebody else has the phone already."""

    def create_contact(self, values: Mapping[str, object]) -> Contact:
        if "phone" in values:
            refusal = Rejected("ghl", "POST /contacts/", 400, "duplicated")
            refusal.duplicate_of, refusal.duplicate_field = "other", "phone"
            raise refusal
        return super().create_contact(values)


def test_a_phone_that_is_somebody_elses_is_left_out():
    ghl = OnePhone()
    case = Case("mailjet:1", ghl, TinyMailjet(), TinyMemory(), make_policy())

    result = newcomers.make(case, {"email": "ann@example.com", "phone": "+1"})

    assert result.outcome is Outcome.MADE_IN_GHL
    assert ghl.contacts.keys() == set(result.wake)


@pytest.mark.parametrize(
    ("ledger_id", "mailjet_id"),
    [("mailjet:12", 12), ("mailjet:x", 0), ("mailjet:", 0), ("gh1", 0), ("12", 0)],
)
def test_the_ledger_knows_them_by_mailjets_id(ledger_id, mailjet_id):
    assert newcomers.mailjet_id_of(ledger_id) == mailjet_id


@pytest.mark.parametrize(
    ("name", "brought"),
    [("Ana", {"name": "Ana"}), ("", {}), ("ANN@example.com", {}), (None, {})],
)
def test_a_name_that_is_the_address_is_none(name, brought):
    values: Mapping[str, object] = newcomers.values_of(
        Subscriber(1, "ann@example.com", name=name), make_field_map()
    )

    assert values == {"email": "ann@example.com", "source": "Mailjet", **brought}


def test_a_newcomer_brings_what_the_mapping_leads_to_ghl():
    held = {"firstname": "Ana", "city": "Faro", "plan": "gold", "is_lead": True}
    subscriber = Subscriber(1, "ann@example.com", properties=held, unsubscribed={})
    field_map = make_field_map(
        Row("city", "city", direction=Direction.BOTH),
        Row("contact.plan", "plan", direction=Direction.TO_GHL),
        Row("tag:lead", "is_lead", "bool", Direction.BOTH),
        Row("website", "site", direction=Direction.TO_GHL),
        custom={"contact.plan": Custom("plan-id", "TEXT")},
    )

    assert newcomers.values_of(subscriber, field_map) == {
        "email": "ann@example.com",
        "source": "Mailjet",
        "firstName": "Ana",
        "city": "Faro",
        "customFields": [{"id": "plan-id", "field_value": "gold"}],
        "tags": ["lead"],
    }


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    people=st.lists(
        st.tuples(
            st.dictionaries(
                st.sampled_from([MAIN_LIST, VIP_LIST, OTHER_LIST]), st.booleans()
            ),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_nobody_with_a_no_comes_to_ghl_and_a_second_look_writes_nothing(redis, people):
    ghl, mailjet = TinyGhl(), TinyMailjet()
    policy = make_policy(create_contacts=True)
    pipeline = TinyPipeline(redis, ghl, mailjet, policy)
    for number, (lists, is_excluded) in enumerate(people):
        email = f"p{number}@example.com"
        mailjet.person(email, unsubscribed=lists, excluded=is_excluded)
    pipeline.forget()
    before = {one.email: one.excluded for one in mailjet.people.values()}

    def look() -> int:
        for one in list(mailjet.people):
            pipeline.sync(newcomers.ledger_id(one))
        pipeline.full_run()
        return ghl.writes + mailjet.writes

    writes, again = look(), look()

    assert again == writes
    came = {one.email for one in ghl.contacts.values()}
    for (lists, is_excluded), email in zip(people, before, strict=True):
        is_open = not is_excluded and not any(lists.values())
        assert (email in came) is (is_open and MAIN_LIST in lists)
        now = mailjet.read(email).unsubscribed or {}
        assert all(now[one] for one, is_gone in lists.items() if is_gone)
