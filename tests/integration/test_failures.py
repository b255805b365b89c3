"""What goes wrong on the way of a contact, and how it ends well all the same."""

import zlib

import pytest

from pipeline import setup
from pipeline.check import probe
from pipeline.errors import ConfigError
from pipeline.overview import read_status
from pipeline.permit import Lane
from pipeline.retry import MAX_ATTEMPTS
from pipeline.runs import discover, start_run, step
from pipeline.store.health import FAILURES_TO_PAUSE
from pipeline.store.state import process_key
from tests.driver import Driver
from tests.sandbox import Sandbox, fresh_email

MANAGE = "/v3/REST/contactslist/:list/managecontact"
READ_CONTACT = {"vendor": "ghl", "method": "GET", "route": "/contacts/:contactId"}


def subscribers(driver, email: str) -> int:
    return sum(row["email"] == email for row in driver.sandbox.subscribers())


# Lost answers and lost workers


def test_a_write_whose_answer_was_lost_is_done_once(driver):
    ana = driver.person()
    driver.sandbox.add_fault("no_answer_after", route=MANAGE, times=1)
    lost = driver.sync(ana["id"], Lane.BULK)
    driver.make_due()

    outcomes = driver.work()

    assert "Ambiguous" in lost
    assert outcomes == {"unchanged": 1}
    assert subscribers(driver, ana["email"]) == 1
    assert driver.subscriber(ana["email"])["properties"]["city"] == "Porto"
    assert driver.on_list(ana["email"])


def test_after_a_lost_answer_the_real_subscriber_decides(driver):
    ana = driver.person()
    driver.sync(ana["id"])
    driver.sandbox.put_contact(id=ana["id"], city="Braga")
    driver.sandbox.add_fault("no_answer_before", route=MANAGE, times=1)
    driver.sync(ana["id"], Lane.BULK)
    driver.sandbox.put_subscriber(email=ana["email"], properties={"phone": "+1"})
    driver.make_due()

    driver.work()

    properties = driver.subscriber(ana["email"])["properties"]
    assert properties["city"] == "Braga"
    assert properties["phone"] == ana["phone"]


def test_after_a_crash_between_write_and_settlement_the_subscriber_is_read(driver):
    ana = driver.person()
    driver.sync(ana["id"])
    driver.sandbox.put_contact(id=ana["id"], city="Braga")
    lease = driver.take(ana["id"], Lane.BULK)
    driver.ledger.begin(lease, [b"address1"])
    driver.sandbox.put_subscriber(email=ana["email"], properties={"city": "Braga"})
    driver.sandbox.put_contact(id=ana["id"], city="Porto")
    driver.lose_workers()
    driver.sandbox.clear_log()

    driver.work()

    assert driver.calls("GET", "/v3/REST/contactdata/:contact") == 1
    assert driver.subscriber(ana["email"])["properties"]["city"] == "Porto"


def test_a_worker_that_was_given_up_changes_nothing_when_it_goes_on(driver):
    ana = driver.person()
    driver.ledger.mark(Lane.LIVE, [ana["id"]])
    stale = driver.take(ana["id"])
    driver.lose_workers()
    driver.take(ana["id"])

    outcome = driver.run(stale)

    assert outcome == "lease lost"
    assert driver.sandbox.subscriber(ana["email"]) is None
    assert driver.ledger.backlog().leased == 1


def test_who_finds_the_address_held_goes_back_to_the_ledger(driver):
    email = fresh_email()
    ana, bo = driver.person(email=email), driver.person(email=email)
    address = driver.kit.policy(driver.kit.record()).fingerprint.address(email)
    driver.ledger.begin(driver.take(ana["id"]), [address])

    outcome = driver.sync(bo["id"])

    assert outcome == "address held"
    assert driver.waiting(Lane.LIVE) == {bo["id"]}
    assert driver.writes() == []


# Limits


def test_after_a_refusal_no_other_contact_goes_out_to_find_out(driver):
    people = [driver.person()["id"] for _ in range(3)]
    driver.ledger.mark(Lane.LIVE, people)
    driver.sandbox.add_fault("429", vendor="mailjet", retry_after=20)
    lease = driver.take(people[0], Lane.LIVE)

    outcome = driver.run(lease)

    assert outcome == "again in 20 s: RateLimited"
    assert driver.work() == {}
    assert driver.ledger.resting() == "mailjet says its limit is reached"
    assert driver.waiting(Lane.LIVE) == set(people)
    redis = driver.pipeline.redis
    redis.delete(*redis.scan_iter(process_key("bucket:mailjet:*")))


def test_bulk_work_rests_at_the_days_reserve_and_live_work_goes_on(
    driver, build_driver
):
    people = [driver.person()["id"] for _ in range(4)]
    used = driver.kit.ghl_bucket.state().used_today
    # A day of which one call is left to bulk work.
    limits = {"GHL_DAILY": str(2 * used + 2), "SYNC_DAILY_RESERVE": "50"}
    driver = build_driver(**limits)
    driver.ledger.mark(Lane.BULK, people)

    first = driver.work()
    urgent = driver.sync(people[3])

    assert {word.partition(":")[2] for word in first} == {" BudgetSpent"}
    assert len(first) < len(people)
    assert driver.ledger.resting() == "bulk work: the day's calls are spent"
    assert urgent == "created"


