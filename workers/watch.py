"""The receiver looks by itself whether all is well, beside a worker that Beat rings.

No worker can tell that there is none, nor that Beat is silent. Where the receiver does
not run either, or Redis is away, somebody else must look: `GET /health`.
"""

import logging
import threading

from redis.exceptions import RedisError

from pipeline import alerting
from pipeline.bootstrap import Pipeline
from workers.schedule import WATCH_INTERVAL_SECONDS

logger = logging.getLogger(__name__)


class Watch:
    """Looks in a thread of its own, as long as the process lives."""

    def __init__(
        self, pipeline: Pipeline, interval_seconds: float = WATCH_INTERVAL_SECONDS
    ) -> None:
        self._pipeline = pipeline
        self._interval_seconds = interval_seconds
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        # Python 3.13 starts no thread any more that was made before a fork.
        self._thread = threading.Thread(target=self._go_on, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it, where it was started."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _go_on(self) -> None:
        while not self._over.wait(self._interval_seconds):
            try:
                alerting.check(self._pipeline)
            except RedisError as error:
                logger.warning("Redis is away (%s): not looked", type(error).__name__)
            except Exception as error:
                # Its words may hold what is nobody's business; the thread must go on.
                logger.error("watch: %s", type(error).__name__)
