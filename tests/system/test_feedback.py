"""Consent both ways, by the processes and the commands of the README.

Nothing is found by polling here: what arrives came by webhook.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from subprocess import CompletedProcess

import pytest
import requests

from tests.driver import dnd
from tests.sandbox import Row, fresh_email
from tests.system.installation import Installation, address_of, installation
from tests.system.receiving import SECRET, Receiver, started
from tests.system.wiretap import Wiretap
from tests.valkey import free_port

PEOPLE = 6
CROWD, MASS = 250, 20
NEVER = "86400"
LOGIN = ("operator", "long enough")
WEBHOOKS_ONLY = {
    "SYNC_CHANGES_INTERVAL_SECONDS": NEVER,
    "SYNC_OPTOUTS_INTERVAL_SECONDS": NEVER,
    "SYNC_FEEDBACK_INTERVAL_SECONDS": NEVER,
}
SLOW = {"MAILJET_RATE": "400/10"}
"""A full run of the crowd takes more than six seconds."""


@dataclass(frozen=True)
class Connected:
    """Both vendors post to our receiver; everything that is said is listened to."""

    running: Installation
    receiver: Receiver
    wiretap: Wiretap
    flower: str
    said: list[str]
    """What commands printed when they were set up."""


@pytest.fixture(scope="module")
def connected() -> Iterator[Connected]:
    port = free_port()
    with (
        installation(
            *("--contacts", str(PEOPLE)),
            **WEBHOOKS_ONLY,
            **SLOW,
            RECEIVER_BIND=f"127.0.0.1:{free_port()}",
            SYNC_WEBHOOK_SECRET=SECRET,
            FLOWER_PORT=str(port),
            FLOWER_BASIC_AUTH=":".join(LOGIN),
        ) as running,
        Wiretap(running.valkey) as wiretap,
    ):
        flower = running.processes.flower()
        running.start()
        with started(running.processes) as receiver:
            done = running.processes.command("setup", "--webhooks", receiver.url)
            assert done.returncode == 0, done.stdout + done.stderr
            running.sandbox.send_webhooks_to(f"{receiver.url}/webhooks/ghl")
            running.first_run()
            flower.wait_for("Connected to redis")
            url = f"http://127.0.0.1:{port}"
            said = [done.stdout + done.stderr]
            yield Connected(running, receiver, wiretap, url, said)


@pytest.fixture
def running(connected: Connected) -> Installation:
    """Idle."""
    running = connected.running
    running.until(running.has_finished, "idle")
    return running


@pytest.fixture
def ana(running: Installation) -> Row:
    """Somebody new, of whom GHL's webhook told, and who is mailed."""
    person = running.sandbox.put_contact(firstName="Ana", email=fresh_email())
    running.until(lambda: on_list(running, person), "she is on the list")
    running.until(running.has_finished, "idle")
    return person


def on_list(running: Installation, person: Row) -> bool | None:
    """Whether the list mails the person; None when they are not on it."""
    row = running.sandbox.subscriber(person["email"])
    place = row["lists"].get(running.list_id) if row else None
    return None if place is None else not place["unsubscribed"]


def code(running: Installation, person: Row) -> str:
    """Why GHL sends them no e-mail; "" where it does."""
    contact = running.sandbox.contact(person["id"])
    assert contact is not None
    channel = contact.get("dndSettings", {}).get("Email", {})
    return channel.get("code") or "" if channel.get("status") == "active" else ""


def unsubscribe(running: Installation, person: Row) -> None:
    list_id = int(running.list_id)
    running.sandbox.mail_event("unsub", person["email"], list_id=list_id)


def is_unsubscribed(running: Installation, person: Row) -> bool:
    row = running.sandbox.subscriber(person["email"])
    return on_list(running, person) is False and bool(row and row["excluded"])


def properties(running: Installation, person: Row) -> Row:
    row = running.sandbox.subscriber(person["email"])
    assert row is not None
    found: Row = row["properties"]
    return found


def told(running: Installation, *words: str) -> CompletedProcess[str]:
    """What an operator is told who types `ghl-mailjet WORDS`."""
    return running.processes.command(*words)


def test_setup_registers_all_seven_events(connected: Connected) -> None:
    rows = connected.running.sandbox.callbacks()

    assert {row["EventType"] for row in rows} == {
        *("sent", "open", "click", "bounce", "blocked", "spam", "unsub")
    }
    assert all(row["Status"] == "alive" for row in rows)
    assert SECRET not in connected.said[0]


