"""The clients' calls about activities against the sandbox, which knows nothing of them.

Sections such as "GHL 1.5" are those of the notes behind the code.
"""

from collections.abc import Callable, Iterator
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from pipeline.errors import (
    Ambiguous,
    BadPayload,
    NotFound,
    Reach,
    ReadOnly,
    Rejected,
    Unauthorized,
)
from pipeline.ghl.client import HEADERS, GhlClient
from pipeline.mailjet.client import MailjetClient
from pipeline.permit import Lane, Permit
from pipeline.session import ApiSession
from pipeline.sync.activity import HistoryEntry
from tests.recorded import Ledgerless
from tests.sandbox import Sandbox, fresh_email

CONTACTS = 300
DUE_MS = 1791451800000
LISBON = ZoneInfo("Europe/Lisbon")
AT_TEN = "2026-07-16T10:00:00.000Z"
TEN_MS = 1784196000000


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    people = ("--contacts", str(CONTACTS), "--tasks-per-contact", "2")
    with Sandbox(*people, "--appointments-per-contact", "0.5") as running:
        yield running


def ghl_client(sandbox: Sandbox, *, read_only: bool) -> GhlClient:
    env = sandbox.env
    token = {"Authorization": f"Bearer {env['GHL_TOKEN']}"}
    session = ApiSession(
        "ghl",
        env["GHL_BASE_URL"],
        headers={**HEADERS, **token},
        budget=Ledgerless(),
        permit=Permit(Lane.BULK),
        read_only=read_only,
    )
    return GhlClient(session, env["GHL_LOCATION_ID"])


@pytest.fixture
def ghl(sandbox: Sandbox) -> GhlClient:
    return ghl_client(sandbox, read_only=False)


@pytest.fixture
def mailjet(sandbox: Sandbox) -> MailjetClient:
    env = sandbox.env
    session = ApiSession(
        "mailjet",
        env["MAILJET_BASE_URL"],
        auth=(env["MAILJET_API_KEY"], env["MAILJET_SECRET_KEY"]),
        budget=Ledgerless(),
        permit=Permit(Lane.BULK),
        read_only=False,
    )
    return MailjetClient(session)


@pytest.fixture
def contact(ghl: GhlClient) -> str:
    """A contact without activities."""
    return ghl.create_contact({"email": fresh_email()}).id


def test_a_task_lives_from_creation_to_deletion(ghl: GhlClient, contact: str) -> None:
    """GHL 1.5"""
    made = ghl.create_task(contact, title="Ring", due_ms=DUE_MS, assigned_to="U1")
    changed = ghl.update_task(contact, made.id, title="Ring again", body="soon")
    closed = ghl.complete_task(contact, made.id)
    read = ghl.get_task(contact, made.id)
    reopened = ghl.complete_task(contact, made.id, completed=False)
    listing = ghl.list_tasks(contact)
    ghl.delete_task(contact, made.id)

    assert (made.title, made.due_ms, made.assigned_to) == ("Ring", DUE_MS, "U1")
    assert (made.completed, made.contact_id) == (False, contact)
    assert changed is not None
    assert (changed.title, changed.body, changed.due_ms) == (
        "Ring again",
        "soon",
        DUE_MS,
    )
    assert closed == read
    assert read.completed is True
    assert listing.items == (reopened,)
    assert ghl.list_tasks(contact).items == ()
    for gone in (
        lambda: ghl.get_task(contact, made.id),
        lambda: ghl.complete_task(contact, made.id),
        lambda: ghl.delete_task(contact, made.id),
    ):
        with pytest.raises(NotFound) as raised:
            gone()
        assert raised.value.reach is Reach.CONTACT


