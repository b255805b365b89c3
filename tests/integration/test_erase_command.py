"""`ghl-mailjet erase`: both sides, what it asks, what it says, what it certifies."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline import erasing
from pipeline.cli import main
from pipeline.errors import LeaseLost
from pipeline.permit import Lane
from pipeline.person import find
from pipeline.sync.case import Outcome
from tests.sandbox import Row, fresh_email

DELETE_CONTACT = "ghl DELETE /contacts/:contactId"
DELETE_SUBSCRIBER = "mailjet DELETE /v4/contacts/:contact"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where certificates are written by default."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def erase(sandbox, driver, valkey, folder):
    def run(*words: str, typed: str = "", **env: str) -> Result:
        environ = {
            **sandbox.env,
            "REDIS_URL": valkey.url,
            "GHL_RATE": "100000/10",
            "MAILJET_RATE": "100000/10",
            **env,
        }
        driver.sandbox.clear_log()
        return CliRunner().invoke(main, ["erase", *words], input=typed, env=environ)

    return run


def synced(driver, **fields: object) -> Row:
    person = driver.person(**fields)
    driver.sync(person["id"])
    return person


def certificates(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.glob("erasure-*.json"))]


def test_a_person_goes_from_both_sides_and_the_certificate_names_nobody(
    driver, erase, folder
):
    ana = synced(driver)
    bo = synced(driver, email=ana["email"].upper())
    mailjet_id = driver.subscriber(ana["email"])["id"]

    ended = erase(ana["email"], typed="erase\n")

    assert ended.exit_code == 0, ended.output
    assert driver.sandbox.contact(ana["id"]) is None
    assert driver.sandbox.contact(bo["id"]) is None
    assert driver.sandbox.subscriber(ana["email"]) is None
    assert driver.writes() == [DELETE_CONTACT, DELETE_CONTACT, DELETE_SUBSCRIBER]
    [text] = certificates(folder)
    told = json.loads(text)
    assert told["erased"]["ghl"] == {
        "route": "DELETE /contacts/:contactId",
        "erased": 2,
        "http_statuses": [200, 200],
        "gone_already": 0,
    }
    assert told["erased"]["mailjet"]["http_statuses"] == [200]
    assert told["connection"] == "default"
    secrets = (ana["email"], ana["id"], bo["id"], ana["firstName"], str(mailjet_id))
    assert not [secret for secret in secrets if secret in text]
    assert ana["email"] not in ended.output


def test_afterwards_nothing_comes_back(driver, erase):
    ana = synced(driver)
    erase(ana["id"], "--yes")
    driver.sandbox.clear_log()

    echo = driver.sync(ana["id"])
    run = driver.full_run()

    assert echo == Outcome.DELETED
    assert run.outcomes == {}
    assert driver.writes() == []
    assert driver.sandbox.subscriber(ana["email"]) is None


@pytest.mark.parametrize("side", ["GHL", "Mailjet"])
def test_whom_only_one_side_knows_is_erased_there(driver, erase, folder, side):
    email = fresh_email()
    if side == "GHL":
        driver.person(email=email)
    else:
        driver.sandbox.put_subscriber(email=email)

    ended = erase(email, "--yes")

    told = json.loads(certificates(folder)[0])["erased"]
    counts = {name: told[name]["erased"] for name in ("ghl", "mailjet")}
    assert ended.exit_code == 0, ended.output
    assert counts == {"ghl": int(side == "GHL"), "mailjet": int(side == "Mailjet")}


def test_a_subscriber_can_be_named_by_mailjets_number(driver, erase):
    joe = driver.sandbox.put_subscriber(email=fresh_email())

    ended = erase(f"mailjet:{joe['id']}", "--yes")

    assert ended.exit_code == 0, ended.output
    assert driver.sandbox.subscriber(joe["email"]) is None


@pytest.mark.parametrize("typed", ["erase", "the id"])
def test_what_is_typed_in_the_terminal_confirms_it(driver, erase, typed):
    ana = synced(driver)
    word = ana["id"] if typed == "the id" else typed

    ended = erase(ana["id"], typed=f"{word}\n")

    assert ended.exit_code == 0, ended.output
    assert f"In GHL, contacts: 1 ({ana['id']})" in ended.output
    assert "In Mailjet, subscribers: 1" in ended.output


@pytest.mark.parametrize("typed", ["", "yes\n", "Erase it\n"])
def test_without_the_word_nothing_is_erased(driver, erase, folder, typed):
    ana = synced(driver)

    ended = erase(ana["id"], typed=typed)

    assert ended.exit_code == 1
    assert driver.writes() == []
    assert certificates(folder) == []
    assert driver.sandbox.contact(ana["id"]) is not None


@pytest.mark.parametrize("side", ["ghl", "mailjet"])
def test_what_one_side_does_not_do_is_said_and_done_the_next_time(
    driver, erase, folder, side
):
    ana = synced(driver)
    fault = driver.sandbox.add_fault("503", vendor=side, method="DELETE")

    failed = erase(ana["id"], "--yes")
    none_yet = certificates(folder)
    driver.sandbox.remove_fault(fault)
    ended = erase(ana["id"], "--yes")

    told = json.loads(certificates(folder)[0])["erased"]
    assert (failed.exit_code, none_yet) == (1, [])
    assert f"Not finished, and no certificate: VendorDown: {side}" in failed.output
    assert ended.exit_code == 0, ended.output
    assert told["ghl"]["gone_already"] == int(side == "mailjet")
    assert told["mailjet"]["erased"] == 1
    assert driver.sandbox.subscriber(ana["email"]) is None


def test_who_is_gone_from_ghl_is_erased_in_mailjet_by_the_contact_id(driver, erase):
    ana = synced(driver)
    driver.sandbox.delete_contact(ana["id"])

    ended = erase(ana["id"], "--yes")

    assert ended.exit_code == 0, ended.output
    assert driver.sandbox.subscriber(ana["email"]) is None
    assert not driver.kit.presence.remembers(ana["id"])


def test_an_address_that_changed_since_the_last_sync_goes_too(driver, erase):
    ana = synced(driver)
    driver.sandbox.put_contact(id=ana["id"], email=fresh_email())

    ended = erase(ana["id"], "--yes")

    assert ended.exit_code == 0, ended.output
    assert driver.sandbox.subscriber(ana["email"]) is None


def test_an_address_that_somebody_else_has_by_now_stays_theirs(driver, erase):
    ana = synced(driver)
    driver.sandbox.put_contact(id=ana["id"], email=fresh_email())
    bo = driver.person(email=ana["email"])

    ended = erase(ana["id"], "--yes")

    assert ended.exit_code == 0, ended.output
    assert driver.sandbox.contact(bo["id"]) is not None
    assert driver.on_list(ana["email"]) is True


def test_whom_ghl_has_under_another_address_is_named_and_left(driver, erase):
    ana = synced(driver)
    driver.sandbox.put_contact(id=ana["id"], email=fresh_email())

    ended = erase(ana["email"], "--yes")

    assert f"under another address now: ({ana['id']})" in ended.output
    assert driver.sandbox.contact(ana["id"]) is not None
    assert driver.sandbox.subscriber(ana["email"]) is None
    assert driver.waiting(Lane.LIVE) == {ana["id"]}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nobody", "--yes"), "neither side has such a person, and nothing is kept"),
        (("nobody@example.org",), "Neither side has such a person: check how it is "),
    ],
)
def test_whom_no_side_knows_may_be_misspelt(erase, folder, words, told):
    ended = erase(*words, typed="\n")

    assert told in ended.output
    assert (ended.exit_code, certificates(folder)) == (1, [])


def test_in_read_only_nothing_is_erased(driver, erase, folder):
    ana = synced(driver)

    ended = erase(ana["id"], "--yes", SYNC_MODE="read-only")

    assert ended.exit_code == 2
    assert "nothing can be erased" in ended.output
    assert (driver.writes(), certificates(folder)) == ([], [])


def test_the_certificate_goes_where_it_is_wanted_and_over_no_other(
    driver, erase, folder
):
    ana = synced(driver)
    there = folder / "there.json"
    there.write_text("{}")

    refused = erase(ana["id"], "--yes", "--certificate", str(there))
    ended = erase(ana["id"], "--yes", "--certificate", str(folder / "new.json"))

    assert (refused.exit_code, there.read_text()) == (2, "{}")
    assert ended.exit_code == 0, ended.output
    assert json.loads((folder / "new.json").read_text())["certificate"]


def test_whom_a_worker_writes_at_the_moment_is_not_erased_under_its_hands(
    driver, monkeypatch
):
    monkeypatch.setattr(erasing, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(erasing, "LOOK_SECONDS", 0)
    ana = synced(driver)
    driver.take(ana["id"])
    person = find(driver.kit, ana["id"])

    with pytest.raises(LeaseLost):
        erasing.erase(driver.kit, driver.pipeline.inbox, person)

    assert driver.sandbox.contact(ana["id"]) is not None
