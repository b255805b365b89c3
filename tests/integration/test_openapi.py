"""What GHL is sent and what its sandbox answers, held against GHL's own OpenAPI files.

The files are HighLevel's (`apps/` and `common/` of GoHighLevel/highlevel-api-docs) and
are not part of this repository: `GHL_OPENAPI_DIR` names the folder.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.ghl.client import HEADERS, GhlClient
from pipeline.permit import Lane, Permit
from pipeline.sandbox.settings import Settings
from pipeline.sandbox.world import World
from pipeline.session import ApiSession
from tests.conftest import DriverFactory
from tests.openapi import Contract, Finding
from tests.openapi_exemptions import EXEMPTIONS
from tests.recorded import Ledgerless
from tests.sandbox import GhlCaller, Row, Sandbox, fresh_email

FOLDER = os.environ.get("GHL_OPENAPI_DIR", "")
pytestmark = pytest.mark.skipif(
    not FOLDER,
    reason="GHL_OPENAPI_DIR is unset: GHL's OpenAPI files are not held against us",
)
ACTIVE = {"status": "active", "message": "", "code": ""}
PARTS_OF_A_REQUEST = ("query", "header", "request")
NOT_CALLED_BY_US = {
    ("POST", "/contacts/upsert"),
    ("GET", "/contacts/search/duplicate"),
}
TASK = {"title": "Call", "dueDate": "2026-12-01T09:00:00.000Z", "completed": False}


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract(Path(FOLDER))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """With people, all of whose calls are kept."""
    with Sandbox("--contacts", "60") as running:
        running.settings(keep_exchanges=True)
        yield running


def of_ghl(sandbox: Sandbox) -> list[Row]:
    """The calls to GHL since the last look."""
    return [each for each in sandbox.exchanges() if each["vendor"] == "ghl"]


def routes_of(exchanges: list[Row]) -> set[tuple[str, str]]:
    known = (each for each in exchanges if each["route"] != "(unknown)")
    return {(each["method"], each["route"]) for each in known}


def findings(contract: Contract, exchanges: list[Row]) -> set[Finding]:
    return {found for each in exchanges for found in contract.findings(each)}


def not_exempt(found: set[Finding]) -> list[Finding]:
    return sorted(f for f in found if not any(e.covers(f) for e in EXEMPTIONS))


def tour(ghl: GhlCaller) -> None:
    """Call every route of GHL at least once, rightly and wrongly."""
    location = {"locationId": ghl.location}
    businesses = ghl.call("GET", "/businesses/", params=location).json()["businesses"]
    row = ghl.create(
        email=fresh_email(),
        phone="+15550001",
        dateOfBirth="1990-09-25",
        dndSettings={"Email": ACTIVE},
        tags=["vip"],
    )
    path = f"/contacts/{row['id']}"
    more = {"additionalEmails": [{"email": fresh_email()}]}
    ghl.sandbox.put_contact(id=row["id"], businessId=businesses[0]["id"], **more)
    ghl.call("PUT", path, json={"city": "Faro"})
    ghl.call("POST", "/contacts/upsert", json={**location, "email": row["email"]})
    query = {**location, "email": row["email"]}
    ghl.call("GET", "/contacts/search/duplicate", params=query)
    ghl.call("GET", f"/contacts/business/{businesses[0]['id']}", params=location)
    ghl.listing(limit=100)
    ghl.search()
    for method in ("POST", "DELETE"):
        ghl.call(method, f"{path}/tags", json={"tags": ["lead"]})
    for place in ("", "/tags", "/customFields"):
        ghl.call("GET", f"/locations/{ghl.location}{place}")
    tour_activities(ghl, path)
    refused_calls(ghl, path)
    ghl.call("DELETE", path)


def tour_activities(ghl: GhlCaller, path: str) -> None:
    """Tasks, notes, appointments and calendars of one contact."""
    for kind, body in (("tasks", TASK), ("notes", {"body": "Asked for a call"})):
        made = ghl.call("POST", f"{path}/{kind}", json=body).json()
        (one,) = (part for part in made.values() if isinstance(part, dict))
        own = f"{path}/{kind}/{one['id']}"
        ghl.call("GET", f"{path}/{kind}")
        ghl.call("GET", own)
        ghl.call("PUT", own, json=body)
        if kind == "tasks":
            ghl.call("PUT", f"{own}/completed", json={"completed": True})
            search = f"/locations/{ghl.location}/tasks/search"
            ghl.call("POST", search, json={"limit": 5})
        ghl.call("DELETE", own)
    ghl.sandbox.put_appointment(
        contactId=path.rpartition("/")[2],
        title="Fitting",
        startTime="2026-12-01T09:00:00.000Z",
        endTime="2026-12-01T10:00:00.000Z",
    )
    ghl.call("GET", f"{path}/appointments")
    headers, location = {"Version": "2021-04-15"}, {"locationId": ghl.location}
    calendars = ghl.call("GET", "/calendars/", params=location, headers=headers)
    calendar_id = calendars.json()["calendars"][0]["id"]
    span = {"startTime": "1", "endTime": "9999999999999", "calendarId": calendar_id}
    query = {**location, **span}
    ghl.call("GET", "/calendars/events", params=query, headers=headers)


def refused_calls(ghl: GhlCaller, path: str) -> None:
    """Each kind of refusal."""
    ghl.call("PUT", path, json={"shoeSize": 9})
    ghl.call("GET", "/contacts/gone")
    ghl.call("GET", path, headers={"Authorization": None})
    ghl.listing(limit=101)
    ghl.listing(locationId="anotherLocation00001")
    for kind in ("500", "429"):
        ghl.sandbox.add_fault(kind, times=1)
        ghl.call("GET", path)


@pytest.fixture(scope="module")
def toured(sandbox: Sandbox) -> list[Row]:
    caller = GhlCaller(sandbox)
    tour(caller)
    caller.close()
    return of_ghl(sandbox)


def test_the_tour_calls_every_route_of_the_sandbox(toured: list[Row]) -> None:
    routes = World(Settings(), contacts=0, seed=1).ghl().routes

    assert {(r.method, r.template) for r in routes} - routes_of(toured) == set()


def test_every_answer_of_the_sandbox_is_as_ghls_contract_says(
    contract: Contract, toured: list[Row]
) -> None:
    found = findings(contract, toured)
    answers = {each for each in found if each.place not in PARTS_OF_A_REQUEST}

    assert not_exempt(answers) == []


def test_every_request_of_our_clients_is_as_ghls_contract_says(
    contract: Contract, sandbox: Sandbox, toured: list[Row]
) -> None:
    env = sandbox.env
    client = GhlClient(
        ApiSession(
            "ghl",
            env["GHL_BASE_URL"],
            headers={**HEADERS, "Authorization": f"Bearer {env['GHL_TOKEN']}"},
            budget=Ledgerless(),
            permit=Permit(Lane.BULK),
            read_only=False,
        ),
        env["GHL_LOCATION_ID"],
    )
    call_contacts(client)
    call_activities(client)
    exchanges = of_ghl(sandbox)

    assert routes_of(toured) - routes_of(exchanges) == NOT_CALLED_BY_US
    assert not_exempt(findings(contract, exchanges)) == []


def call_contacts(client: GhlClient) -> None:
    first = client.list_contacts(None)
    if first.next is not None:
        client.list_contacts(first.next)
    found = client.search_contacts(search_after=None, page_limit=20)
    client.search_contacts(search_after=found.next, page_limit=20)
    business = client.list_businesses(0).businesses[0]
    client.business_contacts(business.id, 0)
    email = fresh_email()
    made = client.create_contact({"firstName": "Ada", "email": email})
    client.update_contact(made.id, {"city": "Faro", "dndSettings": {"Email": ACTIVE}})
    client.contacts_with_email(email)
    client.get_contact(made.id)
    client.add_tags(made.id, ["vip"])
    client.remove_tags(made.id, ["vip"])
    client.get_location()
    client.list_tags()
    client.list_custom_fields()
    client.delete_contact(made.id)


def call_activities(client: GhlClient) -> None:
    contact_id = client.create_contact({"email": fresh_email()}).id
    task = client.create_task(contact_id, title="Call", due_ms=1, body="soon")
    client.list_tasks(contact_id)
    client.get_task(contact_id, task.id)
    client.update_task(contact_id, task.id, title="Write", due_ms=2)
    client.complete_task(contact_id, task.id)
    client.search_tasks(completed=True, contact_ids=[contact_id])
    client.delete_task(contact_id, task.id)
    note = client.create_note(contact_id, "Asked for a call")
    client.list_notes(contact_id)
    client.get_note(contact_id, note.id)
    client.update_note(contact_id, note.id, "Was called")
    client.delete_note(contact_id, note.id)
    client.list_appointments(contact_id, ZoneInfo("Europe/Lisbon"))
    for calendar in client.list_calendars():
        client.calendar_events(calendar.id, 1, 2)


def test_a_sync_sends_and_is_answered_as_ghls_contract_says(
    contract: Contract, build_driver: DriverFactory, sandbox: Sandbox, toured: list[Row]
) -> None:
    driver = build_driver(
        GHL_BUSINESS_IDS="*", SYNC_CONFIRMATION_TAG="synced", SYNC_DETAILS="always"
    )
    for number in range(5):
        settings: dict[str, Any] = {"Email": ACTIVE} if number == 0 else {}
        driver.person(dndSettings=settings)
    driver.setup()
    sandbox.exchanges()
    driver.full_run()
    driver.sync(driver.person()["id"])
    exchanges = of_ghl(sandbox)

    assert len(routes_of(exchanges)) >= 5
    assert not_exempt(findings(contract, exchanges)) == []


def test_no_exemption_is_stale(contract: Contract, toured: list[Row]) -> None:
    found = findings(contract, toured)

    assert [e for e in EXEMPTIONS if not any(e.covers(f) for f in found)] == []
