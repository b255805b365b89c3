"""Who is alive: workers with their slots, Beat's tick, whose turn it is."""

from typing import cast

from redis import Redis

from pipeline.store.state import process_key

WORKER_SECONDS = 15
"""A worker tells of itself every 2 s; silent for this long, its slots are gone."""


class Processes:
    """What the processes of one installation know of each other."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def worker_alive(self, name: str, slots: int) -> None:
        """Tell that a worker with `slots` threads is consuming."""
        now, _ = self._time()
        pipe = self._redis.pipeline()
        pipe.zadd(process_key("workers"), {f"{slots} {name}": now + WORKER_SECONDS})
        pipe.zremrangebyscore(process_key("workers"), "-inf", now)
        pipe.execute()

    def worker_gone(self, name: str, slots: int) -> None:
        self._redis.zrem(process_key("workers"), f"{slots} {name}")

    def slots(self) -> int:
        """Threads of all living workers together."""
        now, _ = self._time()
        alive = self._redis.zrangebyscore(process_key("workers"), now, "+inf")
        return sum(int(worker.split()[0]) for worker in cast("list[bytes]", alive))

    def ticked(self) -> None:
        """Beat's tick reached a worker."""
        self._redis.set(process_key("tick"), self._time()[0])

    def tick_age_seconds(self) -> int | None:
        """Seconds since the last tick; None when there never was one."""
        last = cast("bytes | None", self._redis.get(process_key("tick")))
        return None if last is None else max(0, self._time()[0] - int(last))

    def next_turn(self) -> int:
        """A number that goes up by one: where the round among connections begins."""
        return self._redis.incr(process_key("turn"))

    def set_busy_connections(self, count: int) -> None:
        """How many connections had work at the last tick."""
        self._redis.set(process_key("busy"), count)

    def busy_connections(self) -> int:
        busy = cast("bytes | None", self._redis.get(process_key("busy")))
        return max(1, int(busy or 1))

    def now_ms(self) -> int:
        """Redis' clock, the only one that all processes share."""
        seconds, microseconds = self._time()
        return seconds * 1000 + microseconds // 1000

    def _time(self) -> tuple[int, int]:
        return self._redis.time()
