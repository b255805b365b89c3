"""Where an order goes, and that it goes there once."""

import json

import pytest
from redis import Redis

from pipeline.permit import Lane
from pipeline.store.ledger import Ledger
from pipeline.store.order_records import Tally
from pipeline.store.orders import HANDS, Orders
from pipeline.store.records import Settled
from pipeline.sync.orders import Decision, OrderKind, State
from pipeline.sync.rules import EVENT
from tests.driver import make_due, waiting
from tests.orders import (
    DAY,
    FUTURE_MS,
    LATER,
    MESSAGE,
    PAST_MS,
    READY,
    make_order,
    settle_orders,
)

HELD = Decision(State.HELD, "opted out")
HELD_SO = (State.HELD, "opted out")
OLD_MS = 301_000


@pytest.fixture
def orders(redis: Redis) -> Orders:
    return Orders(redis, "default")


def states(orders: Orders, contact_id: str = "ana") -> list[State]:
    return [one.state for one in orders.of_contact(contact_id)]


def letters(ledger: Ledger, contact_id: str = "ana") -> bytes:
    stored = ledger._redis.hget(ledger.key("touched"), contact_id) or b""
    return stored.rstrip(b"0123456789")


def score(redis: Redis, ledger: Ledger, name: str, order_id: str, at_ms: int) -> None:
    """Let a moment be another."""
    assert redis.zadd(ledger.key(name), {order_id: at_ms}, xx=True, ch=True)


def age(redis: Redis, ledger: Ledger, order_id: str) -> None:
    """It was decided more than five minutes ago."""
    stored = json.loads(redis.hget(ledger.key("orders"), order_id))
    stored["ready_ms"] -= OLD_MS
    redis.hset(ledger.key("orders"), order_id, json.dumps(stored))


def has_message(redis: Redis, ledger: Ledger, order_id: str) -> bool:
    return bool(redis.exists(ledger.key(f"message:{order_id}")))


# Placed and decided


def test_an_order_is_placed_once_whatever_is_repeated(ledger, orders):
    order = make_order()
    for decision in (HELD, READY, READY):
        settle_orders(ledger, "ana", [order], [decision])

    (placed,) = orders.of_contact("ana")
    assert (placed.order, placed.state, placed.why) == (order, State.HELD, "opted out")
    assert orders.take(9).ready == ()
    assert orders.counts() == {Tally("welcome", OrderKind.MAIL, *HELD_SO): 1}


def test_under_a_void_lease_nothing_is_placed(ledger, orders):
    stale = ledger.take("ana", Lane.LIVE)
    ledger.skip(stale, "only asked")

    settled = ledger.settle(
        stale, "updated", None, orders=[make_order()], rules=b"told", day=DAY
    )

    assert settled is Settled.VOID
    assert orders.of_contact("ana") == []


def test_what_waits_is_told_to_the_turn_that_decides_it_and_comes_at_its_time(
    ledger, orders, redis
):
    order = make_order()
    settle_orders(ledger, "ana", [order], [Decision(State.WAITING, "", PAST_MS)])
    assert orders.waiting("ana") == (order,)
    assert orders.waiting("bo") == ()

    assert ledger.cross() == 1

    assert waiting(ledger, redis, Lane.LIVE) == {"ana"}
    assert letters(ledger) == EVENT.encode()


def test_of_two_moments_the_earlier_one_counts_and_a_look_takes_none_away(
    ledger, redis
):
    settle_orders(ledger, "ana", [make_order(change="1")], [LATER])
    sooner = Decision(State.WAITING, not_before_ms=FUTURE_MS - 9)
    settle_orders(ledger, "ana", [make_order(change="2")], [sooner])
    settle_orders(ledger, "ana", [make_order(change="3")], [LATER])
    settle_orders(ledger, "ana", [], crossings={EVENT: 0})
    settle_orders(ledger, "ana", [], crossings={EVENT: FUTURE_MS})

    crossings = redis.zrange(ledger.key("crossings"), 0, -1, withscores=True)
    assert crossings == [(b"eana", FUTURE_MS - 9)]


def test_only_the_first_that_is_ready_rings(ledger):
    rung = [
        settle_orders(ledger, name, [make_order(name)], [decision])
        for name, decision in zip("abcd", (LATER, READY, READY, HELD), strict=True)
    ]

    assert rung == [Settled.DONE, Settled.SENDS, Settled.DONE, Settled.DONE]


