"""What a contact's timeline tells, what `why` makes of it, what neither holds."""

import json
from dataclasses import asdict

import pytest
from click.testing import CliRunner

from pipeline import inbox, replaying, why
from pipeline.cli import main
from pipeline.permit import Lane
from pipeline.replaying import Wanted
from pipeline.store.inbox import Entry as Received
from pipeline.store.inbox import Source
from pipeline.store.timeline import MOST_ENTRIES, Entry, Kind
from tests import inboxes
from tests.driver import dnd

LETTER = {
    "cause": "Rejected",
    "reason": "mailjet: no",
    "lane": "live",
    "attempts": 6,
    "at_ms": 1,
}
OURS = {"id", "locationId", "dateAdded", "dateUpdated", "country", "type"}
"""Fields of a contact that name no person, or are two letters of any word."""
READ_CONTACT = {"vendor": "ghl", "method": "GET", "route": "/contacts/:contactId"}


def explained(driver, contact_id: str) -> why.Explanation:
    return why.explain(driver.pipeline, driver.kit, contact_id)


def told(driver, contact_id: str) -> list[str]:
    return [step.what for step in explained(driver, contact_id).timeline]


def test_a_webhook_is_followed_to_the_writes_that_came_of_it(driver, redis):
    inboxes.forget(redis)
    ana = driver.person()
    location = driver.kit.connection.ghl_location_id
    event = {"type": "ContactCreate", "locationId": location, "id": ana["id"]}
    body = json.dumps(event).encode()
    driver.pipeline.inbox.put(Received(Source.GHL, location, 1, body))
    inbox.apply_waiting(driver.pipeline, 1)
    waits = explained(driver, ana["id"]).now[0]
    driver.work()

    found = explained(driver, ana["id"])

    assert waits == "waits in the live lane for its turn"
    assert found.now[0] == "is synced, and nothing waits"
    heard, synced = found.timeline
    assert (heard.what, heard.detail) == (
        "found by a webhook of GHL's",
        "ContactCreate",
    )
    assert (synced.what, synced.lane) == ("created", "live")
    assert {call.partition(" ")[0] for call in synced.calls} == {"mailjet"}
    assert any(call.endswith(": 201") for call in synced.calls)


def test_a_run_that_finds_nothing_new_adds_nothing(driver):
    ana, bo = driver.person(), driver.person(**dnd("active"))
    driver.full_run()
    first = [told(driver, one["id"]) for one in (ana, bo)]
    driver.full_run()

    assert first == [["created"], ["opted out"]]
    assert [told(driver, one["id"]) for one in (ana, bo)] == first
    assert explained(driver, ana["id"]).timeline[0].detail.startswith("during run ")
    assert explained(driver, bo["id"]).timeline[0].said_no == ("ghl-email-dnd",)


def test_what_a_run_leaves_out_is_told_where_somebody_asked_for_it(driver):
    ana = driver.person()
    driver.sync(ana["id"])
    driver.sync(ana["id"])

    assert told(driver, ana["id"]) == ["created", "unchanged"]


def test_failures_the_letter_the_replay_and_the_end_are_told_in_order(driver):
    ana = driver.person()
    fault = driver.sandbox.add_fault("wrong_type", contact=ana["id"], **READ_CONTACT)
    driver.sync(ana["id"])
    while not driver.letters():
        driver.make_due()
        driver.work()
    dead = explained(driver, ana["id"])
    driver.sandbox.remove_fault(fault)
    chosen = replaying.letters(driver.kit, Wanted())
    counts = [replaying.replay(driver.kit, chosen) for _ in range(2)]
    driver.work()

    assert dead.now[0].startswith("is a dead letter since ")
    assert dead.letter.startswith("ghl: GET /contacts/:contactId: 200: ")
    assert f"ghl-mailjet replay {ana['id']} -c default" in dead.now[1]
    assert counts == [1, 0]
    *failures, letter, replayed, done = told(driver, ana["id"])
    assert letter.startswith("dead letter: ")
    assert {step.partition(":")[0] for step in failures} <= {"failed"}
    assert (replayed, done) == ("found by an operator's replay", "created")
    assert driver.letters() == []
    assert explained(driver, ana["id"]).letter == ""


def test_a_later_success_clears_the_letter_without_a_replay(driver):
    ana = driver.person()
    driver.ledger.mark(Lane.LIVE, [ana["id"]])
    lease = driver.take(ana["id"])
    driver.ledger.bury(lease, json.dumps(LETTER), "Rejected")
    driver.sync(ana["id"])

    assert driver.letters() == []


def test_who_waits_is_told_until_when_and_what_holds_it_up(driver):
    ana = driver.person()
    lease = driver.take(ana["id"])
    held = explained(driver, ana["id"]).now[0]
    driver.ledger.give_back(lease, 600, counted=True)
    driver.kit.operator_pause.begin()

    waits = explained(driver, ana["id"]).now

    assert held == "is in the hands of somebody, in the live lane"
    assert waits[0].startswith("waits in the live lane until ")
    assert waits[0].endswith(" UTC after 1 failed attempts")
    assert "an operator paused the connection: ghl-mailjet resume -c default" in waits