def test_the_search_reads_every_task_of_the_location_once(
    sandbox: Sandbox, ghl: GhlClient
) -> None:
    """GHL 1.5"""
    found: list[str] = []
    done = 0
    after = None
    while True:
        page = ghl.search_tasks(search_after=after)
        found += [task.id for task in page.tasks]
        done += sum(task.completed for task in page.tasks)
        assert page.bad_rows == ()
        if (after := page.next) is None:
            break

    there = sandbox.tasks()
    assert len(found) >= 2 * CONTACTS
    assert sorted(found) == sorted(row["id"] for row in there)
    assert done == sum(row["completed"] for row in there)
    open_ones = ghl.search_tasks(completed=False).tasks
    assert open_ones
    assert not any(task.completed for task in open_ones)


def test_the_search_and_the_contact_tell_the_same_task(
    sandbox: Sandbox, ghl: GhlClient, contact: str
) -> None:
    """GHL 1.5"""
    made = ghl.create_task(contact, title="עברית 🐢", due_ms=DUE_MS, body="x")
    dateless = sandbox.put_task(contactId=contact, title="<script>", dueDate="soon")

    page = ghl.search_tasks(contact_ids=[contact])
    listing = ghl.list_tasks(contact)

    assert set(page.tasks) == set(listing.items)
    assert made in page.tasks
    due = {task.id: task.due_ms for task in page.tasks}
    assert due == {made.id: DUE_MS, dateless["id"]: None}


def test_deleted_tasks_and_tasks_of_nobody_are_told_apart(
    sandbox: Sandbox, ghl: GhlClient, contact: str
) -> None:
    """GHL 1.5"""
    kept = sandbox.put_task(contactId=contact, title="kept")
    gone = sandbox.put_task(contactId=contact, title="gone")
    sandbox.delete_task(gone["id"])
    orphan = sandbox.put_task(contactId="gone", title="whose?")
    sandbox.settings(deleted_tasks_listed=True)
    try:
        page = ghl.search_tasks(contact_ids=[contact, "gone"])
    finally:
        sandbox.settings(deleted_tasks_listed=False)
        sandbox.delete_task(orphan["id"])

    assert {task.id for task in page.tasks} == {kept["id"], orphan["id"]}
    assert [task.id for task in page.deleted] == [gone["id"]]
    with pytest.raises(NotFound):
        ghl.list_tasks("gone")


def test_a_title_of_ten_thousand_characters_goes_there_and_back(
    ghl: GhlClient, contact: str
) -> None:
    """GHL 1.5"""
    title = "اتصل 🐢 <script>alert(1)</script> " * 330

    made = ghl.create_task(contact, title=title, due_ms=DUE_MS)

    assert len(title) > 10_000
    assert ghl.get_task(contact, made.id).title == title


def test_a_note_lives_from_creation_to_deletion(ghl: GhlClient, contact: str) -> None:
    """GHL 1.6"""
    made = ghl.create_note(contact, "<p>one</p>")
    changed = ghl.update_note(contact, made.id, "two")
    read = ghl.get_note(contact, made.id)
    listing = ghl.list_notes(contact)
    ghl.delete_note(contact, made.id)

    assert (made.body, made.contact_id) == ("<p>one</p>", contact)
    assert made.added_ms is not None
    assert changed == read
    assert (read.body, read.added_ms) == ("two", made.added_ms)
    assert listing.items == (read,)
    assert ghl.list_notes(contact).items == ()
    with pytest.raises(NotFound):
        ghl.get_note(contact, made.id)
    with pytest.raises(NotFound):
        ghl.delete_note(contact, made.id)


def test_a_note_of_five_megabytes_is_read_and_more_than_fits_is_that_contacts_problem(
    sandbox: Sandbox, ghl: GhlClient, contact: str
) -> None:
    """GHL 1.6"""
    body = "né" * 1_700_000
    made = ghl.create_note(contact, body)

    [note] = ghl.list_notes(contact).items
    for _ in range(4):
        sandbox.put_note(contactId=contact, body=body)
    with pytest.raises(BadPayload, match="too large") as raised:
        ghl.list_notes(contact)

    assert made.body == note.body == body
    assert raised.value.reach is Reach.CONTACT


