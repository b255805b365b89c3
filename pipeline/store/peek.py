"""What a sync of a contact would start from, looked at without a lease."""

from dataclasses import dataclass
from typing import cast

from redis import Redis

from pipeline.store.snapshots import unpack_side, unpack_snapshot
from pipeline.store.state import connection_key
from pipeline.sync.snapshot import Snapshot


@dataclass(frozen=True)
class Peeked:
    """One contact's share of the state; see `pipeline.sync.ports.Memory`."""

    snapshot: Snapshot | None
    seen: tuple[int, ...] | None
    unsettled: bool
    touched: frozenset[str]


def peek(redis: "Redis", connection: str, ghl_id: str) -> Peeked:
    """Read it, and mark, lease and count nothing."""
    pipe = redis.pipeline(transaction=False)
    pipe.hget(connection_key(connection, "snapshots"), ghl_id)
    pipe.hget(connection_key(connection, "seen"), ghl_id)
    pipe.hexists(connection_key(connection, "writing"), ghl_id)
    pipe.hget(connection_key(connection, "touched"), ghl_id)
    snapshot, seen, unsettled, touched = pipe.execute()
    letters = cast("bytes", touched or b"").decode().rstrip("0123456789")
    return Peeked(
        unpack_snapshot(snapshot or b""),
        unpack_side(seen or b""),
        bool(unsettled),
        frozenset(letters),
    )
