"""What people do with their mails becomes work in GHL, each once."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.permit import Lane
from pipeline.sync.deeds import MakeTask
from pipeline.sync.mail_event import EventKind, MailEvent
from pipeline.sync.once import SETTLING_SECONDS
from pipeline.sync.rules import EVENT
from pipeline.sync.triggers import of_event
from tests.builders import make_event
from tests.conftest import DriverFactory
from tests.driver import Driver, dnd
from tests.sandbox import Row, fresh_email

NOTES, TASKS = "/contacts/:contactId/notes", "/contacts/:contactId/tasks"
TAGS = "/contacts/:contactId/tags"
NOW_MS = round(time.time()) * 1000
RULES = "task-on-click,campaign-notes,tag-openers"
LOST = ["no_answer_after", "reset_after", "truncated", "wrong_type", "empty"]


@pytest.fixture
def ruled(build_driver: DriverFactory) -> Driver:
    """A connection with a task, a note and a tag."""
    driver = build_driver(SYNC_RULES=RULES)
    driver.setup()
    return driver


@pytest.fixture
def ana(ruled: Driver) -> Row:
    return known(ruled)


def known(driver: Driver, **fields: object) -> Row:
    """Somebody who is in both vendors."""
    person = driver.person(**fields)
    driver.sync(person["id"])
    driver.sandbox.clear_log()
    return person


def click(number: int = 0, **fields: object) -> MailEvent:
    return make_event(at_ms=NOW_MS + number * 1000, message_id=number + 1, **fields)


def opened(number: int = 0, **fields: object) -> MailEvent:
    return click(number, kind=EventKind.OPEN, url="", **fields)


def address_of(driver: Driver, person: Row) -> bytes:
    record = driver.kit.record()
    assert record is not None
    return driver.kit.policy(record).fingerprint.address(person["email"])


def tell(driver: Driver, person: Row, *events: MailEvent) -> None:
    """These happened; somebody heard of it."""
    if driver.kit.engagement.add(address_of(driver, person), events):
        driver.ledger.point_at([person["id"]], EVENT, Lane.LIVE)


def hear(driver: Driver, person: Row, *events: MailEvent) -> None:
    tell(driver, person, *events)
    driver.work()


def waiting(driver: Driver, person: Row) -> int:
    return len(driver.kit.engagement.of(address_of(driver, person)))


def complete(driver: Driver, person: Row) -> None:
    for task in driver.sandbox.tasks(person["id"]):
        driver.sandbox.put_task(id=task["id"], completed=True)


def held(driver: Driver, person: Row, name: str) -> object:
    return driver.subscriber(person["email"])["properties"].get(name)


def come_to_rest(driver: Driver) -> None:
    """Nothing more is written, whoever looks."""
    driver.full_run()
    driver.sandbox.clear_log()
    driver.full_run()
    assert driver.writes() == []


def test_a_click_is_a_task_for_the_owner_due_tomorrow(ruled: Driver, ana: Row) -> None:
    hear(ruled, ana, click())

    (task,) = ruled.sandbox.tasks(ana["id"])
    assert task["title"] == "Call: clicked https://example.com/pricing"
    assert task["assignedTo"] == ana["assignedTo"]
    left = datetime.fromisoformat(task["dueDate"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(days=1)
    assert held(ruled, ana, "ghl_open_tasks") == 1
    assert waiting(ruled, ana) == 0
    come_to_rest(ruled)


@pytest.mark.parametrize("order", [(0, 0), (0, 1), (1, 0), (0, 1, 0, 1)])
def test_while_a_task_is_open_no_click_makes_another(
    ruled: Driver, ana: Row, order: tuple[int, ...]
) -> None:
    for number in order:
        hear(ruled, ana, click(number))
    tell(ruled, ana, *map(click, order))
    hear(ruled, ana, *map(click, reversed(order)))

    assert len(ruled.sandbox.tasks(ana["id"])) == 1
    assert ruled.calls("POST", TASKS) == 1
    assert waiting(ruled, ana) == 0


def test_once_it_is_completed_a_new_click_makes_another(
    ruled: Driver, ana: Row
) -> None:
    hear(ruled, ana, click(0))
    complete(ruled, ana)
    hear(ruled, ana, click(0))
    assert len(ruled.sandbox.tasks(ana["id"])) == 1

    hear(ruled, ana, click(1))
    hear(ruled, ana, click(2))
    assert len(ruled.sandbox.tasks(ana["id"])) == 2
    come_to_rest(ruled)


def test_a_note_is_rewritten_and_not_multiplied(ruled: Driver, ana: Row) -> None:
    sent = [click(number, kind=EventKind.SENT, url="") for number in range(4)]
    hear(ruled, ana, *sent)
    assert ruled.sandbox.log() == []
    hear(ruled, ana, opened(0))
    hear(ruled, ana, opened(2), opened(0))
    hear(ruled, ana, click(3))
    hear(ruled, ana, click(3))

    (note,) = ruled.sandbox.notes(ana["id"])
    day = datetime.now(UTC).date()
    assert note["body"].startswith(
        "Mailjet campaign Spring: opened 3 of 4, clicked https://example.com/pricing"
    )
    assert any(f"(last: {day + timedelta(d)})" in note["body"] for d in (-1, 0, 1))
    assert note["body"].endswith("\n\n[mj:campaign:7]")
    assert ruled.calls("PUT", f"{NOTES}/:noteId") == 2
    assert held(ruled, ana, "ghl_note_count") == 1
    come_to_rest(ruled)


def test_a_tag_of_a_rule_reaches_mailjet_once(ruled: Driver, ana: Row) -> None:
    hear(ruled, ana, opened(0))

    assert held(ruled, ana, "ghl_tags") == "|lead|mailjet-opened|"
    hear(ruled, ana, opened(1))
    assert ruled.calls("POST", TAGS) == 1
    come_to_rest(ruled)


def test_without_rules_nothing_is_kept_and_nothing_happens(
    build_driver: DriverFactory,
) -> None:
    driver = build_driver()
    driver.setup()
    person = known(driver)
    tell(driver, person, click(), opened())
    driver.ledger.point_at([person["id"]], EVENT, Lane.LIVE)
    driver.work()

    assert driver.writes() == []
    assert not list(driver.pipeline.redis.scan_iter("gm:default:interactions:*"))
    assert not list(driver.pipeline.redis.scan_iter("gm:default:engaged:*"))


def test_a_rule_of_the_connections_file_is_followed(
    build_driver: DriverFactory, tmp_path: Path, ruled: Driver
) -> None:
    connection = ruled.kit.connection
    file = tmp_path / "connections.toml"
    file.write_text(
        f"""
        [connections.default]
        ghl_token_env = "GHL_TOKEN"
        mailjet_api_key_env = "MAILJET_API_KEY"
        mailjet_secret_key_env = "MAILJET_SECRET_KEY"
        ghl_location_id = "{connection.ghl_location_id}"
        ghl_base_url = "{connection.ghl_base_url}"
        mailjet_base_url = "{connection.mailjet_base_url}"
        mailjet_list_id = {connection.mailjet_list_id}
        rules = [{{name = "demo", on = "click", url_contains = "/DEMO", due_days = 3,
                  task = "{{campaign}}: {{url}}", assignee = "user2"}}]
        """.replace("due_days = 3,\n", "due_days = 3,"),
        "utf-8",
    )
    driver = build_driver(SYNC_CONNECTIONS_FILE=str(file))
    person = known(driver, assignedTo="")
    hear(driver, person, click(0), click(1, url="https://x/demo"))

    (task,) = driver.sandbox.tasks(person["id"])
    assert (task["title"], task["assignedTo"]) == ("Spring: https://x/demo", "user2")
    left = datetime.fromisoformat(task["dueDate"]) - datetime.now(UTC)
    assert timedelta(days=2) < left <= timedelta(days=3)


def test_what_happened_before_anybody_was_a_contact_is_answered_once_they_are(
    ruled: Driver,
) -> None:
    email = fresh_email()
    ruled.kit.engagement.add(address_of(ruled, {"email": email}), [click(), opened()])
    person = ruled.person(email=email)
    ruled.full_run()

    assert len(ruled.sandbox.tasks(person["id"])) == 1
    assert len(ruled.sandbox.notes(person["id"])) == 1
    assert held(ruled, person, "ghl_tags") == "|lead|mailjet-opened|"
    come_to_rest(ruled)


def test_of_contacts_with_one_address_the_oldest_gets_the_work(ruled: Driver) -> None:
    email = fresh_email()
    older = known(ruled, email=email, dateAdded="2026-01-01T00:00:00.000Z")
    younger = known(ruled, email=email, dateAdded="2026-02-01T00:00:00.000Z")
    for person in (younger, older):
        hear(ruled, person, click(), opened())

    assert ruled.sandbox.tasks(younger["id"]) == []
    assert ruled.sandbox.notes(younger["id"]) == []
    assert len(ruled.sandbox.tasks(older["id"])) == 1
    assert waiting(ruled, older) == 0


def test_a_no_does_not_wait_for_the_rules(ruled: Driver, ana: Row) -> None:
    tell(ruled, ana, click())
    ruled.sandbox.put_contact(id=ana["id"], **dnd("active"))
    ruled.sandbox.add_fault("500", method="POST", route=TASKS)

    assert ruled.sync(ana["id"], Lane.CONSENT) == "opted out"
    assert ruled.calls("POST", TASKS) == 0
    ruled.sandbox.clear_faults()
    ruled.work()
    assert len(ruled.sandbox.tasks(ana["id"])) == 1


def test_read_only_makes_nothing_and_loses_nothing(
    ruled: Driver, ana: Row, build_driver: DriverFactory
) -> None:
    careful = build_driver(SYNC_RULES=RULES, SYNC_MODE="read-only")
    tell(careful, ana, click(), opened())

    assert careful.work() == {"read-only: not written": 1}
    assert ruled.sandbox.tasks(ana["id"]) == ruled.sandbox.notes(ana["id"]) == []
    ruled.full_run()
    assert len(ruled.sandbox.tasks(ana["id"])) == 1
    assert len(ruled.sandbox.notes(ana["id"])) == 1


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize(
    ("method", "route"),
    [("POST", TASKS), ("POST", NOTES), ("PUT", f"{NOTES}/:noteId"), ("POST", TAGS)],
)
def test_after_a_lost_answer_everything_is_there_once(
    ruled: Driver, ana: Row, kind: str, method: str, route: str
) -> None:
    if method == "PUT":
        hear(ruled, ana, opened(0))
    ruled.sandbox.add_fault(kind, method=method, route=route, times=1)
    began_ms = time.time() * 1000
    hear(ruled, ana, click(1), opened(1))

    not_before_ms = ruled.pipeline.redis.zscore(
        ruled.ledger.key("todo:live"), ana["id"]
    )
    assert not_before_ms is not None
    assert not_before_ms >= began_ms + SETTLING_SECONDS * 1000
    ruled.make_due()
    ruled.work()
    assert ruled.letters() == []
    assert len(ruled.sandbox.tasks(ana["id"])) == 1
    (note,) = ruled.sandbox.notes(ana["id"])
    assert ", clicked https://example.com/pricing" in note["body"]
    assert held(ruled, ana, "ghl_tags") == "|lead|mailjet-opened|"
    assert waiting(ruled, ana) == 0
    come_to_rest(ruled)


def test_what_a_lost_worker_had_sent_is_waited_for_and_not_sent_again(
    ruled: Driver, ana: Row
) -> None:
    """GHL carries it out after the worker's death, and before anybody looks."""
    tell(ruled, ana, click())
    lease = ruled.take(ana["id"])
    ruled.ledger.open(lease.ghl_id, lease.token, "dead boot")
    ruled.ledger.begin(lease, [address_of(ruled, ana)])
    assert ruled.ledger.expire("letter", ()) == 1
    assert not ruled.work()

    (rule,) = [rule for rule in ruled.kit.rules if rule.deeds(MakeTask)]
    record = ruled.kit.record()
    assert record is not None
    zone = ruled.kit.policy(record).carrying.zone
    made = rule.body(of_event(click()), zone)
    ruled.sandbox.put_task(
        contactId=ana["id"], title="Call", dueDate="2027-01-01T00:00:00Z", body=made
    )
    complete(ruled, ana)
    ruled.make_due()
    ruled.work()
    assert len(ruled.sandbox.tasks(ana["id"])) == 1
    assert waiting(ruled, ana) == 0


