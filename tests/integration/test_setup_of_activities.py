"""What setup finds out about tasks, notes, appointments and history; what check says.

Nothing of it is needed to sync contacts: what an account or a token lacks is told with
what it costs, and everything else works.
"""

import time
from collections.abc import Iterator

import pytest

from pipeline import setup
from pipeline.check import check, probe, remedy
from pipeline.errors import ConfigError, Unauthorized, VendorDown
from pipeline.findings import Level
from pipeline.retry import trouble
from pipeline.sync.history import HISTORIC
from tests.builders import make_field_map

STATIC = make_field_map().properties
TASK_SEARCH = "/locations/:locationId/tasks/search"
CALENDARS, EVENTS = "/calendars/", "/calendars/events"
NOTHING_COMES_BACK = (
    "tasks written in Mailjet do not come to GHL, "
    "notes written in Mailjet do not come to GHL"
)
ALL_LOST = (
    "no history of tasks in Mailjet, no history of notes in Mailjet, "
    + NOTHING_COMES_BACK
)


@pytest.fixture(autouse=True)
def bare_account(sandbox, mailjet) -> Iterator[None]:
    """Mailjet as it is before anybody set it up."""
    _bare(mailjet)
    yield
    _bare(mailjet)
    sandbox.settings(historic_namespace=True, timezone="Europe/Lisbon")


def _bare(mailjet) -> None:
    for name in (*STATIC, *HISTORIC, "ghl_last_note"):
        mailjet.call("DELETE", f"contactmetadata/{name}")


def define(mailjet, name: str, namespace: str, datatype: str = "str") -> None:
    body = {"Name": name, "Datatype": datatype, "NameSpace": namespace}
    assert mailjet.call("POST", "contactmetadata", body).status_code == 201


def told(driver, **options) -> list[str]:
    lines: list[str] = []
    setup.run(driver.kit, lines.append, **options)
    return lines


def problems(driver, level: Level) -> str:
    return "\n".join(
        f"{finding.what}: {finding.mend}"
        for finding in check(driver.pipeline, driver.kit)
        if finding.level is level
    )


# Properties


def test_every_property_is_made_with_its_datatype_and_namespace(build_driver, mailjet):
    driver = build_driver()

    record = setup.run(driver.kit)

    rows = mailjet.rows("contactmetadata", Limit=1000)
    made = {row["Name"]: (row["Datatype"], row["NameSpace"]) for row in rows}
    wanted = {name: (datatype, "static") for name, datatype in STATIC.items()}
    wanted |= dict.fromkeys(HISTORIC, ("str", "historic"))
    assert wanted.items() <= made.items()
    assert made["ghl_open_tasks"] == ("int", "static")
    assert made["ghl_next_task_due"] == ("datetime", "static")
    assert "ghl_last_note" not in made
    assert record.historic == driver.kit.record().historic == frozenset(HISTORIC)


def test_the_excerpt_has_its_property_only_where_it_is_wanted(build_driver, mailjet):
    setup.run(build_driver(SYNC_NOTE_EXCERPT="true").kit)

    names = {row["Name"] for row in mailjet.rows("contactmetadata", Limit=1000)}
    assert "ghl_last_note" in names


def test_a_property_of_ours_that_is_historic_there_is_reported(build_driver, mailjet):
    define(mailjet, "city", "historic")
    driver = build_driver()

    with pytest.raises(ConfigError, match="'city': is historic, must be static"):
        setup.run(driver.kit)
    assert driver.kit.setup.read() is None


def test_an_account_without_history_is_set_up_and_told_what_is_lost(
    build_driver, sandbox
):
    driver = build_driver()
    sandbox.settings(historic_namespace=False)

    lines = told(driver)

    refused = [line for line in lines if "refuses historic" in line]
    assert len(refused) == 1
    assert f"Mailjet history: {ALL_LOST}" in lines
    assert driver.kit.record().historic == frozenset()
    # Only the first is tried.
    log = driver.sandbox.log()
    assert sum(call["status"] == 400 for call in log) == 1


def test_an_account_without_history_syncs_contacts_all_the_same(build_driver, sandbox):
    driver = build_driver()
    sandbox.settings(historic_namespace=False)
    driver.setup()
    ana = driver.person()

    assert driver.sync(ana["id"]) == "created"
    assert driver.kit.health.paused() is None


@pytest.mark.parametrize("name", ["note", "task"])
def test_a_property_of_the_accounts_own_switches_off_that_feed_alone(
    build_driver, mailjet, name
):
    define(mailjet, name, "static")
    driver = build_driver()

    lines = told(driver)

    assert driver.kit.record().historic == frozenset(HISTORIC) - {name}
    assert f"Mailjet property {name!r} is the account's own (static str)" in lines
    assert f"Mailjet history: {name}s written in Mailjet do not come to GHL" in lines


