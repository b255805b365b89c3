"""When tasks, notes and appointments have their turn: after a no, as time passes, when
state was lost; and who carries them where two could."""

import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import policy_book
from pipeline.mailjet.client import MailjetClient
from pipeline.permit import Lane
from tests.driver import Driver, dnd
from tests.integration.test_carrying import (
    NOTES_OF_NOBODY,
    TASKS_OF_NOBODY,
    add_meeting,
    add_note,
    add_task,
    imported,
    moment,
    statuses,
)
from tests.sandbox import Row, fresh_email

HISTORY = "/v3/REST/contacthistorydata"
NOTES = "/contacts/:contactId/notes"


class Killed(BaseException):
    """As SIGKILL: nobody catches it and nothing is tidied up."""


def entries(driver: Driver) -> int:
    return len(driver.sandbox.history())


# Time alone


@pytest.fixture
def pass_hours(driver, redis, monkeypatch):
    """Puts the clock forward; Redis' own stays, so what is due by then is made due."""

    def pass_hours(hours: float) -> None:
        then = time.time() + hours * 3600
        monkeypatch.setattr(policy_book, "time", SimpleNamespace(time=lambda: then))
        key = driver.ledger.key("crossings")
        for member in redis.zrangebyscore(key, "-inf", then * 1000):
            redis.zadd(key, {member: 1})

    return pass_hours


def test_time_alone_makes_a_task_overdue_and_an_appointment_the_last(
    driver, pass_hours
):
    late, met, both, idle = (driver.person() for _ in range(4))
    add_task(driver, late, dueDate=moment(1))
    meeting = add_meeting(driver, met, 1)
    add_task(driver, both, dueDate=moment(1))
    following = moment(30)
    add_meeting(driver, both, 1)
    add_meeting(driver, both, 30, startTime=following)
    add_task(driver, idle, dueDate=moment(24))
    imported(driver, late)
    assert driver.ledger.cross() == 0

    pass_hours(2)
    assert driver.ledger.cross() == 4
    driver.work()

    assert driver.around(late["email"])["ghl_overdue_tasks"] == 1
    told = driver.around(met["email"])
    assert told["ghl_last_appointment_at"] == meeting["startTime"]
    assert "ghl_next_appointment_at" not in told
    told = driver.around(both["email"])
    assert told["ghl_overdue_tasks"] == 1
    assert told["ghl_next_appointment_at"] == following
    assert driver.looks() == Counter(tasks=2, appointments=2)
    read = {call["contact"] for call in driver.sandbox.log("ghl")}
    assert read == {late["id"], met["id"], both["id"]}
    assert entries(driver) == entries_of_nobody(driver, late, met, both)
    assert driver.ledger.cross() == 0


def entries_of_nobody(driver: Driver, *people: Row) -> int:
    """All entries that are not of these people."""
    ids = {driver.subscriber(person["email"])["id"] for person in people}
    return sum(row["ContactID"] not in ids for row in driver.sandbox.history())


def test_a_crossing_costs_a_contact_itself_and_the_kind_that_fell_due(
    driver, pass_hours
):
    late = driver.person()
    add_task(driver, late, dueDate=moment(1))
    imported(driver, late)

    pass_hours(2)
    driver.ledger.cross()
    driver.work()

    routes = [call["route"] for call in driver.sandbox.log("ghl")]
    assert routes == ["/contacts/:contactId", "/contacts/:contactId/tasks"]
    assert driver.writes() == ["mailjet POST /v3/REST/contactslist/:list/managecontact"]


def test_a_task_that_was_done_in_time_is_not_looked_at(driver, pass_hours):
    done = driver.person()
    task = add_task(driver, done, dueDate=moment(1))
    imported(driver, done)
    driver.sandbox.put_task(id=task["id"], completed=True)
    driver.look(done["id"], "t")

    pass_hours(2)

    assert driver.ledger.cross() == 0