def test_entries_are_bounded_there_once_and_not_for_ever(driver, redis):
    for number in range(MOST_ENTRIES + 10):
        entry = Entry(number, Kind.ENDED, "updated")
        for _ in range(2):
            driver.kit.timeline.add(["c1", "c2"], entry)

    entries = driver.kit.timeline.of("c1")

    assert [entry.at_ms for entry in entries] == [*range(10, MOST_ENTRIES + 10)]
    assert entries == driver.kit.timeline.of("c2")
    assert 0 < redis.ttl("gm:default:timeline:c1") <= 14 * 86_400


def test_nothing_is_kept_of_whom_nobody_knows(driver, redis):
    driver.kit.timeline.found(["stranger"], "a webhook of GHL's")
    outcome = driver.sync("stranger")

    assert outcome == "deleted in GHL"
    assert redis.exists("gm:default:timeline:stranger") == 0
    assert explained(driver, "stranger").now[0].startswith("is not known")


def test_no_address_name_or_value_is_in_a_timeline(driver, redis):
    people = [driver.person(), driver.person(**dnd("active")), driver.person(email="x")]
    for kind in ("", "refused"):
        if kind:
            driver.sandbox.add_fault(kind, vendor="mailjet")
        for one in people:
            driver.sandbox.put_contact(id=one["id"], city="Faro")
            driver.sync(one["id"])
    kept = b"\n".join(
        entry
        for key in redis.scan_iter("gm:default:timeline:*")
        for entry in redis.lrange(key, 0, -1)
    ).decode()
    shown = json.dumps([asdict(explained(driver, one["id"])) for one in people])

    values = {
        value
        for one in people
        for name, value in one.items()
        if isinstance(value, str) and len(value) > 1 and name not in OURS
    }
    assert len(values) > 8
    for text in (kept, shown):
        assert "@" not in text
        assert [value for value in values if value in text] == []


@pytest.fixture
def environ(driver, valkey, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in {**driver.sandbox.env, "REDIS_URL": valkey.url}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environ")
def test_the_command_shows_the_same_to_people_and_to_programs(driver):
    ana = driver.person()
    driver.sync(ana["id"])
    shown = CliRunner().invoke(main, ["why", ana["id"]])
    as_json = CliRunner().invoke(main, ["why", ana["id"], "--json"])
    unknown = CliRunner().invoke(main, ["why", "nobody"])

    assert (shown.exit_code, as_json.exit_code, unknown.exit_code) == (0, 0, 1)
    assert shown.output.startswith(f"{ana['id']} is synced, and nothing waits\n")
    assert "created" in shown.output
    parsed = json.loads(as_json.output)
    assert [step["what"] for step in parsed["timeline"]] == ["created"]


@pytest.mark.usefixtures("environ")
def test_letters_are_filtered_by_cause_and_age_and_replayed_as_they_are_shown(driver):
    now_ms = driver.pipeline.processes.now_ms()
    for contact, cause, hours in (
        ("a", "Rejected", 3),
        ("b", "Rejected", 1),
        ("c", "BadPayload", 3),
    ):
        letter = {**LETTER, "cause": cause, "at_ms": now_ms - hours * 3_600_000}
        driver.ledger.bury(driver.take(contact), json.dumps(letter), cause)
    run = CliRunner().invoke
    filters = ["--cause", "Rejected", "--older-than", "2h"]

    old = json.loads(run(main, ["dead-letters", *filters, "--json"]).output)
    answers = [
        run(main, ["replay", *which]).output
        for which in (filters, ["--contact", "b"], ["b"], ["--all"])
    ]
    wrong = run(main, ["replay", "--older-than", "soon"])

    assert [letter["ghl_id"] for letter in old] == ["a"]
    assert answers == [
        "Wait again: 1 of 1.\n",
        "Wait again: 1 of 1.\n",
        "Wait again: 0 of 0.\n",
        "Wait again: 1 of 1.\n",
    ]
    assert wrong.exit_code == 2
    assert driver.waiting(Lane.LIVE) == {"a", "b", "c"}


def test_who_wakes_whom_is_told_without_naming_them(driver):
    ana = driver.person()
    bo = driver.person(email=ana["email"])
    cy = driver.person()
    driver.full_run()
    for one, lane in ((ana, Lane.LIVE), (cy, Lane.CONSENT)):
        driver.sandbox.put_contact(id=one["id"], **dnd("active"))
        driver.sync(one["id"], lane)
    driver.work()

    assert "found by the sync of another with its address" in told(driver, bo["id"])
    assert "found by its own sync, to look again" in told(driver, cy["id"])
    kept = repr(driver.kit.timeline.of(bo["id"]))
    assert ana["id"] not in kept
