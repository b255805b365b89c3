"""Tasks, notes and appointments of GHL as Mailjet comes to show them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pipeline.permit import Lane
from tests.driver import Driver
from tests.sandbox import Row

TASKS_OF_NOBODY = {"ghl_open_tasks": 0, "ghl_overdue_tasks": 0}
NOTES_OF_NOBODY = {"ghl_note_count": 0}
Sync = Callable[[Driver, str, str], None]


def moment(hours: float) -> str:
    """An hour from now, or before, as both vendors write it."""
    then = datetime.now(UTC) + timedelta(hours=hours)
    return f"{then:%Y-%m-%dT%H:%M:%SZ}"


def full_run(driver: Driver, ghl_id: str, kinds: str) -> None:
    driver.full_run()


def live_sync(driver: Driver, ghl_id: str, kinds: str) -> None:
    driver.look(ghl_id, kinds)


every_way = pytest.mark.parametrize("sync", [full_run, live_sync])


def add_task(driver: Driver, person: Row, **fields: object) -> Row:
    rest = {"contactId": person["id"], "title": "Call", "dueDate": moment(24)}
    return driver.sandbox.put_task(**{**rest, **fields})


def add_note(driver: Driver, person: Row, body: str = "Hello", **fields: object) -> Row:
    return driver.sandbox.put_note(contactId=person["id"], body=body, **fields)


def add_meeting(driver: Driver, person: Row, hours: float, **fields: object) -> Row:
    times = {"startTime": moment(hours), "endTime": moment(hours + 1)}
    rest = {"title": "Tea", "appointmentStatus": "confirmed", **times}
    return driver.sandbox.put_appointment(contactId=person["id"], **{**rest, **fields})


def imported(driver: Driver, person: Row) -> Row:
    """The person as the first run has brought them into Mailjet."""
    driver.full_run()
    driver.sandbox.clear_log()
    return person


def statuses(driver: Driver, person: Row, name: str) -> list[str]:
    return [entry["status"] for entry in driver.told(person["email"], name)]


# The first import


def test_the_first_import_tells_what_is_around_everybody(driver):
    idle, busy, late, done = (driver.person() for _ in range(4))
    soon, later, past = moment(24), moment(48), moment(-24)
    add_task(driver, busy, title="Later", dueDate=later)
    add_task(driver, busy, title="Soon", dueDate=soon)
    add_task(driver, late, title="Late", dueDate=past)
    add_task(driver, done, completed=True)
    first, second = moment(-50), moment(-30)
    add_note(driver, busy, dateAdded=second)
    add_note(driver, busy, dateAdded=first)
    before = add_meeting(driver, busy, -72, appointmentStatus="showed")
    after = add_meeting(driver, busy, 72, title="Lunch")
    add_meeting(driver, late, -72, title="Missed", appointmentStatus="noshow")

    driver.full_run()

    assert driver.around(idle["email"]) == TASKS_OF_NOBODY | NOTES_OF_NOBODY
    assert driver.around(busy["email"]) == {
        "ghl_open_tasks": 2,
        "ghl_overdue_tasks": 0,
        "ghl_next_task_title": "Soon",
        "ghl_next_task_due": soon,
        "ghl_note_count": 2,
        "ghl_last_note_at": second,
        "ghl_last_appointment_at": before["startTime"],
        "ghl_next_appointment_at": after["startTime"],
        "ghl_next_appointment_title": "Lunch",
        "ghl_appointment_status": "confirmed",
    }
    told = driver.around(late["email"])
    assert (told["ghl_open_tasks"], told["ghl_overdue_tasks"]) == (1, 1)
    assert told["ghl_next_task_due"] == past
    assert told["ghl_appointment_status"] == "noshow"
    assert "ghl_next_appointment_at" not in told
    assert driver.around(done["email"]) == TASKS_OF_NOBODY | NOTES_OF_NOBODY


def test_what_the_first_import_finds_is_no_history(driver):
    person = driver.person()
    add_task(driver, person)
    add_note(driver, person)

    imported(driver, person)

    assert driver.told(person["email"], "ghl_task") == []
    assert driver.told(person["email"], "ghl_note") == []


def test_the_first_import_reads_nothing_but_notes_singly(driver):
    """Tasks and appointments come in pages and calendars."""
    people = [driver.person() for _ in range(3)]
    add_task(driver, people[0])

    driver.full_run()

    assert driver.looks() == Counter(notes=3)


def test_a_second_run_writes_nothing_and_reads_nothing_singly(driver):
    busy = driver.person()
    add_task(driver, busy)
    add_task(driver, busy, dueDate=moment(-24))
    add_note(driver, busy)
    add_meeting(driver, busy, 24)
    driver.person()
    imported(driver, busy)

    driver.full_run()

    assert driver.writes() == []
    assert driver.looks() == Counter()


# Tasks


def retitled(driver: Driver, task: Row) -> None:
    driver.sandbox.put_task(id=task["id"], title="Write")


def completed(driver: Driver, task: Row) -> None:
    driver.sandbox.put_task(id=task["id"], completed=True)


def deleted(driver: Driver, task: Row) -> None:
    driver.sandbox.delete_task(task["id"])


OPEN = {"ghl_open_tasks": 1, "ghl_overdue_tasks": 0, "ghl_next_task_title": "Call"}


@every_way
@pytest.mark.parametrize(
    ("change", "aggregates", "entry"),
    [
        (
            retitled,
            OPEN | {"ghl_next_task_title": "Write"},
            {"title": "Write", "status": "open"},
        ),
        (completed, TASKS_OF_NOBODY, {"title": "Call", "status": "completed"}),
        (deleted, TASKS_OF_NOBODY, {"status": "deleted"}),
    ],
)
def test_what_became_of_a_task_is_told_once(driver, sync, change, aggregates, entry):
    person, due = driver.person(), moment(24)
    task = add_task(driver, person, dueDate=due)
    imported(driver, person)

    change(driver, task)
    sync(driver, person["id"], "t")

    if aggregates["ghl_open_tasks"]:
        aggregates = aggregates | {"ghl_next_task_due": due}
    assert driver.around(person["email"]) == aggregates | NOTES_OF_NOBODY
    (told,) = driver.told(person["email"], "ghl_task")
    due_told = {} if change is deleted else {"due": due}
    assert told == {"id": task["id"], **due_told, **entry}
    driver.sandbox.clear_log()
    sync(driver, person["id"], "t")
    assert driver.writes() == []


@every_way
def test_a_new_task_is_told_once(driver, sync):
    person = imported(driver, driver.person())

    task = add_task(driver, person)
    sync(driver, person["id"], "t")
    sync(driver, person["id"], "t")

    assert driver.around(person["email"]) == NOTES_OF_NOBODY | OPEN | {
        "ghl_next_task_due": task["dueDate"]
    }
    (told,) = driver.told(person["email"], "ghl_task")
    assert (told["id"], told["status"]) == (task["id"], "open")


def test_another_due_date_is_told_with_its_task(driver):
    person, due = driver.person(), moment(48)
    task = add_task(driver, person)
    imported(driver, person)

    driver.sandbox.put_task(id=task["id"], dueDate=due)
    driver.full_run()

    assert driver.around(person["email"])["ghl_next_task_due"] == due
    (told,) = driver.told(person["email"], "ghl_task")
    assert told["due"] == due


@every_way
def test_the_life_of_a_task_is_its_history(driver, sync):
    person = imported(driver, driver.person())
    task = add_task(driver, person)
    changes = ({}, {"completed": True}, {"completed": False}, {"completed": True})
    for change in changes:
        driver.sandbox.put_task(id=task["id"], **change)
        sync(driver, person["id"], "t")
    driver.sandbox.delete_task(task["id"])
    sync(driver, person["id"], "t")

    entries = driver.told(person["email"], "ghl_task")
    states = ["open", "completed", "open", "completed", "deleted"]
    assert [entry["status"] for entry in entries] == states
    assert {entry["title"] for entry in entries} == {"Call"}, "the last one's is known"


def test_a_run_finds_changed_tasks_without_reading_one_singly(driver):
    people = [driver.person() for _ in range(3)]
    tasks = [add_task(driver, person) for person in people]
    imported(driver, people[0])

    retitled(driver, tasks[0])
    deleted(driver, tasks[1])
    driver.full_run()

    assert driver.looks() == Counter()
    assert [statuses(driver, one, "ghl_task") for one in people] == [
        ["open"],
        ["deleted"],
        [],
    ]


# Notes


@every_way
@pytest.mark.parametrize("bodies", ["true", "false"])
def test_notes_are_told_as_they_come_change_and_go(build_driver, sync, bodies):
    driver = build_driver(SYNC_NOTE_BODIES=bodies)
    driver.setup()
    person = imported(driver, driver.person())

    def looks_again() -> None:
        # A sweep tells nothing of notes: only their turn, an event or a change does.
        driver.ledger.point_at([person["id"]], "n")
        sync(driver, person["id"], "n")

    note = add_note(driver, person, "<p>Hello <b>you</b></p>", dateAdded=moment(-1))
    looks_again()
    assert driver.around(person["email"]) == TASKS_OF_NOBODY | {
        "ghl_note_count": 1,
        "ghl_last_note_at": note["dateAdded"],
    }
    driver.sandbox.put_note(id=note["id"], body="<p>Good bye</p>")
    looks_again()
    looks_again()
    driver.sandbox.delete_note(note["id"])
    looks_again()

    assert driver.around(person["email"]) == TASKS_OF_NOBODY | NOTES_OF_NOBODY
    entries = driver.told(person["email"], "ghl_note")
    assert [entry["status"] for entry in entries] == ["added", "edited", "deleted"]
    assert {entry["id"] for entry in entries} == {note["id"]}
    told = [entry.get("body") for entry in entries]
    if bodies == "true":
        assert told == ["Hello you", "Good bye", None]
    else:
        assert told == [None] * 3


def test_a_contact_that_changed_has_its_notes_read_and_nothing_else(driver):
    person, other = driver.person(), driver.person()
    imported(driver, person)
    add_note(driver, person)

    driver.sandbox.put_contact(id=person["id"], city="Braga")
    driver.full_run()

    assert driver.looks() == Counter(notes=1)
    assert driver.around(person["email"])["ghl_note_count"] == 1
    assert driver.around(other["email"])["ghl_note_count"] == 0


def test_the_last_notes_text_is_a_property_only_when_switched_on(build_driver):
    driver = build_driver(SYNC_NOTE_EXCERPT="true", SYNC_NOTE_LENGTH="20")
    driver.setup()
    person = driver.person()
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    body = f"<div>Met the &lt;Lee&gt;s: {family}{family}</div><script>x()</script>"
    note = add_note(driver, person, body)

    driver.full_run()
    told = driver.around(person["email"])["ghl_last_note"]
    driver.sandbox.delete_note(note["id"])
    driver.look(person["id"], "n")

    assert told == "Met the <Lee>s:…"
    assert "ghl_last_note" not in driver.around(person["email"])


# Appointments


@every_way
def test_appointments_are_told_as_they_come_and_are_cancelled(driver, sync):
    person = imported(driver, driver.person())

    meeting = add_meeting(driver, person, 24)
    sync(driver, person["id"], "a")
    told = driver.around(person["email"])
    driver.sandbox.put_appointment(id=meeting["id"], appointmentStatus="cancelled")
    sync(driver, person["id"], "a")

    nobody = TASKS_OF_NOBODY | NOTES_OF_NOBODY
    assert told == nobody | {
        "ghl_next_appointment_at": meeting["startTime"],
        "ghl_next_appointment_title": "Tea",
        "ghl_appointment_status": "confirmed",
    }
    assert driver.around(person["email"]) == nobody | {
        "ghl_appointment_status": "cancelled"
    }
    driver.sandbox.delete_appointment(meeting["id"])
    sync(driver, person["id"], "a")
    assert driver.around(person["email"]) == nobody
    driver.sandbox.clear_log()
    sync(driver, person["id"], "a")
    assert driver.writes() == []


def lisbon(text: str) -> str:
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Lisbon"))
    return f"{local.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize("month", [1, 7])
def test_times_without_a_zone_are_the_locations(driver, month):
    """A calendar's events name their zone, a contact's appointments do not."""
    year = (datetime.now(UTC) + timedelta(days=90)).year
    day = datetime(year, month, 15, 9, 30)
    if day < datetime.now() + timedelta(days=2):
        day = day.replace(year=year + 1)
    start = lisbon(day.isoformat())
    person = imported(driver, driver.person())
    add_meeting(driver, person, 0, startTime=start, endTime=start)

    driver.look(person["id"], "a")
    singly = driver.around(person["email"])["ghl_next_appointment_at"]
    driver.sandbox.clear_log()
    driver.full_run()

    assert singly == start
    assert driver.writes() == [], "the sweep tells another time"


def test_of_an_hour_that_the_clocks_repeat_the_first_is_told(driver):
    """Lisbon puts its clocks back at 2 o'clock on the last Sunday of October."""
    now = datetime.now(UTC)
    years = (datetime(y, 10, 31, tzinfo=UTC) for y in (now.year, now.year + 1))
    ends = [d - timedelta(days=(d.weekday() + 1) % 7) for d in years]
    sunday = min(ends, key=lambda day: abs(day - now))
    first = f"{sunday:%Y-%m-%d}T00:30:00Z"
    second = f"{sunday:%Y-%m-%d}T01:30:00Z"
    name = f"ghl_{'next' if sunday > now else 'last'}_appointment_at"
    early, late = driver.person(), driver.person()
    add_meeting(driver, early, 0, startTime=first, endTime=first)
    add_meeting(driver, late, 0, startTime=second, endTime=second)

    driver.full_run()
    by_calendar = [driver.around(one["email"])[name] for one in (early, late)]
    for person in (early, late):
        driver.look(person["id"], "a")
    singly = [driver.around(one["email"])[name] for one in (early, late)]

    assert by_calendar == [first, second]
    assert singly == [first, first], "GHL does not say which of the two hours"


