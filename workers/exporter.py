"""The metrics of the whole installation, read from Redis when they are asked for."""

import json
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from pipeline import metrics
from pipeline.bootstrap import Kit, Pipeline
from pipeline.metrics import Metric
from pipeline.permit import Lane

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Values = Iterable[tuple[tuple[str, ...], float]]
"""Labels and value."""


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
        """Every row of the table."""
        inbox, processes = self._pipeline.inbox, self._pipeline.processes
        yield _family(metrics.RECEIVED, _split(inbox.received()))
        yield _family(metrics.HANDLED, _split(inbox.handled()))
        counts = inbox.counts()
        states = {"waiting": counts.waiting, "failed": counts.failed}
        yield _family(metrics.INBOX, (((s,), n) for s, n in states.items()))
        yield from self._of_connections()
        alive = processes.workers()
        yield _family(metrics.WORKERS, [((), len(alive))])
        yield _family(metrics.SLOTS, [((), sum(worker.slots for worker in alive))])
        age = processes.tick_age_seconds()
        yield _family(metrics.TICK_AGE, [] if age is None else [((), age)])

    def _of_connections(self) -> Iterator[Family]:
        kits = self._pipeline.kits
        backlogs = {name: kit.ledger.backlog() for name, kit in kits.items()}
        waiting = (
            ((name, lane), getattr(backlog, lane))
            for name, backlog in backlogs.items()
            for lane in Lane
        )
        yield _family(metrics.WAITING, waiting)
        leased = (((name,), backlog.leased) for name, backlog in backlogs.items())
        yield _family(metrics.LEASED, leased)
        dead = (((name,), backlog.dead) for name, backlog in backlogs.items())
        yield _family(metrics.DEAD, dead)
        paused = (
            ((name,), kit.health.paused() is not None) for name, kit in kits.items()
        )
        yield _family(metrics.PAUSED, paused)
        reports = {name: _drift(kit) for name, kit in kits.items()}
        drift = (
            ((name, direction), report[direction])
            for name, report in reports.items()
            for direction in ("mailable", "unblocked")
            if direction in report
        )
        yield _family(metrics.DRIFT, drift)
        made = (
            ((name,), report["at_ms"] / 1000)
            for name, report in reports.items()
            if "at_ms" in report
        )
        yield _family(metrics.DRIFT_AT, made)
        orders = (
            ((name, state), count)
            for name, kit in kits.items()
            for state, count in kit.orders.states().items()
        )
        yield _family(metrics.ORDERS, orders)


def _family(row: Metric, values: Values) -> Family:
    kind = CounterMetricFamily if row.counts else GaugeMetricFamily
    name = f"{metrics.PREFIX}{row.name}"
    family = kind(name, row.help, labels=row.labels)
    for labels, value in values:
        family.add_metric(labels, float(value))
    return family


def _split(counted: dict[str, int]) -> Values:
    """`mailjet:2xx` as two labels."""
    for name, count in counted.items():
        source, _, end = name.partition(":")
        yield (source, end), count


def _drift(kit: Kit) -> dict[str, float]:
    """The numbers of the last consent report; none before the first."""
    try:
        report = json.loads(kit.setup.drift() or "{}")
    except ValueError:
        return {}
    fields = report.items() if isinstance(report, dict) else ()
    return {name: value for name, value in fields if type(value) in (int, float)}
