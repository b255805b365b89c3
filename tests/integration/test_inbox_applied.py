"""What came in, handed to the contacts it is about: entries in, marks in the ledger."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from pipeline import inbox as applying
from pipeline.bootstrap import build
from pipeline.config import from_env
from pipeline.permit import Lane
from pipeline.store.inbox import Counts, Entry, Source
from pipeline.store.state import connection_key
from pipeline.sync.around import Kind
from tests.conftest import DriverFactory
from tests.driver import Driver
from tests.inboxes import forget, pass_time
from tests.sandbox import Row, Sandbox, fresh_email
from tests.system.test_outage import connections
from tests.valkey import Valkey

Put = Callable[..., None]
STRANGER = "nobody.at.all@example.com"


@pytest.fixture(autouse=True)
def _no_inbox(redis: Redis) -> Iterator[None]:
    forget(redis)
    yield
    forget(redis)


@pytest.fixture
def location(sandbox: Sandbox) -> str:
    return sandbox.env["GHL_LOCATION_ID"]


def put(
    driver: Driver,
    source: Source,
    told: object,
    *,
    place: str = "default",
    what: str = "",
) -> None:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    driver.pipeline.inbox.put(Entry(source, place, 1_795_449_600_000, body, what))


def put_ghl(driver: Driver, location: str, kind: str, **fields: Any) -> None:
    put(driver, Source.GHL, {"type": kind, "locationId": location, **fields})


def put_mailjet(driver: Driver, event: str, email: str, **fields: Any) -> None:
    told = {"event": event, "time": 1_795_449_600, "email": email, **fields}
    put(driver, Source.MAILJET, [told])


def apply(driver: Driver) -> dict[str, int]:
    """Handle what is due; how the entries that ended did, until now."""
    applying.apply_waiting(driver.pipeline, 100)
    return driver.pipeline.inbox.handled()


def pointed_at(driver: Driver, contact_id: str) -> str:
    """The kinds of a contact's activities that are to be read."""
    stored = driver.pipeline.redis.hget(
        connection_key("default", "touched"), contact_id
    )
    return "".join(c for c in (stored or b"").decode() if c.isalpha())


def is_at_rest(driver: Driver) -> bool:
    return not driver.ledger.backlog().waiting


def synced(driver: Driver) -> Row:
    """Somebody whom Mailjet has, with nothing left to do."""
    person = driver.person()
    driver.sync(person["id"])
    assert is_at_rest(driver)
    return person


@pytest.mark.parametrize("event", ["unsub", "spam"])
def test_a_no_in_mailjet_is_consent_work(driver: Driver, event: str) -> None:
    person = synced(driver)
    put_mailjet(driver, event, person["email"], MessageID=1)

    ends = apply(driver)

    assert ends == {"mailjet:applied": 1}
    assert driver.waiting(Lane.CONSENT) == {person["id"]}


@pytest.mark.parametrize(
    "kind", ["ContactCreate", "ContactUpdate", "ContactDelete", "ContactTagUpdate"]
)
def test_a_change_of_a_contact_is_live_work(
    driver: Driver, location: str, kind: str
) -> None:
    put_ghl(driver, location, kind, id="contact1")

    assert apply(driver) == {"ghl:applied": 1}
    assert driver.waiting(Lane.LIVE) == {"contact1"}
    assert pointed_at(driver, "contact1") == ""


@pytest.mark.parametrize(
    ("kind", "letter"),
    [
        ("TaskCreate", Kind.TASKS),
        ("TaskComplete", Kind.TASKS),
        ("NoteUpdate", Kind.NOTES),
    ],
)
def test_a_change_around_a_contact_says_what_to_read(
    driver: Driver, location: str, kind: str, letter: Kind
) -> None:
    put_ghl(driver, location, kind, id="thing1", contactId="contact1")

    assert apply(driver) == {"ghl:applied": 1}
    assert driver.waiting(Lane.LIVE) == {"contact1"}
    assert pointed_at(driver, "contact1") == letter


def test_so_does_an_appointment(driver: Driver, location: str) -> None:
    appointment = {"id": "thing1", "contactId": "contact1"}
    put_ghl(driver, location, "AppointmentUpdate", appointment=appointment)

    apply(driver)

    assert driver.waiting(Lane.LIVE) == {"contact1"}
    assert pointed_at(driver, "contact1") == Kind.APPOINTMENTS


@pytest.mark.parametrize("dnd", [True, False])
def test_a_change_of_dnd_is_consent_work(
    driver: Driver, location: str, dnd: bool
) -> None:
    put_ghl(driver, location, "ContactDndUpdate", id="contact1", dnd=dnd)

    assert apply(driver) == {"ghl:applied": 1}
    assert driver.waiting(Lane.CONSENT) == {"contact1"}


