"""Orders: what a rule wants sent, from when it fired to what became of it.

A mail cannot be taken back, so it is not sent where the rule fires. An order is placed
in one step with the settlement of that sync, under an id that the same change always
gives; nothing is ordered twice, whatever is repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any


class OrderKind(StrEnum):
    """What is ordered."""

    MAIL = "mail"
    LIST = "list"
    DRAFT = "draft"
    WEBHOOK = "webhook"


class State(StrEnum):
    """Where an order is; the first four are not its end."""

    WAITING = "waiting"
    READY = "ready"
    SENDING = "sending"
    DOUBTFUL = "doubtful"
    """It may have been sent: the answer was lost, or the worker died."""
    DONE = "done"
    REHEARSED = "rehearsed"
    """Checked by Mailjet, and not sent: the connection is not live."""
    HELD = "held back"
    FAILED = "failed"


ENDS = frozenset({State.DONE, State.REHEARSED, State.HELD, State.FAILED})


@dataclass(frozen=True)
class Order:
    """One order: ids, and names of the operator's.

    Args:
        id: Mailjet's CustomID of the mail.
        trigger: what happened.
        until_ms: from when on it is too late; of a draft, when it is sent.
        facts: variables of what happened, as `Change.facts`; kept until the order is at
            its end.
    """

    id: str
    kind: OrderKind
    rule: str
    campaign: str
    contact_id: str
    trigger: str
    made_ms: int
    until_ms: int
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)


@dataclass(frozen=True)
class Decision:
    """What the contact's own turn makes of an order.

    Args:
        state: READY, WAITING until `not_before_ms`, or an end.
        why: for whoever is held back or failed; tells no value of a person.
        payload: of one that is ready, what is to be sent; the person's data is in it.
    """

    state: State
    why: str = ""
    not_before_ms: int = 0
    payload: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Sending:
    """The operator's guards for what goes to people.

    Args:
        live: mails leave; else Mailjet only checks them.
        per_day: orders of one contact that may go in a day.
        quiet_hours: from and to, hours of the contact's day in which nothing goes;
            None is no such hours.
    """

    live: bool = False
    per_day: int = 2
    quiet_hours: tuple[int, int] | None = (21, 8)


def order_id(contact_id: str, campaign: str, change_key: str) -> str:
    """The same for the same contact, campaign and change; at most 40 characters."""
    text = f"{campaign}\n{change_key}".encode()
    return f"{contact_id}:{blake2b(text, digest_size=8).hexdigest()}"
