"""On whose behalf a call is made: the lane it belongs to and the lease it rests on."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Lane(StrEnum):
    """Urgency of a piece of work; the queues have the same names."""

    CONSENT = "consent"
    LIVE = "live"
    BULK = "bulk"


@dataclass(frozen=True)
class Lease:
    """The right to work on one contact of one connection until a time.

    Args:
        token: fencing number; a larger one makes this lease void.
    """

    connection: str
    ghl_id: str
    token: int
    lane: Lane


class Call(NamedTuple):
    """One request as an operator may see it: nothing of what was sent or answered.

    Args:
        route: method and template, such as `PUT /contacts/:contactId`.
        status: HTTP status, None without an answer.
    """

    vendor: str
    route: str
    status: int | None


@dataclass
class Permit:
    """What a session shows to the bucket before each call.

    Args:
        lease: None for work that holds no contact (discovery, setup, the command line).
        calls: calls already paid for under this permit; a contact that has begun
            waits longer for its next token than one that has not.
        answered: vendors that did what was asked under this permit.
        told: requests that were to change something, and those that failed.
        patience_seconds: how long a call may wait for its token; None is as usual.
    """

    lane: Lane
    lease: Lease | None = None
    calls: int = 0
    answered: set[str] = field(default_factory=set)
    told: list[Call] = field(default_factory=list)
    patience_seconds: float | None = None
