"""Orders of one connection: where each is, what is to be sent, what became of it.

An order is placed and decided in one step with the settlement of its contact's sync
(`Ledger.settle`). Whoever sends takes what is ready under a token, says so before the
vendor is called, and tells the end. The scripts are `ledger_orders.lua` and
`ledger_sending.lua`. What is sent holds a person's data: it is kept for ten minutes at
most, apart from the order.
"""

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from redis import Redis

from pipeline.store import scripts
from pipeline.store.order_records import Batch, Placed, Ready, Tally, unpack_order
from pipeline.store.run_ledger import IDS_PER_CALL, SCRIPTS, in_ms
from pipeline.store.state import connection_key, connection_prefix
from pipeline.sync.orders import ENDS, Order, OrderKind, State
from pipeline.sync.rule_memory import RuleMemory, unpack

HANDS = 16
"""Mails that a sender looks at, at once, before they leave: as many as a worker has
slots, so that mails get as many tokens as the turns that decide on more of them."""
LEASE_SECONDS = 60.0
"""No sender takes so long from its last word to the vendor's answer."""
SCAN_COUNT = 1000


class Orders:
    """One connection's orders; every change may be repeated."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._connection = connection
        self._prefix = [connection_prefix(connection)]
        self._script = scripts.load(redis, *SCRIPTS)

    def _key(self, name: str) -> str:
        return connection_key(self._connection, name)

    def _call(self, *args: str | bytes | int) -> Any:
        return self._script(self._prefix, args)

    def waiting(self, contact_id: str) -> tuple[Order, ...]:
        """A contact's orders that its own turn has to decide, oldest first."""
        listed = self._redis.hget(self._key("orders:of"), contact_id)
        ids = cast("bytes | None", listed) or b""
        placed = self._placed(ids.decode().split())
        return tuple(one.order for one in placed if one.state is State.WAITING)

    def sent_today(self, contact_id: str, day: str) -> int:
        """How many of its orders went, or are about to, on that day of `settle`'s."""
        stored = self._redis.hget(self._key("orders:day"), contact_id)
        known, _, count = (cast("bytes | None", stored) or b"").decode().rpartition(":")
        return int(count) if known == day and count else 0

    def rule_memory(self, contact_id: str) -> RuleMemory | None:
        """What rules remember of a contact; None before they met it."""
        stored = self._redis.hget(self._key("rules"), contact_id)
        return unpack(cast("bytes | None", stored) or b"")

    def take(self, most: int) -> Batch:
        """Take up to `most` mails to send, and the drafts and webhooks beside them.

        Of contacts whose consent is at stake none is taken. What was decided more than
        five minutes ago goes back to its contact's turn.
        """
        token, *flat = self._call("send", most, in_ms(LEASE_SECONDS), HANDS)
        ready, doubtful = [], []
        for id_, packed, message in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
            placed = unpack_order(id_, packed)
            if placed.state is State.DOUBTFUL:
                doubtful.append(placed.order)
            else:
                payload = json.loads(zlib.decompress(message)) if message else {}
                ready.append(Ready(placed, payload))
        return Batch(token.decode(), tuple(ready), tuple(doubtful))

    def due(self) -> int:
        """How many a sender would look at now."""
        return int(self._call("due"))

    def hold(self, token: str, ids: Iterable[str]) -> bool:
        """They leave now; False when one of them is not ours any more.

        From here on nobody sends one of them again before it was looked up.
        """
        return bool(self._call("hold", token, in_ms(LEASE_SECONDS), *ids))

    def finish(
        self, token: str, state: State, ids: Iterable[str], why: str = ""
    ) -> None:
        """They ended so. That one was sent is believed whoever says it."""
        self._call("finish", token, state, why, *ids)

    def doubt(self, token: str, ids: Iterable[str]) -> None:
        """They may have been sent; to be looked up a minute from now."""
        self._call("doubt", token, *ids)

    def again(
        self,
        token: str,
        ids: Iterable[str],
        wait_seconds: float,
        *,
        alone: bool = False,
    ) -> None:
        """Surely not sent: ready as they were, later.

        Args:
            alone: each in a call of its own.
        """
        self._call("again", token, in_ms(wait_seconds), int(alone), *ids)

    def back(self, token: str, ids: Iterable[str]) -> None:
        """Not sent: their contacts' own turns decide them anew."""
        self._call("back", token, *ids)

    def retry(self, campaign: str) -> int:
        """Let what failed of a campaign be decided anew; how many orders that were."""
        failed = [
            one.order.id
            for one in self._all()
            if one.state is State.FAILED and one.order.campaign == campaign
        ]
        starts = range(0, len(failed), IDS_PER_CALL)
        return sum(
            int(self._call("retry", *failed[start : start + IDS_PER_CALL]))
            for start in starts
        )

    def of_contact(self, contact_id: str) -> list[Placed]:
        """All of a contact that are kept, oldest first."""
        theirs = [one for one in self._all() if one.order.contact_id == contact_id]
        return sorted(theirs, key=lambda one: one.order.made_ms)

    def counts(self) -> Counter[Tally]:
        """All orders: of those that ended, how many ever did."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(self._key("campaigns"))
        pipe.hvals(self._key("orders:of"))
        ended, unended = pipe.execute()
        counted: Counter[Tally] = Counter()
        for name, count in ended.items():
            campaign, kind, state, why = name.decode().split("\t")
            tally = Tally(campaign, OrderKind(kind), State(state), why)
            counted[tally] += int(count)
        for one in self._placed(
            [id_ for ids in unended for id_ in ids.decode().split()]
        ):
            # One may have ended since, and is counted by then.
            if one.state not in ENDS:
                order = one.order
                counted[Tally(order.campaign, order.kind, one.state, "")] += 1
        return counted

    def states(self) -> Counter[State]:
        """How many are where, without reading those that wait."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(self._key("campaigns"))
        pipe.hlen(self._key("orders"))
        pipe.zcard(self._key("orders:ended"))
        pipe.zcard(self._key("orders:ready"))
        pipe.zrange(self._key("orders:out"), 0, -1)
        ended, kept, kept_ended, ready, out = pipe.execute()
        counted = Counter(dict.fromkeys(State, 0))
        for name, count in ended.items():
            counted[State(name.decode().split("\t")[2])] += int(count)
        counted.update(one.state for one in self._placed([i.decode() for i in out]))
        counted[State.READY] = ready
        counted[State.WAITING] = max(kept - kept_ended - ready - len(out), 0)
        return counted

    def _placed(self, ids: Sequence[str]) -> Iterator[Placed]:
        for start in range(0, len(ids), IDS_PER_CALL):
            some = list(ids[start : start + IDS_PER_CALL])
            stored = self._redis.hmget(self._key("orders"), some)
            for id_, packed in zip(
                some, cast("list[bytes | None]", stored), strict=True
            ):
                if packed:
                    yield unpack_order(id_.encode(), packed)

    def _all(self) -> Iterator[Placed]:
        """Each once."""
        seen = set()
        found = self._redis.hscan_iter(self._key("orders"), count=SCAN_COUNT)
        for id_, packed in found:
            if id_ not in seen:
                seen.add(id_)
                yield unpack_order(id_, packed)
