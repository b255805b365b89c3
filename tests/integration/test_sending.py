"""Orders that are ready, sent to a Mailjet that fails in every way: each once."""

import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from pipeline import sending
from pipeline.bootstrap import Kit
from pipeline.store.orders import Orders
from pipeline.sync.deeds import CallWebhook
from pipeline.sync.orders import Decision, Order, OrderKind, State
from tests.builders import make_rule
from tests.conftest import DriverFactory
from tests.driver import Driver, make_due
from tests.orders import FUTURE_MS, PAST_MS, make_order, settle_orders
from tests.ruled import let_mails_leave
from tests.sandbox import MailjetCaller, fresh_email
from tests.sandbox_events import Receiver
from tests.sandbox_sending import DOMAIN, double_sends
from tests.troubles import DEAD_TOKEN

SECRET = "a-secret-of-32-characters-or-so"
SEND, DRAFT = "/v3.1/send", "/v3/REST/campaigndraft"
TEMPLATE = 1001
Place = Callable[..., Order]


@pytest.fixture
def driver(build_driver: DriverFactory) -> Driver:
    """A connection whose mails leave."""
    driver = build_driver(SYNC_WEBHOOK_SECRET=SECRET)
    driver.setup()
    let_mails_leave(driver)
    driver.kit = replace(
        driver.kit, connection=replace(driver.kit.connection, live=True)
    )
    return driver


def mail(email: str, **fields: Any) -> dict[str, Any]:
    """What the contact's turn decides to send."""
    return {
        "email": email,
        "name": "Ann Example",
        "template_id": TEMPLATE,
        "variables": {"name": "Ann", "count": 2},
        "campaign": "welcome",
        "once": False,
        "sender": f"hello@{DOMAIN}",
        "subject": "",
        # Nobody of these is in GHL, where the last look at consent would be.
        "transactional": True,
        "until_ms": FUTURE_MS,
        **fields,
    }


@pytest.fixture
def place(driver: Driver) -> Place:
    """Places an order whose message is ready; each is another contact's."""

    def place(payload: dict[str, Any] | None = None, **fields: Any) -> Order:
        contact_id = fresh_email().partition("@")[0]
        order = make_order(contact_id, **fields)
        message = mail(fresh_email()) if payload is None else payload
        decide(driver, order, message)
        return order

    return place


def decide(driver: Driver, order: Order, message: dict[str, Any]) -> None:
    """The contact's own turn makes it ready."""
    ready = Decision(State.READY, payload=message)
    settle_orders(driver.ledger, order.contact_id, [order], [ready])


def send_all(kit: Kit) -> None:
    while sending.send_ready(kit):
        pass


def pass_time(driver: Driver) -> None:
    """A minute and more, for what is out or waits to be sent again."""
    redis = driver.pipeline.redis
    for name in ("orders:out", "orders:ready"):
        if members := redis.zrange(driver.ledger.key(name), 0, -1):
            redis.zadd(driver.ledger.key(name), dict.fromkeys(members, PAST_MS))


def state(driver: Driver, order: Order) -> tuple[State, str]:
    (placed,) = driver.kit.orders.of_contact(order.contact_id)
    return placed.state, placed.why


def arrived(driver: Driver, *orders: Order) -> list[int]:
    """How many mails of each order went out."""
    named = [each["custom_id"] for each in driver.sandbox.messages()]
    return [named.count(order.id) for order in orders]


def test_mails_go_together_in_one_call_and_once(driver: Driver, place: Place) -> None:
    orders = [place() for _ in range(3)]

    send_all(driver.kit)
    send_all(driver.kit)

    assert {state(driver, order) for order in orders} == {(State.DONE, "")}
    assert arrived(driver, *orders) == [1, 1, 1]
    assert driver.calls("POST", SEND) == 1
    (found,) = [m for m in driver.sandbox.messages() if m["custom_id"] == orders[0].id]
    assert (found["campaign"], found["template"]) == ("welcome", TEMPLATE)


def test_until_the_connection_is_live_mailjet_only_checks_them(
    driver: Driver, place: Place
) -> None:
    kit = replace(driver.kit, connection=replace(driver.kit.connection, live=False))
    good, bad = place(), place(mail(fresh_email(), template_id=4))
    draft = place(campaign_of(driver), kind=OrderKind.DRAFT)

    send_all(kit)

    assert state(driver, good) == (State.REHEARSED, "")
    assert state(driver, bad)[0] is State.FAILED
    assert state(driver, draft) == (State.REHEARSED, "")
    assert arrived(driver, good, bad) == [0, 0]
    assert driver.calls("POST", DRAFT) == 0


