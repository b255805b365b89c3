"""No order is sent twice, and none is lost, whoever dies and whatever is repeated.

Every script may come twice (redis-py repeats what was not answered), a sender may die
or dawdle at any point, and contacts have their turns meanwhile.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from pipeline.permit import Lane
from pipeline.store.ledger import Ledger
from pipeline.store.order_records import Batch
from pipeline.store.orders import Orders
from pipeline.sync.orders import ENDS, Decision, Order, State
from tests.driver import make_due
from tests.leases import snapshot
from tests.orders import DAY, FUTURE_MS, PAST_MS, READY, make_order

CONTACTS = ("ana", "bo", "cy")
DECISIONS = (
    READY,
    READY,
    Decision(State.WAITING, not_before_ms=FUTURE_MS),
    Decision(State.HELD, "opted out"),
)
SNAPSHOT = snapshot()
COUNTED = {State.READY, State.SENDING, State.DOUBTFUL, State.DONE, State.REHEARSED}
contacts = st.sampled_from(CONTACTS)
changes = st.sampled_from(["1", "2", "3"])
decisions = st.sampled_from(DECISIONS)


@dataclass
class Sender:
    """Somebody with a batch; `posted` is what the vendor was told."""

    batch: Batch
    posted: set[str] = field(default_factory=set)
    has_posted: bool = False

    @property
    def ids(self) -> list[str]:
        return [one.order.id for one in self.batch.ready]


class OrdersMachine(RuleBasedStateMachine):
    redis: Redis

    @initialize()
    def begin(self) -> None:
        if keys := list(self.redis.scan_iter("gm:default:*")):
            self.redis.delete(*keys)
        self.ledger = Ledger(self.redis, "default")
        self.orders = Orders(self.redis, "default")
        self.placed: dict[str, Order] = {}
        self.deleted: set[str] = set()
        self.senders: list[Sender] = []
        self.sent: Counter[str] = Counter()
        self.repeats = False
        for contact in CONTACTS:
            self.a_rule_fires(contact, "1", READY)
        once = self.orders._call

        def call(*args: Any) -> Any:
            if self.repeats:
                once(*args)
            return once(*args)

        self.orders._call = call  # type: ignore[method-assign]

    def turn(self, contact_id: str, *new: Order, decision: Decision) -> None:
        """What a sync of the contact does with its orders."""
        lease = self.ledger.take(contact_id, Lane.LIVE)
        assert lease
        opened = self.ledger.open(contact_id, lease.token)
        known = self.orders.waiting(contact_id) if b"e" in opened.touched else ()
        decided = {order.id: decision for order in (*new, *known)}
        assert self.ledger.settle(
            lease,
            "updated",
            None if contact_id in self.deleted else SNAPSHOT,
            touched=opened.touched,
            orders=new,
            decisions=decided,
            day=DAY,
        )

    @rule(contact=contacts, change=changes, decision=decisions)
    def a_rule_fires(self, contact: str, change: str, decision: Decision) -> None:
        if contact not in self.deleted:
            order = make_order(contact, change)
            self.placed.setdefault(order.id, order)
            self.turn(contact, order, decision=decision)

    @rule(decision=decisions)
    def contacts_have_their_turn(self, decision: Decision) -> None:
        make_due(self.ledger, self.redis)
        for id_ in self.redis.zrange(self.ledger.key("todo:live"), 0, -1):
            self.turn(id_.decode(), decision=decision)

    @rule()
    def a_contact_is_deleted(self) -> None:
        """One alone: who is gone makes no history."""
        self.deleted.add("cy")
        self.turn("cy", decision=READY)

    @rule(most=st.integers(1, 4), repeats=st.booleans())
    def somebody_takes(self, most: int, repeats: bool) -> None:
        self.repeats = repeats
        # Else it would depend on the clock which of them are taken.
        self._past("orders:ready")
        sender = Sender(self.orders.take(most))
        self.senders.append(sender)
        for order in sender.batch.doubtful:
            if self.sent[order.id]:
                self.orders.finish(sender.batch.token, State.DONE, [order.id])
            else:
                self.orders.back(sender.batch.token, [order.id])

    @precondition(lambda self: any(not s.has_posted for s in self.senders))
    @rule(data=st.data(), repeats=st.booleans())
    def somebody_posts(self, data: st.DataObject, repeats: bool) -> None:
        """The vendor takes some of them, and refuses the others."""
        self.repeats = repeats
        sender = data.draw(
            st.sampled_from([s for s in self.senders if not s.has_posted])
        )
        sender.has_posted = True
        if sender.ids and self.orders.hold(sender.batch.token, sender.ids):
            taken = data.draw(st.sets(st.sampled_from(sender.ids)))
            sender.posted = taken
            self.sent.update(taken)

    @precondition(lambda self: self.senders)
    @rule(data=st.data(), repeats=st.booleans())
    def somebody_comes_to_an_end(self, data: st.DataObject, repeats: bool) -> None:
        self.repeats = repeats
        sender = data.draw(st.sampled_from(self.senders))
        self.senders.remove(sender)
        ends = ["dies", "loses the answer"]
        ends += ["hears"] if sender.has_posted else ["waits", "gives back", "alone"]
        token, ids = sender.batch.token, sender.ids
        match data.draw(st.sampled_from(ends)):
            case "loses the answer":
                self.orders.doubt(token, ids)
            case "hears":
                self.orders.finish(token, State.DONE, sender.posted)
                refused = set(ids) - sender.posted
                if self.sent.keys() & refused == set():
                    self.orders.finish(token, State.FAILED, refused, "mj-0013")
            case "waits":
                self.orders.again(token, ids, 0)
            case "alone":
                self.orders.again(token, ids, 0, alone=True)
            case "gives back":
                self.orders.back(token, ids)

    @rule()
    def a_minute_passes(self) -> None:
        self._past("orders:out")

    @rule()
    def all_that_is_out_is_given_up_for_lost(self) -> None:
        """Its senders may be slow all the same."""
        for _ in range(2):
            self._past("orders:out")
            self.somebody_takes(1, repeats=False)
        self.contacts_have_their_turn(READY)

    @rule()
    def what_failed_is_tried_again(self) -> None:
        self.orders.retry("welcome")

    @rule()
    def messages_lapse(self) -> None:
        if keys := list(self.redis.scan_iter(self.ledger.key("message:*"))):
            self.redis.delete(*keys)

    def _past(self, name: str) -> None:
        if members := self.redis.zrange(self.ledger.key(name), 0, -1):
            self.redis.zadd(self.ledger.key(name), dict.fromkeys(members, PAST_MS))

    def states(self) -> dict[str, State]:
        found = {}
        for contact in CONTACTS:
            for one in self.orders.of_contact(contact):
                found[one.order.id] = one.state
        return found

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        assert all(count == 1 for count in self.sent.values())

    @invariant()
    def all_orders_are_somewhere_and_counted_there(self) -> None:
        states = self.states()
        assert states.keys() == self.placed.keys()
        counted = Counter()
        for tally, count in self.orders.counts().items():
            counted[tally.state] += count
        assert counted == Counter(states.values())
        for contact in set(CONTACTS) - self.deleted:
            theirs = [s for id_, s in states.items() if id_.startswith(f"{contact}:")]
            counts = self.orders.sent_today(contact, DAY)
            assert counts == sum(state in COUNTED for state in theirs)

    def teardown(self) -> None:
        """Whatever happened, in the end each order has one."""
        if not hasattr(self, "orders"):
            return
        self.repeats = False
        self.senders.clear()
        for _ in range(20):
            for id_ in self.redis.zrange(self.ledger.key("crossings"), 0, -1):
                self.redis.zadd(self.ledger.key("crossings"), {id_: PAST_MS})
            self.ledger.cross()
            self.contacts_have_their_turn(READY)
            for name in ("orders:out", "orders:ready"):
                self._past(name)
            self.somebody_takes(9, repeats=False)
            (sender,) = self.senders
            if sender.ids and self.orders.hold(sender.batch.token, sender.ids):
                self.sent.update(sender.ids)
            self.orders.finish(sender.batch.token, State.DONE, sender.ids)
            self.senders.clear()
            self.nothing_is_sent_twice()
        states = self.states()
        assert set(states.values()) <= ENDS
        sent = {id_ for id_, state in states.items() if state is State.DONE}
        assert sent == set(self.sent)
        assert not self.redis.exists(*map(self.ledger.key, LIVE))


LIVE = ("orders:of", "orders:ready", "orders:out")
EXAMPLES = 60


def test_no_history_sends_an_order_twice_or_loses_one(redis):
    OrdersMachine.redis = redis

    run_state_machine_as_test(
        OrdersMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
