"""Discovery: everybody is found, each page once, whatever crashes or is refused."""

from datetime import UTC, datetime

import pytest

from pipeline import runs
from pipeline.discovery import OVERLAP_MS
from pipeline.errors import ConfigError, VendorDown
from pipeline.permit import Lane
from tests.driver import dnd
from tests.sandbox import GhlCaller, fresh_email

SEARCH = "/contacts/search"
GET_CONTACT = "/contacts/:contactId"
LONG_AGO = 1_700_000_000_000


def people(driver, count: int) -> set[str]:
    return {driver.person(email="")["id"] for _ in range(count)}


def iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# A full run


@pytest.mark.parametrize(
    ("count", "pages"), [(0, 1), (1, 1), (100, 1), (101, 2), (250, 3)]
)
def test_every_contact_is_found_once(driver, count, pages):
    everybody = people(driver, count)
    driver.sandbox.clear_log()

    runs.start_run(driver.kit)
    driver.discover()

    assert driver.last_run().discovered == count
    assert driver.waiting(Lane.BULK) == everybody
    # A full page may have another behind it, so one more is asked for.
    assert driver.calls("GET", "/contacts/") in {pages, pages + 1}


def test_a_crash_at_any_page_repeats_it_and_skips_none(driver):
    everybody = people(driver, 250)
    runs.start_run(driver.kit)
    crashes = 0
    while driver.stage() is not None:
        page = driver.ledger.claim_page(0)
        driver.discovery.fetch(page.cursor)
        crashes += 1
        runs.step(driver.kit, driver.discovery)

    assert crashes >= 7
    assert driver.waiting(Lane.BULK) == everybody
    assert driver.last_run().discovered == 250


def test_a_page_that_could_not_be_fetched_is_fetched_later(driver, redis):
    everybody = people(driver, 150)
    runs.start_run(driver.kit)
    driver.go_to("listing")
    driver.sandbox.add_fault("500", route="/contacts/", times=1)

    with pytest.raises(VendorDown):
        driver.discover()
    resting = driver.stage()
    redis.hset(driver.ledger.key("run"), "claimed_until", 0)
    driver.discover()

    assert resting is None
    assert driver.waiting(Lane.BULK) == everybody


def test_contacts_that_come_during_a_run_do_not_shift_its_pages(driver):
    everybody = people(driver, 150)
    runs.start_run(driver.kit)
    driver.go_to("listing")
    while driver.calls("GET", "/contacts/") == 0:
        runs.step(driver.kit, driver.discovery)

    people(driver, 60)
    driver.discover()

    assert everybody <= driver.waiting(Lane.BULK)


def test_a_row_that_cannot_be_read_is_found_all_the_same(driver):
    ana = driver.person(email=5)

    runs.start_run(driver.kit)
    driver.discover()

    assert driver.waiting(Lane.BULK) == {ana["id"]}


def test_rows_of_search_make_reading_contacts_singly_needless(driver):
    for _ in range(3):
        driver.person()
    driver.sandbox.clear_log()

    run = driver.full_run()

    assert run.outcomes == {"created": 3}
    assert driver.calls("GET", GET_CONTACT) == 0


def test_discovery_rests_above_the_high_water_mark_and_goes_on_below_it(build_driver):
    driver = build_driver(GHL_RATE="20/1")
    driver.setup()
    everybody = people(driver, 1)
    backlog = [f"id{number}" for number in range(6001)]
    driver.ledger.mark(Lane.BULK, backlog)
    runs.start_run(driver.kit)

    rested = runs.step(driver.kit, driver.discovery), runs.wanted_stage(driver.kit)
    driver.pipeline.redis.zrem(driver.ledger.key("todo:bulk"), *backlog)
    driver.discover()

    assert rested == (False, None)
    assert driver.waiting(Lane.BULK) == everybody


def test_joining_a_run_does_not_hide_the_changes_before_it(driver, redis):
    first = runs.start_run(driver.kit)
    redis.set(driver.kit.ledger.key("watermark"), LONG_AGO)

    second = runs.start_run(driver.kit)

    assert second == runs.Started(first.run_id, joined=True)
    assert driver.kit.setup.watermark_ms() == LONG_AGO


def test_a_full_run_is_refused_while_that_of_one_business_is_under_way(driver):
    runs.start_run(driver.kit, business="any")

    with pytest.raises(ConfigError, match="one business is under way"):
        runs.start_run(driver.kit)

    assert driver.kit.ledger.run().kind == "business"