def test_an_unsubscribe_in_mailjet_becomes_dnd_in_ghl(running, ana):
    sms = {"SMS": {"status": "active", "message": "stop", "code": "103"}}
    running.sandbox.put_contact(id=ana["id"], dndSettings=sms)

    unsubscribe(running, ana)

    running.until(lambda: code(running, ana), "GHL blocks her e-mail")
    contact = running.sandbox.contact(ana["id"])
    assert code(running, ana) == "mailjet-unsubscribed"
    assert contact["dndSettings"]["SMS"] == sms["SMS"]
    running.until(
        lambda: "mailjet-unsubscribed" in running.sandbox.contact(ana["id"])["tags"],
        "the tag tells why",
    )


def test_dnd_in_ghl_becomes_an_unsubscription_in_mailjet(running, ana):
    running.sandbox.put_contact(id=ana["id"], **dnd("active"))

    running.until(lambda: is_unsubscribed(running, ana), "Mailjet mails her no more")


def test_our_own_writes_come_back_and_end_in_silence(running, ana):
    before = len(running.sandbox.deliveries())
    unsubscribe(running, ana)
    running.until(lambda: code(running, ana), "GHL blocks her e-mail")

    def echoed() -> bool:
        """GHL has told us of our own block and of our tag, and we have looked."""
        rows = running.sandbox.deliveries()[before:]
        kinds = {row["kind"] for row in rows}
        is_done = all(row["status"] == "delivered" for row in rows)
        return is_done and {"ContactDndUpdate", "ContactTagUpdate"} <= kinds

    running.until(echoed, "the echoes are delivered")
    running.until(lambda: not running.pipeline.inbox.waiting(), "and handled")
    running.until(running.has_finished, "and worked off")
    running.sandbox.clear_log()
    running.let_beat_tick(3)

    assert running.writes("ghl") + running.writes("mailjet") == []


def test_a_note_and_a_task_whose_webhook_names_no_contact_are_carried(running, ana):
    assert running.sandbox.settings()["task_create_without_contact"]

    running.sandbox.put_note(contactId=ana["id"], body="Likes lighthouses")
    running.sandbox.put_task(
        contactId=ana["id"], title="Call her", dueDate="2030-01-02T10:00:00Z"
    )

    def is_carried() -> bool:
        held = properties(running, ana)
        counts = held.get("ghl_note_count"), held.get("ghl_open_tasks")
        return counts == (1, 1)

    running.until(is_carried, "Mailjet has the note and the task")
    assert properties(running, ana)["ghl_next_task_title"] == "Call her"


def test_consent_goes_first_while_a_full_run_is_under_way(running, ana):
    bob = running.sandbox.put_contact(firstName="Bob", email=fresh_email())
    running.until(lambda: on_list(running, bob), "he is on the list")
    running.sandbox.stop_webhooks()
    for number in range(CROWD):
        running.sandbox.put_contact(lastName=f"Nr {number}", email=fresh_email())
    url = running.processes.env["RECEIVER_BIND"]
    running.sandbox.send_webhooks_to(f"http://{url}/webhooks/ghl")
    before = running.last_run()
    running.call("resync.full")
    running.until(
        lambda: (run := running.last_run()) and run.id != before.id and run.settled,
        "the run is at work",
    )

    unsubscribe(running, ana)
    running.sandbox.put_contact(id=bob["id"], **dnd("active"))
    running.until(
        lambda: code(running, ana) and is_unsubscribed(running, bob), "both are out"
    )
    left = running.kit.ledger.backlog().bulk

    assert left > 0, "the run was over before"
    assert running.last_run().is_active
    running.until(running.has_finished, "the run has finished")


# The commands


def test_consent_tells_who_said_what_and_takes_an_opt_in(running, ana):
    nothing = told(running, "consent", ana["id"])
    unsubscribe(running, ana)
    running.until(lambda: code(running, ana), "GHL blocks her e-mail")
    running.until(running.has_finished, "idle")
    closed = told(running, "consent", ana["id"])
    refused = told(
        running, "consent", ana["id"], "--opt-in", "form 1234", "--at", "2020-01-01"
    )
    opened = told(running, "consent", ana["id"], "--opt-in", "form 1234, page 2")
    after = told(running, "consent", ana["id"], "--json")

    assert (nothing.returncode, closed.returncode) == (0, 0)
    assert f"{ana['id']}: subscribed" in nothing.stdout
    assert "mailjet-unsubscribed" in closed.stdout
    assert f"{ana['id']}: opted_out" in closed.stdout
    assert refused.returncode != 0
    assert "only a newer opt-in counts" in refused.stdout + refused.stderr
    assert opened.returncode == 0, opened.stdout + opened.stderr
    assert f"{ana['id']}: subscribed" in opened.stdout
    assert json.loads(after.stdout)["verdict"] == "subscribed"
    assert on_list(running, ana) is True
    assert code(running, ana) == ""
    shown = (nothing, closed, refused, opened, after)
    assert not any(ana["email"] in done.stdout + done.stderr for done in shown)


