"""What a plan tells, and what it leaves untouched."""

import json
import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.errors import ConfigError
from pipeline.planning.applying import apply_plan
from pipeline.planning.plan_file import MAGIC, load_plan, save_plan
from pipeline.planning.planner import plan
from pipeline.planning.writes import Effect, Kind, Plan
from pipeline.sync.activity import HistoryEntry
from pipeline.sync.around import INCOMING
from pipeline.sync.case import Outcome
from pipeline.sync.mail_event import EventKind
from pipeline.sync.rules import EVENT
from pipeline.sync.snapshot import Fingerprint
from pipeline.terminal import console
from tests.builders import make_event
from tests.driver import Driver, dnd
from tests.sandbox import fresh_email

NOTES = "/contacts/:contactId/notes"
TASK_SEARCH = "/locations/:locationId/tasks/search"
MANY = 12
LONG_AGO = {
    "dateAdded": "2026-01-01T00:00:00.000Z",
    "dateUpdated": "2026-01-01T00:00:00.000Z",
}


def state_of(driver: Driver) -> dict[bytes, object]:
    """Every key of the connection, whole."""
    redis = driver.pipeline.redis
    return {key: redis.dump(key) for key in redis.scan_iter("gm:default:*")}


def changes_of(made: Plan, contact_id: str) -> dict[str, tuple[object, object]]:
    return {
        change.what: (change.before, change.after)
        for turn in made.turns
        if turn.contact_id == contact_id
        for write in turn.writes
        for change in write.changes
    }


def fingerprint_of(driver: Driver) -> Fingerprint:
    return Fingerprint(driver.kit.require_record().key)


@pytest.fixture
def typed(driver: Driver, valkey, monkeypatch: pytest.MonkeyPatch):
    """Types a command at the driver's connection, on a wide terminal."""
    # The console asked how wide its terminal is when it was made.
    monkeypatch.setattr(console, "_width", 200)

    def run(*words: str) -> Result:
        rates = {"GHL_RATE": "100000/10", "MAILJET_RATE": "100000/10"}
        env = {**driver.sandbox.env, "REDIS_URL": valkey.url}
        return CliRunner().invoke(main, words, env={**env, **rates})

    return run


def test_a_plan_writes_to_no_vendor_and_not_to_our_state(driver):
    synced, new = driver.person(), driver.person(**dnd("active"))
    driver.sync(synced["id"])
    driver.sandbox.put_contact(id=synced["id"], city="Faro")
    driver.sandbox.put_task(contactId=synced["id"], title="Call back")
    driver.sandbox.clear_log()
    before = state_of(driver)

    made = plan(driver.kit)

    assert driver.writes() == []
    assert state_of(driver) == before
    assert {turn.contact_id for turn in made.needed} == {synced["id"], new["id"]}


def test_a_plan_tells_what_becomes_of_what(driver):
    person = driver.person()
    driver.sync(person["id"])
    driver.sandbox.put_contact(id=person["id"], city="Faro", tags=["vip"])
    driver.sandbox.put_task(contactId=person["id"], title="Call back")
    driver.sandbox.put_note(contactId=person["id"], body="Likes turtles")

    told = changes_of(plan(driver.kit), person["id"])

    assert told["property city"] == ("Porto", "Faro")
    assert told["property ghl_tags"] == ("|lead|", "|vip|")
    assert told["property ghl_open_tasks"] == (0, 1)
    assert told["property ghl_note_count"] == (0, 1)
    assert "Call back" in str(told["history ghl_task"][1])
    assert '"status": "added"' in str(told["history ghl_note"][1])
    assert "property firstname" not in told


def test_effects_on_consent_are_told_apart(driver):
    out, gone, new = driver.person(), driver.person(), driver.person()
    driver.sync(out["id"])
    driver.sync(gone["id"])
    driver.sandbox.put_contact(id=out["id"], **dnd("active"))
    place = {driver.list_id: {"unsubscribed": True}}
    driver.sandbox.put_subscriber(email=gone["email"], lists=place)

    made = plan(driver.kit)

    assert made.totals.effects == {
        Effect.UNSUBSCRIBED: 1,
        Effect.EXCLUDED: 1,
        Effect.BLOCKED: 1,
        Effect.SUBSCRIBED: 1,
    }
    told = changes_of(made, out["id"])
    assert told[f"list {driver.list_id}"] == ("subscribed", "unsubscribed")
    assert told["excluded from campaigns"] == (False, True)
    assert "active: Unsubscribed" in str(changes_of(made, gone["id"])["e-mail DND"][1])
    assert changes_of(made, new["id"])["subscriber"] == (None, new["email"])


def test_who_said_no_is_read_anew_and_not_remembered(driver):
    person = driver.person()
    gone = {driver.list_id: {"unsubscribed": True}}
    driver.sandbox.put_subscriber(email=person["email"], lists=gone)
    driver.setup()
    back = {driver.list_id: {"unsubscribed": False}}
    driver.sandbox.put_subscriber(email=person["email"], lists=back)

    made = plan(driver.kit)

    assert made.totals.outcomes == {Outcome.CREATED: 1}
    assert apply_plan(driver.kit, made).totals == made.totals


