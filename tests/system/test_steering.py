"""Runs that Beat starts and operators steer; two Beats ring here, which is harmless."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pipeline.permit import Lane
from pipeline.store.records import Run
from tests.system.installation import (
    Installation,
    address_of,
    installation,
    unseen,
)
from tests.system.wiretap import Wiretap

PEOPLE = 90
POLL_SECONDS = 5
UPSERT = "/v3/REST/contactslist/:list/managecontact"


@dataclass(frozen=True)
class FirstRun:
    """The run that nobody asked for.

    Args:
        sent: how often each contact was sent to the workers.
        calls: how often each route was called.
    """

    installation: Installation
    run: Run
    sent: Counter[str]
    calls: Counter[str]


@pytest.fixture(scope="module")
def first_run() -> Iterator[FirstRun]:
    rhythm = {
        "SYNC_CHANGES_INTERVAL_SECONDS": str(POLL_SECONDS),
        # The opted-out set is read by the same route as what has changed.
        "SYNC_OPTOUTS_INTERVAL_SECONDS": "86400",
    }
    with installation("--contacts", str(PEOPLE), **rhythm) as running:
        with Wiretap(running.valkey) as wiretap:
            # Before Beat is there, which begins the run.
            running.setup()
            running.sandbox.clear_log()
            for _ in range(2):
                running.processes.beat()
            running.processes.worker("--loglevel", "info")
            run = running.next_run(None)
        messages = [m for lane in Lane for m in wiretap.messages(lane)]
        sent = Counter(
            contact["id"]
            for message in messages
            for contact in running.sandbox.contacts()
            if "contact.sync" in message and contact["id"] in message
        )
        calls = Counter(call["route"] for call in running.sandbox.log())
        yield FirstRun(running, run, sent, calls)


@pytest.fixture
def running(
    first_run: FirstRun, request: pytest.FixtureRequest
) -> Iterator[Installation]:
    """Everybody has changed, and Mailjet is slow to write until `drain`.

    A run takes twenty seconds, most of them after it is to be steered.
    """
    running = first_run.installation
    running.until(lambda: not running.kit.ledger.backlog().leased, "idle")
    for contact in running.sandbox.contacts():
        state = f"State of {request.node.name}"
        running.sandbox.put_contact(**unseen(contact, state=state))
    running.sandbox.add_fault("slow", vendor="mailjet", route=UPSERT, seconds=4.0)
    yield running
    running.sandbox.clear_faults()


def begin(running: Installation) -> None:
    """A run that has begun to write."""
    running.call("resync.full")
    running.until(
        lambda: (run := running.last_run()) and run.is_active and run.settled,
        "the first contacts are done",
    )


def drain(running: Installation) -> None:
    """What is out comes to its end."""
    running.until(lambda: not running.kit.ledger.backlog().leased, "nothing is leased")
    running.sandbox.clear_faults()
    running.sandbox.clear_log()


def test_the_first_run_starts_by_itself_after_setup(first_run: FirstRun) -> None:
    run, running = first_run.run, first_run.installation

    missing, mailed = running.missing(), running.mailed()

    assert (run.kind, run.state, run.discovered) == ("full", "finished", PEOPLE)
    assert missing == set()
    assert running.opted_out() & mailed == set()


def test_two_beats_send_nothing_twice(first_run: FirstRun) -> None:
    addresses = Counter(map(address_of, first_run.installation.sandbox.contacts()))

    alone = {
        contact["id"]: first_run.sent[contact["id"]]
        for contact in first_run.installation.sandbox.contacts()
        if addresses[address_of(contact)] == 1
    }

    assert len(alone) > PEOPLE * 0.9
    assert set(alone.values()) == {1}
    pages = {"/contacts/", "/v3/REST/contactdata", "/v3/REST/listrecipient"}
    assert {first_run.calls[page] for page in pages} == {1}


def test_two_beats_poll_no_more_often_than_one(first_run: FirstRun) -> None:
    running = first_run.installation

    def polls() -> list[float]:
        log = running.sandbox.log("ghl")
        return [c["arrival"] for c in log if c["route"] == "/contacts/search"]

    running.sandbox.clear_log()
    running.until(lambda: len(polls()) >= 2, "two polls")

    first, second, *_ = polls()
    assert second - first > POLL_SECONDS / 2


def test_a_paused_run_goes_on_where_it_stopped(running: Installation) -> None:
    begin(running)

    paused = running.processes.command("runs", "pause")
    drain(running)
    done = running.settled()
    running.let_beat_tick()

    run = running.last_run()
    assert paused.returncode == 0
    assert run is not None
    assert paused.stdout == f"Run {run.id}: paused; its contacts wait\n"
    assert (run.state, run.settled) == ("paused", done)
    assert 0 < done < PEOPLE
    assert running.writes() == []

    resumed = running.processes.command("runs", "resume")
    running.until(running.has_finished, "the run has finished")

    after = running.last_run()
    assert resumed.stdout == f"Run {run.id}: goes on\n"
    assert after is not None
    assert (after.id, after.settled) == (run.id, PEOPLE)


def test_a_cancelled_run_leaves_the_rest_as_it_was(
    running: Installation, request: pytest.FixtureRequest
) -> None:
    begin(running)

    cancelled = running.processes.command("runs", "cancel")
    drain(running)
    running.let_beat_tick()

    run = running.last_run()
    assert cancelled.returncode == 0
    assert run is not None
    assert cancelled.stdout.startswith(f"Run {run.id}: cancelled")
    assert run.state == "cancelled"
    assert 0 < run.settled < PEOPLE
    assert running.kit.ledger.backlog().waiting == 0
    assert running.writes() == []
    changed = [
        subscriber["email"]
        for subscriber in running.sandbox.subscribers()
        if subscriber["properties"].get("state") == f"State of {request.node.name}"
    ]
    assert 0 < len(changed) < PEOPLE * 0.8
