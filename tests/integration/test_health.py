"""When a connection pauses, who probes it, and whose fault a failure was."""

from dataclasses import replace
from itertools import count

import pytest

from pipeline.errors import ConnectionPaused, LeaseLost
from pipeline.permit import Lane
from pipeline.retry import MAX_ATTEMPTS, Cause, Trouble
from pipeline.store.health import (
    FAILURES_TO_PAUSE,
    FIRST_PROBE_SECONDS,
    PROBE_SECONDS,
    Health,
)
from tests.driver import make_due
from tests.leases import lease_all, lease_one, snapshot
from tests.troubles import DEAD_TOKEN, GHL_DOWN, MAILJET_DOWN

occurrences = count(1)


@pytest.fixture
def health(redis) -> Health:
    return Health(redis, "default")


def make_probe_due(redis) -> None:
    redis.hset("gm:default:health", "probe_at", 0)


def stumble(health, trouble: Trouble = GHL_DOWN, times: int = 1) -> None:
    for _ in range(times):
        health.stumble(trouble, f"id:{next(occurrences)}")


def suspect(ledger, ghl_id: str, vendor: str = "ghl") -> None:
    """An attempt that failed, perhaps by the vendor's fault."""
    ledger.give_back(ledger.take(ghl_id, Lane.BULK), 0, counted=True, suspect=vendor)


def settle(ledger, ghl_id: str, *answered: str) -> None:
    """Somebody is synced by way of these vendors."""
    lease = ledger.take(ghl_id, Lane.BULK)
    assert ledger.settle(lease, "updated", snapshot(), answered=answered)


def attempts(ledger, redis, ghl_id: str) -> int:
    return int(redis.hget(ledger.key("attempts"), ghl_id) or 0)


def resume(health) -> None:
    """A pause, and the end of it."""
    health.pause(GHL_DOWN)
    health.resume()


def seconds_to_probe(health) -> float:
    """From the moment of a pause to its first probe."""
    before = health.paused()
    return round((before.probe_at_ms - before.since_ms) / 1000)


# When it pauses


def test_failures_in_a_row_pause_the_connection(health):
    paused = []
    for _ in range(FAILURES_TO_PAUSE):
        stumble(health)
        paused.append(health.paused() is not None)

    assert paused == [*[False] * (FAILURES_TO_PAUSE - 1), True]
    assert health.paused().reason == "ghl: 500"
    assert (health.paused().vendor, health.paused().cause) == ("ghl", Cause.OUTAGE)


def test_an_outage_is_seen_before_one_contact_alone_has_spent_its_attempts():
    assert FAILURES_TO_PAUSE < MAX_ATTEMPTS


def test_one_failure_that_is_told_again_counts_once(health):
    for _ in range(3 * FAILURES_TO_PAUSE):
        health.stumble(GHL_DOWN, "ana:12")
    health.stumble(GHL_DOWN, "ana:1")

    assert health.paused() is None


def test_a_settlement_between_failures_begins_the_count_anew(ledger, health):
    stumble(health, times=FAILURES_TO_PAUSE - 1)
    settle(ledger, "ana", "ghl", "mailjet")
    stumble(health, times=FAILURES_TO_PAUSE - 1)

    assert health.paused() is None


@pytest.mark.parametrize("answered", [(), ("mailjet",)])
def test_who_was_synced_without_the_vendor_does_not_prove_that_it_works(
    ledger, health, answered
):
    for number in range(FAILURES_TO_PAUSE):
        stumble(health)
        settle(ledger, f"id{number}", *answered)

    assert health.paused() is not None


def test_failures_of_two_vendors_are_counted_apart(health):
    stumble(health, GHL_DOWN, FAILURES_TO_PAUSE - 1)
    stumble(health, MAILJET_DOWN, FAILURES_TO_PAUSE - 1)

    assert health.paused() is None


def test_the_first_reason_of_a_pause_stays(health):
    health.pause(DEAD_TOKEN)
    first = health.paused()
    health.pause(MAILJET_DOWN)
    stumble(health, times=FAILURES_TO_PAUSE)

    assert health.paused() == first
    assert seconds_to_probe(health) == FIRST_PROBE_SECONDS


# While it is paused


