"""Sweeps: everybody's tasks and appointments at once, and the notes' turn."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zlib import crc32

import pytest

from pipeline import runs
from pipeline.discovery import Discovery
from pipeline.errors import Unauthorized
from pipeline.permit import Lane
from pipeline.store.snapshots import pack_snapshot, unpack_snapshot
from pipeline.sweeps import DAY_MS, LIVE_AT_MOST, SHARE_OF_DAY
from tests.driver import Driver

SEARCH = "/locations/:locationId/tasks/search"
CALENDARS, EVENTS = "/calendars/", "/calendars/events"
TASKS = "/contacts/:contactId/tasks"
NOTES = "/contacts/:contactId/notes"
MEETINGS = "/contacts/:contactId/appointments"
DUE = "2099-01-01T00:00:00.000Z"
SWEEPS = {"tasks": SEARCH, "appointments": CALENDARS}
sweeps = pytest.mark.parametrize(("stage", "route"), SWEEPS.items())


@pytest.fixture(autouse=True)
def no_activities(sandbox):
    sandbox.forget_activities()


def key(driver: Driver, name: str) -> str:
    return driver.ledger.key(name)


def open_tasks(driver: Driver, person) -> object:
    return driver.subscriber(person["email"])["properties"]["ghl_open_tasks"]


def give_task(driver: Driver, person, **fields: object):
    return driver.sandbox.put_task(
        contactId=person["id"], **{"title": "Call", "dueDate": DUE, **fields}
    )


def carried_person(driver: Driver, **task: object):
    """Somebody with a task; nothing remains to be done."""
    person = driver.person()
    give_task(driver, person, **task)
    driver.full_run()
    driver.sandbox.clear_log()
    return person


def between_runs(driver: Driver) -> None:
    """What Beat rings; all that rests is due."""
    if rests := list(driver.pipeline.redis.scan_iter(key(driver, "due:*"))):
        driver.pipeline.redis.delete(*rests)
    driver.discovery.activities()


def forget_carried(driver: Driver, person) -> None:
    """As if a contact's own list had told other tasks than the location's."""
    snapshots = driver.pipeline.redis
    packed = snapshots.hget(key(driver, "snapshots"), person["id"])
    known = unpack_snapshot(packed)
    other = replace(known, carried=replace(known.carried, tasks={"other": 4}))
    snapshots.hset(key(driver, "snapshots"), person["id"], pack_snapshot(other))


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


def stages(driver: Driver) -> list[str]:
    """The stages of the run under way, in order, each once."""
    found: list[str] = []
    while (stage := driver.stage()) is not None:
        found += [stage] if stage not in found else []
        runs.step(driver.kit, driver.discovery)
    return found


# A full run


def test_a_full_run_sweeps_before_it_lists(driver):
    runs.start_run(driver.kit)

    assert stages(driver) == [
        *("optouts", "tasks", "appointments", "notes"),
        *("unsubscribed", "subscribers", "properties", "listing", "missing"),
    ]


def test_the_run_of_one_business_sweeps_nothing(driver):
    runs.start_run(driver.kit, business="any")

    assert stages(driver) == ["businesses"]
    assert not driver.calls("POST", SEARCH) + driver.calls("GET", CALENDARS)


def test_a_run_costs_pages_and_no_call_for_each_contact(driver):
    for _ in range(3):
        give_task(driver, driver.person())
    driver.sandbox.clear_log()

    driver.full_run()

    assert (driver.calls("POST", SEARCH), driver.calls("GET", TASKS)) == (1, 0)
    assert driver.calls("GET", MEETINGS) == 0


def test_a_second_run_of_nobody_who_differs_reads_and_writes_nothing(driver):
    person = carried_person(driver)

    run = driver.full_run()

    assert run.outcomes == {"unchanged": 1}
    assert driver.writes() == []
    assert driver.calls("GET", TASKS) == 0
    assert open_tasks(driver, person) == 1


def test_tasks_of_several_pages_are_all_carried(driver):
    person = driver.person()
    for number in range(520):
        give_task(driver, person, title=f"Call {number}")

    driver.full_run()

    assert open_tasks(driver, person) == 520
    assert driver.calls("GET", TASKS) == 0


def test_what_a_user_deleted_or_completed_is_found_by_the_next_run(driver):
    gone, done = driver.person(), driver.person()
    tasks = [give_task(driver, person)["id"] for person in (gone, done)]
    driver.full_run()
    driver.sandbox.delete_task(tasks[0])
    driver.sandbox.put_task(id=tasks[1], completed=True)

    driver.full_run()

    assert [open_tasks(driver, person) for person in (gone, done)] == [0, 0]


@sweeps
def test_what_this_token_may_not_read_at_once_is_not_asked_for(driver, stage, route):
    driver.sandbox.add_fault("scope_missing", route=route)
    driver.sandbox.add_fault("scope_missing", route=EVENTS)
    person = driver.person()
    give_task(driver, person)
    driver.setup()

    driver.full_run()

    assert route not in {call["route"] for call in driver.sandbox.log()}
    assert open_tasks(driver, person) == 1


@sweeps
@pytest.mark.parametrize("kind", ["scope_missing", "wrong_type", "refused"])
def test_a_sweep_that_is_refused_since_setup_does_not_hold_up_the_run(
    driver, stage, route, kind, caplog
):
    person = carried_person(driver)
    driver.sandbox.add_fault(kind, route=route)
    driver.sandbox.put_contact(id=person["id"], city="Braga")

    with caplog.at_level(logging.WARNING):
        run = driver.full_run()

    assert run.outcomes == {"updated": 1}
    assert "are not swept" in caplog.text
    kept = "swept:tasks" if stage == "tasks" else "swept:meetings"
    assert not driver.pipeline.redis.exists(key(driver, kept))


@pytest.mark.parametrize("what", ["tasks", "appointments"])
def test_a_scope_that_goes_missing_leaves_each_contact_to_be_read_singly(driver, what):
    carried_person(driver)
    route = {"tasks": SEARCH, "appointments": "/calendars/"}[what]
    driver.sandbox.add_fault("scope_missing", vendor="ghl", route=route)

    driver.full_run()

    assert driver.calls("GET", f"/contacts/:contactId/{what}") == 1


def test_a_dead_token_is_no_reason_to_go_on_without_a_sweep(driver):
    runs.start_run(driver.kit)
    driver.go_to("tasks")
    driver.sandbox.add_fault("token_revoked", vendor="ghl")

    with pytest.raises(Unauthorized):
        runs.step(driver.kit, driver.discovery)


# Who is known better than a sweep


def test_a_task_made_and_synced_after_the_page_was_read_is_not_taken_back(driver):
    person = carried_person(driver)
    give_task(driver, person, title="Mail")
    runs.start_run(driver.kit)
    driver.go_to("appointments")
    give_task(driver, person, title="Visit")
    driver.look(person["id"], "t")
    assert open_tasks(driver, person) == 3

    driver.discover()
    driver.work()

    assert open_tasks(driver, person) == 3


def test_a_task_synced_while_later_pages_are_read_is_not_taken_back(driver):
    person, other = driver.person(), driver.person()
    for number in range(500):
        give_task(driver, other, title=f"Call {number}")
    driver.full_run()
    for number in range(5):
        give_task(driver, person, title=f"Mail {number}")
    runs.start_run(driver.kit)
    driver.go_to("tasks")
    runs.step(driver.kit, driver.discovery)
    assert driver.stage() == "tasks"
    give_task(driver, person, title="Visit")
    driver.look(person["id"], "t")
    assert open_tasks(driver, person) == 6

    driver.discover()
    driver.work()

    assert open_tasks(driver, person) == 6


def test_a_task_synced_while_rows_are_compared_is_not_taken_back(driver, monkeypatch):
    person = carried_person(driver)
    give_task(driver, person, title="Mail")
    runs.start_run(driver.kit)
    driver.go_to("tasks")
    store = type(driver.kit.activities)
    keep = store.keep

    def synced_before(self, kind, reader):
        if kind == "tasks":
            give_task(driver, person, title="Visit")
            driver.look(person["id"], "t")
        keep(self, kind, reader)

    monkeypatch.setattr(store, "keep", synced_before)
    driver.discover()
    driver.work()

    assert open_tasks(driver, person) == 3


def test_a_row_that_cannot_be_read_is_no_task_that_was_deleted(driver):
    person = carried_person(driver)
    newcomer = driver.person()
    give_task(driver, newcomer)
    task = driver.sandbox.tasks(person["id"])[0]
    driver.sandbox.put_task(id=task["id"], completed="perhaps")

    driver.full_run()

    assert [open_tasks(driver, each) for each in (person, newcomer)] == [1, 1]
    read = {c["contact"] for c in driver.sandbox.log() if c["route"] == TASKS}
    assert read == {person["id"]}


# The notes' turn


def days_since_1970() -> int:
    return round(datetime.now(UTC).timestamp() * 1000) // DAY_MS


def turn(driver: Driver, *, days_ago: int) -> None:
    driver.kit.activities.notes_had_turn(days_since_1970() - days_ago)


def test_everybodys_notes_are_read_once_in_so_many_days(build_driver):
    driver = build_driver(SYNC_NOTES_SWEEP_DAYS="3")
    driver.setup()
    ids = {driver.person()["id"] for _ in range(12)}
    driver.full_run()
    today = days_since_1970()

    for days_ago in (1, 2, 3, 9):
        turn(driver, days_ago=days_ago)
        driver.sandbox.clear_log()
        driver.full_run()

        passed = range(max(today - days_ago, today - 3) + 1, today + 1)
        due = {i for i in ids if crc32(i.encode()) % 3 in {day % 3 for day in passed}}
        read = {c["contact"] for c in driver.sandbox.log() if c["route"] == NOTES}
        assert read == due
    assert due == ids


def test_an_edited_note_shows_when_its_turn_has_come(driver):
    person = driver.person()
    driver.sandbox.put_note(contactId=person["id"], body="Hello")
    driver.full_run()
    driver.sandbox.put_note(contactId=person["id"], body="Once more")
    turn(driver, days_ago=7)

    driver.full_run()

    assert driver.subscriber(person["email"])["properties"]["ghl_note_count"] == 2


def test_a_second_run_on_the_same_day_reads_no_notes(driver):
    driver.person()
    driver.full_run()
    turn(driver, days_ago=7)
    driver.full_run()
    driver.sandbox.clear_log()

    driver.full_run()

    assert driver.calls("GET", NOTES) == 0


def test_the_first_run_reads_each_contacts_notes_once(driver):
    driver.person()

    driver.full_run()
    driver.full_run()

    assert driver.calls("GET", NOTES) == 1
    assert driver.kit.activities.notes_turn() == days_since_1970()


def test_of_somebody_without_an_address_no_notes_are_waited_for(driver):
    driver.person(email="")
    driver.full_run()
    turn(driver, days_ago=7)

    driver.full_run()

    assert not driver.pipeline.redis.exists(key(driver, "touched"))


# Between runs


@pytest.mark.parametrize("change", ["completed", "renamed", "deleted", "new"])
def test_between_runs_a_task_that_changed_is_carried(driver, change):
    person = carried_person(driver)
    task = driver.sandbox.tasks(person["id"])[0]["id"]
    match change:
        case "completed":
            driver.sandbox.put_task(id=task, completed=True)
        case "renamed":
            driver.sandbox.put_task(id=task, title="Mail")
        case "deleted":
            driver.sandbox.delete_task(task)
        case "new":
            give_task(driver, person, title="Visit", dueDate="2099-02-01T00:00:00Z")

    between_runs(driver)
    waiting = driver.waiting(Lane.LIVE)
    driver.work()

    assert waiting == {person["id"]}
    properties = driver.subscriber(person["email"])["properties"]
    told = (properties["ghl_open_tasks"], properties.get("ghl_next_task_title"))
    gone = (0, None)
    expected = {"renamed": (1, "Mail"), "new": (2, "Call")}
    assert (told[0], told[1] or None) == expected.get(change, gone)


def test_who_was_pointed_at_by_the_same_rows_is_not_pointed_at_again(driver):
    """As where a contact's own list and the location's disagree for good."""
    person = carried_person(driver)
    task = driver.sandbox.tasks(person["id"])[0]["id"]
    forget_carried(driver, person)
    between_runs(driver)
    assert driver.waiting(Lane.LIVE) == {person["id"]}
    driver.work()
    forget_carried(driver, person)

    between_runs(driver)
    assert driver.waiting(Lane.LIVE) == set()

    driver.sandbox.put_task(id=task, title="Mail")
    between_runs(driver)
    assert driver.waiting(Lane.LIVE) == {person["id"]}


def test_between_runs_only_open_tasks_are_paged_through(driver):
    person = carried_person(driver)
    for number in range(500):
        give_task(driver, person, title=f"Done {number}", completed=True)
    driver.look(person["id"], "t")
    driver.sandbox.clear_log()

    between_runs(driver)

    assert driver.calls("POST", SEARCH) == 1
    assert driver.waiting(Lane.LIVE) == set()


def test_between_runs_an_appointment_that_changed_is_carried(driver):
    person = driver.person()
    driver.full_run()
    times = dict.fromkeys(("startTime", "endTime"), tomorrow())
    driver.sandbox.put_appointment(contactId=person["id"], title="Tea", **times)

    between_runs(driver)
    driver.work()

    properties = driver.subscriber(person["email"])["properties"]
    assert properties["ghl_next_appointment_title"] == "Tea"


def test_who_was_never_imported_is_left_to_the_import(driver):
    give_task(driver, driver.person())

    between_runs(driver)

    assert driver.waiting(Lane.LIVE) | driver.waiting(Lane.BULK) == set()


def test_what_changed_in_mass_waits_behind_what_a_person_did(driver, monkeypatch):
    monkeypatch.setattr("pipeline.sweeps.LIVE_AT_MOST", 2)
    people = [driver.person() for _ in range(3)]
    driver.full_run()
    for person in people[:2]:
        give_task(driver, person)
    between_runs(driver)
    few = driver.waiting(Lane.LIVE)
    driver.work()
    for person in people:
        give_task(driver, person, title="Visit")

    between_runs(driver)

    assert few == {person["id"] for person in people[:2]}
    assert driver.waiting(Lane.BULK) == {person["id"] for person in people}
    assert LIVE_AT_MOST == 100


def test_what_fell_due_is_looked_at(driver):
    person = carried_person(driver)
    other = driver.person()
    redis, crossings = driver.pipeline.redis, key(driver, "crossings")
    redis.zadd(crossings, {f"t{person['id']}": 1})
    redis.zadd(crossings, {f"t{number}": 2 for number in range(1500)})

    between_runs(driver)

    assert redis.zrangebyscore(crossings, "-inf", 10) == []
    assert driver.waiting(Lane.BULK) >= {person["id"]}
    assert other["id"] not in driver.waiting(Lane.BULK)


@pytest.mark.parametrize("daily", [200_000, 4_000, 1_000])
def test_sweeps_of_a_kind_take_a_twentieth_of_the_days_calls(driver, daily):
    kit = replace(
        driver.kit, connection=replace(driver.kit.connection, ghl_daily=daily)
    )

    Discovery(kit, driver.kit.record()).activities()

    calls = driver.calls("GET", CALENDARS) + driver.calls("GET", EVENTS)
    share = SHARE_OF_DAY * daily / 86_400
    assert calls > driver.calls("POST", SEARCH) == 1
    assert rest_of(driver, "tasks") == pytest.approx(max(300, 1 / share), abs=60)
    assert rest_of(driver, "meetings") == pytest.approx(max(900, calls / share), abs=60)
    assert SHARE_OF_DAY == 0.05


def rest_of(driver: Driver, kind: str) -> float:
    """Seconds until the next sweep of that kind."""
    return driver.pipeline.redis.pttl(key(driver, f"due:sweep:{kind}")) / 1000


def test_a_sweep_that_is_not_due_is_not_made(driver):
    between_runs(driver)
    driver.sandbox.clear_log()

    driver.discovery.activities()

    assert not driver.calls("POST", SEARCH) + driver.calls("GET", CALENDARS)


def test_what_is_refused_to_one_sweep_does_not_hold_up_the_others(driver, caplog):
    for route in (SEARCH, "/v3/REST/contacthistorydata"):
        driver.sandbox.add_fault("refused", route=route)

    with caplog.at_level(logging.WARNING):
        between_runs(driver)

    assert driver.calls("GET", CALENDARS) == 1
    assert caplog.text.count("left out until the next time") == 3
    assert driver.kit.health.paused() is None


def test_a_dead_token_between_runs_pauses_the_connection(driver):
    driver.sandbox.add_fault("token_revoked", vendor="ghl")
    driver.pipeline.redis.delete(key(driver, "due:sweep:tasks"))

    runs.discover(driver.kit, Discovery.activities)

    assert driver.kit.health.paused() is not None
