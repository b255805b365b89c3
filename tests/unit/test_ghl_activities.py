from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BadPayload, NotFound, Reach
from pipeline.ghl.activity_records import Calendar
from pipeline.ghl.client import GhlClient
from pipeline.offers import zone_of_appointments
from pipeline.sync.activity import Appointment, Note, Task
from tests.recorded import RecordedVendor, Recording, recording, sample

LOCATION = "ve9EPM428h8vShlRW1KT"
CONTACT = "ocQHyuzHvysMo5N5VsXc"
TASK = "tttttttttttttttttt05"
BERLIN = ZoneInfo("Europe/Berlin")
DUE_MS = 1791451800000
TASKS = f"/contacts/{CONTACT}/tasks"
NOTES = f"/contacts/{CONTACT}/notes"


def make_client(*answers: Recording) -> tuple[GhlClient, RecordedVendor]:
    vendor = RecordedVendor("ghl", *answers)
    return GhlClient(vendor.session, LOCATION), vendor


def one_task(**fields: Any) -> Task:
    """The task that a row with these fields becomes."""
    row = {"id": "t", "completed": False, **fields}
    client, _ = make_client(recording({"task": row}))
    return client.get_task(CONTACT, "t")


# Tasks (GHL 1.5)


def test_a_contacts_tasks_are_read_as_its_own() -> None:
    client, vendor = make_client(sample("ghl/list_tasks"))

    listing = client.list_tasks(CONTACT)

    assert (vendor.sent[0].method, vendor.sent[0].path) == ("GET", TASKS)
    offer, ring, script = listing.items
    assert offer == Task(
        id="tttttttttttttttttt01",
        title="Send the offer",
        body="as talked about",
        assigned_to="dYQ4yc1kqZ2b8kZt0Q7x",
        due_ms=DUE_MS,
        completed=False,
        contact_id=CONTACT,
    )
    assert (ring.title, ring.body, ring.assigned_to) == ("اتصل بالعميل غدًا 🐢", "", "")
    assert (ring.due_ms, ring.completed) == (None, True)
    assert (script.title, script.due_ms) == ("<script>alert(1)</script>", None)
    assert (script.completed, script.contact_id) == (False, CONTACT)


def test_rows_that_are_no_tasks_are_counted_and_left_out() -> None:
    client, _ = make_client(sample("ghl/list_tasks"))

    listing = client.list_tasks(CONTACT)

    assert len(listing.items) == 3
    assert listing.bad_rows == ("", "tttttttttttttttttt04", "")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None)
@given(due=JSON_VALUES, title=JSON_VALUES)
def test_no_due_date_and_no_title_is_ever_an_error(due: object, title: object) -> None:
    task = one_task(dueDate=due, title=title)

    assert task.due_ms is None or 0 < task.due_ms < 253_402_300_800_000
    assert task.title.encode() is not None


@pytest.mark.parametrize(
    "due",
    [
        None,
        "",
        "soon",
        "0000-00-00T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        -1,
        0,
        10**400,
        float("inf"),
        True,
        ["2026-10-08"],
    ],
)
def test_a_due_date_that_is_missing_or_nonsense_is_none(due: object) -> None:
    assert one_task(dueDate=due).due_ms is None


@pytest.mark.parametrize(
    "due",
    ["2026-10-08T09:30:00.000Z", "2026-10-08T11:30:00+02:00", DUE_MS, str(DUE_MS)],
)
def test_a_due_date_is_read_in_every_usual_form(due: object) -> None:
    assert one_task(dueDate=due).due_ms == DUE_MS


def test_a_title_of_any_length_and_script_is_kept_as_it_is() -> None:
    title = "עברית 🐢 <script>" * 1_000

    assert one_task(title=title).title == title


def test_half_of_an_emoji_becomes_a_character_that_can_be_stored() -> None:
    assert one_task(title="cut \ud83d").title == "cut \ufffd"
    assert one_task(title="whole \ud83d\udc22").title == "whole 🐢"


def test_a_task_is_created_with_what_is_known_of_it() -> None:
    client, vendor = make_client(sample("ghl/create_task"))

    task = client.create_task(
        CONTACT, title="Ring back [mj:12345]", due_ms=DUE_MS + 250, assigned_to="U1"
    )

    assert (vendor.sent[0].method, vendor.sent[0].path) == ("POST", TASKS)
    assert vendor.sent[0].body == {
        "title": "Ring back [mj:12345]",
        "dueDate": "2026-10-08T09:30:00.250Z",
        "completed": False,
        "assignedTo": "U1",
    }
    assert (task.id, task.due_ms) == (TASK, DUE_MS + 250)


