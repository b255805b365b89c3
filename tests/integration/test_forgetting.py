"""After an erasure no key holds the person: neither id nor address nor its hash."""

import json
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from redis import Redis

from pipeline import erasing, runs
from pipeline.permit import Lane
from pipeline.person import find
from pipeline.retry import Cause, Trouble
from pipeline.store.forgetting import HOLDS, Holds
from pipeline.store.inbox import Entry, Source
from pipeline.store.state import CONNECTION_KEYS
from pipeline.sync import consent
from pipeline.sync.activity import HistoryEntry
from pipeline.sync.delivery import Delivery
from pipeline.sync.orders import Decision, OrderKind, State
from pipeline.sync.ports import Told
from tests import inboxes
from tests.builders import make_event
from tests.history_world import meeting, task
from tests.keyspace import rows_of
from tests.leases import LETTER
from tests.orders import DAY, LATER, READY, make_order, settle_orders
from tests.sandbox import Row

WHILE_LEASED = {"leased", "tokens", "lanes", "owners", "again", "held"}
"""Where a person is only while somebody works on them."""
RULES = "tag-clickers,campaign-notes"
DAY_MS = 86_400_000


@pytest.fixture
def driver(build_driver, redis):
    inboxes.forget(redis)
    driver = build_driver(SYNC_RULES=RULES)
    driver.setup()
    return driver


def test_every_row_of_the_table_says_how_it_holds_people():
    assert HOLDS.keys() == {row.name for row in CONNECTION_KEYS}


def values(redis: Redis, key: bytes) -> Iterator[bytes]:
    """Name, fields, members and values, and what they say when they are unpacked."""
    yield key
    found: list[bytes] = []
    match redis.type(key):
        case b"string":
            found = [redis.get(key)]
        case b"hash":
            found = [part for pair in redis.hgetall(key).items() for part in pair]
        case b"set":
            found = [*redis.smembers(key)]
        case b"zset":
            found = redis.zrange(key, 0, -1)
        case b"list":
            found = redis.lrange(key, 0, -1)
    for value in found:
        yield value
        packed = value.partition(b"\n")[2] if key.startswith(b"gm:inbox") else value
        with suppress(zlib.error):
            yield zlib.decompress(packed)


class Known:
    """A person by everything that could tell them."""

    def __init__(self, driver, person: Row) -> None:
        self.id, self.email = person["id"], person["email"]
        self.mailjet_id = driver.subscriber(self.email)["id"]
        record = driver.kit.require_record()
        self.address = driver.kit.policy(record).fingerprint.address(self.email)
        self.traces = (
            *(self.id.encode(), self.email.encode()),
            *(self.address, self.address.hex().encode()),
            f"mailjet:{self.mailjet_id}".encode(),
        )

    def keys(self, redis: Redis) -> set[str]:
        """Names of the keys that hold the person; sets of Mailjet's ids by member."""
        found = set()
        for key in redis.scan_iter("gm:*", count=1000):
            told = list(values(redis, key))
            if any(trace in value for value in told for trace in self.traces):
                found.add(key.decode())
            is_of_numbers = b"unsubscribed:" in key or b"members:" in key
            if is_of_numbers and str(self.mailjet_id).encode() in told:
                found.add(key.decode())
            if key.endswith(b":strangers") and any(
                value.startswith(b"{")
                and json.loads(value)["contact_id"] == self.mailjet_id
                for value in told
            ):
                found.add(key.decode())
        return found


def live(driver, *people: Known) -> None:
    """Everything happens to these people."""
    kit, now_ms = driver.kit, round(time.time() * 1000)
    ids = [one.id for one in people]
    order(driver, ids)
    in_the_ledger(driver, ids)
    said = consent.Statement(consent.Source.GHL_EMAIL, 1, "webhook")
    no = {said.source: said}
    ghl, mailjet = kit.optouts.add_ghl, kit.optouts.add_mailjet
    for one in people:
        kit.consents.tell(one.id, Told(no))
        kit.consents.tell(one.address, Told(no, Delivery(alive_ms=now_ms)))
        kit.consents.replace(one.id, no)
        kit.engagement.add(one.address, [make_event(at_ms=now_ms, email=one.email)])
        entry = HistoryEntry(one.mailjet_id, one.mailjet_id, "note", "Hi", now_ms)
        kit.feed.add_incoming(one.id, [entry])
        kit.feed.add_strangers([entry], now_ms)
        for _ in range(12):
            kit.presence.is_one_of_many(one.id)
        kit.health.stumble(Trouble("ghl", Cause.OUTAGE, "down"), f"{one.id}:3")
    addresses = [one.address for one in people]
    for reader in ("done", "reading"):
        ghl(reader, ids, addresses, first=True)
        mailjet(reader, addresses, first=True)
        numbers = [one.mailjet_id for one in people]
        kit.optouts.add_unsubscribed(reader, numbers, first=True)
        kit.subscriber_pages(kit.require_record()).add_members(40, numbers, first=True)
    kit.optouts.complete_ghl("done")
    kit.optouts.complete_mailjet("done")
    for guard in (kit.optouts, kit.emptying):
        guard.expect([f"other{number}" for number in range(20)])
    sweep(driver, ids)
    for one in people:
        kit.optouts.holds_back(one.id)
        kit.emptying.holds_back(one.id)
    hear(driver, people)