# Notes of contacts with a tag


def test_notes_are_carried_for_contacts_with_the_tag_and_taken_back_without_it(
    build_driver,
):
    driver = build_driver(SYNC_NOTES_TAG="vip")
    driver.setup()
    plain, vip = driver.person(tags=["lead"]), driver.person(tags=["lead", "vip"])
    for person in (plain, vip):
        add_note(driver, person)
        add_task(driver, person)

    driver.full_run()
    assert driver.looks() == Counter(notes=1)
    assert "ghl_note_count" not in driver.around(plain["email"])
    assert driver.around(vip["email"])["ghl_note_count"] == 1

    driver.sandbox.clear_log()
    driver.sandbox.put_contact(id=plain["id"], tags=["lead", "vip"])
    driver.sandbox.put_contact(id=vip["id"], tags=["lead"])
    driver.full_run()

    assert driver.looks() == Counter(notes=1)
    assert driver.around(plain["email"])["ghl_note_count"] == 1
    told = driver.around(vip["email"])
    assert not {"ghl_note_count", "ghl_last_note_at"} & told.keys()
    assert told["ghl_open_tasks"] == 1
    for person in (plain, vip):
        assert statuses(driver, person, "ghl_note") == []
    driver.sandbox.clear_log()
    driver.full_run()
    assert (driver.writes(), driver.looks()) == ([], Counter())


# A no


def test_a_no_is_written_before_anything_around_the_person_is_read(driver):
    person = imported(driver, driver.person())
    add_task(driver, person)
    add_note(driver, person)
    driver.sandbox.put_contact(id=person["id"], **dnd("active"))

    driver.ledger.point_at([person["id"]], "tna")
    driver.sync(person["id"], Lane.CONSENT)

    assert driver.on_list(person["email"]) is False
    assert driver.looks() == Counter()
    assert driver.around(person["email"])["ghl_open_tasks"] == 0
    assert driver.waiting(Lane.LIVE) == {person["id"]}
    driver.work()
    told = driver.around(person["email"])
    assert (told["ghl_open_tasks"], told["ghl_note_count"]) == (1, 1)
    assert statuses(driver, person, "ghl_task") == ["open"]
    assert driver.on_list(person["email"]) is False


@pytest.mark.parametrize("lane", [Lane.LIVE, Lane.BULK])
def test_a_no_is_written_although_what_is_around_the_person_cannot_be_read(
    driver, lane
):
    person = imported(driver, driver.person())
    add_note(driver, person)
    driver.sandbox.put_contact(id=person["id"], **dnd("active"))
    fault = driver.sandbox.add_fault("500", vendor="ghl", route=NOTES)

    driver.sync(person["id"], lane)

    assert driver.on_list(person["email"]) is False
    assert driver.waiting(Lane.LIVE) == {person["id"]}
    driver.sandbox.remove_fault(fault)
    driver.work()
    assert driver.around(person["email"])["ghl_note_count"] == 1


# Who carries them


@pytest.mark.parametrize("first", ["older", "younger"])
def test_of_contacts_with_one_address_the_oldest_alone_is_carried(driver, first):
    email = fresh_email()
    long_ago = {"dateUpdated": "2026-03-01T00:00:00.000Z"}
    older, younger = (
        driver.person(email=email, dateAdded=f"2026-0{month}-01T00:00:00Z", **long_ago)
        for month in (1, 2)
    )
    add_task(driver, older, title="Older")
    for title in ("Younger", "Youngest"):
        add_task(driver, younger, title=title)
    add_note(driver, younger)

    order = [older, younger] if first == "older" else [younger, older]
    for person in order:
        driver.sync(person["id"])
    driver.full_run()
    driver.sandbox.clear_log()
    add_task(driver, younger)
    driver.look(younger["id"], "tna")

    assert driver.looks() == Counter(), "what is not carried need not be read"
    assert driver.told(email, "ghl_task") == []
    told = driver.around(email)
    assert (told["ghl_open_tasks"], told["ghl_note_count"]) == (1, 0)
    assert told["ghl_next_task_title"] == "Older"
    driver.sandbox.delete_contact(older["id"])
    driver.full_run()
    told = driver.around(email)
    assert (told["ghl_open_tasks"], told["ghl_note_count"]) == (3, 1)
    assert driver.subscriber(email)["properties"]["ghl_contact_id"] == younger["id"]
    # Who was carried before the older came has a past, and the new task is news.
    news = ["open"] if first == "younger" else []
    assert statuses(driver, younger, "ghl_task") == news