def test_a_lease_that_is_opened_while_it_is_paused_goes_back_unspent(
    ledger, redis, health
):
    lease = lease_one(ledger, "ana", Lane.LIVE)
    health.pause(GHL_DOWN)

    with pytest.raises(ConnectionPaused):
        ledger.open("ana", lease.token)
    with pytest.raises(LeaseLost):
        ledger.open("ana", lease.token)

    backlog = ledger.backlog()
    assert (backlog.live, backlog.leased) == (1, 0)
    assert attempts(ledger, redis, "ana") == 0


def test_no_page_is_fetched_while_it_is_paused(ledger, health):
    ledger.start("run", "full", {"stage": "listing"})
    health.pause(GHL_DOWN)
    while_paused = ledger.claim_page(60)
    health.resume()

    assert while_paused is None
    assert ledger.claim_page(60) is not None


def test_a_probe_is_claimed_by_one_caller_when_it_is_due(redis, health):
    health.pause(DEAD_TOKEN)

    too_early = health.claim_probe()
    make_probe_due(redis)
    claims = [health.claim_probe() for _ in range(3)]

    assert not too_early
    assert claims == [True, False, False]


@pytest.mark.parametrize(
    ("paused_seconds", "wait_seconds"),
    [(0, FIRST_PROBE_SECONDS), (25, 25), (3600, PROBE_SECONDS)],
)
def test_a_failed_probe_is_repeated_after_as_long_again_and_within_a_minute(
    redis, health, paused_seconds, wait_seconds
):
    health.pause(GHL_DOWN)
    make_probe_due(redis)
    redis.hincrby("gm:default:health", "paused_ms", -1000 * paused_seconds)
    before = int(redis.time()[0] * 1000)
    health.claim_probe()
    health.still_down(GHL_DOWN)

    wait = health.paused().probe_at_ms - before
    assert wait_seconds * 1000 <= wait < wait_seconds * 1000 + 10_000


def test_a_vendor_that_asks_for_time_is_not_probed_before(redis, health):
    patient = replace(GHL_DOWN, wait_seconds=200.0)
    stumble(health, patient, FAILURES_TO_PAUSE)
    after_pause = seconds_to_probe(health)
    before = int(redis.time()[0] * 1000)
    make_probe_due(redis)
    health.claim_probe()
    health.still_down(patient)

    assert after_pause == 200
    assert health.paused().probe_at_ms - before >= 200_000


def test_a_connection_that_works_is_not_probed(health):
    before = health.claim_probe()
    health.pause(DEAD_TOKEN)
    health.resume()

    assert not before
    assert not health.claim_probe()


def test_a_failed_probe_keeps_the_pause_and_tells_why(health):
    health.pause(DEAD_TOKEN)
    since = health.paused().since_ms

    health.still_down(MAILJET_DOWN)

    told = health.paused()
    assert (told.vendor, told.cause, told.reason) == (
        "mailjet",
        Cause.OUTAGE,
        "mailjet: 500",
    )
    assert told.since_ms == since


def test_a_failed_probe_takes_the_attempts_back(ledger, redis, health):
    suspect(ledger, "ana")
    suspect(ledger, "ana", "mailjet")
    suspect(ledger, "bo")
    health.pause(GHL_DOWN)

    health.still_down(GHL_DOWN)

    assert attempts(ledger, redis, "ana") == attempts(ledger, redis, "bo") == 0


def test_attempts_that_no_vendor_is_suspected_of_stay(ledger, redis, health):
    ledger.give_back(lease_one(ledger, "ana"), 0, counted=True)
    suspect(ledger, "ana")
    health.pause(GHL_DOWN)

    health.still_down(GHL_DOWN)

    assert attempts(ledger, redis, "ana") == 1


def test_who_was_synced_clears_the_vendors_that_answered(ledger, redis, health):
    suspect(ledger, "ana", "ghl")
    suspect(ledger, "bo", "mailjet")
    settle(ledger, "cy", "ghl")
    health.pause(MAILJET_DOWN)

    health.still_down(MAILJET_DOWN)

    assert attempts(ledger, redis, "ana") == 1
    assert attempts(ledger, redis, "bo") == 0