def order(driver, ids: list[str]) -> None:
    """Each has an order that waits, one that is ready, one being sent and one held."""
    decided = (LATER, READY, Decision(State.HELD, "opted out"))
    for one in ids:
        orders = [make_order(one, str(number)) for number in range(3)]
        settle_orders(driver.ledger, one, orders, decided, day=DAY, rules=b"told")
    taken = driver.kit.orders.take(9)
    assert len(taken.ready) == len(ids)
    for one in ids:
        draft = make_order(one, "4", kind=OrderKind.DRAFT)
        settle_orders(driver.ledger, one, [make_order(one, "3"), draft], [READY, READY])


def sweep(driver, ids: list[str]) -> None:
    store = driver.kit.activities
    for kind, item in (("tasks", task()), ("meetings", meeting())):
        rows = {one: [replace(item, contact_id=one)] for one in ids}
        for reader in ("kept", "reading"):
            store.add(kind, reader, rows, first=True)
            store.differing(kind, reader, lambda *of: True, lambda *of: False)
        store.keep(kind, "kept")
        store.point(kind, dict.fromkeys(ids, 1))


def in_the_ledger(driver, ids: list[str]) -> None:
    """In a run, failed, lost, dead, and waiting in each lane."""
    ledger, redis = driver.ledger, driver.pipeline.redis
    for one in ids:
        ledger.bury(driver.take(one), LETTER, "Rejected")
        lease = driver.take(one)
        ledger.give_back(lease, 60, counted=True, suspect="ghl")
        lease = driver.take(one)
        ledger.begin(lease, [driver.kit.presence.address(one)])
    driver.lose_workers()
    ledger.point_at(ids, "t")
    for name in ("todo:live", "todo:bulk", "todo:consent", "crossings"):
        letter = "t" if name == "crossings" else ""
        redis.zadd(ledger.key(name), {f"{letter}{one}": 1 for one in ids})
    redis.hset(ledger.key("seen"), mapping=dict.fromkeys(ids, b"1"))
    runs.start_run(driver.kit)
    driver.discover()


def hear(driver, people: tuple[Known, ...]) -> None:
    """Webhooks that nobody has handled yet, grouped and single."""
    inbox, place = driver.pipeline.inbox, driver.kit.connection.ghl_location_id
    for one in people:
        told = {"type": "ContactUpdate", "id": one.id, "email": one.email.upper()}
        inbox.put(Entry(Source.GHL, place, 1, json.dumps(told).encode()))
    events = [{"event": "open", "email": one.email} for one in people]
    inbox.put(Entry(Source.MAILJET, "default", 1, json.dumps(events).encode()))
    inbox.put(Entry(Source.GHL, place, 1, f"broken {people[0].email}".encode()))


def test_nothing_of_an_erased_person_is_left_and_nothing_of_others_is_lost(
    driver, redis
):
    people = [driver.person() for _ in range(2)]
    for person in people:
        driver.sync(person["id"])
    ana, bo = (Known(driver, person) for person in people)
    live(driver, ana, bo)
    before = ana.keys(redis)
    others = bo.keys(redis)

    done = erasing.erase(driver.kit, driver.pipeline.inbox, find(driver.kit, ana.email))

    explained = {row.name for key in before for row in rows_of(key)}
    people_are_in = {row for row, how in HOLDS.items() if how is not Holds.NOBODY}
    assert people_are_in - explained == WHILE_LEASED
    assert {"gm:inbox"} <= before
    assert ana.keys(redis) == set()
    assert bo.keys(redis) == others
    assert done.state_entries > len(people_are_in - WHILE_LEASED) - 1
    assert done.inbox_entries == 3
    left = [entry.body for _, entry in driver.pipeline.inbox.entries()]
    assert [{"event": "open", "email": bo.email}] in map(json.loads, left)


def test_a_second_erasure_finds_nothing(driver, redis):
    person = driver.person()
    driver.sync(person["id"])
    ana = Known(driver, person)
    live(driver, ana)
    for _ in range(2):
        done = erasing.erase(
            driver.kit, driver.pipeline.inbox, find(driver.kit, ana.email)
        )

    assert (done.ghl.statuses, done.mailjet.statuses) == ([], [])
    assert (done.state_entries, done.inbox_entries) == (0, 0)


def test_who_is_forgotten_has_the_run_finished(driver):
    person = driver.person()
    runs.start_run(driver.kit)
    driver.discover()

    erasing.erase(driver.kit, driver.pipeline.inbox, find(driver.kit, person["id"]))

    assert driver.last_run().state == "finished"
    assert driver.ledger.lease(10, max_out=10) == []
    assert driver.waiting(Lane.BULK) == set()
