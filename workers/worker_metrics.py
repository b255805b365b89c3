"""What one worker counts, and the port on which Prometheus asks it.

`WORKER_METRICS_BIND=127.0.0.1:9540` opens it; without, a worker counts all the same and
nobody sees it. The state of the installation is told by the receiver, whichever workers
run. Counts are of one process: a pool of threads is one, and where there is a pool of
processes (`-P prefork`) nothing would come of the children, so no port is opened.
"""

import logging
import os
from functools import cache
from typing import Any

from celery.concurrency.prefork import TaskPool as Processes
from celery.signals import celeryd_after_setup
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    start_http_server,
)

from pipeline import metrics
from pipeline.meters import Meters
from pipeline.metrics import Metric

logger = logging.getLogger(__name__)

VARIABLE = "WORKER_METRICS_BIND"


class WorkerMeters(Meters):
    """Counts in this process, for Prometheus."""

    def __init__(self) -> None:
        # Each count would bring a second series that tells when it began.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        for row in metrics.COUNTED:
            if row.buckets:
                self._histograms[row.name] = Histogram(
                    f"{metrics.PREFIX}{row.name}",
                    row.help,
                    row.labels,
                    buckets=row.buckets,
                    registry=self.registry,
                )
            else:
                self._counters[row.name] = Counter(
                    f"{metrics.PREFIX}{row.name}",
                    row.help,
                    row.labels,
                    registry=self.registry,
                )

        # To have a labelled one looked up takes longer than to count.
        self._counter = cache(self._labelled_counter)
        self._histogram = cache(self._labelled_histogram)

    def _labelled_counter(self, name: str, *labels: str) -> Counter:
        return self._counters[name].labels(*labels)

    def _labelled_histogram(self, name: str, *labels: str) -> Histogram:
        return self._histograms[name].labels(*labels)

    def count(self, row: Metric, *labels: str) -> None:
        self._counter(row.name, *labels).inc()

    def observe(self, row: Metric, value: float, *labels: str) -> None:
        self._histogram(row.name, *labels).observe(value)

    def serve(self, bind: str) -> None:
        """Answer on `host:port` from now on, in a thread that ends with the process.

        A port that cannot be had is told of and done without: syncing matters more.
        """
        host, _, port = bind.rpartition(":")
        try:
            start_http_server(int(port), host.strip("[]"), self.registry)
        except (OSError, ValueError, OverflowError) as error:
            logger.warning("%s=%s: no metrics: %s", VARIABLE, bind, error)


meters = WorkerMeters()


@celeryd_after_setup.connect
def _open_port(instance: Any, **_: Any) -> None:
    bind = os.environ.get(VARIABLE)
    if not bind:
        return
    if issubclass(instance.pool_cls, Processes):
        logger.warning("%s: no metrics of a pool of processes", VARIABLE)
        return
    meters.serve(bind)