@pytest.mark.parametrize(
    ("what", "lane", "letters"),
    [
        ("contact", Lane.LIVE, ""),
        ("dnd", Lane.CONSENT, ""),
        ("task", Lane.LIVE, Kind.TASKS),
        ("note", Lane.LIVE, Kind.NOTES),
        ("appointment", Lane.LIVE, Kind.APPOINTMENTS),
    ],
)
def test_a_workflow_says_what_to_look_at(
    driver: Driver, what: str, lane: Lane, letters: str
) -> None:
    contact_id = "gTqCpqZlEsF0mRTBJz3k"
    put(driver, Source.WORKFLOW, {"contact_id": contact_id}, what=what)

    assert apply(driver) == {"workflow:applied": 1}
    assert driver.waiting(lane) == {contact_id}
    assert pointed_at(driver, contact_id) == letters


def test_a_task_without_its_contact_is_looked_for(
    driver: Driver, location: str
) -> None:
    person = synced(driver)
    task = driver.sandbox.put_task(contactId=person["id"], title="Call Ann")
    put_ghl(driver, location, "TaskCreate", id=task["id"], title="Call Ann")

    assert apply(driver) == {"ghl:applied": 1}
    assert driver.waiting(Lane.LIVE) == {person["id"]}
    assert pointed_at(driver, person["id"]) == Kind.TASKS


def test_a_task_that_is_not_found_is_looked_for_again_and_then_left_to_the_sweep(
    driver: Driver, location: str, redis: Redis
) -> None:
    put_ghl(driver, location, "TaskCreate", id="task404", title="Call Ann")
    waits = []
    for _ in range(applying.TASK_LOOKS - 1):
        assert apply(driver) == {}
        waits.append(driver.pipeline.inbox.counts().waiting)
        pass_time(redis, 60_000)

    assert waits == [1, 1]
    assert apply(driver) == {"ghl:task not found": 1}
    assert is_at_rest(driver)


@pytest.mark.parametrize(
    ("source", "place", "told", "end"),
    [
        (Source.GHL, "", {"type": "ContactUpdate"}, "nothing to do"),
        (Source.GHL, "", {"type": "OpportunityCreate", "id": "o1"}, "nothing to do"),
        (Source.GHL, "", [], "nothing to do"),
        (
            Source.GHL,
            "",
            {"type": "ContactUpdate", "id": "c1", "locationId": "elsewhere"},
            "no such connection",
        ),
        (Source.MAILJET, "gone", {"event": "open"}, "no such connection"),
        (Source.MAILJET, "default", [], "nothing to do"),
        (Source.MAILJET, "default", {"event": "new"}, "nothing to do"),
        (Source.MAILJET, "default", [{"event": "open"}, 7], "nothing to do"),
        (Source.WORKFLOW, "gone", {"contact_id": "c"}, "no such connection"),
        (Source.WORKFLOW, "default", {"contact_id": ""}, "nothing to do"),
    ],
)
def test_what_is_nobodys_is_handled_and_counted(
    driver: Driver, source: Source, place: str, told: object, end: str
) -> None:
    put(driver, source, told, place=place, what="contact")

    assert apply(driver) == {f"{source}:{end}": 1}
    assert is_at_rest(driver)
    assert driver.pipeline.inbox.counts() == Counts(0, 0, 0)


def test_for_a_connection_that_is_not_set_up_there_is_nothing_to_do(
    build_driver: DriverFactory, location: str
) -> None:
    driver = build_driver()
    put_ghl(driver, location, "ContactUpdate", id="contact1")
    put_mailjet(driver, "unsub", STRANGER)
    put(driver, Source.WORKFLOW, {"contact_id": "gTqCpqZlEsF0mRTBJz3k"}, what="dnd")

    ends = apply(driver)

    assert ends == {f"{source}:not set up": 1 for source in Source}
    assert is_at_rest(driver)


def test_every_connection_of_a_location_hears_of_it(
    valkey: Valkey, redis: Redis, driver: Driver, location: str, tmp_path: Path
) -> None:
    file = tmp_path / "connections.toml"
    both = connections(default=driver.sandbox, other=driver.sandbox)
    first, kept, second = both.rpartition(f"mailjet_list_id = {driver.list_id}")
    file.write_text(f"{first}mailjet_list_id = 1{second}")
    assert kept
    secrets = ("GHL_TOKEN", "MAILJET_API_KEY", "MAILJET_SECRET_KEY")
    env = {name: driver.sandbox.env[name] for name in secrets}
    env |= {"REDIS_URL": valkey.url, "SYNC_CONNECTIONS_FILE": str(file)}
    driver.pipeline.redis.close()
    driver.pipeline = build(from_env(env))
    redis.copy("gm:default:setup", "gm:other:setup", replace=True)
    put_ghl(driver, location, "ContactUpdate", id="contact1")

    apply(driver)

    try:
        for kit in driver.pipeline.kits.values():
            assert kit.ledger.backlog().live == 1
    finally:
        redis.delete(*redis.scan_iter("gm:other:*"))


