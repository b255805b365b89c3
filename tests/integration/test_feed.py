"""What others write into Mailjet's history, on its way to the contacts it is about."""

import json
import logging
from datetime import UTC, datetime

import pytest

from pipeline import runs
from pipeline.errors import BadPayload, VendorDown
from pipeline.feed import Feed
from pipeline.permit import Lane
from pipeline.store.feed import STRANGERS_MOST, WAITING_SECONDS, FeedStore
from pipeline.sync.activity import HistoryEntry
from tests.driver import Driver
from tests.history_world import NOW_MS
from tests.sandbox import fresh_email

OWN = "gm:default:"
HISTORY = "/v3/REST/contacthistorydata"
DATA = "/v3/REST/contactdata/:contact"
ROCKET = "\U0001f680"


@pytest.fixture(autouse=True)
def no_entries(sandbox):
    for row in sandbox.history():
        sandbox.delete_history(row["ID"])


@pytest.fixture
def store(redis) -> FeedStore:
    return FeedStore(redis, "default")


def entry(number: int, data: str = "Call", created_ms: int = NOW_MS) -> HistoryEntry:
    return HistoryEntry(number, 1, "task", data, created_ms)


def now_ms() -> int:
    return round(datetime.now(UTC).timestamp() * 1000)


def read(driver: Driver) -> None:
    Feed(driver.kit, driver.kit.record()).read()


def imported(driver: Driver):
    person = driver.person()
    driver.full_run()
    driver.sandbox.clear_log()
    return person


def write(driver: Driver, person, text: str = "Call", **fields) -> int:
    return driver.sandbox.put_history(person["email"], "note", text, **fields)["ID"]


def asked(driver: Driver, person) -> list[int]:
    return [one.id for one in driver.kit.feed.incoming(person["id"])]


def stranger(driver: Driver):
    """Somebody in Mailjet of whom GHL knows nothing."""
    email = fresh_email()
    driver.sandbox.put_subscriber(email=email)
    return {"email": email}


def look_for_strangers(driver: Driver) -> None:
    driver.pipeline.redis.delete(driver.ledger.key("due:strangers"))
    read(driver)


def strangers(driver: Driver) -> set[int]:
    return set(map(int, driver.pipeline.redis.hkeys(driver.ledger.key("strangers"))))


# The store


def test_what_comes_in_waits_for_its_contact_until_it_is_handled(store, redis):
    first, second = entry(9, "\u05e9\u05dc\u05d5\u05dd"), entry(10, ROCKET)
    store.add_incoming("ana", [second])
    store.add_incoming("ana", [first, second])
    store.add_incoming("bo", [entry(11, "\ud83d")])

    assert store.incoming("ana") == (first, second)
    assert 0 < redis.ttl(OWN + "incoming:ana") <= WAITING_SECONDS
    store.handled("ana", [first])
    store.handled("ana", [first])
    assert store.incoming("ana") == (second,)
    store.handled("ana", [second])
    assert store.incoming("ana") == ()
    assert store.incoming("bo") == (entry(11, "\ud83d"),)
    assert not redis.exists(OWN + "incoming:ana")


def test_nothing_that_comes_in_leaves_no_trace(store, redis):
    store.add_incoming("ana", [])
    store.handled("ana", [])
    store.saw("task", [])
    store.drop_strangers([])

    assert store.incoming("ana") == ()
    assert store.unseen("task", []) == []
    assert store.some_strangers(5) == {}
    assert list(redis.scan_iter(OWN + "*")) == []


def test_a_feed_begins_once_and_never_goes_back(store):
    assert store.since_ms("task") is None

    store.begin(NOW_MS)
    store.begin(NOW_MS + 5)
    store.raise_to("task", NOW_MS + 1)
    store.raise_to("task", NOW_MS)
    store.raise_to("task", 0)

    assert (store.since_ms("task"), store.since_ms("note")) == (NOW_MS + 1, NOW_MS)


def test_an_entry_is_seen_once_for_each_feed(store, redis):
    listed = [entry(1), entry(2), entry(3)]
    store.saw("task", listed[:1])
    store.saw("task", listed[:2])

    assert 0 < redis.ttl(OWN + "listed:task") <= WAITING_SECONDS
    assert store.unseen("task", listed) == listed[2:]
    assert store.unseen("note", listed) == listed