def test_another_address_tells_the_same(driver):
    person = driver.person()
    task = add_task(driver, person)
    add_note(driver, person)
    add_meeting(driver, person, 24)
    imported(driver, person)
    told = driver.around(person["email"])

    email = fresh_email()
    driver.sandbox.put_contact(id=person["id"], email=email)
    driver.full_run()

    assert driver.around(email) == told
    assert driver.told(email, "ghl_task") == driver.told(email, "ghl_note") == []
    driver.sandbox.put_task(id=task["id"], completed=True)
    driver.full_run()
    assert [one["status"] for one in driver.told(email, "ghl_task")] == ["completed"]
    assert driver.told(person["email"], "ghl_task") == []


# Lost state


def lose_state(driver: Driver, redis: Any) -> None:
    """Redis is empty, and `setup` runs again."""
    record = driver.kit.record()
    if keys := list(redis.scan_iter("gm:default:*", count=1000)):
        redis.delete(*keys)
    driver.setup()
    if record.backfill:
        driver.kit.setup.save(replace(driver.kit.record(), backfill=True))


@pytest.mark.parametrize("way", ["run", "live"])
def test_lost_state_makes_no_history_and_posts_nothing_in_ghl(driver, redis, way):
    person = driver.person()
    task = add_task(driver, person, title="Ours", body="From Mailjet [mj:4711]")
    other = add_task(driver, person)
    note = add_note(driver, person)
    imported(driver, person)
    driver.sandbox.put_task(id=task["id"], completed=True)
    driver.sandbox.put_task(id=other["id"], completed=True)
    driver.sandbox.put_note(id=note["id"], body="New")
    driver.look(person["id"], "tn")
    (closing,) = (
        one for one in driver.told(person["email"], "ghl_task") if "closes" in one
    )
    assert closing["closes"] == 4711
    told, known = driver.around(person["email"]), entries(driver)
    assert known

    lose_state(driver, redis)
    if way == "live":
        driver.sync(person["id"])
    driver.full_run()

    assert entries(driver) == known
    assert driver.around(person["email"]) == told
    assert len(driver.sandbox.tasks(person["id"])) == 2
    assert len(driver.sandbox.notes(person["id"])) == 1
    driver.sandbox.clear_log()
    driver.full_run()
    assert driver.writes() == []


# What was there before the first import


def backfill(driver: Driver) -> None:
    """What `setup --backfill-history` remembers."""
    driver.kit.setup.save(replace(driver.kit.record(), backfill=True))


@pytest.fixture
def full(driver) -> Row:
    """Somebody with two tasks and three notes, imported without any history."""
    person = driver.person()
    add_task(driver, person)
    add_task(driver, person, completed=True)
    for body in ("One", "Two", "Three"):
        add_note(driver, person, body)
    return imported(driver, person)


def ids_told(driver: Driver, person: Row) -> Counter[str]:
    return Counter(
        one["id"]
        for name in ("ghl_task", "ghl_note")
        for one in driver.told(person["email"], name)
    )


def ids_in_ghl(driver: Driver, person: Row) -> Counter[str]:
    rows = (*driver.sandbox.tasks(person["id"]), *driver.sandbox.notes(person["id"]))
    return Counter(row["id"] for row in rows)