def test_one_bad_entry_holds_up_none_and_tells_nothing_of_what_it_holds(
    driver: Driver, location: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(driver, Source.GHL, b'{"email": "ann.marie@example.com"')
    put_ghl(driver, location, "ContactUpdate", id="contact1")

    ends = apply(driver)

    (failed,) = driver.pipeline.inbox.failed()
    assert ends == {"ghl:applied": 1}
    assert failed.reason == "our own mistake: JSONDecodeError"
    assert failed.attempts == 1
    assert "JSONDecodeError" in caplog.text
    assert "ann.marie" not in caplog.text


def test_what_redis_refuses_of_one_entry_holds_up_none(
    driver: Driver, redis: Redis, location: str
) -> None:
    put_mailjet(driver, "unsub", STRANGER)
    put_ghl(driver, "elsewhere", "ContactUpdate", id="contact1")
    redis.delete("gm:default:setup")
    redis.set("gm:default:setup", "no hash")

    ends = apply(driver)

    assert ends == {"ghl:no such connection": 1}
    assert driver.pipeline.inbox.counts() == Counts(waiting=1, due=0, failed=0)
    redis.delete("gm:default:setup")


def test_what_a_vendor_could_not_answer_comes_again(
    driver: Driver, redis: Redis
) -> None:
    fault = driver.sandbox.add_fault("500", vendor="ghl")
    put_mailjet(driver, "unsub", email := fresh_email())
    person = driver.person(email=email)

    first = apply(driver)
    waiting = driver.pipeline.inbox.counts()
    driver.sandbox.remove_fault(fault)
    pass_time(redis, 10_001)
    second = apply(driver)

    assert (first, waiting) == ({}, Counts(waiting=1, due=0, failed=0))
    assert second == {"mailjet:applied": 1}
    assert driver.waiting(Lane.CONSENT) == {person["id"]}


def test_while_a_credential_is_dead_entries_wait_and_lose_no_try(
    driver: Driver, redis: Redis
) -> None:
    fault = driver.sandbox.add_fault("token_revoked", vendor="ghl")
    put_mailjet(driver, "unsub", email := fresh_email())
    person = driver.person(email=email)
    for _ in range(12):
        assert apply(driver) == {}
        pass_time(redis, 60_001)
    driver.sandbox.remove_fault(fault)

    assert apply(driver) == {"mailjet:applied": 1}
    assert driver.waiting(Lane.CONSENT) == {person["id"]}


def test_who_is_too_slow_leaves_the_entry_to_whoever_has_it_now(
    driver: Driver, redis: Redis
) -> None:
    person = synced(driver)
    put_mailjet(driver, "unsub", person["email"])
    inbox = driver.pipeline.inbox
    (slow,) = inbox.claim(1, 30)
    pass_time(redis, 30_001)
    inbox.claim(1, 30)

    applying.apply(driver.pipeline, slow)

    assert inbox.handled() == {}
    assert inbox.counts() == Counts(waiting=1, due=0, failed=0)
    assert is_at_rest(driver)


def test_no_more_than_asked_for_is_handled_at_a_time(
    driver: Driver, location: str
) -> None:
    for number in range(5):
        put_ghl(driver, location, "ContactUpdate", id=f"contact{number}")

    counts = [applying.apply_waiting(driver.pipeline, 3) for _ in range(3)]

    assert counts == [3, 2, 0]


def test_the_same_event_by_two_entries_is_work_once(driver: Driver) -> None:
    person = synced(driver)
    told = {"event": "unsub", "time": 1_795_449_600, "email": person["email"]}
    put(driver, Source.MAILJET, {**told, "MessageID": 5})
    apply(driver)
    driver.work()
    put(driver, Source.MAILJET, [{**told, "MessageID": 5}])

    apply(driver)

    assert is_at_rest(driver)


def test_a_mass_of_deletions_is_left_to_the_full_run_that_asks(
    driver: Driver, location: str
) -> None:
    for number in range(15):
        put_ghl(driver, location, "ContactDelete", id=f"contact{number}")

    assert apply(driver) == {"ghl:applied": 15}
    assert len(driver.waiting(Lane.LIVE)) == 10