def test_a_run_that_cannot_list_today_says_why_it_stands_still(driver, build_driver):
    used = driver.kit.ghl_bucket.state().used_today
    driver = build_driver(GHL_DAILY=str(2 * used), SYNC_DAILY_RESERVE="50")
    start_run(driver.kit)

    found = discover(driver.kit, lambda discovery: step(driver.kit, discovery))

    told = read_status(driver.pipeline, driver.kit)
    assert found is None
    assert told["resting"] == "bulk work: the day's calls are spent"
    assert told["budget"]["ghl"]["daily_remaining"] == used


# The vendor, or the contact


def test_a_vendor_that_fails_again_and_again_pauses_the_connection(driver):
    driver.sandbox.add_fault("500", vendor="mailjet")
    *people, waiting = [driver.person() for _ in range(FAILURES_TO_PAUSE + 1)]
    for contact in people:
        driver.sync(contact["id"])
    driver.ledger.mark(Lane.CONSENT, [waiting["id"]])
    driver.make_due()

    assert driver.kit.health.paused() is not None
    assert driver.work() == {}
    assert driver.letters() == []


def test_a_poisoned_contact_becomes_one_dead_letter_and_stops_nobody(driver):
    poisoned, *others = [driver.person() for _ in range(4)]
    driver.sandbox.add_fault("wrong_type", contact=poisoned["id"], **READ_CONTACT)
    driver.ledger.mark(Lane.LIVE, [contact["id"] for contact in (poisoned, *others)])

    outcomes = driver.work()

    (letter,) = driver.letters()
    assert outcomes == {"created": 3, "dead letter: BadPayload": 1}
    assert (letter.ghl_id, letter.cause) == (poisoned["id"], "BadPayload")
    assert driver.kit.health.paused() is None


def test_a_contact_that_always_fails_is_given_up_after_its_attempts(driver):
    ana = driver.person()
    driver.sandbox.add_fault("500", contact=ana["id"], **READ_CONTACT)
    outcomes = []
    for _ in range(MAX_ATTEMPTS):
        outcomes.append(driver.sync(ana["id"]))
        driver.kit.health.resume()

    (letter,) = driver.letters()
    assert outcomes[-1] == "dead letter: VendorDown"
    assert letter.attempts == MAX_ATTEMPTS
    assert driver.ledger.backlog().waiting == 0


def test_a_dead_letter_that_is_replayed_is_synced_and_gone(driver):
    ana = driver.person()
    fault = driver.sandbox.add_fault("wrong_type", contact=ana["id"], **READ_CONTACT)
    driver.sync(ana["id"])
    driver.sandbox.remove_fault(fault)

    driver.ledger.replay([ana["id"]])

    assert driver.work() == {"created": 1}
    assert driver.letters() == []


def test_a_record_that_breaks_our_own_code_does_not_come_back_for_ever(driver, redis):
    ana = driver.person()
    redis.set(driver.ledger.key(f"row:{ana['id']}"), b"no row at all")

    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(zlib.error):
            driver.sync(ana["id"], Lane.BULK)

    (letter,) = driver.letters()
    assert letter.ghl_id == ana["id"]
    assert driver.ledger.backlog().waiting == driver.ledger.backlog().leased == 0


def test_a_deleted_property_pauses_the_connection_until_it_is_set_up_again(
    driver, mailjet
):
    ana = driver.person()
    mailjet.call("DELETE", "contactmetadata/city")

    outcome = driver.sync(ana["id"])
    paused = driver.kit.health.paused()
    with pytest.raises(ConfigError, match="city"):
        probe(driver.kit)
    setup.run(driver.kit)
    probe(driver.kit)
    driver.kit.health.resume()

    assert outcome == "paused: Rejected"
    assert paused is not None
    assert "propert" in paused.reason
    assert driver.work() == {"created": 1}
    assert driver.letters() == []
    assert driver.subscriber(ana["email"])["properties"]["city"] == "Porto"


def test_a_dead_token_pauses_the_connection_and_keeps_its_work(driver):
    ana = driver.person()
    fault = driver.sandbox.add_fault("token_revoked", vendor="ghl")

    outcome = driver.sync(ana["id"])
    driver.sandbox.remove_fault(fault)
    driver.kit.health.resume()

    assert outcome == "paused: Unauthorized"
    assert driver.work() == {"created": 1}


# Read-only


def test_read_only_finishes_its_run_and_writes_to_nobody(build_driver):
    build_driver().setup()
    driver = build_driver(SYNC_MODE="read-only", SYNC_CONFIRMATION_TAG="synced")
    people = [driver.person() for _ in range(3)]
    driver.sandbox.clear_log()

    run = driver.full_run()

    assert run.state == "finished"
    assert run.outcomes == {"read-only: not written": 3}
    assert driver.writes() == []
    assert driver.sandbox.subscriber(people[0]["email"]) is None


def test_what_read_only_held_back_is_written_afterwards(build_driver):
    build_driver().setup()
    held_back = build_driver(SYNC_MODE="read-only")
    ana = held_back.person()
    held_back.full_run()

    driver = build_driver()
    run = driver.full_run()

    assert run.outcomes == {"created": 1}
    assert driver.on_list(ana["email"])


# Twice


@pytest.fixture(scope="module")
def crowd():
    """People of every kind, as the demo invents them."""
    with Sandbox("--contacts", "200") as sandbox:
        yield sandbox


def test_a_second_run_over_two_hundred_people_writes_nothing(valkey, redis, crowd):
    with Driver(valkey, crowd) as driver:
        driver.setup()
        first = driver.full_run()
        driver.work()
        crowd.clear_log()

        second = driver.full_run()

        assert first.discovered == second.discovered == 200
        assert first.state == second.state == "finished"
        assert first.dead == second.dead == 0
        assert driver.writes() == []
        assert driver.calls("GET", "/contacts/:contactId") == 0
