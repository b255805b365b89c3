"""Notes and tasks that somebody asks for in Mailjet, each once in GHL."""

import json
import time
from datetime import datetime

import pytest

from pipeline.permit import Lane
from pipeline.sync.once import SETTLING_SECONDS
from tests.asking import ask_for_note, ask_for_task, granted, read_feeds, set_up
from tests.conftest import DriverFactory
from tests.driver import Driver, dnd
from tests.sandbox import Row, fresh_email

NOTES, TASKS = "/contacts/:contactId/notes", "/contacts/:contactId/tasks"
DUE = "2027-05-06T07:00:00.000Z"
OURS = ("ghl_task", "ghl_note")


@pytest.fixture
def asked(build_driver: DriverFactory) -> Driver:
    """A connection that reads both feeds."""
    driver = build_driver()
    set_up(driver)
    return driver


@pytest.fixture
def ana(asked: Driver) -> Row:
    return known(asked)


def known(driver: Driver, **fields: object) -> Row:
    """Somebody who is in both vendors."""
    person = driver.person(**fields)
    driver.full_run()
    driver.sandbox.clear_log()
    return person


def grant(driver: Driver) -> None:
    read_feeds(driver)
    driver.work()


def told(driver: Driver, person: Row) -> list[Row]:
    """What we wrote into the person's history."""
    mailjet_id = driver.subscriber(person["email"])["id"]
    rows = [row for row in driver.sandbox.history() if row["ContactID"] == mailjet_id]
    return [json.loads(row["Data"]) for row in rows if row["Name"] in OURS]


def aggregates(driver: Driver, person: Row) -> Row:
    properties = driver.subscriber(person["email"])["properties"]
    names = ("ghl_open_tasks", "ghl_note_count", "ghl_next_task_title")
    return {name: properties.get(name) for name in names}


def lose_state(driver: Driver) -> None:
    """Redis is gone; set up again, and resync."""
    redis = driver.pipeline.redis
    redis.delete(*redis.scan_iter("gm:*"))
    set_up(driver)
    driver.full_run()
    grant(driver)


def test_what_is_asked_for_in_mailjet_is_made_in_ghl_once(
    asked: Driver, ana: Row
) -> None:
    sandbox = asked.sandbox
    note = ask_for_note(sandbox, ana, "Wants a <quote> 😀")
    task = ask_for_task(sandbox, ana, title="Call", body="About it", due=DUE)
    grant(asked)

    (in_ghl,) = sandbox.notes(ana["id"])
    assert in_ghl["body"] == f"Wants a <quote> 😀\n\n[mj:{note}]"
    (made,) = sandbox.tasks(ana["id"])
    assert (made["title"], made["dueDate"]) == ("Call", DUE)
    assert made["body"] == f"About it\n\n[mj:{task}]"
    assert made["assignedTo"] == ana["assignedTo"]
    assert aggregates(asked, ana) == {
        "ghl_open_tasks": 1,
        "ghl_note_count": 1,
        "ghl_next_task_title": "Call",
    }
    assert told(asked, ana) == []

    sandbox.clear_log()
    grant(asked)
    asked.full_run()
    assert [call for call in asked.writes() if "search" not in call] == []
    assert told(asked, ana) == []


def test_what_an_entry_leaves_open_is_chosen_for_it(
    build_driver: DriverFactory,
) -> None:
    driver = build_driver(SYNC_TASK_DUE_DAYS="3", SYNC_TASK_ASSIGNEE="user2")
    set_up(driver)
    person = known(driver, assignedTo="")
    entry = driver.sandbox.put_history(person["email"], "task", '{"title": "Call"}')
    grant(driver)

    (made,) = driver.sandbox.tasks(person["id"])
    created = datetime.fromisoformat(entry["CreatedAt"])
    assert (datetime.fromisoformat(made["dueDate"]) - created).days == 3
    assert made["assignedTo"] == "user2"


def test_without_anybody_to_do_it_a_task_is_nobodys(asked: Driver) -> None:
    person = known(asked, assignedTo="")
    ask_for_task(asked.sandbox, person, title="Call")
    grant(asked)

    (made,) = asked.sandbox.tasks(person["id"])
    assert not made["assignedTo"]