def test_contacts_that_share_an_address_are_planned_as_they_will_happen(driver):
    email = fresh_email()
    older = driver.person(email=email, dateAdded="2026-01-01T00:00:00.000Z")
    newer = driver.person(email=email, dateAdded="2026-02-01T00:00:00.000Z")
    driver.sandbox.put_contact(id=newer["id"], **dnd("active"))

    made = plan(driver.kit)
    driver.sandbox.clear_log()
    applied = apply_plan(driver.kit, made)

    outcomes = [(turn.contact_id, turn.outcome) for turn in made.turns]
    assert outcomes[0] == (older["id"], Outcome.OPTED_OUT)
    assert made.totals.kinds[Kind.NEW_SUBSCRIBER] == 1
    assert len({turn.group for turn in made.turns}) == 1
    assert made.turns[0].group
    assert applied.totals == made.totals
    assert not driver.on_list(email)
    assert not [remark for remark in made.remarks if remark.startswith("notes of")]


def test_a_contact_that_wakes_itself_has_its_second_turn_in_the_plan(driver):
    person = driver.person()
    driver.sync(person["id"])
    entry = HistoryEntry(1, 1, "note", "Prefers tea", None)
    driver.kit.feed.add_incoming(person["id"], [entry])
    driver.ledger.point_at([person["id"]], INCOMING)

    made = plan(driver.kit)
    applied = apply_plan(driver.kit, made)

    kinds = [[write.kind for write in turn.writes] for turn in made.turns]
    assert kinds == [[Kind.NOTE], [Kind.SUBSCRIBER]]
    assert applied.totals == made.totals
    assert len(driver.sandbox.notes(person["id"])) == 1
    assert driver.around(person["email"])["ghl_note_count"] == 1


def test_a_contact_deleted_in_ghl_is_planned_last(driver):
    gone, stays = driver.person(**LONG_AGO), driver.person()
    for person in (gone, stays):
        driver.sync(person["id"])
    driver.sandbox.delete_contact(gone["id"])

    made = plan(driver.kit)

    assert [turn.contact_id for turn in made.needed] == [gone["id"]]
    assert made.needed[0].outcome == Outcome.DELETED
    assert made.totals.effects == {Effect.UNSUBSCRIBED: 1}


def test_a_mass_of_missing_contacts_is_told_and_not_planned(driver):
    people = [driver.person(**LONG_AGO) for _ in range(MANY)]
    for person in people:
        driver.sync(person["id"])
        driver.sandbox.delete_contact(person["id"])

    made = plan(driver.kit)

    assert made.turns == ()
    assert f"{MANY} contacts are missing" in made.untold[0]

    driver.kit.presence.accept()
    assert len(plan(driver.kit).needed) == MANY


def test_only_some_contacts_are_read_singly(driver):
    person, other = driver.person(), driver.person()
    driver.sandbox.clear_log()

    made = plan(driver.kit, [person["id"]])

    assert driver.calls("GET", "/contacts/") == 0
    assert [turn.contact_id for turn in made.turns] == [person["id"]]
    applied = apply_plan(driver.kit, made)
    assert applied.totals == made.totals
    assert driver.sandbox.subscriber(other["email"]) is None


def test_a_contact_that_nobody_knows_is_told(driver):
    made = plan(driver.kit, ["nobody"])

    assert made.untold == ("1 contact cannot be planned: not found in GHL",)


def test_notes_that_nothing_points_at_are_not_read(driver):
    quiet, pointed_at = driver.person(), driver.person()
    for person in (quiet, pointed_at):
        driver.sync(person["id"])
        driver.sandbox.put_note(contactId=person["id"], body="Likes turtles")
    driver.ledger.point_at([pointed_at["id"]], "n")
    driver.sandbox.clear_log()

    made = plan(driver.kit)

    assert driver.calls("GET", NOTES) == 1
    assert [turn.contact_id for turn in made.needed] == [pointed_at["id"]]
    assert made.remarks[0].startswith("notes of 1 contact were not read")
    assert plan(driver.kit, [quiet["id"]]).totals.kinds[Kind.HISTORY] == 1


def test_notes_that_are_refused_are_told(driver):
    driver.person()
    driver.sandbox.add_fault("scope_missing", vendor="ghl", route=NOTES)

    made = plan(driver.kit)

    assert made.needed == ()
    assert made.untold[0].startswith("1 contact cannot be planned: ghl: GET /contacts/")


def test_a_sweep_that_is_refused_is_told_and_done_without(driver):
    person = driver.person()
    driver.sandbox.put_task(contactId=person["id"], title="Call back")
    for route in (TASK_SEARCH, "/calendars/*", "/contacts/search"):
        driver.sandbox.add_fault("scope_missing", vendor="ghl", route=route)

    made = plan(driver.kit)

    assert len([one for one in made.remarks if one.startswith("without ")]) == 4
    assert made.untold == ()
    assert changes_of(made, person["id"])["property ghl_open_tasks"] == (None, 1)


