"""What becomes of an order: who is not sent anything, and when nobody is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import NotFound, PermanentError, Reach, Rejected
from pipeline.expressions import compile_value
from pipeline.sync.case import Case, Found
from pipeline.sync.consent import Verdict
from pipeline.sync.contact import ListAction
from pipeline.sync.deciding import GONE, LATE, UNTOLD, Decider, deed_of, place
from pipeline.sync.deeds import CallWebhook, JoinList, Ordered, ScheduleDraft, Send
from pipeline.sync.facts import facts_of
from pipeline.sync.orders import Decision, Order, OrderKind, Sending, State
from pipeline.sync.rules import Rule
from pipeline.sync.timing import Fired
from pipeline.sync.triggers import Change, Trigger
from tests.builders import make_carrying, make_contact, make_policy, make_rule
from tests.tiny_vendors import NOW_MS, TinyGhl, TinyMailjet

LISBON = ZoneInfo("Europe/Lisbon")
ANN = make_contact(values={"firstName": "Ann", "timezone": "Europe/Lisbon"})
FOUND = Found(ANN, is_whole=True, verdict=Verdict.SUBSCRIBED)
LIVE = Sending(live=True, quiet_hours=None)
HELLO = Send(
    1001, "hello", {"name": compile_value("contact.firstName", [Trigger.TAGGED])}
)
JOIN = JoinList(20, "welcome")
HOOK = CallWebhook("HOOK", "https://example.com/secret")
DRAFT = ScheduleDraft(7, "news", "a@example.com", "News", at_hour=9)
CHANGE = Change(
    Trigger.TAGGED, "tagged:1:1", NOW_MS, NOW_MS + 1, facts={"change.tag": "vip"}
)
ALL = (HELLO, JOIN, HOOK, DRAFT)


@dataclass
class Sent:
    """All of a memory that is asked here."""

    count: int = 0

    def sent_today(self, day: str) -> int:
        return self.count


def at(text: str, zone: ZoneInfo = LISBON) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def decide(
    deed: Ordered,
    found: Found = FOUND,
    sending: Sending = LIVE,
    *,
    now_ms: int = NOW_MS,
    sent: int = 0,
    mailjet: TinyMailjet | None = None,
    change: Change = CHANGE,
) -> Decision:
    """What becomes of the one order of one deed, placed when it fired."""
    rule = make_rule(deed, name="r", on=frozenset({Trigger.TAGGED}))
    policy = make_policy(sending=sending, carrying=make_carrying(now_ms=now_ms))
    (order,) = place([Fired(rule, change)], ANN.id, NOW_MS, LISBON)
    case: Any = Case(ANN.id, TinyGhl(), mailjet or TinyMailjet(), Sent(sent), policy)
    facts = facts_of(found.contact, {}, now_ms, is_whole=True)
    return Decider(case, found, facts, 1).decide(order, deed_of(order, [rule]))


def test_a_mail_that_may_go_has_all_that_mailjet_needs() -> None:
    decision = decide(HELLO)

    assert decision.state is State.READY
    assert decision.payload == {
        "email": "ann@example.com",
        "name": "Ann",
        "template_id": 1001,
        "variables": {"name": "Ann"},
        "campaign": "hello",
        "once": False,
        "sender": "",
        "subject": "",
        "until_ms": CHANGE.until_ms,
        "transactional": False,
        "mailjet_id": 1,
        "noes": (),
        "sharers": (),
    }
    created = replace(CHANGE, trigger=Trigger.CREATED)
    assert decide(HELLO, change=created).payload["once"] is True


@pytest.mark.parametrize("reach", [Reach.CONTACT, Reach.CONNECTION])
@pytest.mark.parametrize("refusal", [NotFound, Rejected])
def test_a_list_that_is_gone_fails_the_order_alone(
    refusal: type[PermanentError], reach: Reach
) -> None:
    class Refusing(TinyMailjet):
        def manage_lists(
            self, contact_id: int, actions: Mapping[int, ListAction]
        ) -> None:
            raise refusal("mailjet", "POST", 400, reach=reach)

    assert decide(JOIN, mailjet=Refusing()) == Decision(State.FAILED, "refused: 400")


@pytest.mark.parametrize("deed", [HELLO, JOIN])
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"problem": "no e-mail"}, "no e-mail"),
        ({"bounced": True}, "bounced"),
        ({"is_oldest": False}, "shares an address with an older contact"),
        ({"verdict": Verdict.OPTED_OUT}, "opted out"),
        ({"verdict": Verdict.COMPLAINED}, "opted out"),
        ({"on_list": False}, "off our list"),
    ],
)
def test_who_must_not_be_written_to_is_not(
    deed: Ordered, change: Mapping[str, Any], why: str
) -> None:
    mailjet = TinyMailjet()

    decision = decide(deed, replace(FOUND, **change), mailjet=mailjet)

    assert decision == Decision(State.HELD, why)
    assert mailjet.sent == []


@pytest.mark.parametrize("verdict", Verdict)
def test_only_a_transactional_mail_goes_to_a_no_and_never_where_none_arrives(
    verdict: Verdict,
) -> None:
    receipt = replace(HELLO, transactional=True)
    found = replace(FOUND, verdict=verdict)
    at_night = replace(LIVE, quiet_hours=(0, 23))

    decision = decide(receipt, found, at_night, sent=99)

    assert decision.state is State.READY
    assert decide(receipt, replace(found, problem="x")).state is State.HELD
    assert decide(receipt, replace(found, bounced=True)).state is State.HELD


@pytest.mark.parametrize(
    ("quiet", "now", "until"),
    [
        ((21, 8), "2026-11-23T20:59", None),
        ((21, 8), "2026-11-23T21:00", "2026-11-24T08:00"),
        ((21, 8), "2026-11-24T00:30", "2026-11-24T08:00"),
        ((21, 8), "2026-11-24T07:59", "2026-11-24T08:00"),
        ((21, 8), "2026-11-24T08:00", None),
        ((1, 5), "2026-11-24T04:00", "2026-11-24T05:00"),
        ((1, 5), "2026-11-24T05:00", None),
        ((20, 24), "2026-11-24T20:00", "2026-11-25T00:00"),
        # Clocks go forward at 01:00, and back at 02:00.
        ((21, 8), "2026-03-29T00:30", "2026-03-29T08:00"),
        ((21, 8), "2026-10-25T00:30", "2026-10-25T08:00"),
    ],
)
def test_at_night_by_the_contacts_clock_nothing_goes(
    quiet: tuple[int, int], now: str, until: str | None
) -> None:
    change = replace(CHANGE, until_ms=at(now) + 10**9)
    sending = replace(LIVE, quiet_hours=quiet)

    decision = decide(HELLO, sending=sending, now_ms=at(now), change=change)

    wanted = at(until) if until else 0
    assert (decision.state is State.WAITING) is bool(until)
    assert decision.not_before_ms == wanted
    said = f"quiet hours, until {until[-5:]} where the contact is" if until else ""
    assert decision.why == said


def test_a_mail_leaves_before_the_contacts_night() -> None:
    now, late = at("2026-11-23T20:30"), at("2026-11-23T23:00")
    soon = replace(CHANGE, until_ms=now + 1)
    change = replace(CHANGE, until_ms=late)
    quiet = replace(LIVE, quiet_hours=(21, 8))
    receipt = replace(HELLO, transactional=True)

    def until_ms(deed: Send, change: Change) -> int:
        decided = decide(deed, sending=quiet, now_ms=now, change=change)
        return int(decided.payload["until_ms"])

    assert until_ms(HELLO, change) == at("2026-11-23T21:00")
    assert until_ms(HELLO, soon) == now + 1
    assert until_ms(receipt, change) == late


def test_the_clock_is_the_contacts_or_else_the_locations() -> None:
    quiet = replace(LIVE, quiet_hours=(21, 8))
    # 16:00 in Lisbon is 01:00 in Tokyo.
    for zone, state in (("Asia/Tokyo", State.WAITING), ("Moon/Base", State.READY)):
        there = replace(ANN, values={"timezone": zone})
        assert decide(HELLO, replace(FOUND, contact=there), quiet).state is state


@pytest.mark.parametrize(("sent", "state"), [(1, State.READY), (2, State.HELD)])
def test_of_one_contact_so_many_go_in_a_day(sent: int, state: State) -> None:
    assert decide(HELLO, sent=sent).state is state


def test_what_is_decided_in_one_turn_counts_as_well() -> None:
    rule = make_rule(HELLO, name="r", on=frozenset({Trigger.TAGGED}))
    changes = [replace(CHANGE, key=f"tagged:{i}:1") for i in range(4)]
    orders = place([Fired(rule, c) for c in changes], ANN.id, NOW_MS, LISBON)
    case: Any = Case(
        ANN.id, TinyGhl(), TinyMailjet(), Sent(), make_policy(sending=LIVE)
    )
    decider = Decider(case, FOUND, facts_of(ANN, {}, NOW_MS, is_whole=True), 1)

    states = [decider.decide(order, HELLO).state for order in orders]

    assert states == [State.READY, State.READY, State.HELD, State.HELD]


def test_a_list_is_joined_in_the_turn_itself_once_the_connection_is_live() -> None:
    mailjet = TinyMailjet()
    mailjet.person("ann@example.com")

    assert decide(JOIN, sending=replace(LIVE, live=False), mailjet=mailjet).state is (
        State.REHEARSED
    )
    assert mailjet.sent == []
    assert decide(JOIN, mailjet=mailjet).state is State.DONE
    assert mailjet.sent == [(20, ListAction.ADD)]


def test_what_is_late_or_has_no_rule_any_more_is_not_sent() -> None:
    for deed in (HELLO, JOIN, HOOK):
        assert decide(deed, now_ms=NOW_MS + 1) == Decision(State.HELD, LATE)
    case: Any = Case(ANN.id, TinyGhl(), TinyMailjet(), Sent(), make_policy())
    rule = make_rule(HELLO, name="r")
    (order,) = place([Fired(rule, CHANGE)], ANN.id, NOW_MS, LISBON)
    others: list[Rule] = [make_rule(HELLO, name="other"), make_rule(HOOK, name="r")]

    assert deed_of(order, others) is None
    assert Decider(case, FOUND, {}, 1).decide(order, None).why == GONE


def test_a_variable_that_cannot_be_told_sends_nothing() -> None:
    asks = compile_value("contact.custom['plan']", [Trigger.TAGGED])

    decision = decide(replace(HELLO, variables={"plan": asks}))

    assert decision == Decision(State.FAILED, UNTOLD)


def test_a_webhook_gets_the_name_of_its_variable_and_nothing_of_the_person() -> None:
    decision = decide(HOOK, replace(FOUND, problem="no e-mail"))

    assert decision == Decision(State.READY, payload={"variable": "HOOK"})


def test_a_campaign_is_scheduled_once_for_its_hour_whoever_fires_it() -> None:
    rule = make_rule(DRAFT, name="r", on=frozenset({Trigger.TAGGED}))
    ids = {
        order.id
        for contact, hours in (("a", 0), ("b", 1), ("b", 16))
        for order in place(
            [Fired(rule, CHANGE)], contact, NOW_MS + hours * 3_600_000, LISBON
        )
    }
    decision = decide(DRAFT)

    assert len(ids) == 1
    assert decision.payload["at_ms"] == at("2026-11-24T09:00")
    (next_day,) = place([Fired(rule, CHANGE)], "a", at("2026-11-24T09:00"), LISBON)
    assert next_day.id not in ids


KEYS = st.sampled_from(["tagged:1:1", "tagged:1:2", "created"])


@given(contact=st.sampled_from(["a", "b"]), key=KEYS, later=st.integers(0, 10**9))
def test_the_same_change_gives_the_same_orders_and_another_gives_others(
    contact: str, key: str, later: int
) -> None:
    rule = make_rule(HELLO, JOIN, HOOK, name="r")
    one = Fired(rule, replace(CHANGE, key=key))

    def ids(who: str, fired: Fired, now_ms: int) -> list[str]:
        return [order.id for order in place([fired], who, now_ms, LISBON)]

    now = ids(contact, one, NOW_MS)
    assert now == ids(contact, one, NOW_MS + later)
    assert len(set(now)) == 3
    assert not set(now) & set(ids(contact + "x", one, NOW_MS))
    other = Fired(rule, replace(CHANGE, key=key + "0"))
    assert not set(now) & set(ids(contact, other, NOW_MS))
    assert all(len(id_) <= 40 for id_ in now)


def test_orders_hold_nothing_of_the_operators_secrets() -> None:
    rule = make_rule(*ALL, name="r")
    orders: tuple[Order, ...] = place([Fired(rule, CHANGE)], ANN.id, NOW_MS, LISBON)

    assert {order.kind for order in orders} == set(OrderKind)
    assert "secret" not in repr(orders)
