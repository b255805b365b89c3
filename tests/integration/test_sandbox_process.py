"""The sandbox as a process: its start, its end, its people and its back door."""

import signal
import socket
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.sandbox import GhlCaller, Row, Sandbox, fresh_email

PEOPLE = 3000
FREE_PORTS = ("--ghl-port", "0", "--mailjet-port", "0")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("--contacts", str(PEOPLE)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def people(sandbox: Sandbox) -> list[Row]:
    return sandbox.contacts()


def start(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.sandbox", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# Start and end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_in_spite_of_open_connections(
    number: signal.Signals, tmp_path: Path
) -> None:
    env_file = tmp_path / "env"
    with start(*FREE_PORTS, "--env-file", str(env_file)) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("Ready."):
                break
        env = dict(row.split("=", 1) for row in env_file.read_text().splitlines())
        control = f"{env['GHL_BASE_URL']}/_sandbox"
        with requests.Session() as session:
            slow = {"kind": "slow", "seconds": 3600}
            session.post(f"{control}/faults", json=slow, timeout=30)
            with pytest.raises(requests.ReadTimeout):
                session.get(env["MAILJET_BASE_URL"], timeout=(30, 0.2))
            session.get(f"{control}/health", timeout=30)
            process.send_signal(number)
            rest = process.stdout.read()

    assert process.returncode == 0
    assert rest == ""


def test_the_env_file_holds_what_the_pipeline_reads(sandbox: Sandbox) -> None:
    assert list(sandbox.env) == [
        "GHL_BASE_URL",
        "GHL_TOKEN",
        "GHL_LOCATION_ID",
        "GHL_WEBHOOK_PUBLIC_KEY",
        "MAILJET_BASE_URL",
        "MAILJET_API_KEY",
        "MAILJET_SECRET_KEY",
        "MAILJET_LIST_ID",
    ]


def test_a_busy_port_is_told_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with start("--ghl-port", port, "--mailjet-port", "0") as process:
            output, _ = process.communicate()

    assert process.returncode == 1
    assert output.startswith("Error: ")
    assert "Traceback" not in output


def test_a_rate_that_is_none_is_told_before_anything_starts() -> None:
    with start(*FREE_PORTS, "--ghl-rate", "fast") as process:
        output, _ = process.communicate()

    assert process.returncode == 2
    assert "fast" in output


# The people


def share(people: list[Row], count: int) -> float:
    return count / len(people)


def test_people_come_in_many_scripts(people: list[Row]) -> None:
    scripts = {unicodedata.name(row["firstName"][0]).split()[0] for row in people}

    assert {
        "LATIN",
        "CYRILLIC",
        "GREEK",
        "ARABIC",
        "HEBREW",
        "CJK",
        "HIRAGANA",
        "HANGUL",
        "DEVANAGARI",
        "THAI",
    } <= scripts
    latin = "".join(row["firstName"] for row in people)
    assert any(unicodedata.decomposition(letter) for letter in latin)


def test_some_people_opted_out_in_each_of_the_ways(people: list[Row]) -> None:
    """GHL 2."""
    statuses = Counter(
        row["dndSettings"].get("Email", {}).get("status") for row in people
    )

    assert 0.06 < share(people, statuses["active"]) < 0.10
    assert 0.004 < share(people, statuses["permanent"]) < 0.02
    assert 0.004 < share(people, sum(row["dnd"] for row in people)) < 0.02
    assert statuses["inactive"]
    assert statuses[None]


def test_some_addresses_are_missing_broken_or_shared(people: list[Row]) -> None:
    emails = [row["email"] for row in people if "email" in row]
    broken = [e for e in emails if e.count("@") != 1 or e.endswith("@")]
    shared = len(emails) - len({email.lower() for email in emails})

    assert 0.02 < share(people, len(people) - len(emails)) < 0.04
    assert 0.004 < share(people, len(broken)) < 0.02
    assert shared > 0
    assert len(set(emails)) - len({email.lower() for email in emails}) > 0
    assert any("+" in email for email in emails)


def test_two_hundred_people_share_five_to_ten_businesses() -> None:
    with Sandbox() as small:
        businesses = {row.get("businessId") for row in small.contacts()}

    assert None in businesses
    assert 5 <= len(businesses - {None}) <= 10


def test_the_same_seed_invents_the_same_people(people: list[Row]) -> None:
    with Sandbox("--contacts", str(PEOPLE)) as again:
        assert again.contacts() == people
    with Sandbox("--seed", "2") as others:
        ids = {row["id"] for row in others.contacts()}
    assert ids.isdisjoint(row["id"] for row in people)


# The back door


def test_the_back_door_needs_no_key_is_not_counted_and_never_fails(
    sandbox: Sandbox,
) -> None:
    sandbox.clear_log()
    sandbox.add_fault("500")
    try:
        health = requests.get(
            f"{sandbox.env['GHL_BASE_URL']}/_sandbox/health", timeout=30
        )
    finally:
        sandbox.clear_faults()

    assert health.json()["status"] == "ok"
    assert sandbox.log() == []


def test_a_contact_can_be_made_changed_and_deleted_past_the_api(
    sandbox: Sandbox,
) -> None:
    row = sandbox.put_contact(email="not an address", dnd=True)
    patched = sandbox.put_contact(id=row["id"], city="Faro")
    caller = GhlCaller(sandbox)
    shown = caller.contact(row["id"])
    caller.close()
    sandbox.delete_contact(row["id"])

    assert patched["dateUpdated"] >= row["dateUpdated"]
    assert (shown["city"], shown["dnd"]) == ("Faro", True)
    assert sandbox.contact(row["id"]) is None
    with pytest.raises(AssertionError, match="shoe_size"):
        sandbox.put_contact(shoe_size=9)


def test_a_subscriber_can_be_made_and_changed_past_the_api(sandbox: Sandbox) -> None:
    email, list_id = fresh_email(), sandbox.env["MAILJET_LIST_ID"]
    made = sandbox.put_subscriber(
        email=email,
        name="Ana",
        properties={"favourite_dish": "ramen"},
        lists={list_id: {"unsubscribed": True}},
    )
    changed = sandbox.put_subscriber(
        id=made["id"], excluded=True, lists={list_id: None}
    )

    assert made == {
        "id": made["id"],
        "email": email,
        "name": "Ana",
        "properties": {"favourite_dish": "ramen"},
        "excluded": False,
        "lists": {list_id: {"unsubscribed": True}},
    }
    assert changed == {**made, "excluded": True, "lists": {}}
    assert sandbox.subscriber(email) == changed
