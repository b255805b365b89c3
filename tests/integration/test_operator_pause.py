"""An operator's pause of a whole connection: what waits, and what goes on."""

import time

import pytest

from pipeline import runs, sync_now
from pipeline.permit import Lane
from pipeline.retry import Cause, Trouble
from tests.driver import dnd

LANES = (Lane.CONSENT, Lane.LIVE, Lane.BULK)


def leased(driver) -> list[str]:
    return [lease.ghl_id for lease in driver.ledger.lease(10, max_out=10)]


def test_a_no_is_carried_and_everything_else_waits(driver):
    ana, bo, cy = (driver.person() for _ in LANES)
    driver.full_run()
    driver.sandbox.put_contact(id=ana["id"], **dnd("active"))
    for lane, one in zip(LANES, (ana, bo, cy), strict=True):
        driver.ledger.mark(lane, [one["id"]])
    driver.kit.operator_pause.begin()

    outcomes = driver.work()

    assert outcomes == {"opted out": 1}
    assert driver.on_list(ana["email"]) is False
    assert not driver.ledger.backlog().wants_slots
    assert bo["id"] in driver.waiting(Lane.LIVE)
    assert cy["id"] in driver.waiting(Lane.BULK)
    driver.kit.operator_pause.end()
    assert driver.ledger.backlog().wants_slots
    driver.work()
    assert driver.ledger.backlog().waiting == 0


def test_after_a_failing_vendor_too_only_consent_goes_out(driver):
    driver.ledger.mark(Lane.LIVE, ["c1"])
    driver.kit.health.pause(Trouble("ghl", Cause.OUTAGE, "down"))
    driver.kit.operator_pause.begin()
    driver.kit.health.resume()

    first = leased(driver)
    driver.ledger.mark(Lane.CONSENT, ["c2"])

    assert (first, leased(driver)) == ([], ["c2"])


def test_nothing_is_listed_and_no_run_begins_until_it_ends(driver):
    driver.person()
    driver.kit.operator_pause.begin()
    began_by_itself = runs.start_due_run(driver.kit, time.time())
    runs.start_run(driver.kit)

    waits = (driver.stage(), runs.step(driver.kit, driver.discovery))
    driver.kit.operator_pause.end()
    driver.discover()
    driver.work()

    assert (began_by_itself, waits) == (False, (None, False))
    assert driver.last_run().state == "finished"


def test_a_contact_that_an_operator_orders_is_synced(driver):
    ana = driver.person()
    driver.kit.operator_pause.begin()

    assert sync_now.sync_now(driver.kit, ana["id"]) == "created"


@pytest.mark.parametrize("end", ["probe", "operator"])
def test_neither_pause_ends_the_other(driver, end):
    driver.kit.health.pause(Trouble("ghl", Cause.OUTAGE, "down"))
    driver.kit.operator_pause.begin()
    since = driver.kit.operator_pause.since_ms()
    driver.kit.operator_pause.begin()

    assert driver.kit.operator_pause.since_ms() == since
    if end == "probe":
        driver.look_again()
        assert driver.kit.operator_pause.since_ms() == since
    else:
        assert driver.kit.operator_pause.end()
        assert not driver.kit.operator_pause.end()
        assert driver.kit.health.paused() is not None
