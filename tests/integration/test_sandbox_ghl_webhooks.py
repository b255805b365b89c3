"""The sandbox's GHL: the webhooks of a Marketplace app."""

import json
from base64 import b64decode
from collections.abc import Iterator

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.sandbox import GhlCaller, Row, Sandbox, fresh_email
from tests.sandbox_events import Received, Receiver, wait_until

TASK = {"title": "Call", "dueDate": "2026-12-01T09:00:00.000Z", "completed": False}
ACTIVE = {"status": "active", "message": "", "code": ""}
ENVELOPE = {"timestamp", "webhookId", "appId", "versionId"}


@pytest.fixture
def app(sandbox: Sandbox) -> Iterator[Receiver]:
    """A Marketplace app that is told of every change."""
    with Receiver() as receiver:
        sandbox.settings(webhook_retry_seconds=0.01)
        sandbox.send_webhooks_to(receiver.url)
        yield receiver
        sandbox.stop_webhooks()


def told(app: Receiver, count: int) -> list[Row]:
    """The first so many webhooks, by their type, which posts do not keep in order."""
    rows = [json.loads(post.body) for post in app.wait_for(count)]
    return sorted(rows, key=lambda row: str(row["type"]))


def types(app: Receiver, count: int) -> list[str]:
    return [row["type"] for row in told(app, count)]


def sent(sandbox: Sandbox) -> list[str]:
    """The types of all webhooks since the newest contact, arrived or not."""
    kinds = [row["kind"] for row in sandbox.deliveries()]
    return kinds[len(kinds) - 1 - kinds[::-1].index("ContactCreate") :]


def is_signed(post: Received, key: str) -> bool:
    public = load_der_public_key(b64decode(key))
    assert isinstance(public, Ed25519PublicKey)
    try:
        public.verify(b64decode(post.headers["x-ghl-signature"]), post.body)
    except InvalidSignature:
        return False
    return True


def test_a_contacts_webhooks_are_flat_and_lack_what_get_shows(
    sandbox: Sandbox, ghl: GhlCaller, app: Receiver
) -> None:
    """GHL 5, GHL 6: 17."""
    fields = {"firstName": "Ada", "lastName": "Lovelace", "email": fresh_email()}
    row = ghl.create(**fields, tags=["vip"], dndSettings={"Email": ACTIVE})
    (created,) = told(app, 1)

    assert created["type"] == "ContactCreate"
    assert created.keys() >= ENVELOPE
    assert created["locationId"] == ghl.location
    assert created.items() >= {**fields, "id": row["id"], "dnd": False}.items()
    assert (created["name"], created["tags"]) == ("Ada Lovelace", ["vip"])
    assert created["attachments"] == []
    assert not {"dateUpdated", "dndSettings", "businessId"} & created.keys()


def test_a_deletion_still_carries_the_whole_contact(
    sandbox: Sandbox, ghl: GhlCaller, app: Receiver
) -> None:
    """GHL 5."""
    email = fresh_email()
    row = ghl.create(email=email)
    sandbox.put_note(contactId=row["id"], body="gone with the contact")
    ghl.call("DELETE", f"/contacts/{row['id']}")
    rows = {each["type"]: each for each in told(app, 3)}

    assert rows.keys() == {"ContactCreate", "ContactDelete", "NoteCreate"}
    assert rows["ContactDelete"]["id"] == row["id"]
    assert rows["ContactDelete"]["email"] == email


def test_a_change_is_told_by_what_it_changed(
    sandbox: Sandbox, ghl: GhlCaller, app: Receiver
) -> None:
    """GHL 5."""
    row = ghl.create(email=fresh_email())
    path = f"/contacts/{row['id']}"
    for change in (
        {"city": "Faro"},
        {"dndSettings": {"Email": ACTIVE}},
        {"tags": ["lead"]},
        {"city": "Faro", "tags": ["lead"]},
        {"dnd": True, "city": "Porto"},
    ):
        ghl.call("PUT", path, json=change)
    ghl.call("POST", f"{path}/tags", json={"tags": ["vip"]})

    assert sent(sandbox) == [
        "ContactCreate",
        "ContactUpdate",
        "ContactDndUpdate",
        "ContactTagUpdate",
        "ContactUpdate",
        "ContactDndUpdate",
        "ContactTagUpdate",
    ]
    dnd = next(row for row in told(app, 7) if row["type"] == "ContactDndUpdate")
    assert dnd["dndSettings"] == {"Email": ACTIVE}


