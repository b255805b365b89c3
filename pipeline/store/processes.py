"""Who is alive: workers with their slots, Beat's tick, whose turn it is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, cast

from redis import Redis

from pipeline.permit import Lane
from pipeline.store.state import process_key

WORKER_SECONDS = 10
"""A worker tells of itself every 2 s; silent for this long, it counts as dead: its
slots are gone, and its contacts go to others. Where it only paused, work is done twice.
"""
BEAT_SECONDS = 10
"""Beat rings every second; silent for this long, it hangs or is gone."""
MINUTE_SECONDS = 60
LEAVING_SECONDS = 60
"""A worker that was told to end finishes what it holds, and tells of itself no more."""


@dataclass(frozen=True)
class Worker:
    """One start of one worker.

    Args:
        boot: random; the next start under the same name has another.
        slots: contacts that it can sync at a time.
        name: Celery's node name.
        settings: digest of those that it began with.
        queues: those that it takes from; none of an older version, which does not tell.
    """

    boot: str
    slots: int
    name: str
    settings: str = ""
    queues: tuple[str, ...] = ()

    def dump(self) -> str:
        queues = ",".join(self.queues)
        return f"{self.slots} {self.boot} {self.name}\t{self.settings}\t{queues}"

    @classmethod
    def load(cls, stored: bytes) -> Self:
        # An older version told no queues, nor, before that, settings or a name.
        told, _, more = stored.decode().partition("\t")
        slots, _, rest = told.partition(" ")
        boot, _, name = rest.partition(" ")
        settings, _, queues = more.partition("\t")
        served = tuple(queues.split(",")) if queues else ()
        return cls(boot, int(slots), name, settings, served)

    def serves(self, queue: str) -> bool:
        """Whether it takes from that queue, as far as it tells."""
        return not self.queues or queue in self.queues


def unserved(alive: Sequence[Worker]) -> list[Lane]:
    """Queues that none of these workers takes from; all of them where there is none."""
    return [each for each in Lane if not any(one.serves(each) for one in alive)]


class Processes:
    """What the processes of one installation know of each other."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def worker_started(self, worker: Worker) -> None:
        """Tell that a worker is about to consume: whoever had its name is dead.

        Where two share a name against Celery's advice, the older one's next heartbeat
        brings it back.
        """
        same = [other for other in self.workers() if other.name == worker.name]
        if same:
            self._redis.zrem(process_key("workers"), *(o.dump() for o in same))
        self.worker_alive(worker)

    def worker_alive(self, worker: Worker) -> None:
        """Tell that a worker lives."""
        now, _ = self._time()
        pipe = self._redis.pipeline()
        pipe.zadd(process_key("workers"), {worker.dump(): now + WORKER_SECONDS})
        pipe.zremrangebyscore(process_key("workers"), "-inf", now)
        pipe.execute()

    def worker_leaving(self, worker: Worker) -> None:
        """Tell that a worker takes no more, and finishes what it holds."""
        now, _ = self._time()
        last = replace(worker, slots=0)
        pipe = self._redis.pipeline()
        pipe.zrem(process_key("workers"), worker.dump())
        pipe.zadd(process_key("workers"), {last.dump(): now + LEAVING_SECONDS})
        pipe.execute()

    def workers(self) -> list[Worker]:
        """Those that are alive."""
        now, _ = self._time()
        alive = self._redis.zrangebyscore(process_key("workers"), now, "+inf")
        return [Worker.load(stored) for stored in cast("list[bytes]", alive)]

    def slots(self) -> int:
        """Threads of all living workers together."""
        return sum(worker.slots for worker in self.workers())

    def ticked(self) -> None:
        """Beat's tick reached a worker."""
        self._redis.set(process_key("tick"), self._time()[0])

    def tick_age_seconds(self) -> int | None:
        """Seconds since the last tick; None when there never was one."""
        last = cast("bytes | None", self._redis.get(process_key("tick")))
        return None if last is None else max(0, self._time()[0] - int(last))

    def beat_rang(self, host: str) -> None:
        """Tell that the Beat of a host does its work, whether a worker hears or not."""
        self._redis.set(process_key(f"beat:{host}"), 1, ex=BEAT_SECONDS)

    def beat_rings(self, host: str) -> bool:
        """Whether the Beat of that host rang lately."""
        return bool(self._redis.exists(process_key(f"beat:{host}")))

    def next_turn(self) -> int:
        """A number that goes up by one: where the round among connections begins."""
        return self._redis.incr(process_key("turn"))

    def set_busy_connections(self, count: int) -> None:
        """How many connections had work at the last tick."""
        self._redis.set(process_key("busy"), count)

    def busy_connections(self) -> int:
        busy = cast("bytes | None", self._redis.get(process_key("busy")))
        return max(1, int(busy or 1))

    def claim_minute(self) -> bool:
        """Whether the caller should do what is done once a minute; one is told so."""
        key = process_key("minute")
        return bool(self._redis.set(key, 1, nx=True, ex=MINUTE_SECONDS))

    def now_ms(self) -> int:
        """Redis' clock, the only one that all processes share."""
        seconds, microseconds = self._time()
        return seconds * 1000 + microseconds // 1000

    def _time(self) -> tuple[int, int]:
        return self._redis.time()
