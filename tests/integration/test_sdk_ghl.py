"""GHL's own client against the sandbox, on the routes whose v2 and v3 agree.

It always speaks `Version: v3` and has no list of contacts. Where the sandbox was seen
through 2021-07-28, as our client sees it, both must show one state.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from highlevel import HighLevel
from highlevel.error import GHLError

from tests.sandbox import GhlCaller, Sandbox, fresh_email

Ask = Callable[[Callable[[HighLevel], Awaitable[Any]]], Any]
ACTIVE = {"status": "active", "message": "", "code": ""}


@pytest.fixture
def ask(sandbox: Sandbox) -> Ask:
    """Runs what is asked of a client of its own; the client lives in one loop."""
    sandbox.clear_faults()

    class Local(HighLevel):
        BASE_URL = sandbox.env["GHL_BASE_URL"]

    async def answered(question: Callable[[HighLevel], Awaitable[Any]]) -> Any:
        client = Local(private_integration_token=sandbox.env["GHL_TOKEN"])
        try:
            return await question(client)
        finally:
            await client.close()

    return lambda question: asyncio.run(answered(question))


def test_a_contact_lives_from_creation_to_deletion(ask: Ask, ghl: GhlCaller) -> None:
    """GHL 1.3."""
    email = fresh_email()
    body = {"locationId": ghl.location, "email": email, "firstName": "Ada"}

    async def live(sdk: HighLevel) -> Any:
        made = await sdk.contacts.create_contact(body)
        contact_id = made["contact"]["id"]
        updated = await sdk.contacts.update_contact(contact_id, {"city": "Faro"})
        return made, updated, await sdk.contacts.get_contact(contact_id)

    made, updated, read = ask(live)

    assert updated["succeeded"] is True
    seen = ghl.contact(made["contact"]["id"])
    assert (seen["email"], seen["city"]) == (email, "Faro")
    assert read["contact"] == seen
    gone = ask(lambda sdk: sdk.contacts.delete_contact(seen["id"]))
    assert gone["succeeded"] is True
    assert ghl.sandbox.contact(seen["id"]) is None


def test_its_channels_are_those_that_v2_shows_under_other_names(
    ask: Ask, ghl: GhlCaller
) -> None:
    """GHL 0, 6 (14)."""
    row = ghl.create(email=fresh_email())
    change = {"dndSettings": {"email": ACTIVE}}
    ask(lambda sdk: sdk.contacts.update_contact(row["id"], change))

    assert ghl.contact(row["id"])["dndSettings"] == {"Email": ACTIVE}


def test_tags_are_added_and_removed(ask: Ask, ghl: GhlCaller) -> None:
    """GHL 1.8."""
    row = ghl.create(email=fresh_email(), tags=["one"])

    async def change(sdk: HighLevel) -> Any:
        added = await sdk.contacts.add_tags(row["id"], {"tags": ["Two"]})
        removed = await sdk.contacts.remove_tags(row["id"], {"tags": ["one"]})
        return added, removed

    added, removed = ask(change)

    assert (added["tags"], removed["tags"]) == (["one", "two"], ["two"])
    assert ghl.contact(row["id"])["tags"] == ["two"]


def test_tasks_are_created_changed_and_deleted(ask: Ask, ghl: GhlCaller) -> None:
    """GHL 1.5."""
    contact_id = ghl.create(email=fresh_email())["id"]
    due = "2026-12-01T09:00:00.000Z"
    task = {"title": "Call", "dueDate": due, "completed": False}

    async def live(sdk: HighLevel) -> Any:
        made = await sdk.contacts.create_task(contact_id, task)
        task_id = made["task"]["id"]
        await sdk.contacts.update_task(contact_id, task_id, {"title": "Write"})
        done = {"completed": True}
        await sdk.contacts.update_task_completed(contact_id, task_id, done)
        return await sdk.contacts.get_task(contact_id, task_id)

    read = ask(live)["task"]

    path = f"/contacts/{contact_id}/tasks"
    assert ghl.call("GET", path).json()["tasks"] == [read]
    assert (read["title"], read["completed"]) == ("Write", True)
    ask(lambda sdk: sdk.contacts.delete_task(contact_id, read["id"]))
    assert ask(lambda sdk: sdk.contacts.get_all_tasks(contact_id))["tasks"] == []


def test_notes_are_created_changed_and_deleted(ask: Ask, ghl: GhlCaller) -> None:
    """GHL 1.6."""
    contact_id = ghl.create(email=fresh_email())["id"]

    async def live(sdk: HighLevel) -> Any:
        made = await sdk.contacts.create_note(contact_id, {"body": "Asked"})
        change = {"body": "Was called"}
        await sdk.contacts.update_note(contact_id, made["note"]["id"], change)
        return await sdk.contacts.get_all_notes(contact_id)

    (note,) = ask(live)["notes"]

    path = f"/contacts/{contact_id}/notes/{note['id']}"
    assert ghl.call("GET", path).json()["note"] == note
    assert note["body"] == "Was called"
    ask(lambda sdk: sdk.contacts.delete_note(contact_id, note["id"]))
    assert ghl.call("GET", path).status_code == 400


def test_appointments_are_read(ask: Ask, ghl: GhlCaller) -> None:
    """GHL 1.7."""
    contact_id = ghl.create(email=fresh_email())["id"]
    times = {"startTime": "2026-12-01T09:00:00.000Z"}
    times["endTime"] = "2026-12-01T10:00:00.000Z"
    ghl.sandbox.put_appointment(contactId=contact_id, title="Fitting", **times)
    answer = ask(lambda sdk: sdk.contacts.get_appointments_for_contact(contact_id))

    (event,) = answer["events"]
    assert event["title"] == "Fitting"


def test_contacts_are_upserted_searched_and_found_again(
    ask: Ask, ghl: GhlCaller
) -> None:
    """GHL 1.2, 1.3."""
    email = fresh_email()
    body = {"locationId": ghl.location, "email": email}
    by_email = {"field": "email", "operator": "eq", "value": email}
    query = {"locationId": ghl.location, "pageLimit": 5, "filters": [by_email]}

    async def seek(sdk: HighLevel) -> Any:
        upserted = [await sdk.contacts.upsert_contact(body) for _ in range(2)]
        found = await sdk.contacts.search_contacts_advanced(query)
        same = await sdk.contacts.get_duplicate_contact(ghl.location, email=email)
        return upserted, found["contacts"], same

    (first, second), (row,), same = ask(seek)

    assert (first["new"], second["new"]) == (True, False)
    ids = {first["contact"]["id"], second["contact"]["id"], row["id"]}
    assert ids == {same["contact"]["id"]}


def test_what_surrounds_contacts_is_read(ask: Ask, ghl: GhlCaller) -> None:
    """GHL 1.4, 1.9."""
    where = {"locationId": ghl.location}
    listing = ghl.call("GET", "/businesses/", params=where).json()["businesses"]
    business_id = listing[0]["id"]
    member = ghl.sandbox.put_contact(firstName="Ada", businessId=business_id)

    async def look(sdk: HighLevel) -> Any:
        return (
            await sdk.locations.get_location(ghl.location),
            await sdk.locations.get_location_tags(ghl.location),
            await sdk.locations.get_custom_fields(ghl.location),
            await sdk.businesses.get_businesses_by_location(ghl.location),
            await sdk.contacts.get_contacts_by_business_id(business_id, ghl.location),
        )

    location, tags, fields, businesses, members = ask(look)

    assert location["location"]["timezone"] == "Europe/Lisbon"
    base = f"/locations/{ghl.location}"
    assert tags["tags"] == ghl.call("GET", f"{base}/tags").json()["tags"]
    seen = ghl.call("GET", f"{base}/customFields").json()
    assert fields["customFields"] == seen["customFields"]
    assert businesses["businesses"] == listing
    assert [row["id"] for row in members["contacts"]] == [member["id"]]


def test_refusals_reach_it_with_their_status_and_words(
    ask: Ask, ghl: GhlCaller
) -> None:
    """GHL 0."""
    with pytest.raises(GHLError, match="Contact not found") as missing:
        ask(lambda sdk: sdk.contacts.get_contact(uuid4().hex[:20]))
    row = ghl.create(email=fresh_email())
    body = {"locationId": ghl.location, "email": row["email"]}
    with pytest.raises(GHLError, match="duplicated contacts") as duplicate:
        ask(lambda sdk: sdk.contacts.create_contact(body))
    ghl.sandbox.add_fault("429", vendor="ghl", times=1)
    with pytest.raises(GHLError) as hurried:
        ask(lambda sdk: sdk.contacts.get_contact(row["id"]))
    ghl.sandbox.add_fault("token_revoked", vendor="ghl", times=1)
    with pytest.raises(GHLError) as revoked:
        ask(lambda sdk: sdk.contacts.get_contact(row["id"]))

    raised = (missing, duplicate, hurried, revoked)
    statuses = [caught.value.status_code for caught in raised]
    assert statuses == [400, 400, 429, 401]
