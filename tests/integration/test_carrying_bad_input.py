"""Bad tasks, notes and appointments: each has its outcome and holds up nothing else."""

import logging

import pytest

from pipeline import session
from tests.driver import Driver
from tests.integration.test_carrying import (
    NOTES_OF_NOBODY,
    TASKS_OF_NOBODY,
    add_meeting,
    add_note,
    add_task,
    every_way,
    imported,
    moment,
    statuses,
)
from tests.sandbox import Row

NOTES = "/contacts/:contactId/notes"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
ARABIC = "\u0627\u062a\u0635\u0644 \u0628\u0622\u0646\u0627"
MARKED = "e\u0301"
QUOTING = "the value 'Divorce' of zebedee@example.com is wrong"
SECRETS = ("Divorce", "lawyer", "Zebedee", "zebedee@")


def left_alone(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if "left alone" in record.getMessage()
    ]


# Tasks


@every_way
@pytest.mark.parametrize("due", [None, "", "soon", "0000-00-00", 10**30, [], "9" * 99])
def test_a_task_without_a_date_that_makes_sense_is_a_task_all_the_same(
    driver, sync, due
):
    person = imported(driver, driver.person())
    task = add_task(driver, person, dueDate=due)

    sync(driver, person["id"], "t")

    assert driver.around(person["email"]) == NOTES_OF_NOBODY | {
        "ghl_open_tasks": 1,
        "ghl_overdue_tasks": 0,
        "ghl_next_task_title": "Call",
    }
    (told,) = driver.told(person["email"], "ghl_task")
    assert (told["id"], told["due"]) == (task["id"], "")
    driver.sandbox.clear_log()
    driver.full_run()
    assert driver.writes() == []


@every_way
@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("x" * 10_000, "x" * 249 + "…"),
        (FAMILY * 2_000, FAMILY * 49 + "…"),
        ("\U0001f680" * 300, "\U0001f680" * 249 + "…"),
        ("a" * 248 + MARKED * 2, "a" * 248 + "…"),
        (ARABIC, ARABIC),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("two\nlines", "two lines"),
        ("half \ud83d", "half \ufffd"),
        ("", ""),
        (None, ""),
    ],
    ids=lambda text: repr(text)[:12],
)
def test_a_title_is_told_cut_where_a_reader_sees_no_half_character(
    driver, sync, title, told
):
    """It is text and no HTML: what looks like a tag is one in no mail of ours."""
    person = imported(driver, driver.person())
    add_task(driver, person, title=title)

    sync(driver, person["id"], "t")

    held = driver.around(person["email"])
    assert held["ghl_open_tasks"] == 1
    assert held.get("ghl_next_task_title", "") == told
    (entry,) = driver.told(person["email"], "ghl_task")
    assert entry["title"] == told
    driver.sandbox.clear_log()
    driver.full_run()
    assert driver.writes() == []


def test_a_task_whose_contact_is_gone_is_nobodys(driver):
    person = driver.person()
    add_task(driver, {"id": "goneGoneGoneGoneGone"})
    add_task(driver, {"id": ""})
    add_task(driver, person)

    run = driver.full_run()

    assert (run.settled, run.dead) == (1, 0)
    assert driver.around(person["email"])["ghl_open_tasks"] == 1
    assert len(driver.sandbox.contacts()) == 1


@every_way
@pytest.mark.parametrize("is_new", [False, True])
def test_a_task_that_cannot_be_read_is_not_taken_for_a_deleted_one(
    driver, sync, is_new
):
    person, other = driver.person(), driver.person()
    task = add_task(driver, person)
    add_task(driver, other)
    imported(driver, person)
    told = driver.around(person["email"])

    add_note(driver, person)
    if is_new:
        add_task(driver, person, completed="maybe")
    else:
        driver.sandbox.put_task(id=task["id"], completed="maybe")
    driver.sandbox.put_contact(id=person["id"], city="Braga")
    sync(driver, person["id"], "tn")

    assert driver.subscriber(person["email"])["properties"]["city"] == "Braga"
    held = driver.around(person["email"])
    assert held == told | {"ghl_note_count": 1, "ghl_last_note_at": any_text(held)}
    assert driver.told(person["email"], "ghl_task") == []
    assert driver.told(other["email"], "ghl_task") == []