def test_a_backfill_tells_each_task_and_note_once(driver, full):
    new = driver.person()
    add_note(driver, new)
    backfill(driver)

    driver.full_run()

    for person in (full, new):
        assert ids_told(driver, person) == ids_in_ghl(driver, person)
    driver.sandbox.clear_log()
    driver.full_run()
    assert (driver.writes(), driver.looks()) == ([], Counter())
    driver.sandbox.put_note(id=driver.sandbox.notes(new["id"])[0]["id"], body="New")
    driver.look(new["id"], "n")
    assert statuses(driver, new, "ghl_note") == ["added", "edited"]


@pytest.mark.parametrize("told_before", range(1, 6))
def test_a_backfill_that_was_killed_half_way_tells_nothing_twice(
    driver, full, monkeypatch, told_before
):
    backfill(driver)
    create, left = MailjetClient.create_history, told_before

    def dying(*args: Any, **kw: Any) -> Any:
        nonlocal left
        created = create(*args, **kw)
        left -= 1
        if not left:
            raise Killed
        return created

    with monkeypatch.context() as patch:
        patch.setattr(MailjetClient, "create_history", dying)
        with pytest.raises(Killed):
            driver.full_run()
    assert ids_told(driver, full).total() == told_before
    assert driver.lose_workers() == 1
    driver.work()

    assert ids_told(driver, full) == ids_in_ghl(driver, full)


def test_a_backfill_whose_answer_was_lost_tells_nothing_twice(driver, full):
    backfill(driver)
    driver.sandbox.add_fault(
        "no_answer_after", vendor="mailjet", method="POST", route=HISTORY, times=1
    )

    driver.full_run()
    assert ids_told(driver, full).total() == 1
    driver.make_due()
    driver.work()

    assert ids_told(driver, full) == ids_in_ghl(driver, full)


def test_a_backfill_after_state_was_lost_tells_nothing_twice(driver, full, redis):
    backfill(driver)
    driver.full_run()

    lose_state(driver, redis)
    driver.full_run()

    assert ids_told(driver, full) == ids_in_ghl(driver, full)


# What an account or a token does not offer


def test_an_account_without_history_has_the_aggregates(driver):
    driver.sandbox.settings(historic_namespace=False)
    driver.kit.setup.save(replace(driver.kit.record(), historic=frozenset()))
    person = driver.person()
    task = add_task(driver, person)
    note = add_note(driver, person)
    imported(driver, person)

    driver.sandbox.put_task(id=task["id"], completed=True)
    driver.sandbox.delete_note(note["id"])
    driver.look(person["id"], "tna")

    assert driver.around(person["email"]) == TASKS_OF_NOBODY | NOTES_OF_NOBODY
    assert not [call for call in driver.sandbox.log() if "history" in call["route"]]


def test_a_token_that_cannot_sweep_reads_every_contact_singly_and_is_right(
    build_driver,
):
    driver = build_driver()
    driver.sandbox.add_fault(
        "scope_missing", vendor="ghl", route="/locations/:locationId/tasks/search"
    )
    driver.sandbox.add_fault("scope_missing", vendor="ghl", route="/calendars/*")
    driver.setup()
    record = driver.kit.record()
    assert (record.task_search, record.calendars) == (False, False)
    people = [driver.person() for _ in range(2)]
    task = add_task(driver, people[0])
    imported(driver, people[0])

    driver.sandbox.put_task(id=task["id"], completed=True)
    meeting = add_meeting(driver, people[1], 24)
    driver.full_run()

    assert driver.looks() == Counter(tasks=2, appointments=2)
    assert driver.around(people[0]["email"])["ghl_open_tasks"] == 0
    assert statuses(driver, people[0], "ghl_task") == ["completed"]
    told = driver.around(people[1]["email"])
    assert told["ghl_next_appointment_at"] == meeting["startTime"]
    assert driver.calls("POST", "/locations/:locationId/tasks/search") == 0