def test_an_empty_note_is_refused(ghl: GhlClient, contact: str) -> None:
    """GHL 1.6"""
    with pytest.raises(Rejected) as raised:
        ghl.create_note(contact, "")

    assert raised.value.reach is Reach.CONTACT


def test_a_contacts_appointments_are_read_in_the_locations_zone(
    sandbox: Sandbox, ghl: GhlClient, contact: str
) -> None:
    """GHL 1.7"""
    made = sandbox.put_appointment(
        contactId=contact, title="Viewing", startTime=AT_TEN, endTime=AT_TEN
    )
    zone = ZoneInfo(ghl.get_location().timezone)

    [meeting] = ghl.list_appointments(contact, zone).items

    assert (meeting.id, meeting.start_ms, meeting.end_ms) == (
        made["id"],
        TEN_MS,
        TEN_MS,
    )
    assert meeting.start_text == "2026-07-16 11:00:00"
    assert (meeting.title, meeting.status) == ("Viewing", "confirmed")
    assert meeting.calendar_id == made["calendarId"]


def test_calendars_tell_what_contacts_tell(sandbox: Sandbox, ghl: GhlClient) -> None:
    """GHL 1.7"""
    from_calendars = [
        meeting
        for calendar in ghl.list_calendars()
        for meeting in ghl.calendar_events(calendar.id, 0, 4 * 10**12).items
    ]

    there = [row for row in sandbox.appointments() if row["startTime"] > "2"]
    assert len(from_calendars) >= CONTACTS / 2
    assert {m.id for m in from_calendars} == {row["id"] for row in there}
    for meeting in from_calendars[:20]:
        below = ghl.list_appointments(meeting.contact_id, LISBON).items
        same = next(one for one in below if one.id == meeting.id)
        assert (same.start_ms, same.end_ms) == (meeting.start_ms, meeting.end_ms)
        assert (same.status, same.title) == (meeting.status, meeting.title)


def test_a_window_of_a_calendar_leaves_out_what_is_before_and_after(
    sandbox: Sandbox, ghl: GhlClient, contact: str
) -> None:
    """GHL 1.7"""
    made = sandbox.put_appointment(contactId=contact, startTime=AT_TEN, endTime=AT_TEN)

    def ids(start_ms: int, end_ms: int) -> set[str]:
        events = ghl.calendar_events(made["calendarId"], start_ms, end_ms)
        return {meeting.id for meeting in events.items}

    assert made["id"] in ids(TEN_MS - 1, TEN_MS + 1)
    assert made["id"] not in ids(TEN_MS + 1, TEN_MS + 1000)
    with pytest.raises(NotFound):
        ghl.calendar_events("gone", TEN_MS, TEN_MS + 1)


@pytest.mark.parametrize(
    ("route", "read"),
    [
        ("/locations/:locationId/tasks/search", lambda ghl: ghl.search_tasks()),
        ("/calendars/", lambda ghl: ghl.list_calendars()),
        ("/calendars/events", lambda ghl: ghl.calendar_events("c", 0, 1)),
    ],
)
def test_a_token_without_a_scope_says_so(
    sandbox: Sandbox, ghl: GhlClient, route: str, read: Callable[[GhlClient], object]
) -> None:
    """GHL 1.5, 1.7"""
    fault = sandbox.add_fault("scope_missing", vendor="ghl", route=route)
    try:
        with pytest.raises(Unauthorized, match="lacks a scope"):
            read(ghl)
    finally:
        sandbox.remove_fault(fault)


