"""Call the webhooks that rules have ready: with ids alone, until one is answered."""

import time
from datetime import UTC, datetime

from pipeline.bootstrap import Kit
from pipeline.errors import Rejected, VendorError
from pipeline.store.inbox import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, MOST_TRIES
from pipeline.store.order_records import Ready
from pipeline.sync.deeds import CallWebhook
from pipeline.sync.orders import Order, State

RULE_GONE = "its rule is gone"


def call(kit: Kit, token: str, one: Ready) -> None:
    """Call one, and tell what became of it.

    Args:
        token: under which it was taken.
    """
    ids, tries = [one.order.id], one.placed.tries
    url = _url(kit, one.order)
    if not url:
        kit.orders.finish(token, State.HELD, ids, RULE_GONE)
        return
    try:
        told = _told(kit.connection.name, one.order)
        kit.webhooks.post(url, one.order.id, told, int(time.time()))
    except Rejected as error:
        kit.orders.finish(token, State.FAILED, ids, f"answered {error.status}")
    except VendorError as error:
        wait = min(FIRST_WAIT_SECONDS * 3 ** (tries - 1), LONGEST_WAIT_SECONDS)
        if tries < MOST_TRIES:
            kit.orders.again(token, ids, wait)
            return
        why = f"answered {error.status}" if error.status else "no answer"
        kit.orders.finish(token, State.FAILED, ids, why)
    else:
        kit.orders.finish(token, State.DONE, ids)


def _url(kit: Kit, order: Order) -> str:
    """Where the rule's webhook is at this moment; "" where it has none any more."""
    called = (
        deed
        for rule in kit.rules
        if rule.name == order.rule
        for deed in rule.deeds(CallWebhook)
    )
    deed = next(called, None)
    return deed.url if deed else ""


def _told(connection: str, order: Order) -> dict[str, object]:
    made = datetime.fromtimestamp(order.made_ms / 1000, UTC)
    return {
        "type": "rule.fired",
        "connection": connection,
        "contact_id": order.contact_id,
        "rule": order.rule,
        "trigger": order.trigger,
        "at": made.isoformat(timespec="milliseconds"),
    }
