"""When a connection pauses, who probes it, and whose fault a failure was."""

import pytest

from pipeline.permit import Lane
from pipeline.store.health import (
    CONTACTS_TO_BLAME_THE_VENDOR,
    FAILURES_TO_PAUSE,
    FIRST_PROBE_SECONDS,
    Health,
)
from tests.leases import lease_all, lease_one, settle


@pytest.fixture
def health(redis) -> Health:
    return Health(redis, "default")


def make_probe_due(redis) -> None:
    redis.hset("gm:default:health", "probe_at", 0)


def suspect(ledger, ghl_id: str) -> None:
    """An attempt that failed, perhaps by the vendor's fault."""
    ledger.give_back(ledger.take(ghl_id, Lane.BULK), 0, counted=True, suspect=True)


def attempts(ledger, ghl_id: str) -> int:
    lease = ledger.take(ghl_id, Lane.BULK)
    return ledger.open(ghl_id, lease.token).attempts


def test_three_failures_in_a_row_pause_the_connection(health):
    paused = []
    for _ in range(FAILURES_TO_PAUSE):
        health.stumble("ghl: 500")
        paused.append(health.paused() is not None)

    assert paused == [False, False, True]
    assert health.paused().reason == "ghl: 500"


def test_a_settlement_between_failures_begins_the_count_anew(ledger, redis, health):
    for _ in range(FAILURES_TO_PAUSE - 1):
        health.stumble("ghl: 500")
    settle(ledger, redis, lease_one(ledger))
    for _ in range(FAILURES_TO_PAUSE - 1):
        health.stumble("ghl: 500")

    assert health.paused() is None


def test_the_first_reason_of_a_pause_stays(health):
    health.pause("the credential is refused")
    first = health.paused()
    health.pause("something else")
    for _ in range(FAILURES_TO_PAUSE):
        health.stumble("ghl: 500")

    assert health.paused() == first
    assert first.probe_at_ms - first.since_ms == FIRST_PROBE_SECONDS * 1000


def test_a_probe_is_claimed_by_one_caller_when_it_is_due(redis, health):
    health.pause("dead token")

    too_early = health.claim_probe()
    make_probe_due(redis)
    claims = [health.claim_probe() for _ in range(3)]

    assert not too_early
    assert claims == [True, False, False]


def test_a_connection_that_works_is_not_probed(health):
    before = health.claim_probe()
    health.pause("dead token")
    health.resume()

    assert not before
    assert not health.claim_probe()


def test_a_failed_probe_keeps_the_pause_and_tells_why(redis, health):
    health.pause("dead token")
    since = health.paused().since_ms

    health.still_down("still dead")

    assert health.paused().reason == "still dead"
    assert health.paused().since_ms == since


def test_a_failed_probe_takes_the_attempts_back(ledger, health):
    suspect(ledger, "ana")
    suspect(ledger, "ana")
    suspect(ledger, "bo")

    health.still_down("ghl: 500")

    assert attempts(ledger, "ana") == attempts(ledger, "bo") == 0


def test_attempts_that_no_vendor_is_suspected_of_stay(ledger, health):
    ledger.give_back(lease_one(ledger, "ana"), 0, counted=True)
    suspect(ledger, "ana")

    health.still_down("ghl: 500")

    assert attempts(ledger, "ana") == 1


def test_several_suspects_are_proof_against_the_vendor(ledger, health):
    for number in range(CONTACTS_TO_BLAME_THE_VENDOR):
        suspect(ledger, f"id{number}")

    health.stumble("ghl: 500")

    assert [attempts(ledger, f"id{n}") for n in range(3)] == [0, 0, 0]


def test_few_suspects_keep_their_attempts(ledger, health):
    for number in range(CONTACTS_TO_BLAME_THE_VENDOR - 1):
        suspect(ledger, f"id{number}")

    health.stumble("ghl: 500")

    assert [attempts(ledger, f"id{n}") for n in range(3)] == [1, 1, 1]


def test_a_settlement_clears_the_vendor_of_suspicion(ledger, redis, health):
    suspect(ledger, "ana")
    settle(ledger, redis, ledger.take("bo", Lane.BULK))

    health.still_down("ghl: 500")

    assert attempts(ledger, "ana") == 1


def test_after_a_resume_the_contacts_keep_the_attempts_they_had(ledger, health):
    suspect(ledger, "ana")
    health.pause("ghl: 500")

    health.resume()
    health.still_down("a probe that came late")

    assert attempts(ledger, "ana") == 1


def test_a_resumed_connection_works_again(ledger, health):
    ledger.mark(Lane.BULK, ["ana"])
    health.pause("dead token")

    health.resume()

    assert health.paused() is None
    assert lease_all(ledger).keys() == {"ana"}


def test_the_first_failure_after_a_resume_pauses_again(health):
    health.pause("dead token")
    health.resume()

    health.stumble("ghl: 500")

    assert health.paused() is not None


@pytest.mark.parametrize("command", ["pause", "still_down", "resume"])
def test_a_replay_changes_nothing(ledger, redis, health, command):
    suspect(ledger, "ana")
    health.pause("dead token")
    arguments = [] if command == "resume" else ["ghl: 500"]

    getattr(health, command)(*arguments)
    once = redis.hgetall("gm:default:health"), redis.hgetall("gm:default:attempts")
    getattr(health, command)(*arguments)

    assert once == (
        redis.hgetall("gm:default:health"),
        redis.hgetall("gm:default:attempts"),
    )
