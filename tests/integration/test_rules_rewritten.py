"""Rules that come, go and change while a connection runs."""

import time
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import pytest

from pipeline import runs
from pipeline.sync.orders import State
from tests.conftest import DriverFactory
from tests.driver import Driver
from tests.ruled import LIVE, change, created, imported, mails, now, ruled, send
from tests.sandbox import Sandbox, fresh_email

WELCOME = '{ name = "welcome", on = "created", do = { send = 1001 } }'
TAGGED = '{ name = "any", on = "tagged", do = { send = 1001 } }'
UPDATED = '{ name = "updated", on = "updated", do = { send = 1002 } }'
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


def test_a_first_rule_does_not_greet_whom_the_connection_knows(build: Build) -> None:
    driver = build()
    imported(driver)
    old = created(driver)

    driver = build(WELCOME)
    driver.full_run()

    assert send(driver) == 0
    new = created(driver)
    assert send(driver) == 1
    assert not list(mails(driver.sandbox, old))
    assert len(list(mails(driver.sandbox, new))) == 1


def test_who_is_made_while_rules_are_away_or_may_not_write_is_not_new(
    build: Build,
) -> None:
    driver = build(WELCOME)
    imported(driver)
    for away in ({"SYNC_MODE": "read-only"}, {}):
        idle = build(*([WELCOME] if away else []), **away)
        runs.start_due_run(idle.kit, time.time())
        idle.person(dateAdded=now())

        driver = build(WELCOME)
        runs.start_due_run(driver.kit, time.time())
        driver.full_run()

        assert send(driver) == 0


def test_whom_the_import_makes_of_a_subscriber_is_not_greeted(build: Build) -> None:
    driver = build(WELCOME, more=f"{LIVE}\ncreate_contacts = true")
    email, ours = fresh_email(), {driver.list_id: {"unsubscribed": False}}
    driver.sandbox.put_subscriber(email=email, lists=ours)

    driver.full_run()

    assert any(row.get("email") == email for row in driver.sandbox.contacts())
    assert send(driver) == 0


def test_what_waits_for_a_rule_that_is_gone_comes_to_an_end(build: Build) -> None:
    driver = build(WELCOME)
    imported(driver)
    person = created(driver)
    batch = driver.kit.orders.take(1)
    driver.kit.orders.back(batch.token, [one.order.id for one in batch.ready])

    driver = build()
    driver.work()

    (ended,) = driver.kit.orders.of_contact(person["id"])
    assert (ended.state, ended.why) == (State.HELD, "its rule is gone")


IN_BOTH = '{ ghl = "city", mailjet = "city", direction = "<->", owner = "mailjet" }'
CITY = f'fields = ["core", {IN_BOTH}]'
TAG = 'tags = [{ tag = "vip", list = LIST, direction = "<->" }]'
CONFIRMED = 'confirmation_tag = "synced"'


@pytest.mark.parametrize("ours", [CITY, TAG, CONFIRMED])
def test_what_the_import_gives_a_contact_is_no_change(
    build: Build, mailjet_list: int, ours: str
) -> None:
    own = ours.replace("LIST", str(mailjet_list))
    driver = build(TAGGED, UPDATED, more=f"{LIVE}\n{own}")
    person = driver.person(city="")
    lists = {
        str(one): {"unsubscribed": False} for one in (driver.list_id, mailjet_list)
    }
    driver.sandbox.put_subscriber(
        email=person["email"], properties={"city": "Porto"}, lists=lists
    )
    for _ in range(2):
        driver.full_run()

    now_has = driver.sandbox.contact(person["id"]) or {}
    assert (now_has["city"], now_has["tags"]) != (person["city"], person["tags"])
    assert send(driver) == 0
    change(driver, person, tags=[*now_has["tags"], "news"])
    assert send(driver) == 2