def test_the_run_of_a_business_joins_a_full_run(driver):
    full = runs.start_run(driver.kit)

    assert runs.start_run(driver.kit, business="any").run_id == full.run_id


def test_two_readers_of_the_opted_out_do_not_lose_each_others_pages(driver):
    optouts = driver.kit.optouts
    optouts.add_ghl("one", ["a"], first=True)
    optouts.add_ghl("two", ["b"], first=True)
    optouts.add_ghl("one", ["c"], first=False)

    optouts.complete_ghl("one")

    assert optouts.counts()[0] == 2


def test_the_last_page_repeated_after_a_crash_leaves_the_set_whole(driver):
    optouts = driver.kit.optouts
    optouts.add_ghl("one", ["a"], first=True)
    optouts.add_ghl("one", ["b"], first=False)
    optouts.complete_ghl("one")

    optouts.add_ghl("one", ["b"], first=False)
    optouts.complete_ghl("one")

    assert optouts.counts()[0] == 2


def test_a_page_of_a_set_that_has_lapsed_begins_no_other_set(driver):
    optouts = driver.kit.optouts

    assert not optouts.add_ghl("one", ["b"], first=False)
    assert optouts.are_unsubscribed("one", [1]) is None


# What GHL's search refuses


def refuse_filter(driver) -> None:
    for field in ("dndSettings.Email.status", "dnd"):
        driver.sandbox.add_fault("filter_refused", field=field)


def test_rows_without_dnd_and_no_set_of_opted_out_people_are_read_singly(build_driver):
    driver = build_driver()
    driver.sandbox.settings(search_rows_lack=["dndSettings"])
    refuse_filter(driver)
    ana, bo = driver.person(**dnd("active")), driver.person()
    record = driver.setup()

    run = driver.full_run()

    assert not record.optout_filter
    assert run.outcomes == {"opted out": 1, "created": 1}
    assert driver.calls("GET", GET_CONTACT) == 2
    assert driver.on_list(ana["email"]) is False
    assert driver.on_list(bo["email"]) is True


def test_rows_without_dnd_are_trusted_beside_a_complete_set(driver):
    driver.sandbox.settings(search_rows_lack=["dndSettings"])
    ana, bo = driver.person(**dnd("active")), driver.person()
    driver.sandbox.clear_log()

    run = driver.full_run()

    assert run.outcomes == {"opted out": 1, "created": 1}
    assert driver.calls("GET", GET_CONTACT) == 0
    assert driver.on_list(ana["email"]) is False
    assert driver.subscriber(ana["email"])["excluded"]
    assert driver.on_list(bo["email"]) is True


# What GHL's rows leave out


def test_who_was_read_singly_is_not_read_again_while_nothing_changes(driver):
    driver.sandbox.settings(search_rows_lack=["timezone", "companyName"])
    people = [driver.person() for _ in range(3)]

    first = driver.full_run()
    read_first = driver.calls("GET", GET_CONTACT)
    driver.sandbox.clear_log()
    second = driver.full_run()

    assert (first.outcomes, read_first) == ({"created": 3}, 3)
    assert (second.outcomes, driver.calls("GET", GET_CONTACT)) == ({"unchanged": 3}, 0)
    assert driver.writes() == []
    held = [driver.subscriber(p["email"])["properties"] for p in people]
    assert [one["timezone"] for one in held] == ["Europe/Lisbon"] * 3


def in_ghl(driver, ana) -> None:
    driver.sandbox.put_contact(id=ana["id"], timezone="Europe/Madrid")


def in_mailjet(driver, ana) -> None:
    driver.sandbox.put_subscriber(email=ana["email"], properties={"timezone": "?"})


@pytest.mark.parametrize("change", [in_ghl, in_mailjet])
def test_what_rows_leave_out_is_read_of_whom_a_side_changed(driver, change):
    driver.sandbox.settings(search_rows_lack=["timezone"])
    ana, _ = driver.person(), driver.person()
    driver.full_run()
    change(driver, ana)
    driver.sandbox.clear_log()

    driver.full_run()

    assert driver.calls("GET", GET_CONTACT) == 1
    zone = driver.sandbox.contact(ana["id"])["timezone"]
    assert driver.subscriber(ana["email"])["properties"]["timezone"] == zone


