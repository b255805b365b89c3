"""Orders as they are told: where each is, what a sender takes, how they are stored."""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.sync.orders import Decision, Order, OrderKind, State

FACTS = ("rule", "campaign", "trigger", "made_ms", "until_ms")
"""What an order and its stored form call alike."""


@dataclass(frozen=True)
class Placed:
    """An order and where it is; times are milliseconds since 1970 UTC.

    Args:
        why: of one that was held back or failed.
        since_ms: when it came there.
        tries: how often somebody began to send it.
        alone: a call that held it together with others was refused.
    """

    order: Order
    state: State
    why: str
    since_ms: int
    tries: int
    alone: bool


@dataclass(frozen=True)
class Ready:
    """An order that is to be sent now, and what."""

    placed: Placed
    payload: Mapping[str, Any] = field(repr=False)

    @property
    def order(self) -> Order:
        return self.placed.order


@dataclass(frozen=True)
class Batch:
    """What one sender has taken.

    Args:
        doubtful: mails that may have been sent, which is to be found out.
    """

    token: str
    ready: tuple[Ready, ...]
    doubtful: tuple[Order, ...]

    def of(self, kind: OrderKind) -> tuple[Ready, ...]:
        return tuple(one for one in self.ready if one.order.kind is kind)


class Tally(NamedTuple):
    """By what orders are counted."""

    campaign: str
    kind: OrderKind
    state: State
    why: str


def pack_orders(
    orders: Iterable[Order],
    decisions: Mapping[str, Decision],
    day: str,
    *,
    recalls: bool,
) -> tuple[str, list[bytes]]:
    """What `settle` is told of orders, "" for nothing, and the messages it names."""
    new = [[order.id, _facts(order)] for order in orders]
    decided: list[list[str | int]] = []
    messages: list[bytes] = []
    for id_, decision in decisions.items():
        if decision.payload:
            messages.append(zlib.compress(json.dumps(dict(decision.payload)).encode()))
        number = len(messages) if decision.payload else 0
        told = (decision.state, decision.why, decision.not_before_ms, number, day)
        decided.append([id_, *told])
    if not (new or decided or recalls):
        return "", []
    text = json.dumps({"new": new, "decided": decided, "recalls": recalls})
    return text, messages


def _facts(order: Order) -> dict[str, str | int]:
    told = {name: getattr(order, name) for name in FACTS}
    # As text: Lua would make an object of an empty list.
    facts = json.dumps(dict(order.facts)) if order.facts else ""
    return {**told, "kind": order.kind, "contact": order.contact_id, "facts": facts}


def unpack_order(id_: bytes, packed: bytes) -> Placed:
    """An order as `orders` keeps it under its id."""
    stored = json.loads(packed)
    order = Order(
        id=id_.decode(),
        kind=OrderKind(stored["kind"]),
        contact_id=stored["contact"],
        facts=json.loads(stored.get("facts") or "{}"),
        **{name: stored[name] for name in FACTS},
    )
    return Placed(
        order,
        State(stored["state"]),
        stored["why"],
        stored["since_ms"],
        stored["tries"],
        stored.get("alone", False),
    )
