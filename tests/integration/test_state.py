"""All that is in Redis has a row in `store/state.py`, and every row is true."""

import re
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from pipeline import consent_report, opting_in, overview, runs, sending
from pipeline.expressions import compile_condition
from pipeline.feedback import Feedback
from pipeline.permit import Lane
from pipeline.polls import Polls
from pipeline.store.state import CONNECTION_KEYS, Key
from pipeline.sync import fields as mapping
from pipeline.sync.deeds import Send
from pipeline.sync.mail_event import EventKind, MailEvent
from pipeline.sync.rules import EVENT
from pipeline.sync.triggers import Trigger
from tests.builders import make_event, make_rule
from tests.driver import Driver, dnd
from tests.keyspace import Touched, rows_of
from tests.ruled import let_mails_leave
from tests.sandbox import MailjetCaller, Row, Sandbox, fresh_email
from tests.sandbox_sending import DOMAIN
from tests.valkey import Valkey

PEOPLE = 60
GONE = 15
MASS = 15
RULES = "tag-clickers,campaign-notes"
OWN = "gm:default:"
AT_REST = {
    *("setup", "health", "fence", "watermark", "full_run", "run", "runs"),
    *("snapshots", "addresses", "optouts:mailjet"),
    *("crossings", "turn:notes", "feed:note", "feed:task"),
    *("consent", "told", "alive", "drift"),
    *("reading:bounces", "reading:clicks", "reading:opens", "reading:spam"),
    *("reading:unsub", "success", "callbacks"),
    *("rules", "orders", "orders:of", "orders:ended", "orders:day", "campaigns"),
}
"""What a connection keeps for ever; all else that is left has an hour of death."""
DAY_SECONDS = 86_400
FAR = (datetime.now(UTC) + timedelta(days=90)).isoformat()
ROWS_IN_A_PAGE = 500
READ_CONTACT = {"vendor": "ghl", "method": "GET", "route": "/contacts/:contactId"}


def life_seconds(row: Key) -> float | None:
    """The longest that a key lives by the table; None for one that does not lapse."""
    named = re.search(r"(\d+) (s|day)", row.deleted_by)
    if named is None:
        return float("inf") if "TTL" in row.deleted_by else None
    return int(named[1]) * (DAY_SECONDS if named[2] == "day" else 1)


def values(redis: Redis, key: str) -> list[bytes]:
    """All that is stored under a key: fields, members and values."""
    match redis.type(key):
        case b"string":
            return [redis.get(key) or b""]
        case b"hash":
            return [part for pair in redis.hgetall(key).items() for part in pair]
        case b"set":
            return [*redis.smembers(key)]
        case b"zset":
            return redis.zrange(key, 0, -1)
        case b"list":
            return redis.lrange(key, 0, -1)
    return []


def legible(value: bytes) -> bytes:
    """The value, and behind it what it says when it is decompressed."""
    with suppress(zlib.error):
        return value + b"\n" + zlib.decompress(value)
    return value


def people_in(redis: Redis, secrets: set[bytes], pattern: str = "*") -> set[str]:
    """Keys that hold an address, a name, a phone or a credential."""
    found = set()
    for key in redis.scan_iter(pattern, count=1000):
        text = b"\n".join(map(legible, [key, *values(redis, key)])).lower()
        if any(secret in text for secret in secrets):
            found.add(key.decode())
    return found


def secrets_of(sandbox: Sandbox) -> set[bytes]:
    """All that could tell who somebody is, in small letters, as text and as JSON."""
    told = {
        sandbox.env[name]
        for name in ("GHL_TOKEN", "MAILJET_API_KEY", "MAILJET_SECRET_KEY")
    }
    for person in sandbox.contacts():
        fields = ("email", "phone", "firstName", "lastName")
        told |= {person.get(name) or "" for name in fields}
    told = {text.strip().lower() for text in told if len(text.strip()) > 4}
    escaped = {text.encode("ascii", "backslashreplace") for text in told}
    return escaped | {text.encode() for text in told}