# Clearing, and what somebody overwrote


def test_what_is_no_more_is_unassigned_in_mailjet(driver):
    person = driver.person()
    task = add_task(driver, person)
    note = add_note(driver, person)
    meeting = add_meeting(driver, person, 24)
    imported(driver, person)
    assert len(driver.around(person["email"])) == 9

    driver.sandbox.put_task(id=task["id"], completed=True)
    driver.sandbox.delete_note(note["id"])
    driver.sandbox.put_appointment(id=meeting["id"], appointmentStatus="cancelled")
    driver.look(person["id"], "tna")

    assert driver.around(person["email"]) == {
        **TASKS_OF_NOBODY,
        **NOTES_OF_NOBODY,
        "ghl_appointment_status": "cancelled",
    }


@pytest.mark.parametrize(
    ("properties", "looks"),
    [
        ({"ghl_open_tasks": 7}, Counter(tasks=1)),
        ({"ghl_next_task_title": ""}, Counter(tasks=1)),
        ({"ghl_note_count": 7}, Counter(notes=1)),
        ({"ghl_last_appointment_at": "2020-01-01T00:00:00Z"}, Counter(appointments=1)),
        ({"city": "Braga"}, Counter()),
    ],
)
def test_what_somebody_overwrote_in_mailjet_is_mended_by_the_next_run(
    driver, properties, looks
):
    person = driver.person()
    add_task(driver, person)
    add_note(driver, person)
    add_meeting(driver, person, 24)
    imported(driver, person)
    before = driver.subscriber(person["email"])

    held = {**before["properties"], **properties}
    driver.sandbox.put_subscriber(id=before["id"], properties=held)
    assert driver.subscriber(person["email"]) != before
    driver.full_run()

    assert driver.subscriber(person["email"]) == before
    assert driver.looks() == looks
    assert driver.told(person["email"], "ghl_task") == []
    driver.sandbox.clear_log()
    driver.full_run()
    assert (driver.writes(), driver.looks()) == ([], Counter())


