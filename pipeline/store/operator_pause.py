"""An operator's word that a connection rests: all but what is about consent.

It stands beside the pause that `health` makes when a vendor fails: neither ends the
other, and no probe ends this one.
"""

import time
from typing import cast

from redis import Redis

from pipeline.store.state import connection_key


class OperatorPause:
    """Whether an operator paused one connection; the ledger's scripts heed it."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._key = connection_key(connection, "paused")

    def begin(self) -> None:
        """From now on only the consent lane goes out, and nothing is listed."""
        self._redis.set(self._key, round(time.time() * 1000), nx=True)

    def end(self) -> bool:
        """Let everything go on; whether it was paused."""
        return bool(self._redis.delete(self._key))

    def since_ms(self) -> int | None:
        """When it began, in milliseconds since 1970 UTC; None while there is none."""
        stored = cast("bytes | None", self._redis.get(self._key))
        return int(stored) if stored else None
