"""How far an error reaches: a connection rests and goes on; poison is alone."""

from collections import Counter
from itertools import count

import pytest

from pipeline import runs, setup
from pipeline.check import PROBE_TRIES, Level, check, remedy
from pipeline.permit import Lane
from pipeline.retry import MAX_ATTEMPTS, Cause
from pipeline.store.health import FAILURES_TO_PAUSE
from pipeline.store.state import connection_key
from tests.driver import MAX_OUT, Driver
from tests.sandbox import Sandbox, fresh_email
from tests.troubles import GHL_DOWN
from tests.valkey import free_port

PEOPLE = 12
READ = "/contacts/:contactId"
MANAGE = "/v3/REST/contactslist/:list/managecontact"
CLOSED = f"http://127.0.0.1:{free_port()}"
NO_SUCH_HOST = "https://nobody.invalid"


@pytest.fixture
def people(driver) -> list[dict]:
    """Half of them read singly in GHL, as urgent contacts are."""
    return [driver.person() for _ in range(PEOPLE)]


def ids(people) -> list[str]:
    return [contact["id"] for contact in people]


def work_on(driver: Driver, rounds: int = 2 * MAX_ATTEMPTS) -> Counter[str]:
    """What is done until nothing is due, however often it is made due."""
    outcomes: Counter[str] = Counter()
    for _ in range(rounds):
        outcomes += driver.work()
        if driver.kit.health.paused() or not driver.ledger.backlog().waiting:
            break
        driver.make_due()
    return outcomes


def attempts(driver: Driver) -> dict[bytes, bytes]:
    return driver.pipeline.redis.hgetall(connection_key("default", "attempts"))


def assert_rests_with_all_its_work(driver: Driver, cause: Cause, vendor: str) -> None:
    """Looking again while the trouble lasts changes nothing and costs a few calls."""
    pause = driver.kit.health.paused()
    assert pause is not None
    driver.sandbox.clear_log()
    for _ in range(2 * MAX_ATTEMPTS):
        driver.look_again()
        if driver.kit.health.paused() is None:
            work_on(driver, 1)
    again = driver.kit.health.paused()
    assert again is not None
    assert (again.vendor, again.cause) == (vendor, cause)
    assert again.since_ms == pause.since_ms
    assert driver.letters() == []
    backlog = driver.ledger.backlog()
    assert (backlog.waiting, backlog.leased) == (PEOPLE, 0)


def assert_ends_well(driver: Driver, people) -> None:
    """The trouble is over: one look, and everybody is synced."""
    assert driver.look_again() == "resumed"
    driver.make_due()
    work_on(driver)
    run = driver.last_run()
    assert (run.state, run.settled, run.dead) == ("finished", PEOPLE, 0)
    assert attempts(driver) == {}
    assert driver.letters() == []
    assert driver.kit.health.paused() is None
    for contact in people:
        assert driver.on_list(contact["email"])
        assert driver.subscriber(contact["email"])["properties"]["city"] == "Porto"


# A connection that cannot work


OUTAGES = ["500", "502", "503", "no_answer_before", "reset"]


@pytest.mark.parametrize("vendor", ["ghl", "mailjet"])
@pytest.mark.parametrize("kind", OUTAGES)
def test_a_vendor_that_is_down_costs_nobody_an_attempt(driver, people, vendor, kind):
    runs.start_run(driver.kit)
    driver.discover()
    driver.ledger.mark(Lane.LIVE, ids(people))
    driver.sandbox.add_fault(kind, vendor=vendor)

    outcomes = work_on(driver)

    assert driver.kit.health.paused() is not None
    # Whoever was out at that moment is given back without a call.
    assert outcomes.total() <= MAX_OUT
    assert outcomes["paused"] == outcomes.total() - FAILURES_TO_PAUSE
    driver.look_again()
    assert attempts(driver) == {}
    assert_rests_with_all_its_work(driver, Cause.OUTAGE, vendor)
    assert attempts(driver) == {}
    driver.sandbox.clear_faults()
    assert_ends_well(driver, people)


@pytest.mark.parametrize("vendor", ["ghl", "mailjet"])
def test_while_a_vendor_is_down_each_look_is_one_call_and_its_repeats(
    driver, people, vendor
):
    driver.sandbox.add_fault("reset", vendor=vendor)
    driver.ledger.mark(Lane.LIVE, ids(people))
    work_on(driver)
    driver.sandbox.clear_log()

    for _ in range(3):
        driver.look_again()
        work_on(driver, 1)

    assert len(driver.sandbox.log(vendor)) == 3 * PROBE_TRIES


