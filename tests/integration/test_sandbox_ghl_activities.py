"""The sandbox's tasks, notes and appointments, as HighLevel documents them.

Sections "GHL 1.5" and so on are those of the notes behind the code: tasks, notes,
appointments. Sources are named where the sandbox's modules begin.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.sandbox import GhlCaller, Row, Sandbox, fresh_email

CALENDARS = {"Version": "2021-04-15"}
CONTACTS = 40
TASK = {"title": "Ring", "dueDate": "2026-10-08T09:30:00Z", "completed": False}


@pytest.fixture(scope="module")
def ghl() -> Iterator[GhlCaller]:
    options = ("--tasks-per-contact", "2", "--notes-per-contact", "3")
    more = ("--appointments-per-contact", "0.5")
    with Sandbox("--contacts", str(CONTACTS), *options, *more) as sandbox:
        caller = GhlCaller(sandbox)
        yield caller
        caller.close()


@pytest.fixture
def contact(ghl: GhlCaller) -> str:
    """A contact without activities."""
    return str(ghl.create(email=fresh_email(), firstName="Żaneta")["id"])


def search(ghl: GhlCaller, **body: Any) -> requests.Response:
    return ghl.call("POST", f"/locations/{ghl.location}/tasks/search", json=body)


def found(ghl: GhlCaller, **body: Any) -> list[Row]:
    rows: list[Row] = search(ghl, **body).json()["tasks"]
    return rows


def events(ghl: GhlCaller, **query: Any) -> requests.Response:
    window = {"startTime": 0, "endTime": 4_000_000_000_000}
    whole = {"locationId": ghl.location, **window, **query}
    return ghl.call("GET", "/calendars/events", params=whole, headers=CALENDARS)


def new_task(ghl: GhlCaller, contact: str, **fields: Any) -> Row:
    body = {**TASK, **fields}
    response = ghl.call("POST", f"/contacts/{contact}/tasks", json=body)
    assert response.status_code == 201, response.text
    row: Row = response.json()["task"]
    return row


# GHL 1.5, tasks of a contact


def test_a_task_lives_from_creation_to_deletion(ghl: GhlCaller, contact: str) -> None:
    """GHL 1.5."""
    task = new_task(ghl, contact, body="soon", assignedTo="U1")
    path = f"/contacts/{contact}/tasks/{task['id']}"
    changed = ghl.call("PUT", path, json={"title": "Ring again"})
    closed = ghl.call("PUT", f"{path}/completed", json={"completed": True})
    read = ghl.call("GET", path)
    gone = ghl.call("DELETE", path)

    assert task == {**TASK, "id": task["id"], "contactId": contact} | {
        "body": "soon",
        "assignedTo": "U1",
    }
    assert changed.json()["task"] == {**task, "title": "Ring again"}
    assert closed.json()["task"]["completed"] is True
    assert read.json()["task"] == {**task, "title": "Ring again", "completed": True}
    assert (gone.status_code, gone.json()["succeded"]) == (200, True)
    assert ghl.call("GET", f"/contacts/{contact}/tasks").json()["tasks"] == []


def test_tasks_have_no_times_of_their_own_below_a_contact(
    ghl: GhlCaller, contact: str
) -> None:
    """GHL 1.5."""
    new_task(ghl, contact)

    (row,) = ghl.call("GET", f"/contacts/{contact}/tasks?limit=0").json()["tasks"]

    assert set(row) == {*TASK, "id", "body", "assignedTo", "contactId"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"dueDate": "2026-10-08", "completed": False}, "title must be a string"),
        ({**TASK, "title": ""}, "title should not be empty"),
        ({"title": "Ring", "completed": False}, "dueDate must be a valid"),
        ({**TASK, "dueDate": "soon"}, "dueDate must be a valid"),
        ({"title": "Ring", "dueDate": "2026-10-08"}, "completed must be a boolean"),
        ({**TASK, "completed": "no"}, "completed must be a boolean"),
        ({**TASK, "body": 5}, "body must be a string"),
        ({**TASK, "status": "open"}, "property status should not exist"),
    ],
)
def test_a_task_that_lacks_or_exceeds_anything_is_refused_whole(
    ghl: GhlCaller, contact: str, body: Row, words: str
) -> None:
    """GHL 1.5."""
    response = ghl.call("POST", f"/contacts/{contact}/tasks", json=body)

    assert response.status_code == 422
    assert any(message.startswith(words) for message in response.json()["message"])
    assert ghl.sandbox.tasks(contact) == []


def test_completing_takes_the_flag_and_nothing_else(
    ghl: GhlCaller, contact: str
) -> None:
    """GHL 1.5."""
    path = f"/contacts/{contact}/tasks/{new_task(ghl, contact)['id']}/completed"

    assert ghl.call("PUT", path, json={}).status_code == 422
    assert ghl.call("PUT", path, json={"completed": 1}).status_code == 422
    more = {"completed": True, "title": "x"}
    assert ghl.call("PUT", path, json=more).status_code == 422


def test_a_task_is_found_below_its_own_contact_only(
    ghl: GhlCaller, contact: str
) -> None:
    """GHL 1.5."""
    task_id = new_task(ghl, contact)["id"]
    other = ghl.create(email=fresh_email())["id"]

    strange = ghl.call("GET", f"/contacts/{other}/tasks/{task_id}")
    gone = ghl.call("GET", f"/contacts/gone/tasks/{task_id}")

    assert strange.status_code == 400
    assert strange.json()["message"] == f"Task not found for id:{task_id}"
    assert gone.status_code == 400
    assert gone.json()["message"] == "Contact not found for id:gone"


# GHL 1.5, tasks of a location


def test_the_search_shows_every_task_once_in_pages(ghl: GhlCaller) -> None:
    """GHL 1.5."""
    ids: list[str] = []
    body: Row = {"limit": 30}
    while rows := found(ghl, **body):
        ids += [row["_id"] for row in rows]
        body["searchAfter"] = rows[-1]["searchAfter"]

    assert len(ids) >= 2 * CONTACTS
    assert sorted(ids) == sorted(row["id"] for row in ghl.sandbox.tasks())


def test_the_search_answers_201_without_a_total_and_with_id_and_times(
    ghl: GhlCaller, contact: str
) -> None:
    """GHL 1.5."""
    task = new_task(ghl, contact)

    response = search(ghl, contactId=[contact])

    assert response.status_code == 201
    assert set(response.json()) == {"tasks", "traceId"}
    (row,) = response.json()["tasks"]
    assert row["_id"] == task["id"]
    assert "id" not in row
    assert (row["statusGroup"], row["deleted"]) == ("to_do", False)
    assert row["dateAdded"] == row["dateUpdated"] > "2026"
    assert row["contactDetails"]["firstName"] == "Żaneta"
    assert row["locationId"] == ghl.location


def test_the_search_takes_filters_and_25_rows_at_a_time(
    ghl: GhlCaller, contact: str
) -> None:
    """GHL 1.5."""
    done = new_task(ghl, contact, completed=True, title="Paint the boat")
    mine = new_task(ghl, contact, assignedTo="U7")

    assert len(found(ghl)) == 25
    assert all(row["completed"] for row in found(ghl, completed=True))
    one = found(ghl, contactId=[contact], completed=True)
    assert [row["_id"] for row in one] == [done["id"]]
    assert [row["_id"] for row in found(ghl, assignedTo=["U7"])] == [mine["id"]]
    assert [row["_id"] for row in found(ghl, query="BOAT")] == [done["id"]]
    both = found(ghl, contactId=[contact])
    assert found(ghl, contactId=[contact], skip=1) == both[1:]
    assert found(ghl, businessId="nobody") == []


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 501},
        {"limit": 0},
        {"limit": "all"},
        {"skip": -1},
        {"completed": "true"},
        {"contactId": "one"},
        {"dueDate": "2026"},
    ],
)
def test_the_search_refuses_what_it_does_not_know(ghl: GhlCaller, body: Row) -> None:
    assert search(ghl, **body).status_code == 422


def test_the_search_refuses_strange_cursors_and_locations(ghl: GhlCaller) -> None:
    assert search(ghl, searchAfter=["a"]).status_code == 400
    assert search(ghl, searchAfter="a").status_code == 400
    other = ghl.call("POST", "/locations/other/tasks/search", json={})
    assert other.status_code == 403


def test_deleted_tasks_may_still_be_shown_by_the_search(
    ghl: GhlCaller, contact: str
) -> None:
    """GHL 1.5."""
    task = new_task(ghl, contact)
    ghl.sandbox.delete_task(task["id"])

    hidden = found(ghl, contactId=[contact])
    ghl.sandbox.settings(deleted_tasks_listed=True)
    try:
        shown = found(ghl, contactId=[contact])
    finally:
        ghl.sandbox.settings(deleted_tasks_listed=False)

    assert hidden == []
    assert [(row["_id"], row["deleted"]) for row in shown] == [(task["id"], True)]
    assert ghl.sandbox.tasks(contact) == []


def test_a_location_wide_read_can_lack_its_scope(ghl: GhlCaller, contact: str) -> None:
    """GHL 1.5."""
    route = "/locations/:locationId/tasks/search"
    fault = ghl.sandbox.add_fault("scope_missing", vendor="ghl", route=route)
    try:
        refused = search(ghl)
        still = ghl.call("GET", f"/contacts/{contact}/tasks")
    finally:
        ghl.sandbox.remove_fault(fault)

    assert refused.status_code == 401
    assert "scope" in refused.json()["message"]
    assert still.status_code == 200


# GHL 1.6, notes


def test_a_note_lives_from_creation_to_deletion(ghl: GhlCaller, contact: str) -> None:
    """GHL 1.6."""
    path = f"/contacts/{contact}/notes"
    made = ghl.call("POST", path, json={"body": "<b>one</b>", "color": "#fff"})
    note = made.json()["note"]
    one = f"{path}/{note['id']}"
    changed = ghl.call("PUT", one, json={"body": "two", "pinned": True})
    listed = ghl.call("GET", path).json()["notes"]
    gone = ghl.call("DELETE", one)

    assert made.status_code == 201
    assert (note["body"], note["contactId"]) == ("<b>one</b>", contact)
    assert changed.json()["note"] == {**note, "body": "two", "pinned": True}
    assert listed == [{**note, "body": "two", "pinned": True}]
    assert "dateUpdated" not in listed[0]
    assert gone.json()["succeded"] is True
    missing = ghl.call("GET", one)
    assert missing.status_code == 400
    assert missing.json()["message"] == f"Note not found for id:{note['id']}"


@pytest.mark.parametrize(
    "body", [{}, {"body": ""}, {"body": 5}, {"body": "x", "text": "y"}, {"pinned": 1}]
)
def test_a_note_needs_a_text_and_takes_nothing_unknown(
    ghl: GhlCaller, contact: str, body: Row
) -> None:
    """GHL 1.6."""
    response = ghl.call("POST", f"/contacts/{contact}/notes", json=body)

    assert response.status_code == 422
    assert ghl.sandbox.notes(contact) == []


# GHL 1.7, appointments


@pytest.mark.parametrize(
    ("utc", "naive", "offset"),
    [
        ("2026-07-16T10:00:00.000Z", "2026-07-16 11:00:00", "+01:00"),
        ("2026-01-16T10:00:00.000Z", "2026-01-16 10:00:00", "+00:00"),
    ],
)
def test_times_are_naive_below_a_contact_and_have_an_offset_in_a_calendar(
    ghl: GhlCaller, contact: str, utc: str, naive: str, offset: str
) -> None:
    """GHL 1.7."""
    made = ghl.sandbox.put_appointment(contactId=contact, startTime=utc, endTime=utc)

    (below,) = ghl.call("GET", f"/contacts/{contact}/appointments").json()["events"]
    rows = events(ghl, calendarId=made["calendarId"]).json()["events"]
    (inside,) = [row for row in rows if row["id"] == made["id"]]

    assert below["startTime"] == naive
    assert (below["status"], below["appointmentStatus"]) == ("booked", "confirmed")
    assert inside["startTime"] == naive.replace(" ", "T") + offset
    assert inside["dateUpdated"] > "2026"


def test_what_is_no_time_is_shown_as_it_is(ghl: GhlCaller, contact: str) -> None:
    ghl.sandbox.put_appointment(contactId=contact, startTime="soon", endTime=None)

    (row,) = ghl.call("GET", f"/contacts/{contact}/appointments").json()["events"]

    assert (row["startTime"], row["endTime"]) == ("soon", None)


def test_calendars_want_their_version_and_location(ghl: GhlCaller) -> None:
    """GHL 1.7."""
    query = {"locationId": ghl.location}
    listed = ghl.call("GET", "/calendars/", params=query, headers=CALENDARS)
    other = ghl.call("GET", "/calendars/", params=query)
    nowhere = ghl.call("GET", "/calendars/", headers=CALENDARS)

    rows = listed.json()["calendars"]
    assert {row["locationId"] for row in rows} == {ghl.location}
    assert [row["isActive"] for row in rows] == [True, True, False]
    assert other.status_code == 400
    assert nowhere.status_code == 422


def test_events_need_a_window_and_an_owner(ghl: GhlCaller, contact: str) -> None:
    """GHL 1.7."""
    first, second = "2031-03-05T08:00:00.000Z", "2031-03-05T09:00:00.000Z"
    made = [
        ghl.sandbox.put_appointment(
            contactId=contact, startTime=at, endTime=at, assignedUserId="U3"
        )
        for at in (first, second)
    ]
    eight = 1_930_464_000_000

    narrow = events(ghl, userId="U3", startTime=eight, endTime=eight)
    whole = events(ghl, userId="U3", startTime=eight, endTime=eight + 3_600_000)

    assert [row["id"] for row in narrow.json()["events"]] == [made[0]["id"]]
    assert len(whole.json()["events"]) == 2
    assert events(ghl).status_code == 422
    assert events(ghl, userId="U3", startTime="").status_code == 422
    assert events(ghl, userId="U3", startTime="soon").status_code == 422
    gone = events(ghl, calendarId="gone")
    assert gone.status_code == 400
    assert gone.json()["message"] == "Calendar not found for id:gone"


# The people's activities and the back door


def test_the_seed_invents_what_was_asked_for() -> None:
    with Sandbox("--contacts", "9", "--tasks-per-contact", "1.5") as sandbox:
        first = sandbox.tasks()
        assert (sandbox.notes(), sandbox.appointments()) == ([], [])
    with Sandbox("--contacts", "9", "--tasks-per-contact", "1.5") as sandbox:
        again = sandbox.tasks()

    each = Counter(row["contactId"] for row in first)
    assert sorted(each.values()) == [1, 1, 1, 1, 1, 2, 2, 2, 2]
    assert first == again


def test_a_deleted_contact_takes_its_activities_along(
    ghl: GhlCaller, contact: str
) -> None:
    sandbox = ghl.sandbox
    new_task(ghl, contact)
    sandbox.put_note(contactId=contact, body="one")
    sandbox.put_appointment(contactId=contact)

    ghl.call("DELETE", f"/contacts/{contact}")

    assert sandbox.tasks(contact) == sandbox.notes(contact) == []
    assert sandbox.appointments(contact) == []
    assert found(ghl, contactId=[contact]) == []


def test_a_user_of_ghl_edits_through_the_back_door(
    ghl: GhlCaller, contact: str
) -> None:
    sandbox = ghl.sandbox
    task = sandbox.put_task(contactId=contact, title="Ring", dateUpdated="2020")
    note = sandbox.put_note(contactId=contact, body="one")
    meeting = sandbox.put_appointment(contactId=contact, title="Viewing")

    closed = sandbox.put_task(id=task["id"], completed=True)
    sandbox.put_note(id=note["id"], body="two")
    sandbox.put_appointment(id=meeting["id"], appointmentStatus="cancelled")

    assert (closed["title"], closed["completed"]) == ("Ring", True)
    assert closed["dateUpdated"] > "2026"
    assert [row["body"] for row in sandbox.notes(contact)] == ["two"]
    (row,) = sandbox.appointments(contact)
    assert (row["title"], row["appointmentStatus"]) == ("Viewing", "cancelled")
    sandbox.delete_note(note["id"])
    sandbox.delete_appointment(meeting["id"])
    assert (sandbox.notes(contact), sandbox.appointments(contact)) == ([], [])


def test_what_no_api_would_take_can_be_planted(ghl: GhlCaller, contact: str) -> None:
    orphan = ghl.sandbox.put_task(contactId="gone", title="Whose?")
    broken = ghl.sandbox.put_task(contactId=contact, dueDate="soon", title="cut \ud83d")

    (row,) = found(ghl, contactId=["gone"])
    assert (row["_id"], row["contactDetails"]["firstName"]) == (orphan["id"], None)
    (below,) = ghl.call("GET", f"/contacts/{contact}/tasks").json()["tasks"]
    assert (below["id"], below["dueDate"]) == (broken["id"], "soon")
    assert below["title"] == "cut \ud83d"


def test_everything_can_be_forgotten() -> None:
    with Sandbox("--contacts", "2", "--tasks-per-contact", "1") as sandbox:
        ghl = GhlCaller(sandbox)
        sandbox.settings(deleted_tasks_listed=True)
        sandbox.delete_task(sandbox.tasks()[0]["id"])
        before = len(found(ghl))
        sandbox.forget_activities()
        after = len(found(ghl))
        ghl.close()

    assert (before, after) == (2, 0)