def test_a_user_whom_ghl_refuses_costs_the_assignee_and_not_the_task(
    asked: Driver, ana: Row
) -> None:
    ask_for_task(asked.sandbox, ana, title="Call")
    asked.sandbox.add_fault("refused", method="POST", route=TASKS, times=1)
    grant(asked)

    (made,) = asked.sandbox.tasks(ana["id"])
    assert not made["assignedTo"]
    assert asked.letters() == []


@pytest.mark.parametrize("data", ['{"body": "Hal', "[1, 2]", "null", "5 < 6 {"])
def test_broken_json_is_the_text_that_it_is(asked: Driver, ana: Row, data: str) -> None:
    note = ask_for_note(asked.sandbox, ana, data)
    asked.sandbox.put_history(ana["email"], "task", f"{data}\nmore")
    grant(asked)

    (in_ghl,) = asked.sandbox.notes(ana["id"])
    assert in_ghl["body"] == f"{data}\n\n[mj:{note}]"
    (made,) = asked.sandbox.tasks(ana["id"])
    assert made["title"] == data
    assert made["body"].startswith("more")


@pytest.mark.parametrize("is_lost", [False, True])
def test_the_end_of_a_task_that_came_from_mailjet_is_told_once(
    asked: Driver, ana: Row, is_lost: bool
) -> None:
    number = ask_for_task(asked.sandbox, ana, title="Call", due=DUE)
    grant(asked)
    (made,) = asked.sandbox.tasks(ana["id"])
    asked.sandbox.put_task(id=made["id"], completed=True)
    if is_lost:
        lose_state(asked)
    else:
        asked.full_run()

    (closing,) = told(asked, ana)
    assert (closing["status"], closing["closes"]) == ("completed", number)
    assert aggregates(asked, ana)["ghl_open_tasks"] == 0
    for done in (False, True):
        asked.sandbox.put_task(id=made["id"], completed=done)
        asked.full_run()
    lose_state(asked)
    assert told(asked, ana) == [closing]


def test_losing_redis_posts_nothing_twice(asked: Driver, ana: Row) -> None:
    sandbox = asked.sandbox
    sandbox.put_task(contactId=ana["id"], title="Theirs", dueDate=DUE)
    numbers = {ask_for_note(sandbox, ana, "n"), ask_for_task(sandbox, ana, title="t")}
    grant(asked)
    asked.full_run()
    before = (sandbox.history(), sandbox.notes(), sandbox.tasks())
    lose_state(asked)
    asked.full_run()

    assert (sandbox.history(), sandbox.notes(), sandbox.tasks()) == before
    assert granted(sandbox) == dict.fromkeys(numbers, 1)


@pytest.mark.parametrize(
    "kind", ["no_answer_after", "reset_after", "truncated", "wrong_type", "empty"]
)
def test_after_a_lost_answer_nobody_looks_before_ghl_must_have_done_it(
    asked: Driver, ana: Row, kind: str
) -> None:
    number = ask_for_note(asked.sandbox, ana, "n")
    asked.sandbox.add_fault(kind, method="POST", route=NOTES, times=1)
    began_ms = time.time() * 1000
    grant(asked)

    key = asked.ledger.key("todo:live")
    not_before_ms = asked.pipeline.redis.zscore(key, ana["id"])
    assert not_before_ms is not None
    assert not_before_ms >= began_ms + SETTLING_SECONDS * 1000
    asked.make_due()
    asked.work()
    assert granted(asked.sandbox) == {number: 1}
    assert asked.calls("POST", NOTES) == 1


def test_of_several_the_one_that_was_lost_is_made_and_no_other_again(
    asked: Driver, ana: Row
) -> None:
    sandbox = asked.sandbox
    numbers = [ask_for_note(sandbox, ana, f"n{turn}") for turn in range(3)]
    numbers += [ask_for_task(sandbox, ana, title=f"t{turn}") for turn in range(3)]
    sandbox.add_fault("500", method="POST", route=NOTES, times=1)
    sandbox.add_fault("no_answer_after", method="POST", route=TASKS, times=1)
    grant(asked)
    for _ in range(2):
        asked.make_due()
        asked.work()

    assert granted(sandbox) == dict.fromkeys(numbers, 1)


