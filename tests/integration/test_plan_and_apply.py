"""A plan against what applying it then really did, as the sandbox counted it."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pytest
from redis import Redis

from pipeline.planning.applying import Applied, apply_plan
from pipeline.planning.planner import plan
from pipeline.planning.writes import Plan, totals_of
from tests.driver import Driver, dnd
from tests.sandbox import Sandbox
from tests.valkey import Valkey

PEOPLE = 1000
ACTIVITIES = ("--tasks-per-contact=0.5", "--notes-per-contact=0.3")
MEETINGS = ("--appointments-per-contact=0.2",)
EACH = 5
Calls = Counter[tuple[str, str]]


@pytest.fixture
def driver(valkey: Valkey, redis: Redis) -> Iterator[Driver]:
    options = ("--contacts", str(PEOPLE), *ACTIVITIES, *MEETINGS)
    with Sandbox(*options) as sandbox:
        env = {"SYNC_CONFIRMATION_TAG": "in mailjet"}
        with Driver(valkey, sandbox, **env) as driver:
            driver.setup()
            yield driver


def plain(route: str) -> str:
    """The vendors' documentation and ours name what is in a path differently."""
    return re.sub(r":\w+", ":", route)


def calls_of(planned: Plan) -> Calls:
    return Counter(
        {
            (vendor, plain(route)): number
            for vendor, routes in planned.calls.items()
            for route, number in routes.items()
        }
    )


def calls_made(driver: Driver) -> Calls:
    return Counter(
        (call["vendor"], f"{call['method']} {plain(call['route'])}")
        for call in driver.sandbox.log()
    )


def planned_and_applied(driver: Driver) -> tuple[Plan, Applied]:
    """A plan, and what came of it; the log holds the calls of applying alone."""
    driver.sandbox.clear_log()
    made = plan(driver.kit)
    assert driver.writes() == []
    driver.sandbox.clear_log()
    return made, apply_plan(driver.kit, made)


def change_something(driver: Driver) -> None:
    """What may happen on both sides between two plans."""
    subscribers = driver.sandbox.subscribers()
    known = {row["email"] for row in subscribers}
    people = (row for row in driver.sandbox.contacts() if row.get("email") in known)
    for row in islice(people, EACH):
        driver.sandbox.put_contact(id=row["id"], city="Faro", tags=["vip", "new"])
    for row in islice(people, EACH):
        driver.sandbox.put_contact(id=row["id"], **dnd("active"))
    for row in islice(people, EACH):
        driver.sandbox.put_contact(id=row["id"], email=f"new.{row['id']}@example.org")
    for row in islice(people, EACH):
        driver.sandbox.delete_contact(row["id"])
    for row in islice(people, EACH):
        driver.sandbox.put_task(contactId=row["id"], title="Call back")
        driver.sandbox.put_note(contactId=row["id"], body="Likes turtles")
    for row in subscribers[:EACH]:
        place = {driver.list_id: {"unsubscribed": True}}
        driver.sandbox.put_subscriber(id=row["id"], lists=place)


def must_agree(driver: Driver, made: Plan, applied: Applied) -> None:
    rows = ((turn, turn.outcome, turn.writes) for turn in made.needed)
    assert applied.totals == totals_of(rows)
    assert calls_made(driver) == calls_of(made)
    assert (applied.drifted, applied.undone, applied.already) == ((), {}, ())


def test_what_was_planned_for_a_thousand_contacts_is_what_is_done(
    driver: Driver,
) -> None:
    made, applied = planned_and_applied(driver)
    must_agree(driver, made, applied)
    assert sum(made.totals.kinds.values()) > PEOPLE

    change_something(driver)
    made, applied = planned_and_applied(driver)
    must_agree(driver, made, applied)
    kinds = {"created", "updated", "opted out", "deleted in GHL"}
    assert applied.totals.outcomes.keys() >= kinds

    assert plan(driver.kit).needed == ()
