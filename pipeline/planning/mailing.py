"""What rules would send: orders as writes of a plan."""

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from pipeline.planning.writes import Change, Effect, Kind, Write
from pipeline.sync.case import Result
from pipeline.sync.orders import Decision, Order, OrderKind, State
from pipeline.sync.ports import Policy
from pipeline.sync.snapshot import Fingerprint

ROUTES = {
    OrderKind.MAIL: ("mailjet", "POST /v3.1/send", Kind.MAIL),
    OrderKind.DRAFT: ("mailjet", "POST /v3/REST/campaigndraft", Kind.DRAFT),
    OrderKind.WEBHOOK: ("webhook", "POST", Kind.WEBHOOK),
}
"""Lists are joined in the sync itself, by a call that the plan holds anyway."""
LEAVES = frozenset({State.READY, State.WAITING})


def leaving(result: Result) -> Iterator[tuple[Order, Decision]]:
    """Orders of a sync that are sent after it."""
    for order in result.orders:
        decision = result.decisions[order.id]
        if order.kind in ROUTES and decision.state in LEAVES:
            yield order, decision


def writes_of(
    result: Result, policy: Policy, fingerprint: Fingerprint
) -> tuple[Write, ...]:
    """What is sent because of a sync, as the plan's writes."""
    return tuple(
        _write(order, decision, result, policy, digest_of(order, fingerprint))
        for order, decision in leaving(result)
    )


def digest_of(order: Order, fingerprint: Fingerprint) -> bytes:
    """8 bytes that are the same whenever the same is ordered."""
    text = json.dumps([order.kind, order.rule, order.campaign, order.id])
    return blake2b(
        text.encode(), key=fingerprint.key, digest_size=8, person=b"order"
    ).digest()


def held_back(result: Result) -> Iterable[str]:
    """What is not sent, and why."""
    for order in result.orders:
        decision = result.decisions[order.id]
        if decision.state in (State.HELD, State.FAILED):
            yield f"{order.kind} {order.campaign!r}: {decision.why}"
        elif decision.state is State.REHEARSED:
            yield f"{order.kind} {order.campaign!r}: not carried out before it is live"


def _write(
    order: Order, decision: Decision, result: Result, policy: Policy, digest: bytes
) -> Write:
    vendor, route, kind = ROUTES[order.kind]
    told = "sent" if policy.sending.live else "checked by Mailjet, not sent"
    if order.kind is OrderKind.WEBHOOK:
        told = "called"
    if decision.state is State.WAITING:
        told += " after the quiet hours"
    template = decision.payload.get("template_id")
    words = f"template {template}, {told}" if template else told
    found = result.found
    is_closed = found is not None and not found.verdict.is_open
    effects = (Effect.TRANSACTIONAL,) if is_closed and kind is Kind.MAIL else ()
    change = Change(f"{order.kind} {order.campaign}", after=words)
    return Write(vendor, route, kind, digest, effects, (change,))
