"""What was told of what is wrong, so that it is told once, whoever looks."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from redis import Redis

from pipeline.store.state import process_key

CLAIM_SECONDS = 50
"""Longer than a look and its post take, shorter than what lies between two looks."""


@dataclass(frozen=True)
class Told:
    """One condition that was told of, and has not ended.

    Args:
        since_ms: when it was told, milliseconds since 1970 UTC.
    """

    since_ms: int
    text: str


class Alerts:
    """Of one installation, whose processes all look."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def claim(self) -> bool:
        """Whether the caller is the one who looks now."""
        key = process_key("alerts-claimed")
        return bool(self._redis.set(key, 1, nx=True, ex=CLAIM_SECONDS))

    def told(self) -> dict[str, Told]:
        """What was told and has not ended, by condition."""
        stored = self._redis.hgetall(process_key("alerts"))
        return {
            name.decode(): Told(*json.loads(packed))
            for name, packed in cast("dict[bytes, bytes]", stored).items()
        }

    def save(self, new: Mapping[str, Told], ended: Iterable[str]) -> None:
        """Remember what has been told."""
        key = process_key("alerts")
        pipe = self._redis.pipeline()
        for name, one in new.items():
            pipe.hset(key, name, json.dumps([one.since_ms, one.text]))
        for name in ended:
            pipe.hdel(key, name)
        pipe.execute()

    def first_seen_ms(self, names: Iterable[str], now_ms: int) -> dict[str, int]:
        """Since when each of these is seen at every look; what is not is forgotten."""
        key = process_key("alerts-seen")
        stored = cast("dict[bytes, bytes]", self._redis.hgetall(key))
        before = {name.decode(): int(at) for name, at in stored.items()}
        seen = {name: before.get(name, now_ms) for name in names}
        pipe = self._redis.pipeline()
        pipe.delete(key)
        for name, at_ms in seen.items():
            pipe.hset(key, name, at_ms)
        pipe.execute()
        return seen

    def grew_ms(self, name: str, count: int, now_ms: int) -> int:
        """When a count was last seen to be larger than at the look before; 0 for never.

        The first look tells nothing: what there was then is no news.
        """
        key = process_key("alerts-counts")
        stored = cast("bytes | None", self._redis.hget(key, name))
        before, grew_ms = json.loads(stored) if stored else (count, 0)
        if count > before:
            grew_ms = now_ms
        if stored is None or count != before:
            self._redis.hset(key, name, json.dumps([count, grew_ms]))
        return int(grew_ms)