@pytest.mark.parametrize("variable", ["GHL_BASE_URL", "MAILJET_BASE_URL"])
@pytest.mark.parametrize(
    "url", [CLOSED, NO_SUCH_HOST], ids=["nobody listens", "no such host"]
)
def test_a_vendor_that_cannot_be_reached_is_one_that_is_down(
    driver, build_driver, people, variable, url
):
    runs.start_run(driver.kit)
    driver.discover()
    driver.ledger.mark(Lane.LIVE, ids(people))
    away = build_driver(**{variable: url})

    work_on(away)

    vendor = variable.split("_")[0].lower()
    assert away.kit.health.paused().reason.startswith(f"{vendor}: ")
    assert "no answer" in away.kit.health.paused().reason
    assert_rests_with_all_its_work(away, Cause.OUTAGE, vendor)
    assert attempts(away) == {}
    assert_ends_well(driver, people)


@pytest.mark.parametrize("vendor", ["ghl", "mailjet"])
def test_a_dead_credential_stops_the_first_call_and_resumes_by_itself(
    driver, people, vendor
):
    runs.start_run(driver.kit)
    driver.discover()
    driver.ledger.mark(Lane.LIVE, ids(people))
    driver.sandbox.add_fault("token_revoked", vendor=vendor)

    outcomes = work_on(driver)

    assert outcomes["paused: Unauthorized"] == 1
    assert attempts(driver) == {}
    assert "401" in driver.kit.health.paused().reason
    assert_rests_with_all_its_work(driver, Cause.CREDENTIAL, vendor)
    driver.sandbox.clear_faults()
    assert_ends_well(driver, people)


def test_a_credential_that_is_dead_from_the_start_pauses_the_listing(driver, people):
    driver.sandbox.add_fault("token_revoked", vendor="ghl")
    runs.start_run(driver.kit)
    runs.discover(driver.kit, lambda discovery: runs.step(driver.kit, discovery))

    paused = driver.kit.health.paused()
    driver.sandbox.clear_faults()
    driver.look_again()
    driver.pipeline.redis.hdel(driver.ledger.key("run"), "claimed_until")
    driver.discover()
    driver.work()

    assert (paused.vendor, paused.cause) == ("ghl", Cause.CREDENTIAL)
    assert driver.last_run().outcomes == {"created": PEOPLE}


def test_a_scope_that_one_route_lacks_pauses_and_blames_nobody(driver, people):
    """The probe cannot see it: each look lets one contact try."""
    runs.start_run(driver.kit)
    driver.discover()
    driver.ledger.mark(Lane.LIVE, ids(people))
    driver.sandbox.add_fault("scope_missing", vendor="ghl", route=READ)

    outcomes = work_on(driver)

    assert outcomes["paused: ScopeMissing"] == 1
    assert_rests_with_all_its_work(driver, Cause.SCOPE, "ghl")
    assert driver.calls("GET", READ) == 2 * MAX_ATTEMPTS
    assert attempts(driver) == {}
    driver.sandbox.clear_faults()
    assert_ends_well(driver, people)


def test_a_list_that_is_deleted_pauses_until_another_is_set_up(
    build_driver, mailjet, mailjet_list
):
    driver = build_driver(MAILJET_LIST_ID=str(mailjet_list))
    driver.setup()
    people = [driver.person() for _ in range(PEOPLE)]
    runs.start_run(driver.kit)
    driver.discover()
    mailjet.call("DELETE", f"contactslist/{mailjet_list}")

    outcomes = work_on(driver)

    assert outcomes["paused: NotFound"] == 1
    assert_rests_with_all_its_work(driver, Cause.LIST, "mailjet")
    assert attempts(driver) == {}
    mended = build_driver()
    setup.run(mended.kit)
    assert_ends_well(mended, people)


def test_a_deleted_list_that_mailjet_goes_on_showing_is_no_list(
    build_driver, mailjet, mailjet_list
):
    driver = build_driver(MAILJET_LIST_ID=str(mailjet_list))
    driver.setup()
    driver.kit.health.pause(GHL_DOWN)
    mailjet.call("PUT", f"contactslist/{mailjet_list}", {"IsDeleted": True})

    told = driver.look_again()

    assert told == "still paused: NotFound"
    assert driver.kit.health.paused().cause is Cause.LIST