@dataclass
class Life:
    """A connection that everything happened to, and what was seen on the way.

    Args:
        touched: every key that was ever written.
        lives: by key, the seconds that it was seen to have left; -1 for ever.
        too_large: families beyond their bound, by the step after which.
        mid_run: keys in which people were found while a run was under way.
    """

    driver: Driver
    redis: Redis
    listener: Touched
    touched: set[str] = field(default_factory=set)
    lives: dict[str, set[int]] = field(default_factory=dict)
    too_large: dict[str, list[str]] = field(default_factory=dict)
    mid_run: set[str] = field(default_factory=set)

    def look(self, step: str) -> None:
        """After a step, or in its middle: everything that is there now."""
        self.touched |= {key for _, key in self.listener.written()}
        for key in self.redis.scan_iter(count=1000):
            self.lives.setdefault(key.decode(), set()).add(self.redis.ttl(key))
        if broken := [*self._beyond_bounds()]:
            self.too_large[step] = broken

    def _beyond_bounds(self) -> Iterator[str]:
        sizes: Counter[str] = Counter()
        for key in self.redis.scan_iter(OWN + "*", count=1000):
            entries = len(values(self.redis, key.decode()))
            hashed = self.redis.type(key) == b"hash"
            for row in rows_of(key.decode()):
                sizes[row.name] += entries // 2 if hashed else entries
        contacts = PEOPLE + MASS + 20  # those that the steps add
        limits = {
            "50": 50,
            "leased": sizes["leased"],
            "contacts": contacts,
            "opted-out contacts": contacts + 1,  # and the mark of a set of nobody
            "failing ids": contacts,
            "unsettled ids": contacts,
            "bulk todo + 500": sizes["todo:bulk"] + ROWS_IN_A_PAGE,
            "10000": 10_000,
        }
        for row in CONNECTION_KEYS:
            if sizes[row.name] > limits.get(row.bound, float("inf")):
                yield f"{row.name}: {sizes[row.name]} > {row.bound}"

    @property
    def here(self) -> set[str]:
        """The names of this connection's keys."""
        keys = self.redis.scan_iter(OWN + "*", count=1000)
        return {key.decode().removeprefix(OWN) for key in keys}

    def sizes(self) -> dict[str, int]:
        """Entries of everything that stays."""
        kept = AT_REST - {"run", "runs"}
        return {name: len(values(self.redis, OWN + name)) for name in kept}


@pytest.fixture(scope="module")
def life() -> Iterator[Life]:
    with (
        Valkey() as valkey,
        Sandbox("--contacts", str(PEOPLE)) as sandbox,
        Driver(
            valkey,
            sandbox,
            readers_of(sandbox),
            GHL_BUSINESS_IDS="*",
            SYNC_RULES=RULES,
        ) as driver,
        valkey.client() as redis,
        Touched(redis) as listener,
    ):
        life = Life(driver, redis, listener)
        driver.setup()
        first_run(life)
        activities(life)
        consent_told(life)
        changes(life)
        what_goes_wrong(life)
        deletions(life)
        emptying(life)
        ordered(life)
        limits(life)
        many_runs(life)
        driver.full_run()
        driver.work()
        life.look("at rest")
        yield life


def readers_of(sandbox: Sandbox) -> mapping.Row:
    """A list whose members have a tag in GHL."""
    with closing(MailjetCaller(sandbox)) as mailjet:
        column = f"list:{mailjet.new_list()}"
    return mapping.Row("tag:reader", column, direction=mapping.Direction.BOTH)


def first_run(life: Life) -> None:
    driver, ledger = life.driver, life.driver.ledger
    runs.start_run(driver.kit)
    for stage in ("listing", "businesses"):
        driver.go_to(stage)
        life.look(stage)
    driver.discover()
    life.mid_run = people_in(life.redis, secrets_of(driver.sandbox))
    lease, *others = ledger.lease(10, max_out=10)
    ledger.open(lease.ghl_id, lease.token, "a worker")
    ledger.mark(Lane.LIVE, [lease.ghl_id])
    life.look("leased")
    for each in (lease, *others):
        driver.run(each)
        life.look("settled")
    driver.work()
    life.look("first run")


def activities(life: Life) -> None:
    """Of somebody in GHL, and what others wrote about somebody in Mailjet."""
    driver, sandbox = life.driver, life.driver.sandbox
    ana, bo = somebody(driver), somebody(driver)
    sandbox.put_subscriber(email=(joe := fresh_email()))
    sandbox.put_task(contactId=ana["id"], title="Call", dueDate=FAR)
    times = {"startTime": FAR, "endTime": FAR}
    sandbox.put_appointment(contactId=bo["id"], title="Tea", **times)
    for email in (ana["email"], joe):
        sandbox.put_history(email, "note", "Hello")
    click(driver, ana["email"])
    driver.ledger.point_at([ana["id"]], EVENT, Lane.LIVE)
    driver.discovery.activities()
    life.look("between runs")
    driver.work()
    runs.start_run(driver.kit)
    driver.go_to("listing")
    life.look("swept")
    driver.discover()
    driver.work()
    life.look("activities")


