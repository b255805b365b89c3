"""The command line, typed in a shell of its own against what really runs."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.retry import Cause, Trouble
from pipeline.store.health import Pause
from pipeline.store.state import connection_key
from tests.driver import FULL_ROW
from tests.sandbox import Row, fresh_email
from tests.system.installation import Installation, address_of, installation
from tests.system.processes import BIN, STOP_SECONDS, Processes
from tests.valkey import free_port

PEOPLE = 20
READ = "/contacts/:contactId"
A_DAY = 86_400.0
LONG_AGO = "2020-01-01T00:00:00.000Z"
NOBODY = "nobody0000000000000x"
Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def started() -> Iterator[Installation]:
    """Set up; worker and Beat run, and the first run is over."""
    with installation("--contacts", str(PEOPLE)) as running:
        # Else the look for activities may sync somebody before the command does.
        assert running.kit.setup.claim_due("activities", A_DAY)
        running.start()
        running.first_run()
        yield running


@pytest.fixture
def running(started: Installation) -> Installation:
    started.until(lambda: not started.is_under_way(), "no run is under way")
    started.sandbox.clear_log()
    return started


@pytest.fixture
def ana(running: Installation) -> Row:
    """Somebody in GHL, whom the poll for changes does not find and sync by itself."""
    return running.sandbox.put_contact(
        **{**FULL_ROW, "email": fresh_email(), "dateUpdated": LONG_AGO}
    )


@pytest.fixture(scope="module")
def not_set_up() -> Iterator[Installation]:
    with installation("--contacts", "5") as running:
        yield running


@pytest.fixture
def without_settings() -> Iterator[Processes]:
    with Processes({}) as processes:
        yield processes


@pytest.fixture(scope="module")
def without_redis(started: Installation) -> Iterator[Processes]:
    url = f"redis://127.0.0.1:{free_port()}/0"
    with Processes({**started.processes.env, "REDIS_URL": url}) as processes:
        yield processes


def made_by_setup(running: Installation) -> list[str]:
    """Routes of what only `setup` makes: the worker may sync somebody meanwhile."""
    routes = ("/v3/REST/contactmetadata", "/v3/REST/contactslist")
    return [c["route"] for c in running.writes() if c["route"] in routes]


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


# What is wrong is said on stderr, without a traceback


def test_all_missing_settings_are_named_at_once(without_settings: Processes) -> None:
    done = without_settings.command("status")

    named = [line.partition(":")[0] for line in lines(done.stderr)]
    assert done.returncode == 2
    assert done.stdout == ""
    assert named == [
        "The settings cannot be used",
        "GHL_TOKEN",
        "GHL_LOCATION_ID",
        "MAILJET_API_KEY",
        "MAILJET_SECRET_KEY",
    ]


@pytest.mark.parametrize("typed", ["status", "setup", "runs", "resync"])
def test_without_redis_one_line_says_so(without_redis: Processes, typed: str) -> None:
    done = without_redis.command(*typed.split())

    (line,) = lines(done.stderr)
    assert done.returncode == 1
    assert done.stdout == ""
    assert line.startswith("Redis: ConnectionError")
    assert "REDIS_URL" in line


def test_check_without_redis_says_how_to_mend_it(without_redis: Processes) -> None:
    done = without_redis.command("check")

    assert done.returncode == 1
    assert "failure Redis: ConnectionError" in done.stdout
    assert "start it, or correct REDIS_URL" in done.stdout
    assert "Traceback" not in done.stderr


def test_an_unknown_connection_is_told_with_those_there_are(
    running: Installation,
) -> None:
    done = running.processes.command("status", "-c", "nobody")

    assert done.returncode == 2
    assert lines(done.stderr) == ["connection 'nobody': unknown; there is default"]


@pytest.mark.parametrize("typed", ["sync", "nothing"])
def test_wrong_use_is_told_with_the_usage(running: Installation, typed: str) -> None:
    done = running.processes.command(*typed.split())

    assert done.returncode == 2
    assert done.stderr.startswith("Usage: ghl-mailjet ")
    assert "\nError: " in done.stderr


def test_replay_without_an_argument_says_what_it_takes(running: Installation) -> None:
    done = running.processes.command("replay")

    assert done.returncode == 2
    assert done.stderr.startswith("Usage: ghl-mailjet replay ")
    assert "Error: name contact ids, --cause, --older-than or --all" in done.stderr


def test_there_must_be_a_run_to_steer_it(running: Installation) -> None:
    done = running.processes.command("runs", "pause")

    assert done.returncode == 1
    assert lines(done.stderr) == [
        "No run is under way. Start one: ghl-mailjet resync",
    ]


@pytest.mark.parametrize("typed", ["runs -c nobody", "runs -c nobody pause"])
def test_runs_takes_the_connection_too(running: Installation, typed: str) -> None:
    known = running.processes.command("runs", "-c", "default")
    done = running.processes.command(*typed.split())

    assert known.returncode == 0
    assert done.returncode == 2
    assert lines(done.stderr) == ["connection 'nobody': unknown; there is default"]


def test_an_unknown_list_is_told_by_setup(running: Installation) -> None:
    with Processes({**running.processes.env, "MAILJET_LIST_ID": "999999"}) as wrong:
        done = wrong.command("setup")

    assert done.returncode == 2
    assert "MAILJET_LIST_ID: Mailjet has no list 999999" in done.stderr
    assert "is set up" not in done.stdout


@pytest.mark.parametrize("typed", ["resync", f"sync {NOBODY}"])
def test_before_setup_nothing_is_written(not_set_up: Installation, typed: str) -> None:
    done = not_set_up.processes.command(*typed.split())

    (line,) = lines(done.stderr)
    assert done.returncode == 2
    assert "not set up: run `ghl-mailjet setup` first" in line
    assert not_set_up.writes() == []


def test_check_says_what_is_missing_and_how_to_mend_it(
    not_set_up: Installation,
) -> None:
    done = not_set_up.processes.command("check", "--json")

    findings = {f["what"]: f for f in json.loads(done.stdout)}
    assert done.returncode == 1
    assert findings["not set up"]["level"] == "failure"
    assert findings["not set up"]["mend"] == "run `ghl-mailjet setup`"
    assert findings["Redis answers"]["level"] == "ok"
    assert findings["no worker is running"]["level"] == "warning"


# Commands that do what they say


def test_check_finds_nothing_wrong_with_what_runs(running: Installation) -> None:
    running.until(running.pipeline.processes.slots, "a worker is there")

    done = running.processes.command("check")

    assert done.returncode == 0
    assert {line.split()[0] for line in lines(done.stdout)} == {"ok"}
    assert done.stderr == ""


def test_setup_may_be_repeated(running: Installation) -> None:
    done = running.processes.command("setup")

    assert done.returncode == 0
    assert lines(done.stdout)[-3] == "Connection 'default' is set up. Next:"
    assert "created" not in done.stdout
    assert made_by_setup(running) == []


@pytest.fixture
def backfilled(running: Installation) -> Iterator[Done]:
    yield running.processes.command("setup", "--backfill-history")
    running.pipeline.redis.hset(connection_key("default", "setup"), "backfill", 0)


def test_setup_takes_the_wish_for_a_backfill_and_says_what_it_costs(
    running: Installation, backfilled: Done
) -> None:
    record = running.kit.record()

    assert (backfilled.returncode, backfilled.stderr) == (0, "")
    assert record is not None
    assert record.backfill
    (line,) = [one for one in lines(backfilled.stdout) if one.startswith("Backfill: ")]
    assert "the next full run" in line
    assert "one call for each task and note" in line


def test_sync_syncs_one_contact(running: Installation, ana: Row) -> None:
    done = running.processes.command("sync", ana["id"])

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{ana['id']}: created\n"
    assert address_of(ana) in running.mailed()


def test_sync_shows_all_that_is_around_the_contact_now(
    running: Installation, ana: Row
) -> None:
    sandbox = running.sandbox
    running.processes.command("sync", ana["id"])
    due = "2027-03-01T09:00:00Z"
    sandbox.put_task(contactId=ana["id"], title="Call Ana", dueDate=due)
    sandbox.put_note(contactId=ana["id"], body="<p>Prefers mornings</p>")
    start = datetime.now(UTC) + timedelta(days=1)
    end = start + timedelta(hours=1)
    sandbox.put_appointment(
        contactId=ana["id"],
        title="Viewing",
        startTime=start.isoformat(),
        endTime=end.isoformat(),
    )

    done = running.processes.command("sync", ana["id"])

    subscriber = sandbox.subscriber(ana["email"])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{ana['id']}: updated\n"
    assert subscriber is not None
    told = subscriber["properties"]
    assert told["ghl_open_tasks"] == 1
    assert told["ghl_next_task_title"] == "Call Ana"
    assert told["ghl_note_count"] == 1
    assert told["ghl_next_appointment_title"] == "Viewing"


def test_sync_of_a_contact_that_nobody_knows_says_so(running: Installation) -> None:
    done = running.processes.command("sync", NOBODY)

    assert done.returncode == 1
    assert done.stderr == ""
    assert done.stdout == f"{NOBODY}: not found in GHL\n"
    told = [row["properties"] for row in running.sandbox.subscribers()]
    assert NOBODY not in {values.get("ghl_contact_id") for values in told}
    touched = connection_key("default", "touched")
    assert not running.pipeline.redis.hexists(touched, NOBODY)


def test_sync_of_a_contact_that_was_deleted_says_so(
    running: Installation, ana: Row
) -> None:
    running.processes.command("sync", ana["id"])
    running.sandbox.delete_contact(ana["id"])

    done = running.processes.command("sync", ana["id"])

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{ana['id']}: deleted in GHL\n"


def test_resync_watch_ends_with_the_run(running: Installation, ana: Row) -> None:
    done = running.processes.command("resync", "--watch")

    run = running.last_run()
    assert run is not None
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout)[0] == f"Run {run.id} started."
    assert f"Run {run.id} finished in " in done.stdout
    assert address_of(ana) in running.mailed()


def test_a_forecast_tells_calls_hours_and_the_share_of_the_day(
    running: Installation,
) -> None:
    before = running.last_run()

    shown = running.processes.command("resync", "--forecast")
    told = json.loads(
        running.processes.command("resync", "--forecast", "--json").stdout
    )

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "contacts are new:" in lines(shown.stdout)[0]
    assert "fits into one night of SYNC_BULK_HOURS 1-5 (4 h)" in shown.stdout
    assert "of GHL's day (200,000 calls); fits into the" in shown.stdout
    assert told["contacts"] == len(running.sandbox.contacts())
    assert told["calls"]["ghl"]["GET /contacts/"] == 1
    assert 0 < told["share_of_ghl_daily"] <= told["share_of_ghl_left"] < 0.01
    assert (told["nights"], told["fits_today"]) == (1, True)
    assert running.last_run() == before
    assert running.writes() == []


@pytest.mark.parametrize(
    "typed", ["resync --forecast --watch", "resync --forecast --business x"]
)
def test_a_forecast_is_of_a_full_resync_and_starts_none(
    running: Installation, typed: str
) -> None:
    done = running.processes.command(*typed.split())

    assert done.returncode == 2
    assert "--forecast is of a full resync" in done.stderr


def test_runs_lists_the_last_runs(running: Installation) -> None:
    run = running.resync()

    told = json.loads(running.processes.command("runs", "list", "--json").stdout)
    shown = running.processes.command("runs")

    assert told[0]["id"] == run.id
    assert told[0]["state"] == "finished"
    assert told[0]["settled"] == run.discovered
    assert shown.returncode == 0
    assert run.id in shown.stdout


def test_a_run_that_rests_says_until_when_and_is_let_go_on(
    not_set_up: Installation,
) -> None:
    ledger, command = not_set_up.kit.ledger, not_set_up.processes.command
    ledger.start("run1", "full", {"stage": "optouts"}, nightly=True)
    ledger.keep_hours(within=False)

    shown = [command(*typed.split()).stdout for typed in ("status", "runs list")]
    told = not_set_up.status()["run"]
    resumed = command("runs", "resume")
    after = ledger.control("cancel"), ledger.finished_runs()[0].nightly

    assert "resting until 01:00 UTC (SYNC_BULK_HOURS)" in " ".join(shown[0].split())
    # A cell of the table may be broken into lines.
    assert "resting" in shown[1]
    assert told["state"] == "resting"
    assert told["resting_until"] == "01:00 UTC (SYNC_BULK_HOURS)"
    assert resumed.stdout == "Run run1: goes on\n"
    assert after == ("cancelled", False)


def test_status_tells_what_waits_and_who_works(running: Installation) -> None:
    done = running.processes.command("status", "--json")
    shown = running.processes.command("status").stdout

    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert told["connection"] == "default"
    assert told["set_up"] is True
    assert told["paused"] is None
    assert told["worker_slots"] == 16
    assert told["workers_differing"] == []
    assert set(told["waiting"]) == {"consent", "live", "bulk"}
    assert told["budget"]["ghl"]["used_today"] > 0
    assert "worker slots           16" in shown


def test_status_names_workers_that_began_with_other_settings(
    running: Installation,
) -> None:
    done = running.processes.command("status", SYNC_SENDS_PER_DAY="3")

    assert "1 worker runs with other settings than these" in done.stdout
    (name,) = (worker.name for worker in running.pipeline.processes.workers())
    assert name in done.stdout
    assert "restart what is older" in done.stdout


@pytest.fixture
def paused(running: Installation) -> Iterator[Pause]:
    """The token was refused, and the next probe is far away."""
    health = running.kit.health
    reason = "ghl: GET /contacts/: 401: the credential is refused: trace 0f3c7a52"
    health.pause(Trouble("ghl", Cause.CREDENTIAL, reason, wait_seconds=3600))
    pause = health.paused()
    assert pause is not None
    yield pause
    health.resume()


def test_status_says_what_is_paused_since_when_why_and_what_to_do(
    running: Installation, paused: Pause
) -> None:
    told = running.status()
    shown = running.processes.command("status").stdout

    since = told["paused"]["since"]
    assert told["paused"]["reason"] == paused.reason
    assert told["others_paused"] == {}
    assert since < told["paused"]["next_probe"]
    assert "paused                 yes" in shown
    assert lines(shown)[-4:] == [
        f"Connection 'default' is paused since {since} (UTC):",
        f"  {paused.reason}",
        f"  next probe: {told['paused']['next_probe']}",
        "  what to do: mend GHL_TOKEN (GHL: Settings > Private Integrations); after a "
        "change restart the workers; it then resumes by itself",
    ]


def test_check_says_it_too(running: Installation, paused: Pause) -> None:
    done = running.processes.command("check", "--json")

    findings = {f["what"]: f for f in json.loads(done.stdout)}
    finding = findings[f"paused: {paused.reason}"]
    assert done.returncode == 1
    assert finding["level"] == "failure"
    assert finding["mend"].startswith("mend GHL_TOKEN")


def test_sync_while_it_is_paused_says_why_and_calls_nobody(
    running: Installation, paused: Pause, ana: Row
) -> None:
    running.sandbox.clear_log()

    done = running.processes.command("sync", ana["id"])

    assert done.returncode == 1
    assert done.stdout == f"{ana['id']}: paused\n"
    assert lines(done.stderr)[0] == paused.reason
    assert lines(done.stderr)[1].startswith("what to do: mend GHL_TOKEN")
    assert running.sandbox.log() == []


def test_status_says_how_to_accept_what_was_held_back(running: Installation) -> None:
    key = connection_key("default", "missing")
    running.pipeline.redis.set(key, 12)
    shown = running.processes.command("status").stdout
    running.pipeline.redis.delete(key)

    assert lines(shown)[-2:] == [
        "12 contacts are missing in GHL's listing and left alone:",
        "  what to do: if they were deleted: ghl-mailjet resync --accept-deletions",
    ]


def test_status_is_shown_again_and_again_until_ctrl_c(running: Installation) -> None:
    shown = ("ghl-mailjet", "status", "--watch", "--json")
    watch = running.processes.start("watch", str(BIN / shown[0]), *shown[1:])
    running.until(lambda: watch.log.count("\n") >= 2, "shown twice")
    watch.interrupt()

    assert watch.wait(STOP_SECONDS) == 0
    told = [json.loads(line) for line in lines(watch.log)]
    assert {status["connection"] for status in told} == {"default"}


def test_a_connection_is_paused_and_goes_on(running: Installation) -> None:
    command = running.processes.command
    paused, status = command("pause"), running.status()
    shown = command("status").stdout
    resumed, again = command("resume"), command("resume")

    assert paused.stdout.startswith("Connection 'default' is paused; consent goes on.")
    assert status["paused_by_operator"]
    assert "  what to do: ghl-mailjet resume -c default" in lines(shown)
    assert resumed.stdout == "Connection 'default' goes on.\n"
    assert again.stdout == "Connection 'default' was not paused.\n"
    assert running.status()["paused_by_operator"] is None


def test_a_dead_letter_is_shown_with_its_reason_until_it_is_replayed(
    running: Installation, ana: Row
) -> None:
    fault = running.sandbox.add_fault("wrong_type", route=READ, contact=ana["id"])
    failed = running.processes.command("sync", ana["id"])
    letters = running.letters()
    shown = running.processes.command("dead-letters").stdout
    others = running.processes.command("dead-letters", "--cause", "Rejected").stdout
    running.sandbox.remove_fault(fault)

    replayed = running.processes.command("replay", "--cause", "BadPayload")
    running.until(lambda: address_of(ana) in running.mailed(), "Ana is mailed")

    assert failed.returncode == 1
    assert failed.stdout == f"{ana['id']}: dead letter: BadPayload\n"
    assert [letter["ghl_id"] for letter in letters] == [ana["id"]]
    assert letters[0]["reason"].startswith("ghl: GET /contacts/:contactId: 200")
    assert ana["id"] in shown
    assert others == "No dead letters.\n"
    assert replayed.stdout == "Wait again: 1 of 1.\n"
    assert running.letters() == []


# How it is told


def test_help_names_every_command(without_settings: Processes) -> None:
    done = without_settings.command("-h")

    commands = (
        *("check", "setup", "sync", "resync", "runs", "status", "dead-letters"),
        *("replay", "demo", "sandbox"),
    )
    assert done.returncode == 0
    assert all(f"\n  {command} " in done.stdout for command in commands)