def test_some_changes_have_no_webhook(
    sandbox: Sandbox, ghl: GhlCaller, app: Receiver
) -> None:
    """GHL 5."""
    row = ghl.create(email=fresh_email())
    business_id = ghl.call(
        "GET", "/businesses/", params={"locationId": ghl.location}
    ).json()["businesses"][0]["id"]
    sandbox.put_contact(id=row["id"], businessId=business_id)
    inbound = {"inboundDndSettings": {"all": {"status": "active"}}}
    sandbox.put_contact(id=row["id"], **inbound)

    assert sent(sandbox) == ["ContactCreate"]


def test_a_change_by_a_user_is_told_like_one_by_the_api(
    sandbox: Sandbox, app: Receiver
) -> None:
    """GHL 5."""
    row = sandbox.put_contact(email=fresh_email(), firstName="Ana")
    sandbox.put_contact(id=row["id"], dnd=True, city="Faro")
    sandbox.delete_contact(row["id"])

    assert types(app, 4) == [
        "ContactCreate",
        "ContactDelete",
        "ContactDndUpdate",
        "ContactUpdate",
    ]


def test_a_task_has_no_webhook_of_its_change_and_may_lack_its_contact(
    sandbox: Sandbox, ghl: GhlCaller, app: Receiver
) -> None:
    """GHL 5, GHL 6: 17."""
    contact_id = ghl.create(email=fresh_email())["id"]
    path = f"/contacts/{contact_id}/tasks"
    task = ghl.call("POST", path, json={**TASK, "body": "soon"}).json()["task"]
    own = f"{path}/{task['id']}"
    ghl.call("PUT", own, json={"title": "Write"})
    for completed in (True, False):
        ghl.call("PUT", f"{own}/completed", json={"completed": completed})
    ghl.call("DELETE", own)
    sandbox.settings(task_create_without_contact=False)
    try:
        sandbox.put_task(contactId=contact_id, title="whole", body="soon")
    finally:
        sandbox.settings(task_create_without_contact=True)
    _, *tasks = told(app, 5)

    assert [row["type"] for row in tasks] == [
        "TaskComplete",
        "TaskCreate",
        "TaskCreate",
        "TaskDelete",
    ]
    assert len(sent(sandbox)) == 5
    completed, *created, deleted = tasks
    thin, whole = sorted(created, key=len)
    assert thin["id"] == task["id"]
    assert not {"contactId", "body"} & thin.keys()
    assert (whole["contactId"], whole["body"]) == (contact_id, "soon")
    assert (completed["contactId"], completed["title"]) == (contact_id, "Write")
    assert deleted["id"] == task["id"]


def test_a_notes_webhooks_have_no_title(
    sandbox: Sandbox, ghl: GhlCaller, app: Receiver
) -> None:
    """GHL 5."""
    contact_id = ghl.create(email=fresh_email())["id"]
    path = f"/contacts/{contact_id}/notes"
    note = ghl.call("POST", path, json={"body": "a", "title": "t"}).json()["note"]
    ghl.call("PUT", f"{path}/{note['id']}", json={"body": "b"})
    ghl.call("DELETE", f"{path}/{note['id']}")
    _, created, deleted, updated = told(app, 4)

    assert [row["type"] for row in (created, updated, deleted)] == [
        "NoteCreate",
        "NoteUpdate",
        "NoteDelete",
    ]
    assert updated.keys() == ENVELOPE | {
        *("type", "locationId", "id", "body", "contactId", "dateAdded")
    }
    assert (updated["body"], deleted["contactId"]) == ("b", contact_id)