def any_text(held: Row) -> str:
    assert held["ghl_last_note_at"]
    return str(held["ghl_last_note_at"])


# Notes


@pytest.fixture
def telling(build_driver) -> Driver:
    """Notes are told with their text, in the history and as a property."""
    driver = build_driver(
        SYNC_NOTE_BODIES="true", SYNC_NOTE_EXCERPT="true", SYNC_NOTE_LENGTH="20"
    )
    driver.setup()
    return driver


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<script>steal()</script><p>Hi</p>", "Hi"),
        ("<style>p{color:red}</style>Hi", "Hi"),
        ("<p>Hi &amp; bye</p>", "Hi & bye"),
        ("<p>never closed <b>bold", "never closed bold"),
        (ARABIC, ARABIC),
        (f"1234567890123456{FAMILY}x", "1234567890123456…"),
        ("123456789012345678" + MARKED * 2, "123456789012345678…"),
        ("\U0001f680" * 30, "\U0001f680" * 19 + "…"),
        ("half \ud83d", "half \ufffd"),
        ("", ""),
        ("<p></p>", ""),
        (None, ""),
        ({"ops": []}, ""),
    ],
    ids=lambda text: repr(text)[:12],
)
def test_a_notes_text_is_told_clean_and_cut_at_a_character(telling, body, told):
    person = imported(telling, telling.person())
    add_note(telling, person, body)

    telling.look(person["id"], "n")

    held = telling.around(person["email"])
    assert (held["ghl_note_count"], held.get("ghl_last_note", "")) == (1, told)
    (entry,) = telling.told(person["email"], "ghl_note")
    assert entry["body"] == told
    telling.sandbox.clear_log()
    telling.look(person["id"], "n")
    assert telling.writes() == []


def test_a_note_of_five_megabytes_is_told_cut(telling):
    person = imported(telling, telling.person())
    add_note(telling, person, "<p>Hello</p>" + "<p>word " * 700_000)

    assert telling.look(person["id"], "n") == "updated"

    assert telling.around(person["email"])["ghl_last_note"] == "Hello word word wor…"


def test_notes_that_no_answer_may_hold_are_left_as_they_were(
    driver, caplog, monkeypatch
):
    person = driver.person()
    add_note(driver, person)
    task = add_task(driver, person)
    imported(driver, person)
    told = driver.around(person["email"])
    big = add_note(driver, person, "Divorce " * 100_000)
    driver.sandbox.put_task(id=task["id"], completed=True)
    meeting = add_meeting(driver, person, 24)
    driver.sandbox.put_contact(id=person["id"], city="Braga")

    with monkeypatch.context() as patch:
        patch.setattr(session, "LARGEST_ANSWER_BYTES", 100_000)
        driver.look(person["id"], "tna")

    held = driver.around(person["email"])
    assert held["ghl_note_count"] == 1
    assert held["ghl_last_note_at"] == told["ghl_last_note_at"]
    assert held["ghl_open_tasks"] == 0
    assert held["ghl_next_appointment_at"] == meeting["startTime"]
    assert driver.subscriber(person["email"])["properties"]["city"] == "Braga"
    assert statuses(driver, person, "ghl_note") == []
    (line,) = left_alone(caplog)
    assert person["id"] in line
    assert "notes" in line
    assert driver.letters() == []
    driver.sandbox.delete_note(big["id"])
    driver.sandbox.clear_log()
    driver.sync(person["id"])
    assert driver.looks()["notes"] == 1, "nobody looks again"
    assert driver.around(person["email"])["ghl_note_count"] == 1