def test_a_history_of_another_datatype_is_not_ours(build_driver, mailjet):
    define(mailjet, "ghl_task", "historic", "int")
    driver = build_driver()

    told(driver)

    assert driver.kit.record().historic == frozenset(HISTORIC) - {"ghl_task"}


def test_read_only_does_without_history_that_is_not_there(build_driver, mailjet):
    build_driver().setup()
    mailjet.call("DELETE", "contactmetadata/ghl_note")
    driver = build_driver(SYNC_MODE="read-only")
    driver.sandbox.clear_log()

    lines = told(driver)

    assert driver.writes() == []
    assert driver.kit.record().historic == frozenset(HISTORIC) - {"ghl_note"}
    assert any("SYNC_MODE=read-only" in line for line in lines)


def test_a_lost_answer_to_a_historic_property_ends_setup(build_driver):
    driver = build_driver()
    driver.sandbox.add_fault("503", route="/v3/REST/contactmetadata", method="POST")

    with pytest.raises(VendorDown):
        setup.run(driver.kit)
    assert driver.kit.setup.read() is None


# What is read for the whole location at once


def test_a_token_with_all_scopes_reads_the_whole_location_at_once(build_driver):
    driver = build_driver()

    lines = told(driver)

    record = driver.kit.record()
    assert (record.task_search, record.calendars) == (True, True)
    assert "GHL tasks are read for the whole location at once" in lines
    assert "GHL appointments are read for the whole location at once" in lines


@pytest.mark.parametrize("kind", ["scope_missing", "refused", "wrong_type"])
@pytest.mark.parametrize(
    ("route", "task_search", "calendars", "what"),
    [
        (TASK_SEARCH, False, True, "tasks"),
        (CALENDARS, True, False, "appointments"),
        (EVENTS, True, False, "appointments"),
    ],
)
def test_what_is_refused_is_read_singly_from_then_on(
    build_driver, kind, route, task_search, calendars, what
):
    driver = build_driver()
    driver.sandbox.add_fault(kind, vendor="ghl", route=route)

    lines = told(driver)

    record = driver.kit.record()
    assert (record.task_search, record.calendars) == (task_search, calendars)
    (line,) = [line for line in lines if "singly, one call each" in line]
    why = "are refused to this token" if kind == "scope_missing" else "cannot be had"
    assert line.startswith(f"GHL {what} of the whole location {why}")


@pytest.mark.parametrize("route", [TASK_SEARCH, CALENDARS, EVENTS])
def test_a_token_that_dies_meanwhile_still_ends_setup(build_driver, route):
    driver = build_driver()
    driver.sandbox.add_fault("token_revoked", route=route)

    with pytest.raises(Unauthorized):
        setup.run(driver.kit)
    assert driver.kit.setup.read() is None


@pytest.mark.parametrize("name", ["Mars/Olympus_Mons", "", "../etc/passwd", "Europe"])
def test_a_time_zone_that_nobody_knows_is_told_and_utc_is_used(
    build_driver, sandbox, name
):
    driver = build_driver()
    sandbox.settings(timezone=name)

    lines = told(driver)

    record = driver.kit.record()
    assert record.timezone == "UTC"
    assert f"GHL time zone {name!r} is unknown: UTC is used" in lines
    assert driver.kit.policy(record).carrying.zone.key == "UTC"


def test_a_known_time_zone_is_kept(build_driver):
    driver = build_driver()

    lines = told(driver)

    record = driver.kit.record()
    assert driver.kit.policy(record).carrying.zone.key == "Europe/Lisbon"
    assert not any("time zone" in line for line in lines)


def test_a_zone_that_was_saved_and_cannot_be_loaded_stops_nobody(build_driver, redis):
    driver = build_driver()
    driver.setup()
    redis.hset("gm:default:setup", "timezone", "Mars/Olympus_Mons")

    assert driver.sync(driver.person()["id"]) == "created"


# --backfill-history


def test_backfill_is_asked_for_once_and_kept(build_driver):
    driver = build_driver()
    driver.person()
    first = setup.run(driver.kit)
    lines = told(driver, backfill=True)
    later = setup.run(driver.kit)

    assert (first.backfill, later.backfill) == (False, True)
    (line,) = [line for line in lines if line.startswith("Backfill: ")]
    assert "the next full run" in line
    assert "5 calls" in line
    assert "one call for each task and note" in line


def test_backfill_without_history_is_an_error(build_driver, sandbox):
    driver = build_driver()
    sandbox.settings(historic_namespace=False)

    with pytest.raises(ConfigError, match="no historic properties"):
        setup.run(driver.kit, backfill=True)
    assert driver.kit.setup.read() is None