def test_rules_remember_until_they_are_told_to_forget(ledger):
    def remembered() -> bytes:
        lease = ledger.take("ana", Lane.LIVE)
        told = ledger.open("ana", lease.token).rules
        ledger.skip(lease, "only asked")
        return told

    before = remembered()
    settle_orders(ledger, "ana", [], rules=b"\x00\xff told")
    settle_orders(ledger, "ana", [])
    kept = remembered()
    settle_orders(ledger, "ana", [], rules=b"-")

    assert (before, kept, remembered()) == (b"", b"\x00\xff told", b"")


def test_a_contact_that_is_deleted_is_sent_nothing_more(ledger, orders, redis):
    first = [make_order(change=str(number)) for number in range(4)]
    settle_orders(ledger, "ana", first[:1], [READY], day=DAY, rules=b"told")
    batch = orders.take(1)
    settle_orders(ledger, "ana", first, [READY, LATER, READY, HELD], day=DAY)
    lease = ledger.take("ana", Lane.LIVE)

    assert ledger.settle(lease, "deleted in GHL", None)

    assert sorted(states(orders)) == [*[State.HELD] * 3, State.SENDING]
    assert not redis.exists(
        *map(ledger.key, ("rules", "orders:day", "crossings", "orders:ready"))
    )
    orders.back(batch.token, [first[0].id])
    assert waiting(ledger, redis, Lane.LIVE) == {"ana"}


def test_a_campaign_for_many_outlives_the_contact_that_asked_for_it(ledger, orders):
    draft = make_order(kind=OrderKind.DRAFT)
    settle_orders(ledger, "ana", [draft], [READY])

    assert ledger.settle(ledger.take("ana", Lane.LIVE), "deleted in GHL", None)

    assert [one.order for one in orders.take(9).ready] == [draft]


# Sending


def test_what_is_ready_is_taken_once_with_its_message(ledger, orders, redis):
    order = make_order()
    settle_orders(ledger, "ana", [order], [READY])
    assert orders.due() == 1

    (ready,) = orders.take(9).ready

    assert (ready.order, ready.payload, ready.placed.tries) == (order, MESSAGE, 1)
    assert orders.take(9).ready == ()
    assert orders.due() == 0
    assert 0 < redis.ttl(ledger.key(f"message:{order.id}")) <= 600


def test_what_was_sent_is_over_and_its_message_forgotten(ledger, orders, redis):
    order = make_order()
    settle_orders(ledger, "ana", [order], [READY])
    batch = orders.take(9)

    for _ in range(2):
        orders.finish(batch.token, State.DONE, [order.id])

    assert states(orders) == [State.DONE]
    assert not has_message(redis, ledger, order.id)
    assert orders.counts() == {Tally("welcome", OrderKind.MAIL, State.DONE, ""): 1}
    assert not redis.exists(*map(ledger.key, ("orders:of", "orders:out")))


@pytest.mark.parametrize("kind", ["mail", "draft"])
def test_a_message_that_is_gone_is_made_anew(ledger, orders, redis, kind):
    order = make_order(kind=OrderKind(kind))
    settle_orders(ledger, "ana", [order], [READY])
    redis.delete(ledger.key(f"message:{order.id}"))

    assert orders.take(9).ready == ()
    assert orders.waiting("ana") == (order,)
    assert (letters(ledger), waiting(ledger, redis, Lane.LIVE)) == (b"e", {"ana"})


def test_a_decision_holds_for_five_minutes(ledger, orders, redis):
    old, new = make_order("ana"), make_order("bo")
    for order in (old, new):
        settle_orders(ledger, order.contact_id, [order], [READY], day=DAY)
    age(redis, ledger, old.id)

    assert [one.order for one in orders.take(9).ready] == [new]
    assert states(orders) == [State.WAITING]
    assert not has_message(redis, ledger, old.id)
    assert orders.sent_today("ana", DAY) == 0


def consent_waits(ledger: Ledger) -> None:
    ledger.mark(Lane.CONSENT, ["ana"])


def consent_is_looked_at(ledger: Ledger) -> None:
    assert ledger.take("ana", Lane.CONSENT)


def consent_comes_meanwhile(ledger: Ledger) -> None:
    assert ledger.take("ana", Lane.LIVE)
    ledger.mark(Lane.CONSENT, ["ana"])


@pytest.mark.parametrize(
    "happens", [consent_waits, consent_is_looked_at, consent_comes_meanwhile]
)
def test_who_may_be_saying_no_is_sent_nothing_meanwhile(ledger, orders, happens):
    for name in ("ana", "bo"):
        settle_orders(ledger, name, [make_order(name)], [READY])
    happens(ledger)

    assert [one.order.contact_id for one in orders.take(9).ready] == ["bo"]
    assert states(orders) == [State.READY]