def test_an_update_of_a_task_sends_what_changes() -> None:
    client, vendor = make_client(sample("ghl/update_task"), recording({}))

    task = client.update_task(CONTACT, TASK, title="Other", body="", completed=False)
    client.update_task(CONTACT, TASK, due_ms=DUE_MS)

    assert (vendor.sent[0].method, vendor.sent[0].path) == ("PUT", f"{TASKS}/{TASK}")
    assert vendor.sent[0].body == {"title": "Other", "completed": False, "body": ""}
    assert vendor.sent[1].body == {"dueDate": "2026-10-08T09:30:00.000Z"}
    assert task is not None
    assert task.id == TASK


@pytest.mark.parametrize("completed", [True, False])
def test_a_task_is_closed_and_opened_by_its_own_call(completed: bool) -> None:
    client, vendor = make_client(sample("ghl/update_task"))

    client.complete_task(CONTACT, TASK, completed=completed)

    assert vendor.sent[0].method == "PUT"
    assert vendor.sent[0].path == f"{TASKS}/{TASK}/completed"
    assert vendor.sent[0].body == {"completed": completed}


def test_a_task_is_deleted() -> None:
    client, vendor = make_client(sample("ghl/delete_contact"))

    client.delete_task(CONTACT, TASK)

    assert (vendor.sent[0].method, vendor.sent[0].path) == (
        "DELETE",
        f"{TASKS}/{TASK}",
    )


@pytest.mark.parametrize("gone", ["ghl/400_task_not_found", "ghl/404_json"])
def test_a_task_that_is_gone_is_not_found(gone: str) -> None:
    client, _ = make_client(sample(gone), sample(gone), sample(gone))

    with pytest.raises(NotFound) as raised:
        client.get_task(CONTACT, TASK)
    with pytest.raises(NotFound):
        client.complete_task(CONTACT, TASK)
    with pytest.raises(NotFound):
        client.delete_task(CONTACT, TASK)

    assert raised.value.reach is Reach.CONTACT


def test_a_task_for_a_contact_that_is_gone_is_not_found() -> None:
    client, _ = make_client(sample("ghl/400_contact_not_found"))

    with pytest.raises(NotFound):
        client.create_task(CONTACT, title="Ring back", due_ms=DUE_MS)


# The tasks of a location (GHL 1.5)


def found(count: int, *, cursor: object = None) -> Recording:
    rows = [{"_id": f"t{n}", "completed": False} for n in range(count)]
    if rows and cursor is not None:
        rows[-1]["searchAfter"] = cursor
    return recording({"tasks": rows}, 201)


def test_the_search_tells_the_living_from_the_deleted() -> None:
    client, vendor = make_client(sample("ghl/search_tasks"))

    page = client.search_tasks(completed=False)

    assert (vendor.sent[0].method, vendor.sent[0].path) == (
        "POST",
        f"/locations/{LOCATION}/tasks/search",
    )
    assert vendor.sent[0].body == {"limit": 500, "completed": False}
    assert [task.id for task in page.tasks] == [
        "tttttttttttttttttt01",
        "tttttttttttttttttt07",
    ]
    assert page.tasks[0].contact_id == CONTACT
    assert page.tasks[1].contact_id == ""
    assert [task.id for task in page.deleted] == ["tttttttttttttttttt06"]
    assert page.bad_rows == ("", "tttttttttttttttttt08")
    assert page.next is None


def test_the_search_sends_its_filters_and_its_cursor() -> None:
    client, vendor = make_client(found(0), found(0))

    client.search_tasks()
    client.search_tasks(contact_ids=[CONTACT], search_after=[5, "t"])

    assert vendor.sent[0].body == {"limit": 500}
    assert vendor.sent[1].body == {
        "limit": 500,
        "contactId": [CONTACT],
        "searchAfter": [5, "t"],
    }


@pytest.mark.parametrize(
    ("rows", "cursor", "following"),
    [
        (500, [5, "t"], [5, "t"]),
        (409, [5, "t"], [5, "t"]),
        (25, [5, "t"], [5, "t"]),
        (24, [5, "t"], None),
        (409, None, None),
        (0, None, None),
    ],
)
def test_the_search_goes_on_unless_a_page_is_surely_the_last(
    rows: int, cursor: object, following: object
) -> None:
    client, _ = make_client(found(rows, cursor=cursor))

    assert client.search_tasks().next == following