def test_the_report_fails_as_long_as_somebody_is_mailed_who_opted_out(running, ana):
    good = told(running, "consent-report")
    running.sandbox.stop_webhooks()
    running.sandbox.put_contact(id=ana["id"], **dnd("active"))
    bad = told(running, "consent-report", "--json")
    url = running.processes.env["RECEIVER_BIND"]
    running.sandbox.send_webhooks_to(f"http://{url}/webhooks/ghl")
    running.until(lambda: is_unsubscribed(running, ana), "the report had it mended")
    running.until(running.has_finished, "idle")
    mended = told(running, "consent-report")

    assert (good.returncode, bad.returncode, mended.returncode) == (0, 1, 0)
    assert json.loads(bad.stdout)["mailable"] == [ana["id"]]
    assert "0 opted out in GHL and mailable in Mailjet" in mended.stdout


def test_optouts_shows_a_mass_and_unsubscribes_it_once_confirmed(running):
    crowd = [
        running.sandbox.put_contact(lastName=f"Mass {number}", email=fresh_email())
        for number in range(MASS)
    ]
    running.until(
        lambda: all(on_list(running, one) for one in crowd), "they are on the list"
    )
    running.until(running.has_finished, "idle")
    nobody = told(running, "optouts")
    for one in crowd:
        running.sandbox.put_contact(id=one["id"], **dnd("active"))

    def is_excluded(one: Row) -> bool:
        row = running.sandbox.subscriber(one["email"])
        return bool(row and row["excluded"])

    running.until(lambda: all(map(is_excluded, crowd)), "all are excluded")
    running.until(running.has_finished, "idle")
    held = [one for one in crowd if on_list(running, one)]
    shown = told(running, "optouts")
    both = told(running, "optouts", "--confirm", "--revoke")
    confirmed = told(running, "optouts", "--confirm")

    assert (nobody.returncode, shown.returncode, both.returncode) == (0, 0, 2)
    assert nobody.stdout.startswith("0 opted out in a mass")
    assert held
    assert shown.stdout.startswith(f"{len(held)} opted out in a mass")
    assert all(one["id"] in shown.stdout for one in held)
    assert confirmed.returncode == 0
    assert f"{len(held)} contacts are being unsubscribed" in confirmed.stdout
    running.until(
        lambda: all(is_unsubscribed(running, one) for one in crowd), "unsubscribed"
    )


# What is told to whom


def people_of(running: Installation) -> set[str]:
    """What must be told to nobody."""
    contacts = running.sandbox.contacts()
    found = {address_of(contact) for contact in contacts}
    found |= {row["email"] for row in running.sandbox.subscribers()}
    names = ("GHL_TOKEN", "MAILJET_API_KEY", "MAILJET_SECRET_KEY")
    found |= {running.sandbox.env[name] for name in names} | {SECRET}
    return {text for text in found if len(text) > 5}


def test_no_person_and_no_secret_is_told_to_broker_logs_or_flower(
    connected: Connected, running: Installation
) -> None:
    # Whatever ran before this test, somebody was talked about.
    person = running.sandbox.put_contact(lastName="Talked about", email=fresh_email())
    running.until(lambda: on_list(running, person), "on the list")
    unsubscribe(running, person)
    running.until(lambda: code(running, person), "blocked")
    running.until(running.has_finished, "idle")

    def get(path: str) -> requests.Response:
        return requests.get(connected.flower + path, auth=LOGIN, timeout=30)

    tasks = "/api/tasks?limit=10000"
    running.until(lambda: "event.apply" in get(tasks).text, "Flower has heard of it")
    heard = "\n".join(connected.wiretap.heard)
    logs = "\n".join(running.processes.full_logs())
    pages = [get(path) for path in (tasks, "/api/workers", "/", "/broker")]
    flower = "\n".join(page.text for page in pages)

    assert {page.status_code for page in pages} == {200}
    assert person["id"] in heard
    assert "event.apply" in heard
    assert "Task event.apply" in logs
    for place, text in (("broker", heard), ("logs", logs), ("flower", flower)):
        found = sorted(secret for secret in people_of(running) if secret in text)
        assert not found, f"in the {place}: {len(found)}, {found[:1]}"