def test_a_tag_list_that_is_deleted_keeps_the_connection_paused(
    build_driver, mailjet, mailjet_list
):
    driver = build_driver(SYNC_TAG_LISTS=f"vip={mailjet_list}")
    driver.setup()
    ana = driver.person(tags=["vip"])
    mailjet.call("DELETE", f"contactslist/{mailjet_list}")

    outcome = driver.sync(ana["id"])
    told = driver.look_again()

    assert outcome == "paused: Rejected"
    assert told == "still paused: NotFound"
    assert driver.kit.health.paused().cause is Cause.LIST


def test_a_property_that_is_deleted_pauses_until_setup(driver, people, mailjet):
    runs.start_run(driver.kit)
    driver.discover()
    mailjet.call("DELETE", "contactmetadata/city")

    outcomes = work_on(driver)

    assert outcomes["paused: Rejected"] == 1
    assert_rests_with_all_its_work(driver, Cause.PROPERTY, "mailjet")
    assert attempts(driver) == {}
    setup.run(driver.kit)
    assert_ends_well(driver, people)


def test_a_vendor_that_answers_the_probe_only_lets_one_contact_try_each_time(
    driver, people
):
    driver.sandbox.add_fault("500", vendor="mailjet", route=MANAGE)
    driver.ledger.mark(Lane.LIVE, ids(people))
    work_on(driver)
    driver.sandbox.clear_log()

    for _ in range(PEOPLE - FAILURES_TO_PAUSE):
        assert driver.look_again() == "resumed"
        driver.make_due()
        driver.work()

    # Each of them another contact, so nobody comes near to its last attempt.
    assert driver.calls("POST", MANAGE) == PEOPLE - FAILURES_TO_PAUSE
    assert set(attempts(driver).values()) == {b"1"}
    assert driver.letters() == []


def test_whom_nothing_had_to_be_written_of_does_not_hide_that_mailjet_is_down(driver):
    """In a nightly run most contacts are unchanged, and cost no call at all."""
    unchanged = [driver.person() for _ in range(3 * MAX_ATTEMPTS)]
    changed = driver.person()
    driver.full_run()
    driver.sandbox.put_contact(id=changed["id"], city="Braga")
    runs.start_run(driver.kit)
    driver.discover()
    driver.sandbox.add_fault("500", vendor="mailjet")
    driver.sandbox.clear_log()

    outcomes: list[str] = []
    for contact in unchanged:
        if driver.kit.health.paused():
            break
        outcomes.append(driver.sync(changed["id"], Lane.BULK))
        outcomes.append(driver.sync(contact["id"], Lane.BULK))

    assert outcomes.count("unchanged") >= FAILURES_TO_PAUSE - 1
    assert driver.kit.health.paused() is not None
    assert len(driver.sandbox.log("mailjet")) == FAILURES_TO_PAUSE
    assert driver.letters() == []


# A contact that has a problem of its own


POISONS = {
    "refused by Mailjet": {"kind": "scope_missing", "vendor": "mailjet"},
    "500": {"kind": "500", "vendor": "ghl", "route": READ},
    "garbage": {"kind": "wrong_type", "vendor": "ghl", "route": READ},
    "broken off": {"kind": "truncated", "vendor": "ghl", "route": READ},
}
CROWD = 200


@pytest.fixture(scope="module")
def crowd():
    with Sandbox("--contacts", "0") as sandbox:
        for _ in range(CROWD):
            sandbox.put_contact(firstName="Ana", email=fresh_email())
        yield sandbox


@pytest.mark.parametrize("count_", [1, 3, 10])
@pytest.mark.parametrize("poison", POISONS)
def test_poison_becomes_dead_letters_of_its_own_and_all_others_settle(
    valkey, redis, crowd, poison, count_
):
    crowd.clear_faults()
    with Driver(valkey, crowd, SYNC_DETAILS="always") as driver:
        driver.setup()
        rows = crowd.contacts()
        poisoned = rows[5 : 5 + count_]
        for row in rows:
            crowd.put_contact(id=row["id"], city=fresh_email()[:8])
        for row in poisoned:
            place = {str(driver.list_id): {"unsubscribed": False}}
            known = crowd.put_subscriber(email=row["email"], lists=place)
            fault = dict(POISONS[poison])
            whom = known["id"] if fault["vendor"] == "mailjet" else row["id"]
            crowd.add_fault(contact=whom, **fault)
        runs.start_run(driver.kit)
        driver.discover()
        looks = work_through(driver)
        run = driver.last_run()

        assert {letter.ghl_id for letter in driver.letters()} == set(ids(poisoned))
        assert (run.state, run.settled, run.dead) == (
            "finished",
            CROWD - count_,
            count_,
        )
        assert all(letter.attempts <= MAX_ATTEMPTS for letter in driver.letters())
        assert looks <= MAX_ATTEMPTS
        assert driver.kit.health.paused() is None or looks