def test_one_call_holds_so_many_mails_and_each_goes_alone_after_a_refusal(
    ledger, orders
):
    for name in "abcd":
        settle_orders(ledger, name, [make_order(name)], [READY])
    batch = orders.take(2)
    assert len(batch.ready) == 2
    orders.again(batch.token, [one.order.id for one in batch.ready], 0, alone=True)

    taken = []
    for _ in range(4):
        batch = orders.take(9)
        assert orders.hold(batch.token, [one.order.id for one in batch.ready])
        taken.append(batch.ready)

    assert sorted(map(len, taken)) == [0, 1, 1, 2]
    assert {len(some) for some in taken if any(o.placed.alone for o in some)} == {1}


def test_while_a_sender_has_its_hands_full_nobody_takes_more_mails(
    ledger: Ledger, orders: Orders
) -> None:
    for number in range(HANDS):
        name = f"a{number}"
        settle_orders(ledger, name, [make_order(name)], [READY])
    looking = orders.take(HANDS)
    hook = make_order("cy", kind=OrderKind.WEBHOOK)
    settle_orders(ledger, "bo", [make_order("bo")], [READY])
    settle_orders(ledger, "cy", [hook], [Decision(State.READY)])

    beside = orders.take(9)
    assert orders.hold(looking.token, [make_order("a0").id])
    after = orders.take(9)

    assert [one.order for one in beside.ready] == [hook]
    assert [one.order for one in after.ready] == [make_order("bo")]


def test_what_was_refused_for_now_comes_back_as_it_was(ledger, orders, redis):
    order = make_order()
    settle_orders(ledger, "ana", [order], [READY])
    batch = orders.take(9)
    for _ in range(2):
        orders.again(batch.token, [order.id], 60)
    assert orders.take(9).ready == ()
    score(redis, ledger, "orders:ready", order.id, PAST_MS)

    (ready,) = orders.take(9).ready

    assert (ready.payload, ready.placed.tries) == (MESSAGE, 2)


def test_what_is_to_be_looked_up_fills_no_hands(ledger: Ledger, orders: Orders) -> None:
    names = [f"a{number}" for number in range(HANDS)]
    for name in names:
        settle_orders(ledger, name, [make_order(name)], [READY])
    batch = orders.take(HANDS)
    orders.doubt(batch.token, [make_order(name).id for name in names])
    settle_orders(ledger, "bo", [make_order("bo")], [READY])

    assert [one.order for one in orders.take(9).ready] == [make_order("bo")]


def test_whom_a_dead_sender_held_is_looked_up_and_not_sent_again(ledger, orders, redis):
    order = make_order()
    settle_orders(ledger, "ana", [order], [READY])
    lost = orders.take(9)
    assert orders.hold(lost.token, [order.id])
    score(redis, ledger, "orders:out", order.id, PAST_MS)

    first = orders.take(9)
    assert (first.ready, first.doubtful) == ((), ())
    assert states(orders) == [State.DOUBTFUL]
    assert not orders.hold(lost.token, [order.id])
    score(redis, ledger, "orders:out", order.id, PAST_MS)
    second = orders.take(9)
    assert (second.ready, second.doubtful) == ((), (order,))
    assert orders.take(9).doubtful == ()

    # The dead one was only slow: of what it says only a success counts.
    orders.back(lost.token, [order.id])
    orders.finish(lost.token, State.FAILED, [order.id], "refused")
    assert states(orders) == [State.DOUBTFUL]
    orders.finish(lost.token, State.DONE, [order.id])
    orders.back(second.token, [order.id])
    assert states(orders) == [State.DONE]


def test_what_had_not_left_when_its_sender_died_is_decided_anew_at_once(
    ledger, orders, redis
):
    order = make_order()
    settle_orders(ledger, "ana", [order], [READY])
    lost = orders.take(9)
    score(redis, ledger, "orders:out", order.id, PAST_MS)

    batch = orders.take(9)

    assert (batch.ready, batch.doubtful) == ((), ())
    assert orders.waiting("ana") == (order,)
    assert not orders.hold(lost.token, [order.id])