def consent_told(life: Life) -> None:
    """What Mailjet tells of its mails, the report, and a mass of opt-outs in GHL."""
    driver, sandbox = life.driver, life.driver.sandbox
    record = driver.kit.record()
    assert record is not None
    feedback = Feedback(driver.kit, record)
    ana, bo = somebody(driver), somebody(driver)
    now_ms = round(time.time() * 1000)
    feedback.apply(
        [
            MailEvent(EventKind.UNSUB, now_ms, ana["email"], message_id=1),
            MailEvent(EventKind.SENT, now_ms, bo["email"], message_id=2),
        ]
    )
    Polls(driver.kit, record).read()
    driver.kit.presence.is_one_of_many(ana["id"])
    life.look("told")
    driver.work()
    consent_report.compare(driver.kit, record)
    people = [driver.person() for _ in range(MASS)]
    driver.full_run()
    for person in people:
        sandbox.put_contact(id=person["id"], **dnd("active"))
    driver.discovery.preferences.read_optouts()
    driver.work()
    life.look("a mass")
    opting_in.confirm_mass(driver.kit)
    driver.work()
    for person in people:
        sandbox.delete_contact(person["id"])
    driver.kit.presence.accept()
    driver.full_run()
    life.look("consent")


def click(driver: Driver, email: str) -> None:
    """Somebody clicked a link in a mail, and we heard of it."""
    record = driver.kit.record()
    assert record is not None
    address = driver.kit.policy(record).fingerprint.address(email)
    event = make_event(at_ms=round(time.time() * 1000), email=email)
    driver.kit.engagement.add(address, [event])


def somebody(driver: Driver) -> Row:
    """Whom Mailjet mails, and who shares the address with nobody."""
    person = driver.person()
    driver.sync(person["id"])
    return person


def changes(life: Life) -> None:
    """By GHL, by its opt-outs, and by somebody in Mailjet."""
    driver = life.driver
    ana, bo, eve = (somebody(driver) for _ in range(3))
    driver.kit.setup.claim_due("changes", 60)
    driver.sandbox.put_contact(id=ana["id"], city="Braga")
    driver.discovery.changes()
    life.look("a change")
    driver.sandbox.put_contact(id=bo["id"], **dnd("active"))
    driver.discovery.preferences.read_optouts()
    life.look("an opt-out")
    driver.work()
    driver.sandbox.put_subscriber(email=eve["email"], properties={"city": "Faro"})
    driver.full_run()
    driver.work()
    life.look("Mailjet's side")


def what_goes_wrong(life: Life) -> None:
    driver = life.driver
    ana, bo, eve, joe = (driver.person() for _ in range(4))
    failing = driver.sandbox.add_fault("500", contact=ana["id"], **READ_CONTACT)
    driver.sync(ana["id"])
    life.look("a failure")
    poison = driver.sandbox.add_fault("wrong_type", contact=bo["id"], **READ_CONTACT)
    driver.sync(bo["id"])
    refused = driver.person(email=f"{'x' * 70}@example.com")
    driver.sync(refused["id"])
    life.look("dead letters")
    driver.take(eve["id"])
    driver.lose_workers()
    life.look("a lost worker")
    dead_token = driver.sandbox.add_fault("token_revoked", vendor="ghl")
    driver.sync(joe["id"])
    life.look("paused")
    for fault in (failing, poison, dead_token):
        driver.sandbox.remove_fault(fault)
    driver.sandbox.put_contact(id=refused["id"], email=fresh_email())
    driver.kit.health.resume()
    driver.ledger.replay(letter.ghl_id for letter in driver.letters())
    driver.make_due()
    driver.work()
    life.look("mended")


def deletions(life: Life) -> None:
    """So many that somebody is asked."""
    driver = life.driver
    for person in driver.sandbox.contacts()[:GONE]:
        driver.sandbox.delete_contact(person["id"])
    driver.full_run()
    life.look("deletions held back")
    driver.kit.presence.accept()
    driver.full_run()
    driver.work()
    life.look("deletions accepted")