def test_a_worker_lost_before_its_settlement_leaves_nothing_to_make(
    ruled: Driver, ana: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(ruled, ana, click(), opened())
    lease = ruled.take(ana["id"])
    with monkeypatch.context() as patch:
        patch.setattr(ruled.ledger, "settle", lambda *args, **kw: False)
        ruled.run(lease)
    assert waiting(ruled, ana) == 2
    complete(ruled, ana)
    ruled.lose_workers()
    ruled.make_due()
    ruled.work()

    assert ruled.calls("POST", TASKS) == ruled.calls("POST", NOTES) == 1
    assert ruled.calls("POST", TAGS) == 1
    assert waiting(ruled, ana) == 0
    assert held(ruled, ana, "ghl_tags") == "|lead|mailjet-opened|"
    come_to_rest(ruled)


def test_a_refused_task_is_a_dead_letter_beside_the_note_and_the_tag(
    ruled: Driver, ana: Row
) -> None:
    fault = ruled.sandbox.add_fault("refused", method="POST", route=TASKS)
    hear(ruled, ana, click(), opened())

    (letter,) = ruled.letters()
    assert (letter.ghl_id, letter.cause) == (ana["id"], "Rejected")
    assert len(ruled.sandbox.notes(ana["id"])) == 1
    ruled.sandbox.remove_fault(fault)
    ruled.ledger.replay([ana["id"]])
    ruled.work()
    assert len(ruled.sandbox.tasks(ana["id"])) == 1
    assert len(ruled.sandbox.notes(ana["id"])) == 1
    assert ruled.letters() == []
    come_to_rest(ruled)


def test_a_deleted_contact_gets_nothing(ruled: Driver, ana: Row) -> None:
    tell(ruled, ana, click(), opened())
    ruled.sandbox.delete_contact(ana["id"])

    assert ruled.work() == {"deleted in GHL": 1}
    assert ruled.letters() == []
