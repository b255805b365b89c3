"""The metrics of the whole installation, read from Redis when they are asked for."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from pipeline import metrics
from pipeline.bootstrap import Pipeline
from pipeline.metrics import Metric
from workers.readings import Reading, of_connection, of_installation

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Exporter(Collector):
    """Reads the state of one installation."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def text(self) -> bytes:
        """All metrics in the format that Prometheus scrapes.

        Raises:
            RedisError: it does not answer.
        """
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def describe(self) -> Iterable[Family]:
        """Nothing: a registry would read everything to find names."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Every row of the state, whether it has a value or not."""
        families = {row: _family(row) for row in metrics.STATE}
        for row, labels, value in self._readings():
            families[row].add_metric(labels, float(value))
        yield from families.values()

    def _readings(self) -> Iterator[Reading]:
        yield from of_installation(self._pipeline)
        for kit in self._pipeline.kits.values():
            yield from of_connection(kit)


def _family(row: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if row.counts else GaugeMetricFamily
    return kind(f"{metrics.PREFIX}{row.name}", row.help, labels=row.labels)
