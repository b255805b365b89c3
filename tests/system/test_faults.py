"""What breaks in mid-run: Redis, credentials, vendors, contacts."""

from collections import Counter
from collections.abc import Iterator

import pytest

from pipeline.store.health import PROBE_SECONDS
from pipeline.store.records import Run
from pipeline.store.state import connection_key
from tests.driver import expire_all
from tests.system.installation import (
    Installation,
    address_of,
    installation,
    is_address,
    unseen,
)
from tests.system.mid_run import (
    assert_everybody_is_there_once,
    begin_run,
    twenty_a_second,
)

READERS = 60
READ = "/contacts/:contactId"


# Redis


@pytest.fixture(scope="module")
def started() -> Iterator[Installation]:
    with twenty_a_second() as (running, workers):
        running.supervised.extend(workers)
        yield running


@pytest.fixture
def in_mid_run(started: Installation) -> tuple[Installation, Run]:
    return started, begin_run(started)


def test_after_a_restart_of_redis_the_run_goes_on(
    in_mid_run: tuple[Installation, Run],
) -> None:
    running, run = in_mid_run

    running.valkey.restart()
    running.let_beat_tick()
    # What was rung in the last second is forgotten; its leases run out in 30 s.
    expire_all(running.kit.ledger, running.pipeline.redis)
    running.until(running.has_finished, "the run has finished")

    after = running.last_run()
    assert after is not None
    assert (after.id, after.settled, after.dead) == (run.id, after.discovered, 0)
    assert_everybody_is_there_once(running)


def test_after_redis_lost_everything_all_converges_and_nobody_is_revived(
    in_mid_run: tuple[Installation, Run],
) -> None:
    running, run = in_mid_run
    for email in sorted(running.mailed())[:3]:
        place = {running.list_id: {"unsubscribed": True}}
        running.sandbox.put_subscriber(email=email, lists=place)
    said_no = running.opted_out() - running.mailed()
    revived: set[str] = set()

    running.pipeline.redis.flushall()

    def converged() -> bool:
        revived.update(said_no & running.mailed())
        return running.has_finished()

    running.until(converged, "a new run has finished")
    after = running.last_run()
    assert len(said_no) > 3
    assert revived == set()
    assert after is not None
    assert after.id != run.id
    assert running.status()["set_up"]
    assert_everybody_is_there_once(running)


# Vendors and contacts


@pytest.fixture(scope="module")
def reading_each() -> Iterator[Installation]:
    """Every contact is read singly in GHL, so GHL is needed all the time."""
    rates = {"GHL_RATE": "200/10", "MAILJET_RATE": "200/10"}
    people = ("--contacts", str(READERS))
    with installation(*people, SYNC_DETAILS="always", **rates) as running:
        running.start()
        yield running


@pytest.fixture
def running(
    reading_each: Installation, request: pytest.FixtureRequest
) -> Iterator[Installation]:
    """Everybody has changed since the last run."""
    running = reading_each
    running.until(
        lambda: not running.is_under_way() and not running.kit.ledger.backlog().leased,
        "idle",
    )
    for contact in running.sandbox.contacts():
        state = f"State of {request.node.name}"
        running.sandbox.put_contact(**unseen(contact, state=state))
    yield running
    running.sandbox.clear_faults()


def make_probe_due(running: Installation) -> None:
    key = connection_key("default", "health")
    running.pipeline.redis.hset(key, "probe_at", 0)


@pytest.mark.parametrize(
    ("fault", "reason"), [("token_revoked", "401"), ("502", "502")]
)
def test_while_ghl_refuses_the_connection_rests_and_then_goes_on_by_itself(
    running: Installation, fault: str, reason: str
) -> None:
    running.call("resync.full")
    running.until(
        lambda: (run := running.last_run()) and run.is_active and run.settled > 10,
        "some contacts are done",
    )

    running.sandbox.add_fault(fault, vendor="ghl")
    running.until(running.kit.health.paused, "paused")
    running.until(lambda: not running.kit.ledger.backlog().leased, "nobody is out")
    told = running.status()
    shown = running.processes.command("status").stdout
    running.sandbox.clear_log()
    running.let_beat_tick()
    pause, now_ms = running.kit.health.paused(), running.pipeline.processes.now_ms()
    meanwhile = [call["route"] for call in running.sandbox.log()]

    assert told["paused"]["reason"].startswith("ghl: ")
    assert reason in told["paused"]["reason"]
    assert reason in shown
    assert told["run"]["state"] in {"listing", "draining"}
    # At most the probe, which is due ten seconds after the pause.
    assert meanwhile in ([], ["/contacts/"])

    # The next is due within a minute, which nobody waits for here.
    assert pause is not None
    assert pause.probe_at_ms <= now_ms + PROBE_SECONDS * 1000

    running.sandbox.clear_faults()
    make_probe_due(running)
    running.until(lambda: not running.kit.health.paused(), "resumed")
    running.until(running.has_finished, "the run has finished")

    run = running.last_run()
    assert run is not None
    assert (run.id, run.settled, run.dead) == (told["run"]["id"], READERS, 0)
    assert_everybody_is_there_once(running)


def test_a_contact_that_cannot_be_read_is_alone_and_can_be_replayed(
    running: Installation,
) -> None:
    no = running.opted_out()
    contacts = running.sandbox.contacts()
    times = Counter(map(address_of, contacts))
    poison = next(
        contact
        for contact in contacts
        if is_address(email := address_of(contact))
        and times[email] == 1
        and email not in no
    )
    running.sandbox.add_fault("wrong_type", route=READ, contact=poison["id"])

    run = running.resync()

    letters = running.letters()
    assert (run.state, run.settled, run.dead) == ("finished", READERS - 1, 1)
    assert [letter["ghl_id"] for letter in letters] == [poison["id"]]
    assert letters[0]["cause"] == "BadPayload"
    assert poison["email"] not in str(letters)

    running.sandbox.clear_faults()
    done = running.processes.command("replay", poison["id"])
    running.until(running.has_finished, "the contact is done")

    subscriber = running.sandbox.subscriber(poison["email"])
    assert done.stdout == "Wait again: 1 of 1.\n"
    assert running.letters() == []
    assert subscriber is not None
    state = running.sandbox.contact(poison["id"])["state"]
    assert subscriber["properties"]["state"] == state
