"""A forecast against the calls that the run then really made."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest
from redis import Redis

from pipeline import runs
from pipeline.discovery import Discovery
from pipeline.location_facts import read_facts, read_past
from pipeline.run_cost import calls_of
from tests.driver import Driver
from tests.sandbox import Sandbox
from tests.valkey import Valkey

PEOPLE = 300
CHANGED = 30
ACTIVITIES = ("--tasks-per-contact=2", "--appointments-per-contact=0.5")
HANDFUL = 10
Calls = Counter[tuple[str, str]]


@pytest.fixture
def driver(valkey: Valkey, redis: Redis) -> Iterator[Driver]:
    options = ("--contacts", str(PEOPLE), *ACTIVITIES)
    with Sandbox(*options) as sandbox, Driver(valkey, sandbox) as driver:
        driver.setup()
        yield driver


def plain(route: str) -> str:
    """The vendors' documentation and ours name what is in a path differently."""
    return re.sub(r":\w+", ":", route)


def forecast(driver: Driver) -> Calls:
    record = driver.kit.record()
    assert record is not None
    driver.sandbox.clear_log()
    facts, ways = read_facts(driver.kit, record)
    assert 0 < len(driver.sandbox.log()) <= HANDFUL
    assert driver.writes() == []
    calls = calls_of(facts, ways, read_past(driver.kit))
    return Counter(
        {
            (vendor, plain(route)): number
            for vendor, routes in calls.items()
            for route, number in routes.items()
        }
    )


def really(driver: Driver) -> Calls:
    driver.sandbox.clear_log()
    run = driver.full_run()
    assert (run.state, run.settled, run.dead) == ("finished", PEOPLE, 0)
    return Counter(
        (call["vendor"], f"{call['method']} {plain(call['route'])}")
        for call in driver.sandbox.log()
    )


def differing(foretold: Calls, made: Calls) -> dict[str, tuple[int, int]]:
    """Totals that are 10 % off, and busy routes that are 25 % off."""
    found = {}
    for vendor in ("ghl", "mailjet"):
        ours = Counter({key: n for key, n in foretold.items() if key[0] == vendor})
        theirs = Counter({key: n for key, n in made.items() if key[0] == vendor})
        total = theirs.total()
        if abs(ours.total() - total) > 0.1 * total:
            found[vendor] = (ours.total(), total)
        for key, number in theirs.items():
            if number > 0.05 * total and abs(ours[key] - number) > 0.25 * number:
                found[key[1]] = (ours[key], number)
    return found


def test_both_a_first_import_and_a_run_after_changes_cost_what_was_foretold(
    driver: Driver,
) -> None:
    assert differing(forecast(driver), really(driver)) == {}

    runs.discover(driver.kit, Discovery.changes)
    driver.work()
    for contact in driver.sandbox.contacts()[:CHANGED]:
        driver.sandbox.put_contact(id=contact["id"], city="Faro")

    assert differing(forecast(driver), really(driver)) == {}