def emptying(life: Life) -> None:
    """So many would lose something that somebody is asked."""
    guard = life.driver.kit.emptying
    for person in life.driver.sandbox.contacts():
        guard.holds_back(person["id"])
    life.look("emptying held back")
    guard.confirm()
    guard.release(guard.held())
    life.look("emptying accepted")


def ordered(life: Life) -> None:
    """What a rule wants sent: in the quiet hours, while it is sent, and after that."""
    driver, setup = life.driver, life.driver.kit
    moved = make_rule(
        Send(1001, "moved", sender=f"hello@{DOMAIN}"),
        name="moved",
        on=frozenset({Trigger.UPDATED}),
        when=compile_condition("contact.city == 'Porto'", [Trigger.UPDATED]),
    )
    awake = replace(setup.connection, live=True, quiet_hours=None)
    driver.kit = replace(setup, rules=(*setup.rules, moved), connection=awake)
    driver.full_run()
    for hours in ((0, 0), None):
        quiet = replace(awake, quiet_hours=hours)
        driver.kit = replace(driver.kit, connection=quiet)
        person = driver.person(city="Faro")
        driver.sync(person["id"])
        driver.sandbox.put_contact(id=person["id"], city="Porto")
        driver.sync(person["id"])
        driver.work()
        life.look(f"ordered, quiet hours {hours}")
    batch = driver.kit.orders.take(50)
    life.look("being sent")
    driver.kit.orders.again(batch.token, [one.order.id for one in batch.ready], 0)
    let_mails_leave(driver)
    sending.send_ready(driver.kit)
    driver.kit.operator_pause.begin()
    life.look("sent, and paused by an operator")
    driver.kit.operator_pause.end()


def limits(life: Life) -> None:
    """Nothing goes out, as after a vendor's refusal."""
    ledger = life.driver.ledger
    for lane in Lane:
        ledger.rest(lane, 30, "a limit is reached")
    life.look("resting")
    driver = life.driver
    overview.note_calls(driver.pipeline)
    driver.kit.freshness.save_callbacks(7, [])
    life.look("seen from outside")
    life.driver.pipeline.redis.delete(ledger.key("rests"), ledger.key("rests:bulk"))


def many_runs(life: Life) -> None:
    ledger = life.driver.ledger
    for number in range(60):
        ledger.start(f"run {number}", "business", {"stage": "businesses"})
        page = ledger.claim_page(60)
        assert page is not None
        ledger.commit_page(page, None, [])
    life.look("many runs")


def test_no_key_is_without_a_row(life: Life) -> None:
    strangers = {key for key in life.touched if len(rows_of(key)) != 1}

    assert len(life.touched) > len(CONNECTION_KEYS)
    assert strangers == set()


def test_no_row_is_without_a_key(life: Life) -> None:
    explained = {row for key in life.touched for row in rows_of(key)}

    assert [row.name for row in CONNECTION_KEYS if row not in explained] == []


def test_a_key_lapses_when_its_row_says_so_and_only_then(life: Life) -> None:
    wrong = {}
    for key, seen in life.lives.items():
        for row in rows_of(key):
            longest = life_seconds(row)
            allowed = (-1, -1) if longest is None else (0, longest)
            if min(seen) < allowed[0] or max(seen) > allowed[1]:
                wrong[key] = (seen, row.deleted_by)

    assert len(life.lives) > len(AT_REST)
    assert wrong == {}


def test_nothing_outgrows_its_bound(life: Life) -> None:
    assert life.too_large == {}


def test_at_rest_only_what_is_meant_to_stay_has_no_end(life: Life) -> None:
    lasting = {name for name in life.here if life.redis.ttl(OWN + name) == -1}

    assert lasting == AT_REST
    assert not any(name.startswith("row:") for name in life.here)


def test_one_more_run_leaves_nothing_more_behind(life: Life) -> None:
    before = life.sizes()

    life.driver.full_run()

    assert life.sizes() == before
    assert before["snapshots"] > 0


def test_at_rest_nobody_can_be_told_from_what_is_stored(life: Life) -> None:
    secrets = secrets_of(life.driver.sandbox)

    assert len(secrets) > 3 * (PEOPLE - GONE)
    assert people_in(life.redis, secrets) == set()


def test_in_mid_run_people_are_in_the_row_cache_and_nowhere_else(life: Life) -> None:
    assert len(life.mid_run) > PEOPLE / 2
    assert {key.partition("row:")[0] for key in life.mid_run} == {OWN}