def test_a_mail_whose_time_is_over_is_decided_anew(
    driver: Driver, place: Place
) -> None:
    order = place(mail(fresh_email(), until_ms=PAST_MS))

    send_all(driver.kit)

    assert state(driver, order)[0] is State.WAITING
    assert arrived(driver, order) == [0]


LOST = ["no_answer_after", "reset_after", "truncated", "wrong_type", "empty"]
NEVER_SENT = ["no_answer_before", "reset", "500", "502", "503"]


@pytest.mark.parametrize("kind", [*LOST, *NEVER_SENT])
def test_a_lost_answer_is_looked_up_before_anything_is_sent_again(
    driver: Driver, place: Place, kind: str
) -> None:
    driver.sandbox.add_fault(kind, route=SEND, times=1)
    message = mail(fresh_email())
    order = place(message)
    send_all(driver.kit)
    assert state(driver, order) == (State.DOUBTFUL, "")

    pass_time(driver)
    send_all(driver.kit)

    was_sent = kind in LOST
    assert state(driver, order)[0] is (State.DONE if was_sent else State.WAITING)
    make_due(driver.ledger, driver.pipeline.redis)
    decide(driver, order, message)
    send_all(driver.kit)
    assert state(driver, order) == (State.DONE, "")
    assert arrived(driver, order) == [1]
    assert double_sends(driver.sandbox.messages()) == 0


def test_while_nobody_can_tell_it_stays_doubtful(driver: Driver, place: Place) -> None:
    order = place()
    driver.sandbox.add_fault("no_answer_after", route=SEND, times=1)
    send_all(driver.kit)
    asking = {"method": "GET", "route": "/v3/REST/message", "retry_after": 0}
    for kind in ("500", "429", "wrong_type"):
        driver.sandbox.add_fault(kind, times=1, **asking)
        pass_time(driver)
        send_all(driver.kit)
        assert state(driver, order)[0] is State.DOUBTFUL

    pass_time(driver)
    send_all(driver.kit)

    assert state(driver, order)[0] is State.DONE
    assert arrived(driver, order) == [1]


def test_what_was_surely_not_sent_goes_as_it_is_a_little_later(
    driver: Driver, place: Place
) -> None:
    order = place()
    driver.sandbox.add_fault("429", route=SEND, times=1, retry_after=0)
    send_all(driver.kit)
    assert state(driver, order)[0] is State.READY
    assert driver.calls("POST", SEND) == 1

    pass_time(driver)
    send_all(driver.kit)

    assert state(driver, order)[0] is State.DONE


def test_a_dead_credential_pauses_and_leaves_all_to_their_turns(
    driver: Driver, place: Place
) -> None:
    order = place()
    driver.sandbox.add_fault("token_revoked", route=SEND, times=1)

    send_all(driver.kit)

    assert driver.kit.health.paused() is not None
    assert state(driver, order)[0] is State.WAITING


def test_while_the_connection_is_paused_nothing_is_sent(
    driver: Driver, place: Place
) -> None:
    order = place()
    driver.kit.health.pause(DEAD_TOKEN)

    send_all(driver.kit)

    assert not sending.is_due(driver.kit)
    assert state(driver, order)[0] is State.READY


def test_one_that_is_refused_holds_up_no_other(driver: Driver, place: Place) -> None:
    good = place()
    template = place(mail(fresh_email(), template_id=77))
    address = place(mail("not an address"))
    sender = place(mail(fresh_email(), sender="hello@elsewhere.example"))

    send_all(driver.kit)

    assert state(driver, good) == (State.DONE, "")
    told = [state(driver, order) for order in (template, address, sender)]
    assert [end for end, _ in told] == [State.FAILED] * 3
    codes = [why.partition(" ")[0] for _, why in told]
    assert codes == ["send-0010", "mj-0013", "send-0008"]
    assert not any("@" in why for _, why in told)
    assert driver.calls("POST", SEND) == 1