def test_what_was_not_found_is_decided_anew_and_may_be_sent_again(
    ledger, orders, redis
):
    order = make_order()
    settle_orders(ledger, "ana", [order], [READY], day=DAY)
    batch = orders.take(9)
    for _ in range(2):
        orders.doubt(batch.token, [order.id])
    assert orders.take(9).doubtful == ()
    score(redis, ledger, "orders:out", order.id, PAST_MS)
    looking = orders.take(9)
    for _ in range(2):
        orders.back(looking.token, [order.id])
    assert (letters(ledger), orders.waiting("ana")) == (b"e", (order,))

    make_due(ledger, redis)
    settle_orders(ledger, "ana", [order], [READY], day=DAY)

    assert [one.order for one in orders.take(9).ready] == [order]
    assert orders.sent_today("ana", DAY) == 1


def test_who_holds_goes_on_and_who_lost_one_does_not(ledger, orders, redis):
    ids = [make_order(name).id for name in "ab"]
    for name in "ab":
        settle_orders(ledger, name, [make_order(name)], [READY])
    batch = orders.take(9)
    score(redis, ledger, "orders:out", ids[0], PAST_MS)

    assert orders.hold(batch.token, ids)
    assert orders.take(9).doubtful == ()
    assert states(orders, "a") == [State.SENDING]
    orders.doubt(batch.token, ids[:1])
    assert not orders.hold(batch.token, ids)


def no_is_settled(ledger: Ledger) -> None:
    settle_orders(ledger, "ana", [], recalls=True)


@pytest.mark.parametrize(
    "happens",
    [consent_waits, consent_is_looked_at, consent_comes_meanwhile, no_is_settled],
)
def test_who_says_no_while_a_sender_waits_for_its_call_is_sent_nothing(
    ledger, orders, redis, happens
):
    mails = [make_order(name) for name in ("ana", "bo")]
    for mail in mails:
        settle_orders(ledger, mail.contact_id, [mail], [READY])
    batch = orders.take(9)
    happens(ledger)

    ids = [mail.id for mail in mails]
    assert not orders.hold(batch.token, ids)
    orders.again(batch.token, ids, 0)

    assert [one.order.contact_id for one in orders.take(9).ready] == ["bo"]


def test_a_mail_that_had_left_when_its_no_was_settled_is_found(ledger, orders, redis):
    order = make_order()
    settle_orders(ledger, "ana", [order], [READY])
    batch = orders.take(9)
    assert orders.hold(batch.token, [order.id])
    no_is_settled(ledger)

    orders.again(batch.token, [order.id], 0)
    assert orders.take(9).ready == ()
    for _ in range(2):
        score(redis, ledger, "orders:out", order.id, PAST_MS)
        looking = orders.take(9)
    assert (looking.ready, looking.doubtful) == ((), (order,))
    orders.finish(batch.token, State.DONE, [order.id])
    assert states(orders) == [State.DONE]


def test_a_webhook_is_called_again_and_a_draft_looked_for_anew(ledger, orders, redis):
    hook = make_order("ana", kind=OrderKind.WEBHOOK)
    draft = make_order("bo", kind=OrderKind.DRAFT)
    settle_orders(ledger, "ana", [hook], [Decision(State.READY)])
    settle_orders(ledger, "bo", [draft], [READY])
    batch = orders.take(9)
    assert len(batch.ready) == 2
    assert orders.hold(batch.token, [draft.id])
    for order in (hook, draft):
        score(redis, ledger, "orders:out", order.id, PAST_MS)

    (ready,) = orders.take(9).ready

    assert (ready.order, ready.placed.tries) == (hook, 2)
    assert states(orders, "bo") == [State.DOUBTFUL]
    score(redis, ledger, "orders:out", draft.id, PAST_MS)
    assert orders.take(9).doubtful == ()
    assert orders.waiting("bo") == (draft,)


def test_one_sender_at_a_time_has_drafts(ledger, orders):
    for number, name in enumerate("abc"):
        draft = make_order(name, kind=OrderKind.DRAFT)
        settle_orders(ledger, name, [draft], [READY])
        if number == 1:
            batch = orders.take(9)
    assert (len(batch.ready), orders.take(9).ready) == (2, ())

    orders.finish(batch.token, State.DONE, [one.order.id for one in batch.ready])

    assert len(orders.take(9).of(OrderKind.DRAFT)) == 1


# Counting


def test_a_day_counts_what_went_or_is_about_to(ledger, orders):
    mails = [make_order(change=str(number)) for number in range(4)]
    joined = make_order(change="list", kind=OrderKind.LIST)
    draft = make_order(change="draft", kind=OrderKind.DRAFT)
    decided = [READY, READY, LATER, HELD, Decision(State.DONE), READY]
    settle_orders(ledger, "ana", [*mails, joined, draft], decided, day=DAY)

    assert orders.sent_today("ana", DAY) == 3
    assert orders.sent_today("ana", "2026-11-29") == 0
    assert orders.sent_today("bo", DAY) == 0
    batch = orders.take(9)
    orders.finish(batch.token, State.DONE, [mails[0].id])
    orders.finish(batch.token, State.FAILED, [mails[1].id], "mj-0013")
    assert orders.sent_today("ana", DAY) == 2
    settle_orders(ledger, "ana", [make_order(change="9")], [READY], day="2026-11-29")
    assert orders.sent_today("ana", "2026-11-29") == 1