def work_through(driver: Driver) -> int:
    """Work, and look again whenever it pauses; how often it did."""
    for looks in count():
        work_on(driver)
        if driver.kit.health.paused() is None:
            return looks
        assert looks < 100, "it pauses for ever"
        if not driver.ledger.backlog().waiting:
            return looks
        driver.look_again()
        driver.make_due()
    raise AssertionError


def test_a_value_that_mailjet_refuses_is_left_out_and_told(driver, mailjet, caplog):
    ana = driver.person(firstName="Ana", city="Porto")
    mailjet.call("PUT", "contactmetadata/city", {"Datatype": "int"})
    driver.ledger.mark(Lane.LIVE, [ana["id"]])

    try:
        first = driver.work()
        driver.sandbox.clear_log()
        again, writes = driver.full_run(), driver.writes()
    finally:
        mailjet.call("PUT", "contactmetadata/city", {"Datatype": "str"})

    assert first == {"created": 1}
    assert driver.on_list(ana["email"])
    held = driver.subscriber(ana["email"])["properties"]
    assert (held["firstname"], held.get("city", "")) == ("Ana", "")
    assert "city in Mailjet: mailjet: POST " in caplog.text
    assert (again.outcomes, writes) == ({"unchanged": 1}, [])
    assert driver.letters() == []


def test_poison_and_nobody_else_is_tried_to_its_end(driver, people):
    for contact in people:
        driver.sandbox.add_fault("500", contact=contact["id"], route=READ)
    driver.ledger.mark(Lane.LIVE, ids(people))

    looks = work_through(driver)

    assert len(driver.letters()) == PEOPLE
    assert looks <= PEOPLE + MAX_ATTEMPTS


def test_a_newcomer_is_synced_between_two_looks_at_poison(driver, people):
    for contact in people:
        driver.sandbox.add_fault("500", contact=contact["id"], route=READ)
    driver.ledger.mark(Lane.LIVE, ids(people))
    work_on(driver)
    ana = driver.person()
    driver.ledger.mark(Lane.BULK, [ana["id"]])
    for _ in range(PEOPLE):
        driver.look_again()
        driver.make_due()
        if driver.work()["created"]:
            break

    assert driver.on_list(ana["email"])


# What an operator is told


CAUSES = [
    ("token_revoked", "ghl", "mend GHL_TOKEN"),
    ("token_revoked", "mailjet", "mend MAILJET_API_KEY and MAILJET_SECRET_KEY"),
    ("scope_missing", "ghl", "add the scope to the token"),
    ("500", "ghl", "nothing: it resumes by itself"),
    ("reset", "mailjet", "nothing: it resumes by itself"),
]


@pytest.mark.parametrize(("kind", "vendor", "words"), CAUSES)
def test_a_pause_says_why_and_what_to_do_and_names_nobody(
    driver, people, kind, vendor, words
):
    driver.sandbox.add_fault(kind, vendor=vendor)
    driver.ledger.mark(Lane.LIVE, ids(people))
    work_on(driver)
    pause = driver.kit.health.paused()
    driver.sandbox.clear_faults()

    findings = {f.what: f for f in check(driver.pipeline, driver.kit)}

    finding = findings[f"paused: {pause.reason}"]
    assert finding.level is Level.FAILURE
    assert finding.mend == remedy(pause)
    assert finding.mend.startswith(words)
    assert pause.reason.startswith(f"{vendor}: ")
    assert not any(contact["email"] in pause.reason for contact in people)


def test_a_probe_that_may_not_ask_leaves_the_pause_as_it_is(driver, people):
    driver.kit.health.pause(GHL_DOWN)
    driver.sandbox.add_fault("429", vendor="ghl", times=1, retry_after=1)

    told = driver.look_again()

    assert told == "no budget to ask"
    assert driver.kit.health.paused().reason == "ghl: 500"
