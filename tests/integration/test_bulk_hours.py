"""`SYNC_BULK_HOURS`: a run that the night began rests outside its hours."""

from datetime import UTC, datetime

import pytest

from pipeline import overview, runs
from pipeline.permit import Lane
from pipeline.store.records import Run
from tests.driver import waiting
from tests.leases import lease_all, settle, skip, snapshot

HOURS = "22-3"
TEN_DAYS_MS = 10 * 86_400_000


def at(hour: int) -> float:
    """An hour of a day long after every run of these tests."""
    return datetime(2090, 3, 1, hour, 30, tzinfo=UTC).timestamp()


def start(ledger, *, nightly=True):
    ledger.start("run1", "full", {"after": 0}, nightly=nightly)


def found(ledger, *ids, ends=False):
    page = ledger.claim_page(60)
    assert page is not None
    assert ledger.commit_page(page, None if ends else {"after": 1}, ids)


@pytest.fixture
def resting(ledger):
    """A run that found `ana` and `bo` at night, and rests by day."""
    start(ledger)
    found(ledger, "ana", "bo")
    assert ledger.keep_hours(within=False) == "resting"
    return ledger


# The ledger


def test_a_resting_run_lists_nothing_and_holds_bulk_work_back(resting):
    resting.mark(Lane.LIVE, ["cy"])
    resting.mark(Lane.CONSENT, ["di"])

    assert resting.wanted_page() is None
    assert resting.claim_page(60) is None
    assert lease_all(resting).keys() == {"cy", "di"}
    assert resting.run().is_active
    assert not resting.backlog().wants_slots


def test_in_its_hours_it_goes_on_where_it_was(resting):
    assert resting.keep_hours(within=True) == "listing"

    assert resting.wanted_page() == {"after": 1}
    assert lease_all(resting).keys() == {"ana", "bo"}
    assert resting.keep_hours(within=False) == "resting"


def test_what_somebody_ordered_keeps_no_hours(ledger):
    start(ledger, nightly=False)

    assert ledger.keep_hours(within=False) == "listing"


@pytest.mark.parametrize("kind", ["full", "business"])
def test_who_orders_a_resting_run_has_it_at_once(resting, kind):
    assert resting.start("run2", kind, {}) == "run1"

    goes_on = kind == "full"
    assert resting.run().state == ("listing" if goes_on else "resting")
    assert resting.run().nightly is not goes_on
    assert resting.keep_hours(within=False) == resting.run().state


def test_resume_lets_it_go_on_at_any_hour(resting):
    assert resting.control("resume") == "listing"
    assert resting.keep_hours(within=False) == "listing"


def test_the_clock_does_not_undo_an_operators_pause(resting):
    assert resting.control("pause") == "paused"

    assert resting.keep_hours(within=True) == "paused"
    assert resting.keep_hours(within=False) == "paused"
    assert resting.control("resume") == "listing"


def test_a_resting_run_can_be_cancelled(resting, redis):
    assert resting.control("cancel") == "cancelled"
    assert waiting(resting, redis, Lane.BULK) == set()
    assert resting.keep_hours(within=True) == "cancelled"


def test_a_page_under_way_when_its_hours_end_is_kept(ledger):
    start(ledger)
    page = ledger.claim_page(60)
    ledger.keep_hours(within=False)

    assert ledger.commit_page(page, None, ["ana"])

    assert ledger.run().state == "resting"
    assert ledger.keep_hours(within=True) == "draining"


def test_a_run_whose_last_contact_ends_after_its_hours_does_not_wait_for_more(
    ledger, redis
):
    start(ledger)
    found(ledger, "ana", ends=True)
    lease = lease_all(ledger)["ana"]
    ledger.keep_hours(within=False)

    skip(ledger, redis, lease)

    assert ledger.run().state == "finished"
    assert len(ledger.finished_runs()) == 1


def test_what_falls_due_does_not_wait_for_the_night(resting, redis):
    resting.mark(Lane.LIVE, ["cy"])
    crossings = {"t": 1}
    resting.settle(lease_all(resting)["cy"], "updated", snapshot(), crossings=crossings)

    assert resting.cross() == 1

    assert waiting(resting, redis, Lane.LIVE) == {"cy"}


def test_what_is_not_of_the_run_goes_on_when_it_begins_to_rest(ledger, redis):
    start(ledger)
    found(ledger, "ana")
    ledger.mark(Lane.BULK, ["fell due"])

    ledger.keep_hours(within=False)

    assert waiting(ledger, redis, Lane.LIVE) == {"fell due"}
    assert waiting(ledger, redis, Lane.BULK) == {"ana"}
    settle(ledger, redis, lease_all(ledger)["fell due"])


# What begins when


@pytest.fixture
def kit(build_driver):
    driver = build_driver(SYNC_BULK_HOURS=HOURS)
    driver.setup()
    return driver.kit


def began_long_ago(kit):
    kit.setup.full_run_began(round(at(0) * 1000) - TEN_DAYS_MS)


def test_the_first_run_begins_and_goes_on_at_any_hour(kit):
    assert runs.start_due_run(kit, at(12))

    runs.keep_hours(kit, at(12))

    assert (kit.ledger.run().state, kit.ledger.run().nightly) == ("listing", False)
    assert not runs.start_due_run(kit, at(23))


def test_the_nightly_run_keeps_hours_that_run_over_midnight(kit):
    began_long_ago(kit)

    assert not runs.start_due_run(kit, at(12))
    assert runs.start_due_run(kit, at(23))
    states = []
    for hour in (23, 0, 2, 3, 12, 21, 22):
        runs.keep_hours(kit, at(hour))
        states.append(kit.ledger.run().state)

    assert states == [*["listing"] * 3, *["resting"] * 3, "listing"]


def test_an_ordered_run_takes_the_hours_from_the_nightly_one(kit):
    began_long_ago(kit)
    runs.start_due_run(kit, at(23))
    runs.keep_hours(kit, at(12))

    joined = runs.start_run(kit).joined
    runs.keep_hours(kit, at(12))

    assert joined
    assert kit.ledger.run().state == "listing"


@pytest.mark.parametrize(
    ("hours", "told"),
    [((22, 3), "22:00"), ((1, 5), "01:00"), ((24, 3), "00:00")],
)
def test_operators_see_until_when_it_rests(hours, told):
    run = Run("run1", "full", "resting", 0, 0, 0, 0, 0, {})

    assert overview.state_of(run, hours) == (
        f"resting until {told} UTC (SYNC_BULK_HOURS)"
    )
