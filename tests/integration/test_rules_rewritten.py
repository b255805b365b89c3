"""Rules that come, go and change while a connection runs."""

from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import pytest

from tests.conftest import DriverFactory
from tests.driver import Driver
from tests.ruled import LIVE, imported, ruled
from tests.sandbox import Sandbox

TAGGED = '{ name = "any", on = "tagged", do = { send = 1001 } }'
DUE = '{ name = "due", on = "task_due", do = { add_tag = "late" } }'
MANY = 10

Build = Callable[..., Driver]


@pytest.fixture
def build(build_driver: DriverFactory, tmp_path: Path, sandbox: Sandbox) -> Build:
    """Builds a connection with rules, or builds it anew with others."""

    def made(*rules: str, more: str = LIVE, **env: str) -> Driver:
        return ruled(build_driver, tmp_path, sandbox, *rules, more=more, **env)

    return made


def turns(driver: Driver) -> int:
    """How many contacts were synced until nothing was due; `MANY` is too many."""
    leased = (driver.ledger.lease(1, max_out=1) for _ in range(MANY))
    return sum(bool(driver.run(leases[0])) for leases in takewhile(bool, leased))


@pytest.mark.parametrize("who", ["has no address", "shares one"])
def test_whose_tasks_are_not_read_is_not_asked_for_them_for_ever(
    build: Build, who: str
) -> None:
    driver = build(TAGGED)
    email = None if who == "has no address" else driver.person()["email"]
    person = driver.person(email=email)
    imported(driver)

    driver = build(DUE)
    driver.sync(person["id"])

    assert turns(driver) < MANY