def test_who_was_deleted_and_still_shows_in_searches_is_planned_as_deleted(driver):
    person = driver.person(**LONG_AGO)
    driver.sync(person["id"])
    driver.sandbox.add_fault("deleted_linger", seconds=60)
    driver.sandbox.delete_contact(person["id"])

    made = plan(driver.kit)

    assert [turn.outcome for turn in made.turns] == [Outcome.DELETED]


def test_the_file_of_a_plan_holds_nobodys_data(driver, tmp_path: Path):
    person = driver.person(tags=["turtle-lover"])
    driver.sandbox.put_task(contactId=person["id"], title="Ring the bell")
    path = tmp_path / "plan.bin"
    made = plan(driver.kit)

    save_plan(made, path, fingerprint_of(driver))

    text = zlib.decompress(path.read_bytes()[len(MAGIC) + 18 :]).decode()
    values = [
        change.after for turn in made.turns for w in turn.writes for change in w.changes
    ]
    words = [str(value) for value in values if len(str(value)) > 2]
    assert person["email"] in words
    kept = {person["id"], driver.kit.connection.ghl_location_id}
    assert [word for word in words if word in text and word not in kept] == []
    assert path.stat().st_mode & 0o077 == 0
    read = load_plan(path, fingerprint_of(driver))
    assert (read.calls, read.totals.kinds) == (made.calls, made.totals.kinds)


def test_a_file_that_is_no_plan_of_ours_is_refused(driver, tmp_path: Path):
    path, key = tmp_path / "plan.bin", fingerprint_of(driver)
    save_plan(plan(driver.kit), path, key)
    good = path.read_bytes()
    newer = MAGIC + bytes([9, 9]) + good[len(MAGIC) + 2 :]

    for held, foreign, words in (
        (b"PK\x03\x04", key, "not a plan"),
        (good[:-1], key, "damaged"),
        (good, Fingerprint(b"x" * 32), "another setup"),
        (newer, key, "newer than this program"),
    ):
        path.write_bytes(held)
        with pytest.raises(ConfigError, match=words):
            load_plan(path, foreign)


def test_the_terminal_shows_values_unless_they_are_masked(driver, typed):
    person = driver.person()

    shown, masked = typed("plan"), typed("plan", "--mask")

    assert (shown.exit_code, masked.exit_code) == (0, 0)
    assert person["email"] in shown.stdout
    assert person["email"] not in masked.stdout
    assert "Porto" not in masked.stdout + typed("plan", "--mask", "--json").stdout
    assert json.loads(typed("plan", "--json").stdout)["totals"]["outcomes"] == {
        "created": 1
    }


def test_a_plan_is_kept_applied_and_then_found_done(driver, typed, tmp_path: Path):
    person, path = driver.person(), str(tmp_path / "plan.bin")
    assert typed("plan", "--out", path).exit_code == 0

    first, second = typed("apply", path), typed("apply", path)

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "1 already as planned" in second.stdout
    assert driver.on_list(person["email"])
    assert typed("apply", str(tmp_path / "none")).exit_code == 2


def test_what_cannot_be_told_ends_with_1(driver, typed):
    driver.person()
    driver.sandbox.add_fault("scope_missing", vendor="ghl", route=NOTES)

    ended = typed("plan")

    assert ended.exit_code == 1
    assert "cannot tell: 1 contact cannot be planned" in ended.stdout


def test_what_rules_make_of_events_and_what_follows_is_in_the_plan(build_driver):
    driver = build_driver(SYNC_RULES="task-on-click,campaign-notes,tag-openers")
    driver.setup()
    person = driver.person()
    driver.sync(person["id"])
    now_ms = round(time.time()) * 1000
    click = make_event(at_ms=now_ms, message_id=1)
    opened = replace(click, kind=EventKind.OPEN, url="", message_id=2)
    address = fingerprint_of(driver).address(person["email"])
    driver.kit.engagement.add(address, [click, opened])
    driver.ledger.point_at([person["id"]], EVENT)
    driver.sandbox.clear_log()

    made = plan(driver.kit)
    assert driver.writes() == []
    applied = apply_plan(driver.kit, made)

    first, second = made.turns
    assert {Kind.TASK, Kind.NOTE, Kind.TAGS} <= {write.kind for write in first.writes}
    assert Kind.HISTORY in {write.kind for write in second.writes}
    assert applied.totals == made.totals
    assert plan(driver.kit).needed == ()


def test_a_mass_of_opt_outs_is_planned_as_it_is_held_back(driver):
    people = [driver.person() for _ in range(MANY)]
    for person in people:
        driver.sync(person["id"])
        driver.sandbox.put_contact(id=person["id"], **dnd("active"))

    made = plan(driver.kit)
    counted = driver.kit.optouts.mass().counted
    applied = apply_plan(driver.kit, made)

    assert counted == set()
    assert made.totals.effects == {Effect.EXCLUDED: MANY}
    assert applied.totals == made.totals
    assert len(driver.kit.optouts.held()) == MANY