def test_half_a_name_in_a_row_is_no_other_name(driver):
    driver.sandbox.settings(search_rows_lack=["lastName"])
    ana = driver.person(firstName="Ana", lastName="Simões")
    driver.full_run()
    driver.full_run()

    assert driver.subscriber(ana["email"])["name"] == "Ana Simões"


def test_a_filter_that_is_refused_after_setup_stops_no_run(driver):
    refuse_filter(driver)
    ana = driver.person()

    run = driver.full_run()

    assert run.state == "finished"
    assert run.outcomes == {"created": 1}
    assert driver.on_list(ana["email"])


def test_a_filter_that_is_refused_after_setup_does_not_pause_the_connection(driver):
    refuse_filter(driver)

    runs.discover(driver.kit, lambda discovery: discovery.preferences.read_optouts())

    assert driver.kit.health.paused() is None


def test_a_search_that_is_refused_wholly_means_reading_contacts_singly(build_driver):
    driver = build_driver()
    driver.sandbox.add_fault("wrong_type", route=SEARCH)
    ana, bo = driver.person(**dnd("active")), driver.person()
    driver.setup()

    run = driver.full_run()

    assert run.outcomes == {"opted out": 1, "created": 1}
    assert driver.calls("GET", GET_CONTACT) == 2
    assert driver.on_list(ana["email"]) is False
    assert driver.on_list(bo["email"]) is True


def test_with_details_always_every_contact_is_read(build_driver):
    driver = build_driver(SYNC_DETAILS="always")
    driver.setup()
    driver.person()

    run = driver.full_run()

    assert run.outcomes == {"created": 1}
    assert driver.calls("GET", GET_CONTACT) == 1


# Who opted out


def test_the_set_of_opted_out_people_is_read_whole(driver):
    for no in (dnd("active"), dnd("permanent"), {"dnd": True}):
        driver.person(**no)
    driver.person(**dnd("inactive"))

    driver.discovery.preferences.read_optouts()

    assert driver.kit.optouts.counts()[0] == 3


def test_a_set_of_nobody_is_complete_as_well(driver, redis):
    driver.discovery.preferences.read_optouts()

    assert driver.kit.optouts.counts()[0] == 0
    assert redis.exists("gm:default:optouts:ghl")


def test_a_set_that_is_not_renewed_answers_nothing_any_more(driver, redis):
    driver.discovery.preferences.read_optouts()

    assert 0 < redis.ttl("gm:default:optouts:ghl") <= 1800


def test_newcomers_whom_we_mail_go_first(driver):
    ana, bo = driver.person(), driver.person()
    driver.full_run()
    driver.sandbox.put_contact(id=ana["id"], **dnd("active"))
    driver.person(**dnd("active"))

    driver.discovery.preferences.read_optouts()

    assert driver.waiting(Lane.CONSENT) == {ana["id"]}
    # Opted out at once; what is around her follows in a turn of its own.
    assert driver.work() == {"opted out": 1, "unchanged": 1}
    assert driver.on_list(ana["email"]) is False
    assert driver.on_list(bo["email"]) is True


def test_a_set_grows_into_place_only_when_it_is_whole(driver, redis):
    optouts = driver.kit.optouts
    optouts.add_ghl("one", ["ana"], first=True)
    optouts.complete_ghl("one")

    optouts.add_ghl("two", ["bo"], first=True)
    half_read = redis.smembers("gm:default:optouts:ghl")
    optouts.complete_ghl("two")

    assert half_read == {b"", b"ana"}
    assert redis.smembers("gm:default:optouts:ghl") == {b"", b"bo"}


# Businesses


@pytest.fixture
def business_ids(sandbox) -> list[str]:
    caller = GhlCaller(sandbox)
    where = {"locationId": caller.location}
    answer = caller.call("GET", "/businesses/", params=where).json()
    caller.close()
    return [row["id"] for row in answer["businesses"]]


def test_a_run_of_one_business_finds_its_contacts(driver, business_ids):
    ours = [driver.person(businessId=business_ids[0], email="") for _ in range(101)]
    driver.person(businessId=business_ids[1])

    runs.start_run(driver.kit, business=business_ids[0])
    driver.discover()

    assert driver.waiting(Lane.BULK) == {row["id"] for row in ours}
    assert driver.last_run().kind == "business"