def test_an_appointment_is_nested_and_has_times_with_an_offset(
    sandbox: Sandbox, app: Receiver
) -> None:
    """GHL 5."""
    contact_id = sandbox.put_contact(email=fresh_email())["id"]
    start, end = "2026-07-01T09:00:00.000Z", "2026-07-01T10:00:00.000Z"
    row = sandbox.put_appointment(contactId=contact_id, startTime=start, endTime=end)
    sandbox.put_appointment(id=row["id"], appointmentStatus="cancelled")
    sandbox.delete_appointment(row["id"])
    created, deleted, updated, _ = told(app, 4)

    assert [each["type"] for each in (created, updated, deleted)] == [
        "AppointmentCreate",
        "AppointmentUpdate",
        "AppointmentDelete",
    ]
    assert created.keys() == ENVELOPE | {"type", "locationId", "appointment"}
    nested = created["appointment"]
    assert (nested["id"], nested["contactId"]) == (row["id"], contact_id)
    assert nested["startTime"] == "2026-07-01T10:00:00+01:00"
    assert updated["appointment"]["appointmentStatus"] == "cancelled"


def test_webhooks_are_signed_over_the_raw_body(
    sandbox: Sandbox, ghl: GhlCaller, app: Receiver
) -> None:
    """GHL 5."""
    ghl.create(email=fresh_email(), firstName="Žofie")
    (post,) = app.wait_for(1)
    key = sandbox.env["GHL_WEBHOOK_PUBLIC_KEY"]

    assert is_signed(post, key)
    assert not is_signed(post._replace(body=post.body + b" "), key)
    assert "x-wh-signature" not in post.headers


def test_the_same_seed_signs_with_the_same_key(sandbox: Sandbox) -> None:
    with Sandbox("--contacts", "0") as again, Sandbox("--seed", "2") as other:
        keys = [each.env["GHL_WEBHOOK_PUBLIC_KEY"] for each in (again, other)]

    assert keys[0] == sandbox.env["GHL_WEBHOOK_PUBLIC_KEY"] != keys[1]


@pytest.mark.parametrize("answer", [429, 500, 302, 404])
def test_a_webhook_that_fails_is_sent_again_as_it_was(
    sandbox: Sandbox, ghl: GhlCaller, answer: int
) -> None:
    """GHL 5."""
    with Receiver(answer, answer, 201) as app:
        sandbox.settings(webhook_retry_seconds=0.01)
        sandbox.send_webhooks_to(app.url)
        ghl.create(email=fresh_email())
        posts = app.wait_for(3)
        wait_until(lambda: sandbox.deliveries()[-1]["status"] == "delivered")
        sandbox.stop_webhooks()

    assert len({post.body for post in posts}) == 1
    assert len({post.headers["x-ghl-signature"] for post in posts}) == 1
    assert sandbox.deliveries()[-1]["attempts"] == 3
    assert sandbox.deliveries()[-1]["answer"] == 201


def test_a_webhook_is_given_up_after_twelve_retries(
    sandbox: Sandbox, ghl: GhlCaller
) -> None:
    """GHL 5."""
    sandbox.settings(webhook_retry_seconds=0.0001)
    sandbox.send_webhooks_to("http://127.0.0.1:9/hooks")
    try:
        ghl.create(email=fresh_email())
        wait_until(lambda: sandbox.deliveries()[-1]["status"] == "given up")
    finally:
        sandbox.stop_webhooks()

    assert sandbox.deliveries()[-1] == {
        "vendor": "ghl",
        "kind": "ContactCreate",
        "url": "http://127.0.0.1:9/hooks",
        "status": "given up",
        "attempts": 13,
        "answer": None,
    }


def test_webhooks_can_be_stopped_and_never_leave_this_machine(
    sandbox: Sandbox, ghl: GhlCaller
) -> None:
    sandbox.settings(webhook_retry_seconds=3600)
    sandbox.send_webhooks_to("http://127.0.0.1:9/hooks")
    ghl.create(email=fresh_email())
    wait_until(lambda: sandbox.deliveries()[-1]["attempts"] == 1)
    waiting = sandbox.deliveries()[-1]["status"]
    sandbox.stop_webhooks()
    wait_until(lambda: sandbox.deliveries()[-1]["status"] == "given up")
    before = len(sandbox.deliveries())
    ghl.create(email=fresh_email())

    assert waiting == "waiting"
    assert len(sandbox.deliveries()) == before
    with pytest.raises(AssertionError, match="this machine"):
        sandbox.send_webhooks_to("https://example.com/hooks")