def test_who_is_synced_late_by_an_older_answer_clears_nobody(ledger, redis, health):
    suspect(ledger, "ana", "ghl")
    health.pause(GHL_DOWN)
    settle(ledger, "cy", "ghl")

    health.still_down(GHL_DOWN)

    assert attempts(ledger, redis, "ana") == 0
    assert health.paused() is not None


# After it


def test_after_a_resume_the_contacts_keep_the_attempts_they_had(ledger, redis, health):
    suspect(ledger, "ana")
    health.pause(GHL_DOWN)

    health.resume()
    health.still_down(GHL_DOWN)

    assert attempts(ledger, redis, "ana") == 1
    assert health.paused() is None


def test_after_a_resume_one_contact_goes_alone_and_one_that_has_not_failed(
    ledger, health
):
    suspect(ledger, "ana")
    ledger.mark(Lane.BULK, ["bo", "cy"])
    resume(health)

    first = lease_all(ledger)
    beside = lease_all(ledger)

    assert len(first) == 1
    assert first.keys() <= {"bo", "cy"}
    assert beside == {}


def test_where_all_have_failed_they_go_together(ledger, redis, health):
    suspect(ledger, "ana")
    suspect(ledger, "bo")
    resume(health)
    make_due(ledger, redis)

    assert lease_all(ledger).keys() == {"ana", "bo"}


@pytest.mark.parametrize("end", ["settle", "skip"])
def test_once_one_reached_its_end_the_others_go_too(ledger, health, end):
    ledger.mark(Lane.BULK, ["ana", "bo", "cy"])
    resume(health)
    (lease,) = lease_all(ledger).values()

    if end == "settle":
        ledger.settle(lease, "updated", snapshot())
    else:
        ledger.skip(lease, "not written")

    assert len(lease_all(ledger)) == 2


def test_a_run_that_is_paused_lends_no_contact_for_the_trial(ledger, health):
    ledger.start("run", "full", {"stage": "listing"})
    ledger.mark(Lane.BULK, ["ana"])
    ledger.control("pause")
    resume(health)

    assert lease_all(ledger) == {}


def test_the_first_failure_after_a_resume_pauses_again(health):
    resume(health)

    stumble(health)

    assert health.paused() is not None


def test_the_first_failure_of_the_other_vendor_does_not(health):
    resume(health)

    stumble(health, MAILJET_DOWN)

    assert health.paused() is None


def test_each_vain_resume_doubles_the_time_to_the_next_probe_up_to_a_minute(
    redis, health
):
    waits = []
    for _ in range(5):
        stumble(health, times=FAILURES_TO_PAUSE)
        paused_ms = int(redis.hget("gm:default:health", "paused_ms"))
        waits.append(round((health.paused().probe_at_ms - paused_ms) / 1000))
        health.resume()

    assert waits == [10, 20, 40, 60, 60]


def test_since_when_is_the_first_pause_until_the_vendor_is_proven_to_work(
    ledger, redis, health
):
    resume(health)
    redis.hset("gm:default:health", "since_ms", 1)
    stumble(health)
    after_a_vain_resume = health.paused().since_ms
    health.resume()
    settle(ledger, "ana", "ghl")
    stumble(health, times=FAILURES_TO_PAUSE)

    assert after_a_vain_resume == 1
    assert health.paused().since_ms > 1
    assert seconds_to_probe(health) == FIRST_PROBE_SECONDS


def test_what_fails_after_ten_quiet_minutes_is_a_new_trouble(redis, health):
    resume(health)
    redis.hset("gm:default:health", mapping={"since_ms": 1, "resumed_ms": 1})

    health.pause(GHL_DOWN)

    assert health.paused().since_ms > 1
    assert seconds_to_probe(health) == FIRST_PROBE_SECONDS


@pytest.mark.parametrize("command", ["pause", "still_down", "resume"])
def test_a_replay_changes_nothing(ledger, redis, health, command):
    suspect(ledger, "ana")
    health.pause(DEAD_TOKEN)
    arguments = [] if command == "resume" else [GHL_DOWN]

    getattr(health, command)(*arguments)
    once = redis.hgetall("gm:default:health"), redis.hgetall("gm:default:attempts")
    getattr(health, command)(*arguments)

    assert once == (
        redis.hgetall("gm:default:health"),
        redis.hgetall("gm:default:attempts"),
    )
