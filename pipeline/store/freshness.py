"""How fresh a connection is: what waits longest, what last worked, who still calls."""

from collections.abc import Sequence
from typing import cast

from redis import Redis

from pipeline.permit import Lane
from pipeline.store.state import connection_key


class Freshness:
    """One connection's; the settlement of a contact tells of itself (`settle`)."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._connection = connection

    def _key(self, name: str) -> str:
        return connection_key(self._connection, name)

    def looked(self) -> None:
        """GHL has answered what changed."""
        seconds, microseconds = self._redis.time()
        now_ms = seconds * 1000 + microseconds // 1000
        self._redis.hset(self._key("success"), "looked", now_ms)

    def successes_ms(self) -> dict[str, int]:
        """When something last worked, by what; milliseconds since 1970 UTC."""
        stored = self._redis.hgetall(self._key("success"))
        return {
            what.decode(): int(at)
            for what, at in cast("dict[bytes, bytes]", stored).items()
        }

    def oldest_ages_seconds(self) -> dict[Lane, float]:
        """Of each lane, since when its first contact may be synced; 0 for none."""
        pipe = self._redis.pipeline(transaction=False)
        keys = [self._key(name) for name in ("todo:consent", "todo:live", "todo:bulk")]
        for key in keys:
            pipe.zrange(key, 0, 0, withscores=True)
        pipe.time()
        *firsts, (seconds, microseconds) = pipe.execute()
        now_ms = seconds * 1000 + microseconds / 1000
        return {
            lane: max(0.0, now_ms - first[0][1]) / 1000 if first else 0.0
            for lane, first in zip(Lane, firsts, strict=True)
        }

    def save_callbacks(self, alive: int, dead: Sequence[str]) -> None:
        """Keep how many of our callbacks Mailjet still calls, and which it gave up."""
        key = self._key("callbacks")
        self._redis.hset(key, mapping={"alive": alive, "dead": " ".join(dead)})

    def callbacks(self) -> tuple[int, tuple[str, ...]] | None:
        """How many live, and the events of those that do not; None without any."""
        stored = self._redis.hgetall(self._key("callbacks"))
        fields = cast("dict[bytes, bytes]", stored)
        if not fields:
            return None
        alive, dead = int(fields[b"alive"]), fields[b"dead"].decode().split()
        return (alive, tuple(dead)) if alive or dead else None