@pytest.mark.parametrize("cursor", [[5, "t"], None, "text"])
def test_a_search_that_cannot_go_on_is_a_bad_payload_of_that_call(
    cursor: object,
) -> None:
    client, _ = make_client(found(500, cursor=cursor))

    with pytest.raises(BadPayload, match="cursor") as raised:
        client.search_tasks(search_after=(5, "t"))

    assert raised.value.reach is Reach.CALL


# Notes (GHL 1.6)


def test_a_contacts_notes_are_read_as_its_own() -> None:
    client, vendor = make_client(sample("ghl/list_notes"))

    listing = client.list_notes(CONTACT)

    assert (vendor.sent[0].method, vendor.sent[0].path) == ("GET", NOTES)
    fair, contract, empty = listing.items
    assert fair == Note(
        id="nnnnnnnnnnnnnnnnnn01",
        body="<p>Met at the fair.<br>Wants a <b>second</b> offer</p>",
        added_ms=1790841600285,
        contact_id=CONTACT,
        title="Fair",
    )
    assert contract.body == "לשלוח חוזה 👨\u200d👩\u200d👧"
    assert contract.added_ms is None
    assert (empty.body, empty.added_ms) == ("", 1790841600000)
    assert empty.contact_id == CONTACT
    assert listing.bad_rows == ("",)


def test_a_note_of_five_megabytes_is_a_note() -> None:
    body = "é" * 2_500_000
    client, _ = make_client(recording({"note": {"id": "n", "body": body}}))

    assert client.get_note(CONTACT, "n").body == body


def test_notes_are_created_updated_and_deleted() -> None:
    client, vendor = make_client(
        sample("ghl/create_note"),
        sample("ghl/create_note"),
        recording({"succeded": True}),
        sample("ghl/delete_contact"),
    )

    made = client.create_note(CONTACT, "Called back [mj:12346]")
    changed = client.update_note(CONTACT, made.id, "Called again")
    silent = client.update_note(CONTACT, made.id, "Called again")
    client.delete_note(CONTACT, made.id)

    assert made.id == "nnnnnnnnnnnnnnnnnn04"
    assert changed == made
    assert silent is None
    assert [(sent.method, sent.path, sent.body) for sent in vendor.sent] == [
        ("POST", NOTES, {"body": "Called back [mj:12346]"}),
        ("PUT", f"{NOTES}/{made.id}", {"body": "Called again"}),
        ("PUT", f"{NOTES}/{made.id}", {"body": "Called again"}),
        ("DELETE", f"{NOTES}/{made.id}", None),
    ]


def test_a_note_deleted_between_listing_and_reading_is_not_found() -> None:
    client, _ = make_client(sample("ghl/400_note_not_found"))

    with pytest.raises(NotFound) as raised:
        client.get_note(CONTACT, "nnnnnnnnnnnnnnnnnn09")

    assert raised.value.reach is Reach.CONTACT


# Appointments (GHL 1.7)


def test_times_without_a_zone_are_the_locations() -> None:
    client, vendor = make_client(sample("ghl/list_appointments"))

    listing = client.list_appointments(CONTACT, BERLIN)

    assert vendor.sent[0].path == f"/contacts/{CONTACT}/appointments"
    summer, winter, zoned, some_day = listing.items
    assert summer == Appointment(
        id="eeeeeeeeeeeeeeeeee01",
        title="Viewing",
        status="confirmed",
        start_ms=1784192400000,  # 09:00 UTC
        end_ms=1784194200000,
        contact_id=CONTACT,
        calendar_id="cccccccccccccccccc01",
        start_text="2026-07-16 11:00:00",
    )
    assert winter.start_ms == 1768557600000  # 10:00 UTC
    assert winter.status == "booked"
    assert (zoned.start_ms, zoned.end_ms) == (1784179800000, 1784181600000)
    assert (some_day.start_ms, some_day.end_ms) == (None, None)
    assert some_day.start_text == "soon"
    assert listing.bad_rows == ("",)


