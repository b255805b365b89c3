"""What failed for good, with its reason, until it is replayed."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import cast

from redis import Redis

from pipeline.store.state import connection_key


@dataclass(frozen=True)
class DeadLetter:
    """One contact that could not be synced.

    Args:
        cause: a short word to filter by, such as `Rejected`.
        reason: the error's own message; no address, no name (see `pipeline.errors`).
        at_ms: milliseconds since 1970 UTC.
    """

    ghl_id: str
    cause: str
    reason: str
    lane: str
    attempts: int
    at_ms: int

    def dump(self) -> str:
        fields = asdict(self)
        del fields["ghl_id"]
        return json.dumps(fields)


WORKER_LOST = "worker lost"


def worker_lost(at_ms: int) -> str:
    """The letter of a contact whose worker died ten times in a row."""
    reason = "the worker was lost ten times while it held this contact"
    return DeadLetter("", WORKER_LOST, reason, "bulk", 10, at_ms).dump()


def read(redis: "Redis", connection: str) -> list[DeadLetter]:
    """All dead letters of a connection, oldest first."""
    stored = redis.hgetall(connection_key(connection, "dead"))
    letters = [
        DeadLetter(ghl_id=ghl_id.decode(), **json.loads(letter))
        for ghl_id, letter in cast("dict[bytes, bytes]", stored).items()
    ]
    return sorted(letters, key=lambda letter: letter.at_ms)


def causes(letters: Iterable[DeadLetter]) -> dict[str, int]:
    """How many letters each cause has."""
    counted: dict[str, int] = {}
    for letter in letters:
        counted[letter.cause] = counted.get(letter.cause, 0) + 1
    return counted
