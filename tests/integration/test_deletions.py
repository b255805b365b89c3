"""Who is deleted in GHL: found by the next full run, confirmed, and never in mass."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline import overview, runs
from pipeline.check import Level, check
from pipeline.permit import Lane
from pipeline.store.presence import ACCEPTED_SECONDS, CLOCK_SKEW_MS, Presence
from pipeline.store.snapshots import pack_snapshot
from tests.builders import make_snapshot
from tests.sandbox import GhlCaller, Row

GET_CONTACT = "/contacts/:contactId"
BUSINESS = "/contacts/business/:businessId"
ALL_DAY = "0-24"
HOUR_MS = 3_600_000
LONG_AGO = dict.fromkeys(("dateAdded", "dateUpdated"), "2026-01-01T00:00:00.000Z")


def known(driver, count: int) -> list[Row]:
    """People of long ago whom a full run has synced; the log begins after that."""
    people = [driver.person(**LONG_AGO) for _ in range(count)]
    driver.full_run()
    driver.sandbox.clear_log()
    return people


def delete(driver, people: list[Row]) -> None:
    for person in people:
        driver.sandbox.delete_contact(person["id"])


def remember(driver, count: int) -> list[str]:
    """Ids that have a snapshot, and that nobody ever listed."""
    ids = [f"id{number}" for number in range(count)]
    driver.pipeline.redis.hset(
        driver.ledger.key("snapshots"),
        mapping=dict.fromkeys(ids, pack_snapshot(make_snapshot())),
    )
    return ids


def mended(driver) -> str:
    """What `check` warns of and how to mend it, in one text."""
    return "\n".join(
        f"{finding.what}: {finding.mend}"
        for finding in check(driver.pipeline, driver.kit)
        if finding.level is Level.WARNING
    )


def held_in_status(driver) -> object:
    return overview.read_status(driver.pipeline, driver.kit)["missing_held_back"]


def now_iso() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def now_ms() -> int:
    return round(time.time() * 1000)


@pytest.fixture
def business_ids(sandbox) -> list[str]:
    caller = GhlCaller(sandbox)
    where = {"locationId": caller.location}
    answer = caller.call("GET", "/businesses/", params=where).json()
    caller.close()
    return [row["id"] for row in answer["businesses"]]


# A full run looks for them


def test_who_is_deleted_in_ghl_is_unsubscribed_by_the_next_full_run(driver):
    ana, bo = known(driver, 2)
    delete(driver, [ana])

    run = driver.full_run()

    assert run.outcomes == {"deleted in GHL": 1, "unchanged": 1}
    assert driver.on_list(ana["email"]) is False
    assert driver.on_list(bo["email"]) is True
    assert driver.ledger.backlog().contacts == 1
    assert driver.calls("GET", GET_CONTACT) == 1


def test_who_was_deleted_is_looked_for_once(driver):
    ana, _ = known(driver, 2)
    delete(driver, [ana])
    driver.full_run()
    driver.sandbox.clear_log()

    run = driver.full_run()

    assert run.outcomes == {"unchanged": 1}
    assert driver.calls("GET", GET_CONTACT) == 0
    assert driver.writes() == []


def test_while_nobody_is_missing_nobody_is_read_singly(driver):
    known(driver, 3)

    run = driver.full_run()

    assert run.outcomes == {"unchanged": 3}
    assert driver.calls("GET", GET_CONTACT) == 0


def test_whom_only_the_listing_lacks_is_read_once_and_left_alone(driver):
    known(driver, 1)
    runs.start_run(driver.kit)
    driver.go_to("missing")
    late = driver.person(**LONG_AGO)
    driver.sync(late["id"])
    driver.sandbox.clear_log()

    driver.discover()
    found = driver.waiting(Lane.BULK)
    driver.work()

    assert late["id"] in found
    assert driver.last_run().outcomes == {"unchanged": 2}
    assert driver.calls("GET", GET_CONTACT) == 1
    assert driver.writes() == []
    assert driver.on_list(late["email"]) is True
    assert driver.ledger.backlog().contacts == 2


def test_who_was_deleted_and_made_anew_stays_on_the_list(driver):
    [ana] = known(driver, 1)
    delete(driver, [ana])
    again = driver.person(email=ana["email"])

    run = driver.full_run()

    assert run.outcomes["deleted in GHL"] == 1
    assert again["id"] != ana["id"]
    assert driver.on_list(ana["email"]) is True


def test_a_deletion_that_ghl_cannot_confirm_is_none(driver):
    [ana] = known(driver, 1)
    delete(driver, [ana])
    driver.sandbox.add_fault("500", route=GET_CONTACT)

    driver.full_run()

    assert driver.writes() == []
    assert driver.on_list(ana["email"]) is True
    assert driver.ledger.backlog().contacts == 1


def test_in_read_only_who_was_deleted_is_kept(driver, build_driver):
    [ana] = known(driver, 1)
    delete(driver, [ana])
    reader = build_driver(SYNC_MODE="read-only")

    reader.full_run()

    assert reader.writes() == []
    assert reader.on_list(ana["email"]) is True
    assert reader.ledger.backlog().contacts == 1


# Many at once


@pytest.mark.parametrize(
    ("missing", "remembered", "is_held"),
    [
        (10, 10, False),
        (11, 11, True),
        (11, 219, True),
        (11, 220, False),
        (50, 1000, False),
        (51, 1000, True),
        (150, 3000, False),
        (151, 3000, True),
    ],
)
def test_more_than_ten_and_more_than_one_in_twenty_are_held_back(
    driver, redis, missing, remembered, is_held
):
    runs.start_run(driver.kit)
    ids = remember(driver, remembered)
    if found := ids[missing:]:
        redis.sadd(driver.ledger.key("found"), *found)

    told = driver.kit.presence.missing()

    assert sorted(told) == ([] if is_held else sorted(ids[:missing]))
    assert driver.kit.presence.held() == (missing if is_held else 0)


def test_many_missing_are_neither_read_nor_written(driver):
    people = known(driver, 12)
    delete(driver, people[:11])

    run = driver.full_run()

    assert run.state == "finished"
    assert run.outcomes == {"unchanged": 1}
    assert driver.calls("GET", GET_CONTACT) == 0
    assert driver.writes() == []
    assert driver.ledger.backlog().contacts == 12


def test_check_and_status_tell_how_many_are_held_back_and_check_what_to_do(driver):
    people = known(driver, 12)
    before = mended(driver), held_in_status(driver)
    delete(driver, people[:11])

    driver.full_run()

    assert "missing in GHL" not in before[0]
    assert before[1] == 0
    assert "11 contacts are missing in GHL" in mended(driver)
    assert "ghl-mailjet resync --accept-deletions" in mended(driver)
    assert held_in_status(driver) == 11


def test_once_they_are_accepted_the_next_full_run_carries_on(driver):
    people = known(driver, 12)
    delete(driver, people[:11])
    driver.full_run()

    driver.kit.presence.accept()
    run = driver.full_run()

    assert run.outcomes == {"deleted in GHL": 11, "unchanged": 1}
    assert [driver.on_list(p["email"]) for p in people] == [False] * 11 + [True]
    assert driver.kit.presence.held() == 0
    assert "missing in GHL" not in mended(driver)


def test_what_is_accepted_holds_for_one_run(driver):
    people = known(driver, 24)
    delete(driver, people[:12])
    driver.kit.presence.accept()
    driver.full_run()
    delete(driver, people[12:])

    run = driver.full_run()

    assert run.outcomes == {}
    assert driver.kit.presence.held() == 12
    assert driver.on_list(people[12]["email"]) is True


def test_what_nobody_needed_to_accept_is_not_kept_for_a_later_run(driver):
    people = known(driver, 12)
    driver.kit.presence.accept()
    driver.full_run()
    delete(driver, people)

    run = driver.full_run()

    assert run.outcomes == {}
    assert driver.kit.presence.held() == 12


def test_a_page_of_missing_that_is_fetched_again_is_accepted_again(driver):
    delete(driver, known(driver, 12))
    driver.kit.presence.accept()
    runs.start_run(driver.kit)
    driver.go_to("missing")

    fetched = [driver.discovery.fetch({"stage": "missing"}).ids for _ in range(2)]

    assert [len(ids) for ids in fetched] == [12, 12]


@pytest.mark.parametrize("field", ["dateAdded", "dateUpdated"])
def test_who_was_created_or_changed_since_the_run_began_is_not_missing(driver, field):
    ana, _ = known(driver, 2)
    runs.start_run(driver.kit)
    driver.go_to("missing")
    delete(driver, [ana])
    late = [driver.person(**{**LONG_AGO, field: now_iso()}) for _ in range(12)]
    for person in late:
        driver.sync(person["id"])
    driver.sandbox.clear_log()

    driver.discover()
    driver.work()

    assert driver.kit.presence.held() == 0
    assert driver.last_run().outcomes == {"unchanged": 2}
    assert driver.calls("GET", GET_CONTACT) == 0


@pytest.mark.parametrize(("after_ms", "is_missing"), [(0, False), (-1, True)])
def test_a_clock_that_is_behind_makes_nobody_missing(driver, after_ms, is_missing):
    runs.start_run(driver.kit)
    limit_ms = driver.last_run().started_ms - CLOCK_SKEW_MS
    snapshot = make_snapshot(added_ms=limit_ms + after_ms)
    snapshots = driver.ledger.key("snapshots")
    driver.pipeline.redis.hset(snapshots, "ghostly", pack_snapshot(snapshot))

    assert driver.kit.presence.missing() == (["ghostly"] if is_missing else [])


def test_those_who_come_back_are_held_back_no_more(driver):
    people = known(driver, 12)
    delete(driver, people[:11])
    driver.full_run()
    for person in people[:11]:
        driver.sandbox.put_contact(**person)

    run = driver.full_run()

    assert run.outcomes == {"unchanged": 12}
    assert driver.kit.presence.held() == 0


@pytest.mark.parametrize("is_used", [False, True])
def test_what_is_accepted_holds_for_a_day(driver, redis, is_used):
    driver.kit.presence.accept()
    if is_used:
        runs.start_run(driver.kit)
        driver.kit.presence.missing()

    left = redis.ttl(driver.ledger.key("missing:accepted"))
    assert ACCEPTED_SECONDS - 60 < left <= ACCEPTED_SECONDS == 86_400


def test_what_is_accepted_for_one_connection_holds_for_no_other(driver, redis):
    runs.start_run(driver.kit)
    remember(driver, 11)

    Presence(redis, "other").accept()
    told = driver.kit.presence.missing()

    redis.delete("gm:other:missing:accepted")
    assert told == []


def test_a_run_finds_them_all_however_many_are_accepted(driver):
    missing = remember(driver, 10_000)
    driver.kit.presence.accept()
    runs.start_run(driver.kit)

    driver.discover()

    assert driver.waiting(Lane.BULK) == set(missing)
    assert driver.last_run().discovered == 10_000
    assert driver.last_run().state == "draining"


# Runs of businesses


def test_a_run_of_one_business_looks_for_nobody(driver, business_ids):
    ana, bo = known(driver, 2)
    delete(driver, [ana, bo])

    runs.start_run(driver.kit, business=business_ids[0])
    driver.discover()
    driver.work()

    assert driver.last_run().state == "finished"
    assert driver.last_run().discovered == 0
    assert driver.calls("GET", GET_CONTACT) == 0
    assert driver.on_list(ana["email"]) is True
    assert driver.ledger.backlog().contacts == 2


@pytest.mark.parametrize("named", ["one", "*", "nobody"])
def test_a_full_run_looks_for_the_missing_after_the_businesses(
    build_driver, business_ids, named
):
    first = business_ids[0]
    driver = build_driver(GHL_BUSINESS_IDS=first if named == "one" else named)
    driver.setup()
    [ana] = known(driver, 1)
    delete(driver, [ana])
    runs.start_run(driver.kit)
    driver.go_to("businesses")
    late = driver.person(businessId=first, **LONG_AGO)
    driver.sync(late["id"])

    driver.go_to("missing")
    missing = driver.discovery.fetch({"stage": "missing"})
    driver.discover()
    driver.work()

    found_by_business = [] if named != "nobody" else [late["id"]]
    assert sorted(missing.ids) == sorted([ana["id"], *found_by_business])
    assert missing.next is None
    assert driver.calls("GET", BUSINESS) > 0
    assert driver.last_run().outcomes["deleted in GHL"] == 1
    assert driver.on_list(late["email"]) is True


# When a full run is due


@pytest.fixture
def nightly(build_driver):
    """A connection that may begin its full run at any hour."""
    driver = build_driver(SYNC_BULK_HOURS=ALL_DAY)
    driver.setup()
    return driver


def test_fifty_runs_of_a_business_do_not_make_a_full_run_due(nightly, business_ids):
    nightly.full_run()
    for _ in range(51):
        runs.start_run(nightly.kit, business=business_ids[0])
        nightly.discover()

    assert "full" not in {run.kind for run in nightly.ledger.finished_runs()}
    assert not runs.start_due_run(nightly.kit, time.time())


def test_a_run_of_a_business_does_not_put_off_the_full_run(nightly, business_ids):
    runs.start_run(nightly.kit, business=business_ids[0])
    nightly.discover()

    assert runs.start_due_run(nightly.kit, time.time())


@pytest.mark.parametrize(("hours", "is_due"), [(0, False), (19, False), (21, True)])
def test_a_full_run_is_due_twenty_hours_after_the_last_began(nightly, hours, is_due):
    nightly.kit.setup.full_run_began(now_ms() - hours * HOUR_MS)

    assert runs.start_due_run(nightly.kit, time.time()) is is_due


def test_no_other_full_run_is_due_while_one_is_under_way(nightly):
    nightly.person()
    runs.start_run(nightly.kit)
    nightly.kit.setup.full_run_began(now_ms() - 48 * HOUR_MS)

    assert not runs.start_due_run(nightly.kit, time.time())


def test_only_the_first_full_run_is_due_outside_the_hours(nightly):
    hour = time.gmtime().tm_hour
    later = ((hour + 2) % 24, (hour + 3) % 24)
    schedule = replace(nightly.kit.connection.schedule, bulk_hours=later)
    connection = replace(nightly.kit.connection, schedule=schedule)
    kit = replace(nightly.kit, connection=connection)

    first = runs.start_due_run(kit, time.time())
    kit.ledger.control("cancel")
    kit.setup.full_run_began(now_ms() - 48 * HOUR_MS)

    assert first
    assert not runs.start_due_run(kit, time.time())


def test_who_is_deleted_while_state_is_lost_is_found_all_the_same(driver):
    ana, bo = known(driver, 2)
    for key in driver.pipeline.redis.scan_iter("gm:default:*"):
        driver.pipeline.redis.delete(key)
    delete(driver, [ana])
    driver.setup()

    run = driver.full_run()
    driver.sandbox.clear_log()
    driver.full_run()

    assert run.outcomes == {"created": 1, "deleted in GHL": 1}
    assert driver.on_list(ana["email"]) is False
    assert driver.on_list(bo["email"]) is True
    assert driver.writes() == []


def test_the_status_of_who_is_deleted_says_that_they_are_out(driver):
    [ana] = known(driver, 1)
    delete(driver, [ana])

    driver.full_run()

    assert driver.subscriber(ana["email"])["properties"]["ghl_email_status"] == (
        "opted_out"
    )