@pytest.mark.parametrize(
    ("start", "start_ms"),
    [
        ("2026-10-25 02:30:00", 1792888200000),  # comes twice: 00:30 and 01:30 UTC
        ("2026-03-29 02:30:00", 1774747800000),  # never comes
        ("0001-01-01 00:00:00", None),
        ("9999-12-31 23:59:59", None),
        (1784192400000, 1784192400000),
        ({}, None),
    ],
)
def test_the_hours_when_clocks_change_and_the_ends_of_time_have_an_outcome(
    start: object, start_ms: int | None
) -> None:
    zone = ZoneInfo("America/New_York") if start_ms is None else BERLIN
    client, _ = make_client(recording({"events": [{"id": "e", "startTime": start}]}))

    assert client.list_appointments(CONTACT, zone).items[0].start_ms == start_ms


def test_calendars_are_read_with_a_version_of_their_own() -> None:
    client, vendor = make_client(sample("ghl/list_calendars"))

    assert client.list_calendars() == (
        Calendar("cccccccccccccccccc01", "Viewings", active=True),
        Calendar("cccccccccccccccccc02", "Old team", active=False),
        Calendar("cccccccccccccccccc03", "", active=True),
    )
    assert vendor.sent[0].path == "/calendars/"
    assert vendor.sent[0].query == {"locationId": LOCATION}
    assert vendor.sent[0].headers["Version"] == "2021-04-15"


def test_a_calendars_events_of_a_window_are_read_at_once() -> None:
    client, vendor = make_client(sample("ghl/calendar_events"))

    listing = client.calendar_events("cccccccccccccccccc01", 1, 2)

    assert vendor.sent[0].path == "/calendars/events"
    assert vendor.sent[0].query == {
        "locationId": LOCATION,
        "calendarId": "cccccccccccccccccc01",
        "startTime": "1",
        "endTime": "2",
    }
    assert vendor.sent[0].headers["Version"] == "2021-04-15"
    viewing, blocked = listing.items
    assert (viewing.start_ms, viewing.contact_id) == (1784192400000, CONTACT)
    assert (blocked.start_ms, blocked.contact_id) == (1784192400000, "")
    assert listing.bad_rows == ("",)


def test_a_calendar_that_is_gone_is_not_found() -> None:
    client, _ = make_client(sample("ghl/400_calendar_not_found"))

    with pytest.raises(NotFound):
        client.calendar_events("cccccccccccccccccc09", 1, 2)


@pytest.mark.parametrize("body", [[], {}, {"tasks": None}, {"notes": {}}])
def test_a_listing_that_is_none_is_a_bad_payload(body: object) -> None:
    client, _ = make_client(*[recording(body)] * 5)

    for read in (
        lambda: client.list_tasks(CONTACT),
        lambda: client.search_tasks(),
        lambda: client.list_notes(CONTACT),
        lambda: client.list_appointments(CONTACT, BERLIN),
        lambda: client.list_calendars(),
    ):
        with pytest.raises(BadPayload, match="not as documented"):
            read()


def test_no_text_of_a_person_is_shown_by_a_record() -> None:
    client, _ = make_client(sample("ghl/list_tasks"), sample("ghl/list_notes"))

    told = repr(client.list_tasks(CONTACT)) + repr(client.list_notes(CONTACT))

    assert "offer" not in told


# The zone of times that name none (GHL 1.7)


@pytest.mark.parametrize(
    ("listed", "zone"),
    [
        ("2026-11-16 20:41:18", "UTC"),
        ("2026-11-16 14:41:18", "America/Chicago"),
        ("2026-11-16T20:41:18Z", "America/Chicago"),
        ("soon", "America/Chicago"),
    ],
)
def test_the_zone_of_a_contacts_appointments_is_that_in_which_both_lists_agree(
    listed: str, zone: str
) -> None:
    exact = {"id": "a", "contactId": CONTACT, "startTime": "2026-11-17T02:11:18+05:30"}
    client, vendor = make_client(
        recording({"calendars": [{"id": "c", "name": "Demo"}]}),
        recording({"events": [{**exact, "id": "slot", "contactId": None}, exact]}),
        recording({"events": [{**exact, "startTime": listed}]}),
    )

    found = zone_of_appointments(client, ZoneInfo("America/Chicago"))

    assert found.key == zone
    assert len(vendor.sent) == 3


def test_where_nothing_tells_it_the_zone_is_taken_for_the_locations() -> None:
    calendars = recording({"calendars": [{"id": "c", "name": "Demo"}]})
    client, _ = make_client(calendars, recording({"events": []}))

    assert zone_of_appointments(client, ZoneInfo("Asia/Tokyo")).key == "Asia/Tokyo"