@pytest.mark.parametrize("refusals", [1, 2])
def test_where_a_call_is_refused_as_a_whole_each_goes_alone(
    driver: Driver, place: Place, refusals: int
) -> None:
    orders = [place() for _ in range(3)]
    driver.sandbox.add_fault("refused", route=SEND, times=refusals)

    send_all(driver.kit)

    ends = Counter(state(driver, order) for order in orders)
    failed = refusals - 1
    refused = (State.FAILED, "refused: 400")
    assert ends == +Counter({(State.DONE, ""): 3 - failed, refused: failed})
    assert sum(arrived(driver, *orders)) == 3 - failed
    assert driver.calls("POST", SEND) == 4


def test_read_only_sends_nothing(driver: Driver, place: Place) -> None:
    orders = [place(), place({}, kind=OrderKind.WEBHOOK)]
    kit = replace(driver.kit, settings=replace(driver.kit.settings, read_only=True))

    send_all(kit)

    assert not sending.is_due(kit)
    assert sending.is_due(driver.kit)
    assert {state(driver, order)[0] for order in orders} == {State.READY}


class Late(Orders):
    """Of a sender that dawdles until somebody else gave it up for lost."""

    def hold(self, token: str, ids: Any) -> bool:
        key = self._key("orders:out")
        members = self._redis.zrange(key, 0, -1)
        self._redis.zadd(key, dict.fromkeys(members, PAST_MS))
        assert self.take(1).ready == ()
        return super().hold(token, ids)


def test_who_was_given_up_for_lost_sends_nothing_any_more(
    driver: Driver, place: Place
) -> None:
    order = place()
    late = replace(driver.kit, orders=Late(driver.pipeline.redis, "default"))

    sending.send_ready(late)

    assert state(driver, order)[0] is State.WAITING
    assert driver.calls("POST", SEND) == 0


def test_our_own_mistake_leaves_an_order_to_be_looked_up(
    driver: Driver, place: Place
) -> None:
    order = place()
    broken = replace(driver.kit, mailjet_send_session=None)  # type: ignore[arg-type]

    with suppress(AttributeError):
        sending.send_ready(broken)

    assert state(driver, order)[0] is State.DOUBTFUL


# Webhooks


@pytest.fixture
def hooked(driver: Driver) -> Iterator[Callable[..., tuple[Kit, Receiver]]]:
    """A rule with a webhook that gives these answers first, before it is live."""
    receivers: list[Receiver] = []

    def hooked(*statuses: int) -> tuple[Kit, Receiver]:
        receiver = Receiver(*statuses)
        receivers.append(receiver)
        receiver.__enter__()
        rule = make_rule(CallWebhook("HOOK", receiver.url), name="greet")
        resting = replace(driver.kit.connection, live=False)
        return replace(driver.kit, rules=(rule,), connection=resting), receiver

    yield hooked
    for receiver in receivers:
        receiver.__exit__(None, None, None)


def test_a_webhook_is_told_ids_and_signed(
    driver: Driver, place: Place, hooked: Any
) -> None:
    order = place({}, kind=OrderKind.WEBHOOK)
    kit, receiver = hooked()

    send_all(kit)

    assert state(driver, order) == (State.DONE, "")
    (post,) = receiver.received
    assert json.loads(post.body) == {
        "type": "rule.fired",
        "connection": "default",
        "contact_id": order.contact_id,
        "rule": "greet",
        "trigger": "created",
        "at": "1970-01-01T00:00:01.000+00:00",
    }
    assert post.headers["webhook-id"] == order.id
    stamp = post.headers["webhook-timestamp"]
    signed = f"{order.id}.{stamp}.".encode() + post.body
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    expected = f"v1,{base64.b64encode(digest).decode()}"
    assert post.headers["webhook-signature"] == expected


def test_a_webhook_is_called_again_with_the_same_id_until_it_answers(
    driver: Driver, place: Place, hooked: Any
) -> None:
    order = place({}, kind=OrderKind.WEBHOOK)
    kit, receiver = hooked(503, 429, 200)

    for _ in range(3):
        send_all(kit)
        assert len(driver.kit.orders.of_contact(order.contact_id)) == 1
        pass_time(driver)

    assert state(driver, order) == (State.DONE, "")
    assert [p.headers["webhook-id"] for p in receiver.received] == [order.id] * 3