@pytest.mark.parametrize("kind", ["no_answer_after", "wrong_type", "empty"])
@pytest.mark.parametrize(
    "create",
    [
        lambda ghl, contact: ghl.create_task(contact, title="[mj:1]", due_ms=DUE_MS),
        lambda ghl, contact: ghl.create_note(contact, "[mj:1]"),
    ],
    ids=["task", "note"],
)
def test_a_lost_answer_leaves_one_thing_that_can_be_found(
    sandbox: Sandbox,
    ghl: GhlClient,
    contact: str,
    create: Callable[[GhlClient, str], object],
    kind: str,
) -> None:
    """GHL 1.5, 1.6: no idempotency keys, so who creates must look before again."""
    sandbox.add_fault(kind, vendor="ghl", method="POST", contact=contact, times=1)

    with pytest.raises((Ambiguous, BadPayload)):
        create(ghl, contact)

    texts = [task.title for task in ghl.list_tasks(contact).items]
    texts += [note.body for note in ghl.list_notes(contact).items]
    assert texts == ["[mj:1]"]


def test_the_search_reads_where_writing_is_forbidden(sandbox: Sandbox) -> None:
    """GHL 1.5: it is a POST, and changes nothing."""
    ghl = ghl_client(sandbox, read_only=True)

    assert ghl.search_tasks().tasks
    with pytest.raises(ReadOnly):
        ghl.create_note("contact", "text")


def test_history_entries_are_written_and_read_back(
    sandbox: Sandbox, mailjet: MailjetClient
) -> None:
    """Mailjet 3.3"""
    name = f"h{uuid4().hex[:10]}"
    mailjet.create_property(name, "str", "historic")
    someone = sandbox.put_subscriber(email=fresh_email())["id"]
    other = sandbox.put_subscriber(email=fresh_email())["id"]
    early = sandbox.put_history(other, name, "{br", created_at="2026-10-01T08:00:00Z")

    made = mailjet.create_history(someone, name, '{"id": "🐢"}')

    everything = mailjet.list_history(0, name=name).entries
    assert [entry.id for entry in everything] == [early["ID"], made.id]
    assert everything[1] == made
    assert (made.contact_id, made.data) == (someone, '{"id": "🐢"}')
    assert made.created_ms is not None
    assert mailjet.list_history(0, contact_id=other).entries == everything[:1]
    since = mailjet.list_history(0, name=name, created_from_ms=made.created_ms)
    assert since.entries == (made,)
    whole: list[HistoryEntry] = []
    offset: int | None = 0
    while offset is not None:
        page = mailjet.list_history(offset, created_from_ms=1_790_841_600_000)
        whole += page.entries
        offset = page.next_offset
    assert set(everything) <= set(whole)


def test_more_than_a_page_of_history_is_read_in_two(
    sandbox: Sandbox, mailjet: MailjetClient
) -> None:
    """Mailjet 3.3"""
    name = f"h{uuid4().hex[:10]}"
    someone = sandbox.put_subscriber(email=fresh_email())["id"]
    for number in range(1001):
        sandbox.put_history(someone, name, str(number))

    first = mailjet.list_history(0, name=name)
    assert first.next_offset == 1000
    second = mailjet.list_history(first.next_offset, name=name)

    texts = [entry.data for entry in (*first.entries, *second.entries)]
    assert texts == [str(number) for number in range(1001)]
    assert second.next_offset is None


def test_an_account_without_the_historic_namespace_refuses_all_of_it(
    sandbox: Sandbox, mailjet: MailjetClient
) -> None:
    """Mailjet 3.3: legacy; where it is not offered, setup must find that out."""
    someone = sandbox.put_subscriber(email=fresh_email())["id"]
    sandbox.settings(historic_namespace=False)
    try:
        with pytest.raises(Rejected) as defining:
            mailjet.create_property(f"h{uuid4().hex[:10]}", "str", "historic")
        with pytest.raises(Rejected) as writing:
            mailjet.create_history(someone, "note", "x")
    finally:
        sandbox.settings(historic_namespace=True)

    assert defining.value.reach is Reach.CONTACT
    assert writing.value.reach is Reach.CONNECTION


def test_an_entry_for_a_stranger_is_that_contacts_problem(
    mailjet: MailjetClient,
) -> None:
    """Mailjet 3.3"""
    with pytest.raises(Rejected) as raised:
        mailjet.create_history(999_999_999, "note", "x")

    assert raised.value.reach is Reach.CONTACT