def test_only_the_last_window_is_remembered(store, redis):
    store.saw("task", [entry(number) for number in range(2500)])

    store.saw_all("task", [entry(number) for number in range(2000, 4500)])

    assert redis.scard(OWN + "listed:task") == 2500
    assert store.unseen("task", [entry(1999), entry(2000)]) == [entry(1999)]


def test_a_stranger_grows_no_younger_by_a_second_look(store):
    store.add_strangers([entry(1)], NOW_MS)
    store.add_strangers([entry(1), entry(2)], NOW_MS + 5)

    assert store.some_strangers(9) == {entry(1): NOW_MS, entry(2): NOW_MS + 5}
    assert len(store.some_strangers(1)) == 1
    store.drop_strangers([entry(1)])
    assert store.some_strangers(9) == {entry(2): NOW_MS + 5}


def test_there_is_room_for_so_many_strangers_and_no_more(store, redis):
    store.add_strangers([entry(1)], NOW_MS)
    others = {f"x{number}": "{}" for number in range(STRANGERS_MOST)}
    redis.hset(OWN + "strangers", mapping=others)

    assert store.add_strangers([entry(1), entry(2), entry(3)], NOW_MS) == 2
    assert redis.hlen(OWN + "strangers") == STRANGERS_MOST + 1


# From Mailjet to the contact


def test_an_entry_written_a_second_after_setup_is_handed_over(driver):
    person = driver.person()
    driver.sandbox.put_subscriber(
        email=person["email"], properties={"ghl_contact_id": person["id"]}
    )
    written = write(driver, person)

    read(driver)

    assert asked(driver, person) == [written]
    assert driver.waiting(Lane.LIVE) == {person["id"]}


def test_an_entry_from_long_before_setup_is_left_alone(driver):
    person = imported(driver)
    write(driver, person, created_at="2026-01-01T00:00:00Z")

    read(driver)

    assert asked(driver, person) == []


def test_after_a_lost_state_the_last_day_is_read_again(driver, redis):
    person = imported(driver)
    hours = {"early": 30, "late": 20}
    times = {
        name: datetime.fromtimestamp(now_ms() / 1000 - each * 3600, UTC)
        for name, each in hours.items()
    }
    ids = {
        name: write(driver, person, created_at=f"{at:%Y-%m-%dT%H:%M:%SZ}")
        for name, at in times.items()
    }
    redis.delete(*redis.keys(OWN + "*"))

    driver.kit.feed.begin(now_ms() - 86_400_000)
    driver.setup()
    read(driver)

    assert asked(driver, person) == [ids["late"]]


def test_an_entry_is_handed_over_once_however_often_it_is_listed(driver):
    person = imported(driver)
    write(driver, person)
    read(driver)
    driver.work()
    driver.sandbox.clear_log()

    for _ in range(3):
        read(driver)

    assert driver.calls("GET", HISTORY) == 6
    assert driver.calls("GET", DATA) == 0
    assert driver.waiting(Lane.LIVE) == set()


def test_a_feed_that_broke_off_is_read_again_from_where_it_was(driver):
    person = imported(driver)
    before = driver.kit.feed.since_ms("note")
    written = write(driver, person)
    driver.sandbox.add_fault("500", route=DATA, times=1)

    with pytest.raises(VendorDown):
        read(driver)
    broken = asked(driver, person), driver.kit.feed.since_ms("note")
    read(driver)

    assert broken == ([], before)
    assert asked(driver, person) == [written]


def test_who_was_handed_their_entries_is_not_looked_up_again(driver):
    first, second = imported(driver), imported(driver)
    write(driver, first)
    write(driver, second)
    driver.sandbox.add_fault("500", route=DATA, contact=_id(driver, second), times=1)

    with pytest.raises(VendorDown):
        read(driver)
    read(driver)

    looked_up = [c["contact"] for c in driver.sandbox.log() if c["route"] == DATA]
    assert looked_up == [_id(driver, each) for each in (first, second, second)]


def _id(driver: Driver, person) -> int:
    return driver.subscriber(person["email"])["id"]


@pytest.mark.parametrize(
    "nonsense", ["", "never", "9999-12-31T00:00:00Z", "0001-01-01"]
)
def test_a_nonsense_time_neither_breaks_nor_stalls_the_feed(driver, nonsense):
    person = imported(driver)
    write(driver, person, created_at=nonsense)
    written = write(driver, person)

    for _ in range(3):
        read(driver)

    assert written in asked(driver, person)
    since_ms = driver.kit.feed.since_ms("note")
    assert now_ms() - 60_000 < since_ms <= now_ms()
    later = write(driver, person)
    read(driver)
    assert later in asked(driver, person)


