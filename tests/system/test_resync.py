"""A full resync from one typed line to Mailjet, by the processes of the README."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests

from pipeline.store.records import Run
from tests.sandbox import Row, fresh_email
from tests.system.installation import (
    Installation,
    address_of,
    installation,
    is_address,
    unseen,
)
from tests.system.wiretap import Wiretap
from tests.valkey import free_port

PEOPLE = 150
UPSERT = "/v3/REST/contactslist/:list/managecontact"
NO = {"Email": {"status": "active", "message": "", "code": ""}}
LOGIN = ("operator", "long enough")


@dataclass(frozen=True)
class Resynced:
    """An installation after its first run, and all that was ever said in it."""

    installation: Installation
    wiretap: Wiretap
    flower: str
    first_run: Run
    first_log: list[Row]


@pytest.fixture(scope="module")
def resynced() -> Iterator[Resynced]:
    port = free_port()
    with (
        installation(
            *("--contacts", str(PEOPLE)),
            SYNC_CHANGES_INTERVAL_SECONDS="5",
            FLOWER_PORT=str(port),
            FLOWER_BASIC_AUTH=":".join(LOGIN),
        ) as running,
        Wiretap(running.valkey) as wiretap,
    ):
        flower = running.processes.flower()
        running.start(beats=0)
        flower.wait_for("Connected to redis")
        url = f"http://127.0.0.1:{port}"
        running.sandbox.clear_log()
        running.call("resync.full")
        # Beat would begin the first run, if it were there before.
        running.until(running.last_run, "the run has begun")
        running.processes.beat()
        first = running.next_run(None)
        yield Resynced(running, wiretap, url, first, running.sandbox.log("mailjet"))


@pytest.fixture
def running(resynced: Resynced) -> Installation:
    """Idle, with an empty log of calls."""
    running = resynced.installation
    running.until(running.has_finished, "idle")
    running.sandbox.clear_log()
    return running


@pytest.fixture
def somebody(running: Installation) -> Row:
    """Whom Mailjet mails, and whose address nobody shares."""
    contacts = running.sandbox.contacts()
    times, mailed = Counter(map(address_of, contacts)), running.mailed()
    return next(
        contact
        for contact in contacts
        if times[email := address_of(contact)] == 1 and email in mailed
    )


# One line syncs everybody


def test_one_typed_line_brings_every_contact_into_mailjet_once(
    resynced: Resynced,
) -> None:
    run, running = resynced.first_run, resynced.installation

    upserts = [call for call in resynced.first_log if call["route"] == UPSERT]

    assert (run.kind, run.state, run.dead) == ("full", "finished", 0)
    assert run.discovered == run.settled == PEOPLE
    assert len(running.addresses()) > PEOPLE * 0.9
    assert running.missing() == set()
    assert {call["status"] for call in upserts} == {201}


def test_nobody_who_said_no_is_mailed_after_the_first_run(resynced: Resynced) -> None:
    running = resynced.installation

    opted_out, mailed = running.opted_out(), running.mailed()

    assert len(opted_out) > 10
    assert len(mailed) > 100
    assert opted_out & mailed == set()


def test_a_second_run_writes_nothing_to_mailjet(running: Installation) -> None:
    running.resync()
    running.sandbox.clear_log()

    run = running.resync()

    assert run.settled == run.discovered >= PEOPLE
    assert run.outcomes["unchanged"] > PEOPLE * 0.9
    assert "created" not in run.outcomes
    assert running.writes() == []
    assert running.sandbox.log("mailjet") != []


def test_a_resync_that_is_asked_for_twice_runs_once(running: Installation) -> None:
    # The run's calls take longer than the commands, on a busy machine too.
    running.sandbox.settings(latency_ms=5000.0)
    before = running.kit.ledger.finished_runs()
    try:
        joining = [running.processes.command("resync") for _ in range(2)]
        task = running.call("resync.full")
        running.until(lambda: running.has_done(task), "the task is done")
    finally:
        running.sandbox.settings(latency_ms=0.0)
    running.until(running.has_finished, "the run has finished")

    after = running.kit.ledger.finished_runs()
    assert len(after) == len(before) + 1
    assert f"Run {after[0].id} started" in joining[0].stdout
    assert f"Run {after[0].id} is under way already: joined it" in joining[1].stdout


# What changes in GHL


def test_a_change_in_ghl_reaches_mailjet_by_itself(
    running: Installation, somebody: Row
) -> None:
    runs = running.kit.ledger.finished_runs()

    running.sandbox.put_contact(id=somebody["id"], city="Vila Nova")

    def city() -> str | None:
        subscriber = running.sandbox.subscriber(somebody["email"])
        return subscriber and subscriber["properties"].get("city")

    running.until(lambda: city() == "Vila Nova", "the city in Mailjet")
    assert running.kit.ledger.finished_runs() == runs


def test_a_new_contact_in_ghl_reaches_mailjet_by_itself(running: Installation) -> None:
    ana = running.sandbox.put_contact(firstName="Ana", email=fresh_email())

    running.until(lambda: address_of(ana) in running.mailed(), "Ana is mailed")


def test_an_opt_out_in_ghl_reaches_mailjet_through_the_consent_lane(
    resynced: Resynced, running: Installation, somebody: Row
) -> None:
    running.sandbox.put_contact(**unseen(somebody, dndSettings=NO))

    running.call("discovery.optouts")

    email = address_of(somebody)

    def is_out() -> bool:
        """Excluded and unsubscribed, which are two calls."""
        row = running.sandbox.subscriber(email)
        place = row and row["lists"][running.list_id]
        return bool(row and row["excluded"] and place == {"unsubscribed": True})

    running.until(is_out, "the opt-out in Mailjet")
    assert any(
        "contact.sync" in message and somebody["id"] in message
        for message in resynced.wiretap.messages("consent")
    )


# One business


def test_one_business_is_synced_without_the_others(running: Installation) -> None:
    by_business: dict[str, list[Row]] = {}
    mailed = running.mailed()
    for contact in running.sandbox.contacts():
        if contact.get("businessId") and address_of(contact) in mailed:
            by_business.setdefault(contact["businessId"], []).append(contact)
    (business, inside), (_, outside) = list(by_business.items())[:2]
    for contact in (inside[0], outside[0]):
        running.sandbox.put_contact(**unseen(contact, state="Somewhere else"))
    before = running.last_run()

    running.call("discovery.business", business_id=business)
    run = running.next_run(before)

    def state(contact: Row) -> str | None:
        subscriber = running.sandbox.subscriber(contact["email"])
        return subscriber and subscriber["properties"].get("state")

    of_business = [
        contact["id"]
        for contact in running.sandbox.contacts()
        if contact.get("businessId") == business
    ]
    assert (run.kind, run.state) == ("business", "finished")
    assert run.settled == run.discovered == len(of_business)
    assert state(inside[0]) == "Somewhere else"
    assert state(outside[0]) != "Somewhere else"


# What is told to whom


def secrets_of(running: Installation) -> set[str]:
    """What must be told to nobody: addresses, phones, whole names, keys."""
    found = {
        running.sandbox.env[name]
        for name in ("GHL_TOKEN", "MAILJET_API_KEY", "MAILJET_SECRET_KEY")
    }
    for contact in running.sandbox.contacts():
        name = f"{contact.get('firstName')} {contact.get('lastName')}"
        found |= {name, json.dumps(name)[1:-1], contact.get("phone") or ""}
        if is_address(address_of(contact)):
            found |= {contact["email"], address_of(contact)}
    return {secret for secret in found if len(secret) > 5}


def told(running: Installation, text: str) -> set[str]:
    return {secret for secret in secrets_of(running) if secret in text}


def test_no_person_and_no_secret_ever_enters_the_broker(
    resynced: Resynced, running: Installation
) -> None:
    heard = "\n".join(resynced.wiretap.heard)

    ids = [contact["id"] for contact in running.sandbox.contacts()]
    assert sum(ghl_id in heard for ghl_id in ids) >= PEOPLE
    assert "contact.sync" in heard
    assert "task-received" in heard
    assert len(secrets_of(running)) > 3 * PEOPLE
    assert told(running, heard) == set()


def test_no_person_and_no_secret_is_logged(running: Installation) -> None:
    logs = "\n".join(running.processes.full_logs())

    assert logs.count("Task contact.sync") > PEOPLE
    assert told(running, logs) == set()


def test_flower_shows_the_tasks_and_neither_person_nor_secret(
    resynced: Resynced, running: Installation
) -> None:
    def get(path: str) -> requests.Response:
        return requests.get(resynced.flower + path, auth=LOGIN, timeout=30)

    def synced() -> list[Row]:
        tasks = get("/api/tasks?limit=10000").json().values()
        return [task for task in tasks if task["name"] == "contact.sync"]

    running.until(lambda: len(synced()) >= PEOPLE, "Flower has heard of them")
    tasks = synced()
    paths = ("/api/tasks?limit=10000", "/api/workers", "/", "/broker")
    pages = [get(path) for path in paths]

    shown = "\n".join(page.text for page in pages)
    assert {page.status_code for page in pages} == {200}
    assert any("'ghl_id'" in task["kwargs"] for task in tasks)
    assert told(running, shown) == set()
