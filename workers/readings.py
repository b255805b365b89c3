"""What Redis tells of an installation, as values of the table of metrics."""

from collections.abc import Iterator

from pipeline import metrics
from pipeline.bootstrap import Kit, Pipeline
from pipeline.consent_report import drift_counts
from pipeline.location_facts import day_of_ghl
from pipeline.metrics import Metric
from pipeline.permit import Lane
from pipeline.store import dead_letters
from pipeline.store.inbox import Source

Reading = tuple[Metric, tuple[str, ...], float]
"""Row, labels in its order, value."""


def of_installation(pipeline: Pipeline) -> Iterator[Reading]:
    """What all connections share."""
    inbox, processes = pipeline.inbox, pipeline.processes
    # From nothing to four Prometheus sees no increase: the first failure would be none.
    none_yet = {f"{source}:5xx": 0 for source in Source}
    yield from _split(metrics.RECEIVED, {**none_yet, **inbox.received()})
    yield from _split(metrics.HANDLED, inbox.handled())
    counts = inbox.counts()
    yield metrics.INBOX, ("waiting",), counts.waiting
    yield metrics.INBOX, ("failed",), counts.failed
    alive = processes.workers()
    yield metrics.WORKERS, (), len(alive)
    for queue in Lane:
        serving = sum(worker.serves(queue) for worker in alive)
        yield metrics.QUEUE_WORKERS, (queue,), serving
    yield metrics.SLOTS, (), sum(worker.slots for worker in alive)
    age = processes.tick_age_seconds()
    if age is not None:
        yield metrics.TICK_AGE, (), age


def of_connection(kit: Kit) -> Iterator[Reading]:
    """What one connection has for itself."""
    name = kit.connection.name
    yield from _of_ledger(kit, name)
    yield metrics.PAUSED, (name, "trouble"), kit.health.paused() is not None
    by_operator = kit.operator_pause.since_ms() is not None
    yield metrics.PAUSED, (name, "operator"), by_operator
    for what, at_ms in kit.freshness.successes_ms().items():
        yield metrics.SUCCESS, (name, what), at_ms / 1000
    yield from _of_budgets(kit, name)
    yield from _of_run(kit, name)
    yield from _of_drift(kit, name)
    for state, count in kit.orders.states().items():
        yield metrics.ORDERS, (name, state), count
    if callbacks := kit.freshness.callbacks():
        alive, dead = callbacks
        yield metrics.CALLBACKS, (name, "alive"), alive
        yield metrics.CALLBACKS, (name, "dead"), len(dead)


def _of_ledger(kit: Kit, name: str) -> Iterator[Reading]:
    backlog = kit.ledger.backlog()
    waiting = {
        Lane.CONSENT: backlog.consent,
        Lane.LIVE: backlog.live,
        Lane.BULK: backlog.bulk,
    }
    ages = kit.freshness.oldest_ages_seconds()
    for lane, count in waiting.items():
        rests = backlog.rests or (lane is Lane.BULK and backlog.bulk_rests)
        yield metrics.WAITING, (name, lane), count
        yield metrics.OLDEST, (name, lane), ages[lane]
        yield metrics.RESTING, (name, lane), rests
    yield metrics.LEASED, (name,), backlog.leased
    yield metrics.DEAD, (name,), backlog.dead
    if backlog.dead:
        letters = dead_letters.read(kit.redis, name)
        for cause, count in dead_letters.causes(letters).items():
            yield metrics.DEAD_CAUSES, (name, cause), count


def _of_budgets(kit: Kit, name: str) -> Iterator[Reading]:
    buckets = {
        "ghl": kit.ghl_bucket,
        "mailjet": kit.mailjet_bucket,
        "mailjet-send": kit.mailjet_send_bucket,
    }
    states = {vendor: bucket.state() for vendor, bucket in buckets.items()}
    for vendor, state in states.items():
        yield metrics.PACE, (name, vendor), state.calls_per_second
        yield metrics.USED, (name, vendor), state.used_today
    daily, left = day_of_ghl(kit.connection, states["ghl"])
    yield metrics.DAY, (name, "ghl"), daily
    yield metrics.LEFT, (name, "ghl"), left


def _of_run(kit: Kit, name: str) -> Iterator[Reading]:
    run = kit.ledger.run()
    yield metrics.RUN_ACTIVE, (name,), run is not None and run.is_active
    if run is None:
        return
    yield metrics.RUN_STARTED, (name,), run.started_ms / 1000
    counts = {"discovered": run.discovered, "settled": run.settled, "dead": run.dead}
    for state, count in counts.items():
        yield metrics.RUN_CONTACTS, (name, state), count


def _of_drift(kit: Kit, name: str) -> Iterator[Reading]:
    report = drift_counts(kit)
    for direction in ("mailable", "unblocked"):
        if direction in report:
            yield metrics.DRIFT, (name, direction), report[direction]
    if "at_ms" in report:
        yield metrics.DRIFT_AT, (name,), report["at_ms"] / 1000


def _split(row: Metric, counted: dict[str, int]) -> Iterator[Reading]:
    """`mailjet:2xx` as two labels."""
    for name, count in counted.items():
        source, _, end = name.partition(":")
        yield row, (source, end), count