def test_an_event_says_what_to_read(driver):
    person = driver.person()
    imported(driver, person)
    for kinds, looks in (("t", "tasks"), ("a", "appointments"), ("n", "notes")):
        driver.sandbox.clear_log()
        driver.look(person["id"], kinds)
        assert driver.looks() == Counter({looks, "notes"})


def test_bulk_work_that_was_pointed_at_reads_only_that(driver):
    person = driver.person()
    imported(driver, person)
    add_task(driver, person)

    driver.ledger.point_at([person["id"]], "t", Lane.BULK)
    driver.work()

    assert driver.looks() == Counter(tasks=1)
    assert driver.around(person["email"])["ghl_open_tasks"] == 1


def test_a_contacts_appointments_are_read_in_the_zone_that_setup_found(driver):
    record = driver.kit.record()
    driver.kit.setup.save(replace(record, appointment_zone="Asia/Tokyo"))
    ana = imported(driver, driver.person())
    tea = add_meeting(driver, ana, 72)

    driver.look(ana["id"], "a")

    start = datetime.fromisoformat(tea["startTime"])
    wall = start.astimezone(ZoneInfo(record.timezone)).replace(tzinfo=None)
    told = wall.replace(tzinfo=ZoneInfo("Asia/Tokyo")).astimezone(UTC)
    shown = driver.around(ana["email"])["ghl_next_appointment_at"]
    assert datetime.fromisoformat(shown) == told