def test_entries_of_a_contact_that_is_deleted_ask_for_nothing_more(
    asked: Driver, ana: Row
) -> None:
    ask_for_note(asked.sandbox, ana, "n")
    read_feeds(asked)
    asked.sandbox.delete_contact(ana["id"])

    assert asked.work() == {"deleted in GHL": 1}
    assert asked.letters() == []
    assert not asked.pipeline.redis.exists(asked.ledger.key(f"incoming:{ana['id']}"))


@pytest.mark.parametrize(
    ("email", "outcome"), [("", "no e-mail"), ("ana@@example.com", "invalid e-mail")]
)
def test_a_contact_that_lost_its_address_gets_what_was_asked_for(
    asked: Driver, ana: Row, email: str, outcome: str
) -> None:
    number = ask_for_note(asked.sandbox, ana, "n")
    asked.sandbox.put_contact(id=ana["id"], email=email)
    read_feeds(asked)

    assert outcome in asked.work()
    assert granted(asked.sandbox) == {number: 1}


def test_read_only_posts_nothing_and_loses_nothing(build_driver: DriverFactory) -> None:
    driver = build_driver()
    set_up(driver)
    person = known(driver)
    number = ask_for_note(driver.sandbox, person, "n")
    careful = build_driver(SYNC_MODE="read-only")
    read_feeds(careful)

    assert careful.work() == {"read-only: not written": 1}
    assert granted(driver.sandbox) == {}
    driver.full_run()
    assert granted(driver.sandbox) == {number: 1}


def test_of_contacts_with_one_address_the_one_that_mailjet_names_gets_it(
    asked: Driver,
) -> None:
    email = fresh_email()
    older = asked.person(email=email, dateAdded="2026-01-01T00:00:00.000Z")
    known(asked, email=email, dateAdded="2026-02-01T00:00:00.000Z")
    number = ask_for_note(asked.sandbox, older, "n")
    grant(asked)

    (note,) = asked.sandbox.notes()
    assert note["contactId"] == older["id"]
    assert granted(asked.sandbox) == {number: 1}


def test_a_no_does_not_wait_for_what_was_asked_for(asked: Driver, ana: Row) -> None:
    number = ask_for_note(asked.sandbox, ana, "n")
    read_feeds(asked)
    asked.sandbox.put_contact(id=ana["id"], **dnd("active"))
    asked.sandbox.add_fault("500", method="POST", route=NOTES)

    assert asked.sync(ana["id"], Lane.CONSENT) == "opted out"
    assert asked.calls("POST", NOTES) == 0
    asked.sandbox.clear_faults()
    asked.work()
    assert granted(asked.sandbox) == {number: 1}


def test_a_refusal_is_a_dead_letter_that_replay_repeats(
    asked: Driver, ana: Row
) -> None:
    sandbox = asked.sandbox
    refused = ask_for_note(sandbox, ana, "n")
    task = ask_for_task(sandbox, ana, title="t")
    sandbox.put_contact(id=ana["id"], city="Faro")
    fault = sandbox.add_fault("refused", method="POST", route=NOTES)
    grant(asked)

    (letter,) = asked.letters()
    assert (letter.ghl_id, letter.cause) == (ana["id"], "Rejected")
    assert asked.subscriber(ana["email"])["properties"]["city"] == "Faro"
    assert granted(sandbox) == {task: 1}
    sandbox.remove_fault(fault)
    asked.ledger.replay([ana["id"]])
    asked.work()
    assert granted(sandbox) == {refused: 1, task: 1}
    assert asked.letters() == []


def test_where_a_task_cannot_be_read_nothing_is_posted_beside_it(
    asked: Driver, ana: Row
) -> None:
    """It may be the very one that was made from the entry."""
    sandbox = asked.sandbox
    number = ask_for_task(sandbox, ana, title="t")
    sandbox.add_fault("no_answer_after", method="POST", route=TASKS, times=1)
    grant(asked)
    (made,) = sandbox.tasks()
    sandbox.put_task(id=made["id"], completed={"by": "somebody"})
    note = ask_for_note(sandbox, ana, "n")
    asked.make_due()
    grant(asked)

    assert granted(sandbox) == {number: 1, note: 1}
    assert [letter.cause for letter in asked.letters()] == ["BadPayload"]
    sandbox.put_task(id=made["id"], completed=False)
    asked.ledger.replay([ana["id"]])
    asked.work()
    assert granted(sandbox) == {number: 1, note: 1}
    assert asked.letters() == []
