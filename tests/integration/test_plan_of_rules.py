"""What rules would do is in the plan, and applying it does that and nothing else."""

from pathlib import Path

import pytest

from pipeline.planning.applying import apply_plan
from pipeline.planning.plan_file import load_plan, save_plan
from pipeline.planning.planner import plan
from pipeline.planning.writes import Effect, Kind, Plan
from pipeline.sync.orders import State
from tests.conftest import DriverFactory
from tests.driver import Driver, dnd
from tests.ruled import imported, mails, ruled, send
from tests.sandbox import Row, Sandbox

PORTO = (
    '{ name = "porto", on = "updated", when = "contact.city == \'Porto\'", do = '
    '[{ send = 1001 }, { add_tag = "northern" }] }'
)


@pytest.fixture
def driver(build_driver: DriverFactory, tmp_path: Path, sandbox: Sandbox) -> Driver:
    return ruled(build_driver, tmp_path, sandbox, PORTO)


@pytest.fixture
def person(driver: Driver) -> Row:
    """Somebody who moved to Porto since the import."""
    found = driver.person(city="Faro")
    imported(driver)
    driver.sandbox.put_contact(id=found["id"], city="Porto")
    return found


def kinds(made: Plan) -> dict[str, int]:
    return dict(made.totals.kinds)


def reread(driver: Driver, made: Plan, folder: Path) -> Plan:
    record = driver.kit.record()
    assert record is not None
    fingerprint = driver.kit.policy(record).fingerprint
    save_plan(made, folder / "plan.bin", fingerprint)
    return load_plan(folder / "plan.bin", fingerprint)


def test_a_plan_tells_what_rules_would_do_and_orders_nothing(
    driver: Driver, person: Row
) -> None:
    made = plan(driver.kit)

    assert kinds(made)[Kind.MAIL] == 1
    assert kinds(made)[Kind.TAGS] == 1
    (mail,) = (w for t in made.turns for w in t.writes if w.kind is Kind.MAIL)
    assert mail.changes[0].what == "mail porto"
    assert mail.changes[0].after == "template 1001, sent"
    assert not driver.kit.orders.of_contact(person["id"])
    assert driver.writes() == []
    assert plan(driver.kit).totals == made.totals


def test_applying_it_sends_what_was_planned_once(
    driver: Driver, person: Row, tmp_path: Path
) -> None:
    made = reread(driver, plan(driver.kit), tmp_path)

    applied = apply_plan(driver.kit, made)
    send(driver)

    assert dict(applied.totals.kinds) == kinds(made)
    assert (applied.drifted, dict(applied.undone)) == ((), {})
    assert len(list(mails(driver.sandbox, person))) == 1
    assert not apply_plan(driver.kit, made).totals.kinds
    send(driver)
    driver.full_run()
    send(driver)
    assert len(list(mails(driver.sandbox, person))) == 1


def test_a_mail_that_no_plan_holds_is_not_ordered(
    driver: Driver, tmp_path: Path
) -> None:
    person = driver.person(city="Faro")
    imported(driver)
    driver.sandbox.put_contact(id=person["id"], city="Faro", phone="+351220000000")
    made = reread(driver, plan(driver.kit), tmp_path)
    driver.sandbox.put_contact(id=person["id"], city="Porto")

    applied = apply_plan(driver.kit, made)

    assert applied.drifted == (person["id"],)
    assert not driver.kit.orders.of_contact(person["id"])


def test_a_transactional_mail_to_whom_said_no_is_told(
    build_driver: DriverFactory, tmp_path: Path, sandbox: Sandbox
) -> None:
    receipt = PORTO.replace("send = 1001", "send = 1001, transactional = true")
    driver = ruled(build_driver, tmp_path, sandbox, receipt)
    person = driver.person(city="Faro", **dnd("active"))
    imported(driver)
    driver.sandbox.put_contact(id=person["id"], city="Porto")

    assert plan(driver.kit).totals.effects[Effect.TRANSACTIONAL] == 1


def test_what_is_held_back_is_told_with_the_reason(driver: Driver) -> None:
    person = driver.person(city="Faro", **dnd("active"))
    imported(driver)
    driver.sandbox.put_contact(id=person["id"], city="Porto")

    made = plan(driver.kit)

    assert Kind.MAIL not in kinds(made)
    assert any("mail 'porto': opted out" in remark for remark in made.remarks)
    assert not [
        s for s in driver.kit.orders.of_contact(person["id"]) if s.state is State.READY
    ]
