"""A run that is under way, for what then happens to workers and to Redis."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.store.records import Run
from tests.sandbox import fresh_email
from tests.system.installation import Installation, installation
from tests.system.processes import Process

NEWCOMERS = 160
LONG_AGO = "2020-01-01T00:00:00.000Z"


@contextmanager
def twenty_a_second() -> Iterator[tuple[Installation, list[Process]]]:
    """An installation, and its worker: the last of the list."""
    rates = {"GHL_RATE": "200/10", "MAILJET_RATE": "200/10"}
    with installation("--contacts", "40", **rates) as running:
        workers = [running.start()]
        running.first_run()
        yield running, workers


def begin_run(running: Installation) -> Run:
    """A run that has brought some newcomers into Mailjet, and not yet the others."""
    running.until(lambda: not running.is_under_way(), "no run is under way")
    newcomers = {fresh_email() for _ in range(NEWCOMERS)}
    for email in newcomers:
        # Else the look for changes brings them all before the run has begun.
        running.sandbox.put_contact(
            firstName="New", email=email, dateUpdated=LONG_AGO, dateAdded=LONG_AGO
        )
    running.call("resync.full")
    running.until(
        lambda: len(newcomers & running.mailed()) > 5, "some newcomers are mailed"
    )
    run = running.last_run()
    assert run is not None
    assert run.is_active, "the run is over"
    return run


def assert_everybody_is_there_once(running: Installation) -> None:
    assert running.missing() == set()
    assert running.opted_out() & running.mailed() == set()
    assert running.letters() == []