@pytest.mark.parametrize("which", ["two", "*"])
def test_a_full_run_visits_the_businesses_that_are_named(
    build_driver, business_ids, which
):
    named = business_ids if which == "*" else business_ids[:2]
    driver = build_driver(
        GHL_BUSINESS_IDS="*" if which == "*" else ",".join(business_ids[:2])
    )
    driver.setup()
    everybody = {driver.person(businessId=b, email="")["id"] for b in business_ids}
    driver.sandbox.clear_log()

    runs.start_run(driver.kit)
    driver.discover()

    assert driver.calls("GET", "/contacts/business/:businessId") == len(named)
    assert driver.waiting(Lane.BULK) == everybody
    assert driver.last_run().discovered == len(everybody)


def test_a_business_that_does_not_exist_is_left_out(build_driver, business_ids):
    driver = build_driver(GHL_BUSINESS_IDS=f"nobody,{business_ids[0]}")
    driver.setup()
    ana = driver.person(businessId=business_ids[0])

    run = driver.full_run()

    assert run.state == "finished"
    assert driver.on_list(ana["email"])


# Changes


@pytest.fixture
def watching(driver):
    """A connection that has seen every change until LONG_AGO."""
    driver.kit.setup.raise_watermark(LONG_AGO)
    return driver


def changed(driver, milliseconds: int) -> str:
    return driver.person(dateUpdated=iso(milliseconds))["id"]


def test_changes_since_the_watermark_are_live_work(watching):
    new = changed(watching, LONG_AGO + 1000)
    changed(watching, LONG_AGO - OVERLAP_MS - 1)

    found = watching.discovery.changes()

    assert found == 1
    assert watching.waiting(Lane.LIVE) == {new}
    assert watching.kit.setup.watermark_ms() == LONG_AGO + 1000


def test_a_change_that_search_showed_late_is_found_in_the_overlap(watching):
    late = changed(watching, LONG_AGO - OVERLAP_MS + 1000)

    assert watching.discovery.changes() == 1
    assert watching.waiting(Lane.LIVE) == {late}
    assert watching.kit.setup.watermark_ms() == LONG_AGO


def test_a_change_that_was_synced_is_not_found_again(watching):
    changed(watching, LONG_AGO + 1000)
    watching.discovery.changes()
    watching.work()

    assert watching.discovery.changes() == 0
    assert watching.waiting(Lane.LIVE) == set()


def test_the_newest_change_of_many_pages_is_kept(watching):
    ids = {changed(watching, LONG_AGO + 10 * number) for number in range(501)}

    found = watching.discovery.changes()

    assert found == 501
    assert watching.waiting(Lane.LIVE) == ids
    assert watching.kit.setup.watermark_ms() == LONG_AGO + 5000


def test_without_a_watermark_nothing_is_looked_for(driver):
    driver.person()
    driver.sandbox.clear_log()

    assert driver.discovery.changes() == 0
    assert driver.sandbox.log() == []


def test_the_watermark_never_falls(driver):
    driver.kit.setup.raise_watermark(2000)
    driver.kit.setup.raise_watermark(1000)

    assert driver.kit.setup.watermark_ms() == 2000


# Mailjet's side


def test_a_property_edited_in_mailjet_is_put_right_by_the_next_full_run(driver):
    ana, bo = driver.person(), driver.person()
    driver.full_run()
    driver.sandbox.put_subscriber(email=ana["email"], properties={"city": "Braga"})

    outcomes = [driver.full_run().outcomes for _ in range(2)]

    assert outcomes == [{"updated": 1, "unchanged": 1}, {"unchanged": 2}]
    assert driver.subscriber(ana["email"])["properties"]["city"] == "Porto"
    assert driver.subscriber(bo["email"])["properties"]["city"] == "Porto"


def test_a_property_of_others_is_nobodys_difference(driver):
    ana = driver.person()
    driver.full_run()
    theirs = {"favourite_dish": "ramen"}
    driver.sandbox.put_subscriber(email=ana["email"], properties=theirs)

    run = driver.full_run()

    assert run.outcomes == {"unchanged": 1}
    assert driver.subscriber(ana["email"])["properties"]["favourite_dish"] == "ramen"


def test_more_people_than_a_page_of_mailjet_are_all_read(build_driver, mailjet_list):
    driver = build_driver()
    emails = [fresh_email() for _ in range(1010)]
    place = {str(mailjet_list): {"unsubscribed": True}}
    for email in emails:
        driver.sandbox.put_subscriber(email=email, lists=place)
    ana = driver.person(email=emails[-1])
    driver.setup()

    driver.full_run()

    assert driver.kit.optouts.counts()[1] >= 1010
    assert driver.on_list(ana["email"]) is False
