"""What a worker tells of itself: alive, since which start, with so many slots."""

import gc
import secrets
import sys
import time
from collections.abc import Callable
from typing import Any

from celery.signals import celeryd_after_setup, heartbeat_sent, worker_shutting_down
from redis.exceptions import RedisError

from pipeline.store.processes import WORKER_SECONDS, Worker
from workers.celery import pipeline, settings

SWITCH_INTERVAL_SECONDS = 0.02
"""After so long a thread that waits to run makes another stop. Python's own 5 ms are a
fifth of a worker's CPU: each of 16 threads wakes as often to ask, and ours stop by
themselves at the next call that waits."""

GARBAGE_LOOKED_FOR_AFTER = 10_000
"""New objects; Python's own 700 has a worker look several times for each contact."""


class Heartbeat:
    """This process's, once it is a worker; silent in every other process."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self._heard_at = float("-inf")

    def start(self, worker: Worker) -> None:
        """Tell of a worker before it consumes, so that no lease of its looks lost."""
        self.worker = worker
        self._tell(pipeline().processes.worker_started)

    def beat(self) -> None:
        self._tell(pipeline().processes.worker_alive)

    def stop(self) -> None:
        """Celery's last heartbeat comes later, and must not bring the worker back."""
        self._tell(pipeline().processes.worker_leaving)
        self.worker = None

    @property
    def owner(self) -> str:
        """The boot that a lease is opened under.

        Empty while nobody heard of us lately: without Redis, in a child of another pool
        than threads, with Celery's heartbeat switched off. Our leases then only expire,
        instead of being returned at every tick as those of a dead worker.
        """
        heard = time.monotonic() < self._heard_at + WORKER_SECONDS / 2
        return self.worker.boot if self.worker and heard else ""

    def _tell(self, what: Callable[[Worker], None]) -> None:
        if self.worker is None:
            return
        try:
            what(self.worker)
        except RedisError:
            # Nobody could ask either; the next heartbeat tells again.
            return
        self._heard_at = time.monotonic()


heartbeat = Heartbeat()


@celeryd_after_setup.connect
def _started(sender: str, instance: Any, **_: Any) -> None:
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
    boot, slots = secrets.token_hex(4), instance.concurrency
    queues = tuple(sorted(instance.app.amqp.queues.consume_from))
    heartbeat.start(Worker(boot, slots, sender, settings().digest, queues))


@heartbeat_sent.connect
def _alive(**_: Any) -> None:
    heartbeat.beat()


@worker_shutting_down.connect
def _leaving(**_: Any) -> None:
    heartbeat.stop()
