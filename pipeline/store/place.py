"""Where one contact is in the ledger at the moment."""

import json
from dataclasses import dataclass
from typing import cast

from redis import Redis

from pipeline.permit import Lane
from pipeline.store.dead_letters import DeadLetter
from pipeline.store.state import connection_key


@dataclass(frozen=True)
class Place:
    """One contact; times are milliseconds since 1970 UTC, by Redis' clock.

    Args:
        lane: that it waits or is worked on in; None when it does neither.
        due_ms: not before then it goes out; 0 while it does not wait.
        leased_until_ms: when the lease ends unless it is renewed; 0 without one.
        owner: boot of the worker that is at it; "" where nobody told.
        again: it changed while it was worked on, and comes back at once.
        attempts: failed ones since it was last synced.
        is_known: it was synced once.
    """

    lane: Lane | None
    due_ms: int
    leased_until_ms: int
    owner: str
    again: bool
    attempts: int
    is_known: bool
    letter: DeadLetter | None


def place_of(redis: "Redis", connection: str, ghl_id: str) -> Place:
    """Look one contact up.

    Raises:
        RedisError: it does not answer.
    """
    pipe = redis.pipeline(transaction=False)
    scored = [
        connection_key(connection, name)
        for name in ("todo:consent", "todo:live", "todo:bulk", "leased")
    ]
    kept = [
        connection_key(connection, name)
        for name in ("lanes", "owners", "again", "attempts", "dead", "snapshots")
    ]
    for key in scored:
        pipe.zscore(key, ghl_id)
    for key in kept:
        pipe.hget(key, ghl_id)
    found = pipe.execute()
    waits = dict(zip(Lane, found[:3], strict=True))
    leased, lane_, owner, again, attempts, letter, snapshot = found[3:]
    due = [(each, at) for each, at in waits.items() if at is not None]
    lane = Lane(lane_.decode()) if lane_ else (due[0][0] if due else None)
    return Place(
        lane,
        int(due[0][1]) if due else 0,
        int(leased or 0),
        (owner or b"").decode(),
        again is not None,
        int(attempts or 0),
        snapshot is not None,
        _letter(ghl_id, cast("bytes | None", letter)),
    )


def _letter(ghl_id: str, stored: bytes | None) -> DeadLetter | None:
    return DeadLetter(ghl_id=ghl_id, **json.loads(stored)) if stored else None
