"""Beat's scheduler: rings while somebody opens, and tells that it is there."""

import logging
import socket
from typing import Any

from celery.beat import ScheduleEntry, Scheduler
from redis.exceptions import RedisError

from pipeline.permit import Lane
from workers.celery import pipeline

logger = logging.getLogger(__name__)

UNHEARD_RINGS = 10


class Doorbell(Scheduler):
    """Stops ringing while nobody opens.

    A message that expired is dropped only when a worker takes it, so a weekend without
    workers would leave a quarter of a million ticks in Redis. What is due is decided in
    the ledger, so there is nothing to remember between two starts either.
    """

    def apply_entry(self, entry: ScheduleEntry, producer: Any | None = None) -> None:
        """Ring, unless the queue that every tick goes to is not being emptied."""
        channel: Any = self.producer.channel
        try:
            unheard = channel.client.llen(Lane.CONSENT.value)
        except RedisError as error:
            logger.warning("Redis is away (%s): not rung", type(error).__name__)
            return
        if unheard < UNHEARD_RINGS:
            super().apply_entry(entry, producer)
        self._tell()

    def _tell(self) -> None:
        try:
            pipeline().processes.beat_rang(socket.gethostname())
        except RedisError as error:
            logger.warning("Redis is away (%s): not told", type(error).__name__)