def test_an_entry_that_a_deletion_hid_is_found_the_next_time(driver, redis):
    person = imported(driver)
    redis.set(OWN + "feed:note", now_ms() - 3_600_000)
    before = datetime.fromtimestamp(now_ms() / 1000 - 1800, UTC)
    for _ in range(1001):
        write(driver, person, created_at=f"{before:%Y-%m-%dT%H:%M:%SZ}")
    write(driver, person)
    driver.sandbox.add_fault("shifting_pages", route=HISTORY, rows=1, times=1)
    read(driver)
    hidden = len(asked(driver, person))

    read(driver)

    assert (hidden, len(asked(driver, person))) == (1001, 1002)


def test_a_page_that_comes_again_and_again_comes_to_an_end(driver):
    person = imported(driver)
    for _ in range(1000):
        write(driver, person)
    driver.sandbox.add_fault("shifting_pages", route=HISTORY, rows=-1000)
    before = driver.kit.feed.since_ms("note")

    with pytest.raises(BadPayload, match="again and again"):
        read(driver)

    assert driver.kit.feed.since_ms("note") == before


def test_an_entry_about_a_contact_of_another_location_is_left_to_it(driver):
    person = imported(driver)
    driver.sandbox.put_subscriber(
        email=person["email"], properties={"ghl_location_id": "elsewhere"}
    )
    write(driver, person)

    read(driver)

    assert asked(driver, person) == []
    assert strangers(driver) == set()
    assert driver.waiting(Lane.LIVE) == set()


def test_a_property_that_is_not_historic_is_no_feed(build_driver):
    build_driver().sandbox.settings(historic_namespace=False)
    driver = build_driver()
    driver.setup()
    driver.sandbox.clear_log()

    driver.discovery.activities()

    read_feeds = driver.kit.record().historic & {"note", "task"}
    assert driver.calls("GET", HISTORY) == len(read_feeds)


# Strangers


def test_an_entry_waits_until_the_import_has_come_to_its_contact(driver):
    person = stranger(driver)
    written = write(driver, person)
    read(driver)
    waiting = strangers(driver)
    contact = driver.person(email=person["email"])
    driver.full_run()

    look_for_strangers(driver)

    assert waiting == {written}
    assert asked(driver, contact) == [written]
    assert strangers(driver) == set()


def test_strangers_are_looked_up_once_in_a_quarter_of_an_hour(driver, redis):
    write(driver, stranger(driver))
    look_for_strangers(driver)
    driver.sandbox.clear_log()

    read(driver)

    assert driver.calls("GET", DATA) == 0
    assert 600 < redis.ttl(OWN + "due:strangers") <= 900


def test_so_many_strangers_are_looked_up_at_a_time(driver):
    for _ in range(60):
        write(driver, stranger(driver))
    read(driver)
    driver.sandbox.clear_log()

    look_for_strangers(driver)

    assert driver.calls("GET", DATA) == 50
    assert len(strangers(driver)) == 60


@pytest.mark.parametrize("created_at", [None, "9999-12-31T00:00:00Z", "never"])
def test_a_stranger_is_given_up_after_a_week_and_not_before(
    driver, redis, created_at, caplog
):
    written = write(driver, stranger(driver), created_at=created_at)
    look_for_strangers(driver)
    look_for_strangers(driver)
    before = strangers(driver)
    kept = json.loads(redis.hget(OWN + "strangers", written))
    kept["kept_ms"] -= WAITING_SECONDS * 1000
    redis.hset(OWN + "strangers", written, json.dumps(kept))

    with caplog.at_level(logging.WARNING):
        look_for_strangers(driver)

    assert (before, strangers(driver)) == ({written}, set())
    assert "given up" in caplog.text


def test_of_a_contact_that_is_deleted_in_ghl_nothing_waits_any_more(driver):
    person = imported(driver)
    write(driver, person)
    read(driver)
    driver.sandbox.delete_contact(person["id"])

    driver.work()

    assert asked(driver, person) == []


def test_what_a_run_of_discovery_does_between_runs_reads_the_feeds(driver):
    person = imported(driver)
    written = write(driver, person)

    runs.discover(driver.kit, lambda discovery: discovery.activities())

    assert asked(driver, person) == [written]
