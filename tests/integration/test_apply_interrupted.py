"""Ctrl-C in the middle of applying a plan: the same plan does the rest."""

import pytest

from pipeline.planning.applying import THREADS, apply_plan
from pipeline.planning.planner import plan
from tests.driver import Driver


def interrupt(done: int, total: int) -> None:
    raise KeyboardInterrupt


def test_what_an_interruption_left_is_done_by_the_same_plan(driver: Driver) -> None:
    people = [driver.person() for _ in range(THREADS + 2)]
    emails = [person["email"] for person in people]
    made = plan(driver.kit, [person["id"] for person in people])

    with pytest.raises(KeyboardInterrupt):
        apply_plan(driver.kit, made, interrupt)
    before = [email for email in emails if driver.sandbox.subscriber(email)]
    again = apply_plan(driver.kit, made)

    assert before
    assert (again.drifted, again.undone) == ((), {})
    assert all(map(driver.sandbox.subscriber, emails))
    assert not plan(driver.kit, [person["id"] for person in people]).needed