def test_a_webhook_that_never_answers_is_given_up(
    driver: Driver, place: Place, hooked: Any
) -> None:
    order = place({}, kind=OrderKind.WEBHOOK)
    kit, receiver = hooked(*[500] * 20)

    for _ in range(12):
        send_all(kit)
        pass_time(driver)

    assert state(driver, order) == (State.FAILED, "answered 500")
    assert len(receiver.received) == 10


@pytest.mark.parametrize("status", [302, 400, 410])
def test_a_webhook_that_refuses_or_leads_elsewhere_is_not_asked_again(
    driver: Driver, place: Place, hooked: Any, status: int
) -> None:
    order = place({}, kind=OrderKind.WEBHOOK)
    kit, receiver = hooked(status)

    send_all(kit)

    assert state(driver, order) == (State.FAILED, f"answered {status}")
    assert len(receiver.received) == 1


def test_a_webhook_of_a_rule_that_is_gone_is_not_called(
    driver: Driver, place: Place
) -> None:
    order = place({}, kind=OrderKind.WEBHOOK)

    send_all(driver.kit)

    assert state(driver, order) == (State.HELD, "its rule is gone")


# Campaigns


def campaign_of(driver: Driver, **fields: Any) -> dict[str, Any]:
    """A campaign for the list, on a day far away."""
    return {
        "title": f"Spring {fresh_email()}",
        "list_id": int(driver.list_id),
        "segment_id": 0,
        "template_id": TEMPLATE,
        "sender": f"hello@{DOMAIN}",
        "subject": "Spring is here",
        "at_ms": 4_000_000_000_000,
        **fields,
    }


def campaigns(mailjet: MailjetCaller, title: str) -> list[dict[str, Any]]:
    rows = mailjet.rows("campaigndraft", Limit=1000)
    return [row for row in rows if row["Title"] == title]


@pytest.fixture
def audience(driver: Driver) -> None:
    """Two people on the list."""
    for _ in range(2):
        driver.sync(driver.person()["id"])
    driver.sandbox.clear_log()


PROGRAMMED = 1
STEPS = (DRAFT, f"{DRAFT}/*/detailcontent", f"{DRAFT}/*/schedule")


@pytest.mark.usefixtures("audience")
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", ["no_answer_after", "no_answer_before"])
def test_a_campaign_is_made_once_however_many_ask_and_whatever_is_lost(
    driver: Driver, place: Place, mailjet: MailjetCaller, step: str, kind: str
) -> None:
    wanted = campaign_of(driver)
    orders = [place(wanted, kind=OrderKind.DRAFT) for _ in range(2)]
    driver.sandbox.add_fault(kind, method="POST", route=step, times=1)

    for _ in range(3):
        send_all(driver.kit)
        pass_time(driver)
        for order in orders:
            if driver.kit.orders.waiting(order.contact_id):
                decide(driver, order, wanted)
        send_all(driver.kit)

    assert [state(driver, order)[0] for order in orders] == [State.DONE] * 2
    (made,) = campaigns(mailjet, wanted["title"])
    assert made["Status"] == PROGRAMMED
    assert made["Subject"] == "Spring is here"


@pytest.mark.usefixtures("audience")
def test_a_campaign_that_is_near_waits_and_leaves_at_once_then(
    driver: Driver, place: Place, mailjet: MailjetCaller
) -> None:
    at_ms = round(time.time() * 1000) + 240_000
    near = place(campaign_of(driver, at_ms=at_ms), kind=OrderKind.DRAFT)
    now = campaign_of(driver, at_ms=PAST_MS)
    order = place(now, kind=OrderKind.DRAFT)

    send_all(driver.kit)

    assert state(driver, near) == (State.READY, "")
    score = driver.pipeline.redis.zscore(driver.ledger.key("orders:ready"), near.id)
    assert abs(float(score) - at_ms) < 60_000
    assert state(driver, order) == (State.DONE, "")
    assert [row["Status"] for row in campaigns(mailjet, now["title"])] != [0]
    assert driver.calls("POST", DRAFT) == 1


def test_a_campaign_that_mailjet_refuses_fails_with_its_reason(
    driver: Driver, place: Place
) -> None:
    template = place(campaign_of(driver, template_id=5), kind=OrderKind.DRAFT)
    sender = campaign_of(driver, sender="hello@elsewhere.example")
    order = place(sender, kind=OrderKind.DRAFT)

    send_all(driver.kit)

    assert state(driver, template) == (State.FAILED, "no such template")
    assert state(driver, order)[0] is State.FAILED
