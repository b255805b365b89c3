"""Several locations in one sandbox: nothing of one shows in another."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import requests

from pipeline.config import Rate, from_env
from tests.sandbox import GhlCaller, MailjetCaller, Sandbox

CONTACTS, FIRST_CONTACTS = 5, 8


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(
        *("--locations", "3", "--contacts", f"{FIRST_CONTACTS},{CONTACTS}"),
        *("--ghl-rate", "1000/10", "--mailjet-rate", "off"),
    ) as sandbox:
        yield sandbox


@pytest.fixture
def second(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The second location, as it was at the start."""
    second = sandbox.location(2)
    yield second
    second.clear_faults()
    second.settings(ghl_rate="off")
    for number in (1, 2, 3):
        sandbox.location(number).clear_log()


def statuses(sandbox: Sandbox) -> list[int]:
    """What GHL and Mailjet answer to a location's own credentials."""
    with closing(GhlCaller(sandbox)) as ghl, closing(MailjetCaller(sandbox)) as mailjet:
        answers = (ghl.listing(), mailjet.call("GET", "contact"))
        return [answer.status_code for answer in answers]


def test_each_location_has_people_of_its_own(sandbox: Sandbox) -> None:
    people = [sandbox.location(number).contacts() for number in (1, 2, 3)]
    emails = {row.get("email") for rows in people for row in rows}

    assert [len(rows) for rows in people] == [FIRST_CONTACTS, CONTACTS, CONTACTS]
    assert len({row["id"] for rows in people for row in rows}) == sum(map(len, people))
    assert len(emails) > FIRST_CONTACTS
    assert [row["locationId"] for row in people[1]] == ["sandboxLocation00002"] * 5
    assert sandbox.contacts() == people[0]


def test_who_shows_the_keys_of_a_location_sees_that_one(second: Sandbox) -> None:
    with closing(GhlCaller(second)) as ghl, closing(MailjetCaller(second)) as mailjet:
        listed = ghl.listing().json()
        mailjet.manage("ana@example.com")

    assert listed["meta"]["total"] == CONTACTS
    assert {row["locationId"] for row in listed["contacts"]} == {ghl.location}
    assert second.subscriber("ana@example.com") is not None
    assert second.location(1).subscriber("ana@example.com") is None


def test_a_token_opens_no_other_location_and_no_key_opens_none(
    second: Sandbox,
) -> None:
    with closing(GhlCaller(second)) as ghl:
        other = ghl.listing(locationId="sandboxLocation00001")
    nobody = requests.get(
        f"{second.env['MAILJET_BASE_URL']}/v3/REST/contact", timeout=30
    )

    assert (other.status_code, nobody.status_code) == (403, 401)


def test_faults_limits_and_log_belong_to_one_location(
    sandbox: Sandbox, second: Sandbox
) -> None:
    second.add_fault("429", vendor="mailjet")
    second.settings(ghl_rate="off")  # forgets the calls before
    second.settings(ghl_rate="1/3600")

    assert statuses(second) == [200, 429]
    assert statuses(second) == [429, 429]
    assert statuses(sandbox) == [200, 200]
    assert [len(sandbox.location(number).log()) for number in (1, 2, 3)] == [2, 4, 0]


def test_the_back_door_knows_no_other_location(sandbox: Sandbox) -> None:
    url = f"{sandbox.env['GHL_BASE_URL']}/_sandbox/health?location=nowhere"
    answer = requests.get(url, timeout=30)

    assert answer.status_code == 404
    assert "sandboxLocation00003" in answer.json()["error"]


def test_the_connections_file_is_read_by_the_pipeline(sandbox: Sandbox) -> None:
    env = {**sandbox.env, "SYNC_CONNECTIONS_FILE": str(sandbox.connections_file)}
    first, _, third = from_env(env).connections

    assert (first.name, third.name) == ("default", "location-3")
    assert first.ghl_location_id == sandbox.env["GHL_LOCATION_ID"]
    assert third.ghl_location_id == sandbox.env["GHL_LOCATION_ID_3"]
    assert third.mailjet_secret_key == sandbox.env["MAILJET_SECRET_KEY_3"]
    assert (third.ghl_rate, third.mailjet_rate) == (Rate(1000, 10.0), Rate(100, 10.0))
