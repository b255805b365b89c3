"""Rules about contacts: what fires once, is sent once, and to whom nothing is sent."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline.check import probe
from pipeline.permit import Lane
from pipeline.store.state import connection_key
from pipeline.sync.orders import State
from pipeline.why import explain
from tests.conftest import DriverFactory
from tests.driver import Driver, dnd
from tests.ruled import (
    LIVE,
    change,
    created,
    imported,
    mails,
    make_out_due,
    ruled,
    send,
)
from tests.sandbox import Row, Sandbox, fresh_email
from tests.sandbox_sending import double_sends

WELCOME = (
    '{ name = "welcome", on = "created", do = '
    '{ send = 1001, variables = { name = "contact.firstName" } } }'
)
VIP = (
    '{ name = "vip", on = "tagged", when = "change.tag == \'vip\'", do = '
    '[{ send = 1002 }, { task = "Call {what}" }, { add_tag = "called" }] }'
)
PORTO = (
    '{ name = "porto", on = "updated", when = "contact.city == \'Porto\'", do = '
    "{ send = 1003 } }"
)


Build = Callable[..., Driver]


@pytest.fixture
def build(build_driver: DriverFactory, tmp_path: Path, sandbox: Sandbox) -> Build:
    """Builds a connection with rules; nobody was sent anything before."""

    def made(*rules: str, more: str = LIVE, **env: str) -> Driver:
        return ruled(build_driver, tmp_path, sandbox, *rules, more=more, **env)

    return made


def states(driver: Driver, person: Row) -> list[tuple[str, State, str]]:
    found = driver.kit.orders.of_contact(person["id"])
    return [(one.order.campaign, one.state, one.why) for one in found]


def test_who_is_new_gets_a_mail_and_whom_the_import_found_does_not(
    build: Build,
) -> None:
    driver = build(WELCOME)
    old = driver.person()
    imported(driver)

    new = created(driver, firstName="Ines")

    assert send(driver) == 1
    (mail,) = mails(driver.sandbox, new)
    assert (mail["template"], mail["campaign"]) == (1001, "welcome")
    assert mail["said"]["Variables"] == {"name": "Ines"}
    assert not list(mails(driver.sandbox, old))
    for _ in range(2):
        driver.full_run()
        send(driver)
    assert len(list(mails(driver.sandbox, new))) == 1
    assert states(driver, new) == [("welcome", State.DONE, "")]


def test_until_the_connection_is_live_mailjet_only_checks(build: Build) -> None:
    driver = build(WELCOME, more='quiet_hours = "none"')
    imported(driver)

    new = created(driver)

    assert send(driver) == 1
    assert not list(mails(driver.sandbox, new))
    assert states(driver, new) == [("welcome", State.REHEARSED, "")]
    assert driver.calls("POST", "/v3.1/send") == 1


def test_a_tag_makes_a_mail_a_task_and_another_tag_each_once(build: Build) -> None:
    driver = build(VIP)
    person = driver.person(tags=["lead"])
    imported(driver)

    change(driver, person, tags=["lead", "vip"])
    send(driver)
    driver.full_run()
    send(driver)

    assert len(list(mails(driver.sandbox, person))) == 1
    (task,) = driver.sandbox.tasks(person["id"])
    assert task["title"] == "Call vip"
    assert set(driver.sandbox.contact(person["id"])["tags"]) == {
        "lead",
        "vip",
        "called",
    }
    driver.sandbox.clear_log()
    driver.full_run()
    assert driver.writes() == []


def test_a_condition_that_becomes_true_again_is_another_change(build: Build) -> None:
    driver = build(PORTO)
    person = driver.person(city="Faro")
    imported(driver)

    for city in ("Porto", "Porto", "Faro", "Porto"):
        change(driver, person, city=city)
        send(driver)

    assert len(list(mails(driver.sandbox, person))) == 2
    assert double_sends(driver.sandbox.messages()) == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_to_whom_said_no_nothing_is_sent(build: Build, when: str) -> None:
    driver = build(PORTO)
    person = driver.person(city="Faro")
    imported(driver)
    if when == "before":
        change(driver, person, **dnd("active"))
        change(driver, person, city="Porto")
    else:
        change(driver, person, city="Porto")
        driver.sandbox.put_contact(id=person["id"], **dnd("active"))
        # The no waits in the consent lane while the mail is ready.
        driver.ledger.mark(Lane.CONSENT, [person["id"]])
    send(driver)
    driver.work()
    send(driver)

    assert not list(mails(driver.sandbox, person))
    assert states(driver, person) == [("porto", State.HELD, "opted out")]


def test_a_mail_that_is_ready_follows_the_contact_to_its_new_address(
    build: Build,
) -> None:
    driver = build(PORTO)
    person = driver.person(city="Faro")
    imported(driver)
    change(driver, person, city="Porto")

    moved = {"email": fresh_email()}
    driver.sandbox.put_contact(id=person["id"], **moved)
    driver.sync(person["id"])
    send(driver)
    driver.work()
    send(driver)

    assert not list(mails(driver.sandbox, person))
    assert len(list(mails(driver.sandbox, moved))) == 1


def test_a_no_of_somebody_with_the_same_address_stops_what_is_ready(
    build: Build,
) -> None:
    driver = build(PORTO)
    person = driver.person(city="Faro", dateAdded="2026-01-01T00:00:00.000Z")
    other = driver.person(email=person["email"])
    imported(driver)
    change(driver, person, city="Porto")

    driver.sandbox.put_contact(id=other["id"], **dnd("active"))
    driver.sync(other["id"])
    send(driver)
    driver.work()

    assert not list(mails(driver.sandbox, person))
    assert states(driver, person) == [("porto", State.HELD, "opted out")]


def test_a_transactional_mail_goes_to_whom_said_no(build: Build) -> None:
    receipt = PORTO.replace("send = 1003", "send = 1003, transactional = true")
    driver = build(receipt)
    person = driver.person(city="Faro", **dnd("active"))
    imported(driver)

    change(driver, person, city="Porto")
    send(driver)

    assert len(list(mails(driver.sandbox, person))) == 1


def test_a_list_that_a_rule_adds_to_is_left_with_the_others(
    build: Build, mailjet_list: int
) -> None:
    list_id = mailjet_list
    joins = PORTO.replace("send = 1003", f"add_to_list = {list_id}")
    driver = build(joins)
    person = driver.person(city="Faro")
    imported(driver)

    change(driver, person, city="Porto")
    assert driver.on_list(person["email"], list_id) is True
    change(driver, person, **dnd("active"))

    assert driver.on_list(person["email"], list_id) is False
    assert states(driver, person) == [("porto", State.DONE, "")]


def test_a_list_of_a_rule_that_is_gone_stops_nothing_else(build: Build) -> None:
    driver = build(PORTO.replace("send = 1003", "add_to_list = 99999"))
    person = driver.person(city="Faro")
    imported(driver)

    change(driver, person, city="Porto")

    assert states(driver, person) == [("porto", State.FAILED, "refused: 400")]
    assert driver.kit.health.paused() is None
    probe(driver.kit)

    change(driver, person, **dnd("active"))

    assert driver.subscriber(person["email"])["excluded"]
    assert driver.on_list(person["email"]) is False
    assert driver.kit.health.paused() is None


@pytest.mark.parametrize("fault", ["no_answer_after", "reset_after", "500"])
def test_after_a_lost_answer_mailjet_is_asked_before_anything_is_sent_again(
    build: Build, fault: str
) -> None:
    driver = build(PORTO)
    person = driver.person(city="Faro")
    imported(driver)
    driver.sandbox.add_fault(fault, route="/v3.1/send", times=1)

    change(driver, person, city="Porto")
    send(driver)
    assert states(driver, person)[0][1] is State.DOUBTFUL
    send(driver)
    make_out_due(driver)
    send(driver)
    driver.work()
    send(driver)

    assert len(list(mails(driver.sandbox, person))) == 1
    assert states(driver, person) == [("porto", State.DONE, "")]


def test_who_sends_may_die_at_any_moment(build: Build) -> None:
    driver = build(PORTO)
    person = driver.person(city="Faro")
    imported(driver)
    change(driver, person, city="Porto")

    driver.kit.orders.take(50)
    make_out_due(driver)
    for _ in range(3):
        send(driver)
        make_out_due(driver)
        driver.work()
    send(driver)

    assert len(list(mails(driver.sandbox, person))) == 1


def test_in_the_quiet_hours_a_mail_waits_for_their_end(build: Build) -> None:
    hour = datetime.now(UTC).hour
    quiet = f'live = true\nquiet_hours = "{hour}-{(hour + 2) % 24}"'
    driver = build(PORTO, more=quiet)
    person = driver.person(city="Faro", timezone="UTC")
    imported(driver)

    change(driver, person, city="Porto")
    assert send(driver) == 0
    [(campaign, state, why)] = states(driver, person)
    assert (campaign, state) == ("porto", State.WAITING)
    assert why.startswith("quiet hours, until ")
    redis, crossings = driver.pipeline.redis, connection_key("default", "crossings")
    until = redis.zscore(crossings, f"e{person['id']}")
    assert until is not None
    assert timedelta() < datetime.fromtimestamp(until / 1000, UTC) - datetime.now(UTC)

    driver = build(PORTO)
    redis.zadd(crossings, {f"e{person['id']}": 1})
    driver.discovery.activities()
    driver.work()
    send(driver)
    assert len(list(mails(driver.sandbox, person))) == 1


def test_who_says_no_in_the_quiet_hours_is_sent_nothing_after_them(build) -> None:
    hour = datetime.now(UTC).hour
    quiet = f'live = true\nquiet_hours = "{hour}-{(hour + 2) % 24}"'
    driver = build(PORTO, more=quiet)
    person = driver.person(city="Faro", timezone="UTC")
    imported(driver)
    change(driver, person, city="Porto")
    [(campaign, state, why)] = states(driver, person)
    assert (campaign, state) == ("porto", State.WAITING)
    assert why.startswith("quiet hours, until ")

    driver.sandbox.put_contact(id=person["id"], **dnd("active"))
    driver = build(PORTO)
    crossings = connection_key("default", "crossings")
    driver.pipeline.redis.zadd(crossings, {f"e{person['id']}": 1})
    driver.discovery.activities()
    driver.work()

    assert send(driver) == 0
    assert states(driver, person) == [("porto", State.HELD, "opted out")]


def test_an_appointment_is_announced_once_before_it(build: Build) -> None:
    soon = (
        '{ name = "soon", on = "appointment_soon", hours_before = 24, do = '
        "{ send = 1004, variables = "
        '{ at = "appointment.start", time = "appointment.time" } } }'
    )
    driver = build(soon)
    person = driver.person()
    imported(driver)
    start = datetime.now(UTC) + timedelta(hours=23)
    driver.sandbox.put_appointment(
        contactId=person["id"],
        startTime=start.isoformat(),
        endTime=(start + timedelta(hours=1)).isoformat(),
        title="Viewing",
    )
    for _ in range(2):
        driver.look(person["id"], "a")
        driver.work()
        send(driver)

    (mail,) = mails(driver.sandbox, person)
    told = mail["said"]["Variables"]
    assert abs(datetime.fromisoformat(told["at"]) - start) < timedelta(seconds=2)
    assert told["time"] == f"{start.astimezone(ZoneInfo(person['timezone'])):%H:%M}"


def test_one_contact_is_sent_so_many_in_a_day(build: Build) -> None:
    driver = build(PORTO, more='live = true\nquiet_hours = "none"\nsends_per_day = 1')
    person = driver.person(city="Faro")
    imported(driver)

    for city in ("Porto", "Faro", "Porto"):
        change(driver, person, city=city)
        send(driver)

    assert len(list(mails(driver.sandbox, person))) == 1
    assert [why for _, _, why in states(driver, person)] == ["", "enough for today"]


def test_read_only_orders_nothing(build: Build) -> None:
    driver = build(PORTO)
    person = driver.person(city="Faro")
    imported(driver)
    driver = build(PORTO, SYNC_MODE="read-only")

    driver.sandbox.put_contact(id=person["id"], city="Porto")
    driver.sync(person["id"])
    driver.work()

    assert states(driver, person) == []
    assert send(driver) == 0


def test_fifty_go_in_one_call_and_a_bad_one_holds_up_no_other(build: Build) -> None:
    driver = build(WELCOME)
    imported(driver)
    people = [created(driver) for _ in range(52)]
    driver.sandbox.clear_log()

    assert send(driver) == 52

    assert driver.calls("POST", "/v3.1/send") == 2
    assert all(len(list(mails(driver.sandbox, one))) == 1 for one in people[:3])


def test_whoever_is_deleted_in_mailjet_is_sent_nothing(build: Build) -> None:
    driver = build(PORTO)
    person = driver.person(city="Faro")
    imported(driver)
    driver.sandbox.delete_subscriber(driver.subscriber(person["email"])["id"])

    change(driver, person, city="Porto")
    send(driver)

    assert states(driver, person) == [("porto", State.HELD, "deleted in Mailjet")]


def test_an_operators_pause_sends_nothing_and_resuming_loses_nothing(
    build: Build,
) -> None:
    driver = build(PORTO)
    person = driver.person(city="Faro")
    imported(driver)
    change(driver, person, city="Porto")
    driver.kit.operator_pause.begin()

    assert send(driver) == 0
    driver.kit.operator_pause.end()

    assert send(driver) == 1
    assert len(list(mails(driver.sandbox, person))) == 1


def test_the_timeline_of_a_contact_names_what_rules_sent(build: Build) -> None:
    driver = build(PORTO)
    person = driver.person(city="Faro")
    imported(driver)
    change(driver, person, city="Porto")
    send(driver)

    told = explain(driver.pipeline, driver.kit, person["id"]).timeline

    steps = [(step.what, step.detail) for step in told if "porto" in step.what]
    assert steps == [
        ("mail of campaign 'porto': ordered", "rule 'porto', updated"),
        ("mail of campaign 'porto': done", ""),
    ]
    assert [step.at for step in told] == sorted(step.at for step in told)