def test_all_that_there_are_is_counted_and_what_failed_can_be_tried_again(
    ledger, orders, redis
):
    decided = {"a": HELD, "b": READY, "c": LATER, "d": READY}
    for name, decision in decided.items():
        settle_orders(ledger, name, [make_order(name)], [decision])
    batch = orders.take(9)
    failed, sent = (one.order.id for one in batch.ready)
    orders.finish(batch.token, State.FAILED, [failed], "mj-0013")
    orders.finish(batch.token, State.REHEARSED, [sent])

    def told() -> dict[tuple[State, str], int]:
        return {(t.state, t.why): count for t, count in orders.counts().items()}

    rest = {HELD_SO: 1, (State.REHEARSED, ""): 1}
    assert told() == {(State.FAILED, "mj-0013"): 1, (State.WAITING, ""): 1, **rest}
    assert (orders.retry("other"), orders.retry("welcome")) == (0, 1)
    assert orders.retry("welcome") == 0
    assert redis.zscore(ledger.key("orders:ended"), failed) is None
    assert told() == {(State.WAITING, ""): 2, **rest}
    assert waiting(ledger, redis, Lane.LIVE) == {failed.partition(":")[0]}


@pytest.mark.parametrize("what", ["old", "many"])
def test_what_ended_is_kept_for_a_quarter_and_not_without_end(
    ledger, orders, redis, what
):
    settle_orders(ledger, "ana", [make_order()], [HELD])
    score(redis, ledger, "orders:ended", make_order().id, PAST_MS)
    if what == "many":
        score(redis, ledger, "orders:ended", make_order().id, FUTURE_MS)
        others = {f"x:{number}": FUTURE_MS + 1 for number in range(200_000)}
        redis.zadd(ledger.key("orders:ended"), others)

    settle_orders(ledger, "bo", [make_order("bo")], [HELD])

    assert orders.of_contact("ana") == []
    assert states(orders, "bo") == [State.HELD]
    assert orders.counts().total() == 2


def test_what_is_ready_is_decided_anew_once_somebody_may_have_said_no(
    ledger: Ledger, orders: Orders
) -> None:
    mail, hook = make_order(), make_order(change="2", kind=OrderKind.WEBHOOK)
    settle_orders(ledger, "ana", [mail, hook], [READY, READY])

    settle_orders(ledger, "ana", [])
    assert states(orders) == [State.READY, State.READY]
    settle_orders(ledger, "ana", [], recalls=True)

    assert states(orders) == [State.WAITING, State.READY]
    assert letters(ledger) == EVENT.encode()
    assert waiting(ledger, orders._redis, Lane.LIVE) == {"ana"}
    assert [one.id for one in orders.waiting("ana")] == [mail.id]


def test_what_happened_is_known_until_the_end_of_an_order(
    ledger: Ledger, orders: Orders
) -> None:
    facts = {"change.tag": "vip", "change.fields": [], "task.due": 1_795_449_600_123}
    one = make_order(facts=facts)
    settle_orders(ledger, "ana", [one], [LATER])
    assert orders.waiting("ana") == (one,)

    settle_orders(ledger, "ana", [], ())
    ledger.point_at(["ana"], EVENT, Lane.LIVE)
    lease = ledger.take("ana", Lane.LIVE)
    assert lease is not None
    ledger.open("ana", lease.token)
    ledger.settle(lease, "updated", None, decisions={one.id: HELD})

    (ended,) = orders.of_contact("ana")
    assert ended.order.facts == {}


def test_webhooks_that_wait_hide_no_mail(ledger, orders):
    calls = [
        make_order(change=str(n), kind=OrderKind.WEBHOOK, campaign="calls")
        for n in range(450)
    ]
    settle_orders(ledger, "ana", calls, [READY] * len(calls))
    settle_orders(ledger, "bo", [make_order("bo")], [READY])

    batch = orders.take(50)

    assert [one.order.contact_id for one in batch.of(OrderKind.MAIL)] == ["bo"]
    assert len(batch.of(OrderKind.WEBHOOK)) == 3