def test_lost_state_forgets_the_backfill(build_driver, redis):
    build_driver().setup()
    setup.run(build_driver().kit, backfill=True)
    redis.flushall()
    driver = build_driver()

    assert setup.restore(driver.kit)
    assert driver.kit.record().backfill is False


# restore


def test_history_that_is_not_there_prevents_no_restoring(build_driver, mailjet, redis):
    driver = build_driver()
    driver.setup()
    for name in HISTORIC:
        mailjet.call("DELETE", f"contactmetadata/{name}")
    redis.flushall()
    driver.sandbox.settings(historic_namespace=False)

    assert setup.restore(driver.kit)
    assert driver.kit.record().historic == frozenset()


# check and probe


@pytest.mark.parametrize(
    ("route", "scope", "what"),
    [
        (TASK_SEARCH, "locations/tasks.readonly", "tasks"),
        (CALENDARS, "calendars.readonly", "appointments"),
        (EVENTS, "calendars/events.readonly", "appointments"),
    ],
)
def test_check_warns_of_each_scope_that_is_missing(build_driver, route, scope, what):
    driver = build_driver()
    driver.setup()
    driver.sandbox.add_fault("scope_missing", route=route)

    said = problems(driver, Level.WARNING).splitlines()

    (line,) = [line for line in said if scope in line]
    assert line.startswith(f"GHL scope {scope}: missing")
    assert f"each sync of a contact reads its {what} singly" in line
    # Without its calendars nobody can tell whether the events would be refused too.
    assert [one for one in said if "missing" in one] == [line]
    assert problems(driver, Level.FAILURE) == ""


@pytest.mark.parametrize("route", [TASK_SEARCH, EVENTS])
def test_check_tells_that_a_scope_has_come(build_driver, route):
    driver = build_driver()
    fault = driver.sandbox.add_fault("scope_missing", route=route)
    driver.setup()
    before = problems(driver, Level.WARNING)
    driver.sandbox.remove_fault(fault)

    said = problems(driver, Level.WARNING)

    assert "could not at setup" not in before
    assert "for the whole location, and could not at setup: run" in said


def test_check_tells_what_is_lost_without_history(build_driver, sandbox):
    driver = build_driver()
    sandbox.settings(historic_namespace=False)
    driver.setup()

    assert f"lacks historic properties: {ALL_LOST}" in problems(driver, Level.WARNING)
    assert problems(driver, Level.FAILURE) == ""


def test_check_finds_nothing_to_say_where_everything_is_there(build_driver):
    driver = build_driver()
    driver.setup()

    said = problems(driver, Level.WARNING)

    assert "historic" not in said
    assert "singly" not in said


def test_history_that_setup_found_and_is_gone_is_a_failure(build_driver, mailjet):
    driver = build_driver()
    driver.setup()
    mailjet.call("DELETE", "contactmetadata/ghl_note")

    assert "lacks historic properties ghl_note: run `ghl-mailjet setup`" in problems(
        driver, Level.FAILURE
    )
    with pytest.raises(ConfigError, match="ghl_note"):
        probe(driver.kit)


def test_a_pause_lasts_until_the_history_is_back(build_driver, mailjet):
    driver = build_driver()
    driver.setup()
    mailjet.call("DELETE", "contactmetadata/ghl_task")
    with pytest.raises(ConfigError) as caught:
        probe(driver.kit)
    driver.kit.health.pause(trouble(caught.value))

    still = driver.look_again()
    pause = driver.kit.health.paused()
    setup.run(driver.kit)
    after = driver.look_again()

    assert still.startswith("still paused")
    assert remedy(pause).startswith("run `ghl-mailjet setup`")
    assert after == "resumed"


def test_a_probe_asks_for_no_history_that_never_was(build_driver, sandbox):
    driver = build_driver()
    sandbox.settings(historic_namespace=False)
    driver.setup()

    probe(driver.kit)


# The feeds of Mailjet's history begin with setup


def test_feeds_begin_with_the_first_setup(build_driver):
    driver = build_driver()
    began_ms = round(time.time() * 1000)
    setup.run(driver.kit)
    first = {name: driver.kit.feed.since_ms(name) for name in ("note", "task")}
    setup.run(driver.kit)

    assert all(since >= began_ms for since in first.values())
    assert first == {n: driver.kit.feed.since_ms(n) for n in ("note", "task")}


def test_feeds_of_lost_state_begin_a_day_back(build_driver, redis):
    driver = build_driver()
    driver.setup()
    redis.flushall()
    before_ms = round(time.time() * 1000)

    setup.restore(driver.kit)

    day_back_ms = driver.kit.feed.since_ms("note")
    assert before_ms - 86_400_000 <= day_back_ms < before_ms
