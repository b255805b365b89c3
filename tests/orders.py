"""Orders for tests: placed and decided as a contact's own turn does it."""

from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.permit import Lane
from pipeline.store.ledger import Ledger
from pipeline.store.records import Settled
from pipeline.store.snapshots import unpack_snapshot
from pipeline.sync.orders import Decision, Order, OrderKind, State, order_id
from tests.leases import snapshot

PAST_MS, FUTURE_MS = 1, 2**45
DAY = "2026-11-28"
MESSAGE = {"template_id": 1001, "email": "ann@example.com"}
READY = Decision(State.READY, payload=MESSAGE)
LATER = Decision(State.WAITING, not_before_ms=FUTURE_MS)


def make_order(contact_id: str = "ana", change: str = "1", **fields: Any) -> Order:
    """A mail of the campaign `welcome`; a scheduled one is nobody's own."""
    campaign = fields.get("campaign", "welcome")
    is_own = fields.get("kind") is not OrderKind.DRAFT
    owner, key = (contact_id, change) if is_own else ("draft", contact_id + change)
    defaults = {
        "id": order_id(owner, campaign, key),
        "kind": OrderKind.MAIL,
        "rule": "greet",
        "campaign": campaign,
        "contact_id": contact_id,
        "trigger": "created",
        "made_ms": 1_000,
        "until_ms": FUTURE_MS,
    }
    return Order(**{**defaults, **fields})


def settle_orders(
    ledger: Ledger,
    contact_id: str,
    orders: Sequence[Order],
    decided: Iterable[Decision] = (),
    **told: Any,
) -> Settled:
    """A turn of the contact that places orders and decides the first of them."""
    lease = ledger.take(contact_id, Lane.LIVE)
    assert lease is not None, "somebody else holds it"
    opened = ledger.open(contact_id, lease.token)
    return ledger.settle(
        lease,
        "updated",
        unpack_snapshot(opened.snapshot) or snapshot(),
        touched=opened.touched,
        orders=orders,
        decisions={o.id: d for o, d in zip(orders, decided, strict=False)},
        **told,
    )