def test_a_note_that_came_and_went_between_two_looks_is_never_told(driver):
    person = driver.person()
    kept = add_note(driver, person, "kept")
    imported(driver, person)
    note = add_note(driver, person, "gone")
    driver.sandbox.delete_note(note["id"])

    driver.look(person["id"], "n")
    assert driver.told(person["email"], "ghl_note") == []

    driver.sandbox.delete_note(kept["id"])
    driver.look(person["id"], "n")
    driver.look(person["id"], "n")
    assert statuses(driver, person, "ghl_note") == ["deleted"]


# Contacts that go while somebody looks


@pytest.mark.parametrize("is_known", [False, True])
def test_a_contact_that_is_deleted_between_listing_and_reading_is_deleted(
    driver, is_known
):
    person, other = driver.person(), driver.person()
    add_note(driver, person)
    if is_known:
        imported(driver, person)
        driver.ledger.point_at([person["id"]], "tna")
    driver.ledger.start("run", "full", {"stage": "optouts"})
    driver.discover()

    driver.sandbox.delete_contact(person["id"])
    outcomes = driver.work()

    assert outcomes["deleted in GHL"] == 1
    assert driver.letters() == []
    assert driver.on_list(other["email"]) is True
    if is_known:
        assert driver.on_list(person["email"]) is False
    else:
        assert driver.sandbox.subscriber(person["email"]) is None


@pytest.mark.parametrize("kind", ["tasks", "notes", "appointments"])
def test_a_kind_that_ghl_refuses_to_tell_is_left_alone(driver, caplog, kind):
    person = driver.person()
    add_task(driver, person)
    add_note(driver, person)
    imported(driver, person)
    told = driver.around(person["email"])
    driver.sandbox.put_contact(id=person["id"], city="Braga")
    driver.sandbox.add_fault(
        "refused",
        vendor="ghl",
        route=f"/contacts/:contactId/{kind}",
        message="limit must not be given",
    )

    driver.look(person["id"], "tna")

    assert driver.subscriber(person["email"])["properties"]["city"] == "Braga"
    assert driver.around(person["email"]) == told
    assert driver.letters() == []
    (line,) = left_alone(caplog)
    assert kind in line


# Appointments


@pytest.mark.parametrize("start", [None, "", "tomorrow", "9999-99-99", 10**30])
def test_an_appointment_without_a_time_is_no_appointment(driver, start):
    person = driver.person()
    add_meeting(driver, person, 24, startTime=start)
    add_note(driver, person)

    driver.full_run()
    driver.look(person["id"], "a")

    held = driver.around(person["email"])
    assert held == TASKS_OF_NOBODY | {
        "ghl_note_count": 1,
        "ghl_last_note_at": any_text(held),
    }


# Privacy


def test_no_text_of_a_task_a_note_or_a_person_is_in_a_log_line_or_a_letter(
    driver, caplog
):
    caplog.set_level(logging.DEBUG)
    email = f"zebedee@{moment(0).replace(':', '-').lower()}.example.com"
    person = driver.person(firstName="Zebedee", email=email)
    poisoned = driver.person(firstName="Zebedee")
    for one in (person, poisoned):
        add_task(driver, one, title="Divorce", body="the lawyer")
        add_note(driver, one, "Divorce and a lawyer")
        add_meeting(driver, one, 24, title="Divorce")
    driver.full_run()
    add_task(driver, person, title="Divorce", completed="maybe")
    driver.sandbox.add_fault(
        "refused", vendor="ghl", route=NOTES, contact=person["id"], message=QUOTING
    )
    driver.look(person["id"], "tna")
    task = driver.sandbox.tasks(poisoned["id"])[0]
    driver.sandbox.put_task(id=task["id"], title="Divorce!")
    driver.sandbox.add_fault("refused", vendor="mailjet", message=QUOTING)
    for _ in range(6):
        driver.look(poisoned["id"], "tna")

    assert len(left_alone(caplog)) == 2
    (letter,) = driver.letters()
    assert letter.ghl_id == poisoned["id"]
    written = caplog.text + letter.dump()
    assert not [secret for secret in SECRETS if secret in written]
