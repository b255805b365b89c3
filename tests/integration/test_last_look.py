"""Right before a mail leaves both sides are looked at: who said no gets none."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import last_look, opting_in, sending
from pipeline.last_look import looked_at
from pipeline.settings.schema import Rate
from pipeline.store.bucket import Bucket
from pipeline.store.order_records import Placed, Ready
from pipeline.store.state import bucket_key
from pipeline.sync.orders import State
from tests.conftest import DriverFactory
from tests.driver import Driver, dnd
from tests.orders import PAST_MS, make_order
from tests.ruled import change, imported, mails, ruled, send
from tests.sandbox import MailjetCaller, Row, Sandbox, fresh_email

PORTO = (
    '{ name = "porto", on = "updated", when = "contact.city == \'Porto\'", do = '
    "{ send = 1003 } }"
)
CONTACT, RECORD, LISTS = (
    "/contacts/:contactId",
    "/v3/REST/contact/:contact",
    "/v3/REST/contact/:contact/getcontactslists",
)
ENDED = [("porto", State.HELD, "opted out")]


@pytest.fixture
def driver(build_driver: DriverFactory, tmp_path: Path, sandbox: Sandbox) -> Driver:
    return ruled(build_driver, tmp_path, sandbox, PORTO)


def ready(driver: Driver, **fields: object) -> Row:
    """Somebody to whom a mail is about to leave."""
    person = driver.person(city="Faro", **fields)
    imported(driver)
    change(driver, person, city="Porto")
    assert states(driver, person) == [("porto", State.READY, "")]
    return person


def states(driver: Driver, person: Row) -> list[tuple[str, State, str]]:
    found = driver.kit.orders.of_contact(person["id"])
    return [(one.order.campaign, one.state, one.why) for one in found]


def count(driver: Driver, person: Row) -> int:
    return len(list(mails(driver.sandbox, person)))


def make_due(driver: Driver) -> None:
    """All that waits for a moment, mails too, waits no more."""
    driver.make_due()
    redis, key = driver.pipeline.redis, driver.ledger.key("orders:ready")
    if ids := redis.zrange(key, 0, -1):
        redis.zadd(key, dict.fromkeys(ids, PAST_MS))


def in_ghl(**fields: object) -> Callable[[Driver, Row], object]:
    return lambda driver, person: driver.sandbox.put_contact(id=person["id"], **fields)


def in_mailjet(**fields: object) -> Callable[[Driver, Row], object]:
    return lambda driver, person: driver.sandbox.put_subscriber(
        email=person["email"], **fields
    )


def off_list(driver: Driver, person: Row, list_id: str) -> None:
    place = {list_id: {"unsubscribed": True}}
    driver.sandbox.put_subscriber(email=person["email"], lists=place)


def off_our_list(driver: Driver, person: Row) -> None:
    off_list(driver, person, driver.sandbox.env["MAILJET_LIST_ID"])


def off_another_list(driver: Driver, person: Row) -> None:
    other = MailjetCaller(driver.sandbox).new_list()
    off_list(driver, person, str(other))


NOES = {
    "ghl e-mail": in_ghl(**dnd("active")),
    "ghl all channels": in_ghl(dnd=True),
    "mailjet our list": off_our_list,
    "mailjet another list": off_another_list,
    "mailjet excluded": in_mailjet(excluded=True),
}


@pytest.mark.parametrize("says_no", NOES.values(), ids=NOES)
def test_who_said_no_after_the_decision_and_was_told_by_nobody_gets_nothing(
    driver: Driver, says_no: Callable[[Driver, Row], object]
) -> None:
    person, other = ready(driver), ready(driver)

    says_no(driver, person)
    send(driver)

    assert (count(driver, person), count(driver, other)) == (0, 1)
    assert states(driver, person) == ENDED


def test_a_no_of_another_contact_with_the_address_is_found(driver: Driver) -> None:
    email = fresh_email()
    younger = driver.person(email=email, dateAdded="2026-02-01T00:00:00.000Z")
    person = ready(driver, email=email, dateAdded="2026-01-01T00:00:00.000Z")

    driver.sandbox.put_contact(id=younger["id"], **dnd("active"))
    send(driver)

    assert count(driver, person) == 0
    assert states(driver, person) == ENDED
    assert driver.subscriber(email)["excluded"]


def test_another_contact_that_let_go_of_the_address_has_no_say(driver: Driver) -> None:
    email = fresh_email()
    person = driver.person(
        email=email, city="Faro", dateAdded="2026-01-01T00:00:00.000Z"
    )
    moved, gone = driver.person(email=email), driver.person(email=email)
    imported(driver)
    change(driver, person, city="Porto")

    driver.sandbox.put_contact(id=moved["id"], email=fresh_email(), **dnd("active"))
    driver.sandbox.delete_contact(gone["id"])
    send(driver)

    assert count(driver, person) == 1


def test_a_mail_goes_to_no_address_that_the_contact_has_left(driver: Driver) -> None:
    person = ready(driver)

    moved = driver.sandbox.put_contact(id=person["id"], email=fresh_email())
    send(driver)

    assert (count(driver, person), count(driver, moved)) == (0, 1)


def test_who_is_gone_from_a_side_gets_nothing(driver: Driver) -> None:
    deleted, erased = ready(driver), ready(driver)

    driver.sandbox.delete_contact(deleted["id"])
    driver.sandbox.delete_subscriber(driver.subscriber(erased["email"])["id"])
    send(driver)

    assert (count(driver, deleted), count(driver, erased)) == (0, 0)
    assert states(driver, deleted) == [("porto", State.HELD, "deleted in GHL")]


def test_a_no_that_was_answered_by_an_opt_in_holds_up_nothing(driver: Driver) -> None:
    person = driver.person(city="Faro")
    imported(driver)
    off_another_list(driver, person)
    driver.sync(person["id"])
    opting_in.record_opt_in(driver.kit, person["id"], "form 1234", None)
    change(driver, person, city="Porto")

    send(driver)

    assert count(driver, person) == 1


@pytest.mark.parametrize("route", [CONTACT, RECORD, LISTS])
@pytest.mark.parametrize("kind", ["500", "no_answer_before", "truncated"])
def test_while_nobody_can_tell_nothing_leaves_and_then_it_does_once(
    driver: Driver, route: str, kind: str
) -> None:
    person = ready(driver)
    driver.sandbox.add_fault(kind, route=route)

    send(driver)
    assert count(driver, person) == 0

    driver.sandbox.clear_faults()
    make_due(driver)
    send(driver)
    assert count(driver, person) == 1


def test_a_look_that_comes_too_late_is_left_for_the_next_round(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = ready(driver)
    driver.sandbox.clear_log()

    monkeypatch.setattr(last_look, "LONGEST_SECONDS", -1.0)
    sending.send_ready(driver.kit)

    assert driver.calls("GET", CONTACT) == 0
    assert states(driver, person) == [("porto", State.READY, "")]
    monkeypatch.undo()
    send(driver)
    assert count(driver, person) == 1


def test_while_no_mail_could_leave_nobody_looks(driver: Driver) -> None:
    person = ready(driver)
    driver.sandbox.clear_log()
    key = bucket_key("mailjet-send", "frozen")
    frozen = Bucket(driver.pipeline.redis, key, Rate(100, 10.0))
    frozen.learn(429, {}, 60.0)

    sending.send_ready(replace(driver.kit, mailjet_send_bucket=frozen))

    assert driver.calls("GET", CONTACT) == 0
    assert states(driver, person) == [("porto", State.READY, "")]
    make_due(driver)
    send(driver)
    assert count(driver, person) == 1


def test_a_slow_look_holds_up_no_mail_of_another() -> None:
    slow, quick = (
        Ready(Placed(make_order(id_), State.SENDING, "", 0, 1, False), {})
        for id_ in ("slow", "quick")
    )
    go_on = threading.Event()

    def look(mail: Ready) -> bool:
        return mail is quick or go_on.wait(60)

    seen = looked_at([slow, quick], look)

    assert [mail for mail, _ in next(seen)] == [quick]
    go_on.set()
    assert [mail for mail, _ in next(seen)] == [slow]
    assert not list(seen)
