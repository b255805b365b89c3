"""One way to run the product: its limits, its distance to the vendors, its workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.sandbox.limits import Rate, parse_rate
from tests.system.installation import Installation, installation

RUN_SECONDS = 3600.0


@dataclass(frozen=True)
class Cell:
    """Both vendors enforce `rate` (calls/seconds) in a `sliding` or `fixed` window.

    Args:
        configured: the rate that we are told; None tells the truth.
    """

    window: str
    latency_ms: int
    slots: int
    processes: int
    rate: str = "100/10"
    configured: str | None = None

    def __str__(self) -> str:
        return (
            f"{self.window}, {self.latency_ms} ms, {self.slots} slots x "
            f"{self.processes}, {self.rate}"
        )

    @property
    def all_slots(self) -> int:
        return self.slots * self.processes

    @property
    def allowance(self) -> Rate:
        """What both vendors enforce."""
        rate = parse_rate(self.rate)
        assert rate is not None, self.rate
        return rate


@contextmanager
def resyncing(cell: Cell, contacts: int, **env: str) -> Iterator[Installation]:
    """The first resync is under way; the sandbox's log begins with it.

    Args:
        env: settings beside the rates.
    """
    options = {
        "--contacts": contacts,
        "--ghl-rate": cell.rate,
        "--mailjet-rate": cell.rate,
        "--window": cell.window,
        "--latency-ms": cell.latency_ms,
    }
    words = [str(word) for option in options.items() for word in option]
    told = cell.configured or cell.rate
    rates = {"GHL_RATE": told, "MAILJET_RATE": told}
    with installation(*words, **{**rates, **env}) as running:
        running.setup()
        running.sandbox.clear_log()
        for i in range(cell.processes):
            running.processes.worker("-c", str(cell.slots), "-n", f"worker{i}@%h")
        processes = running.pipeline.processes
        running.until(lambda: processes.slots() == cell.all_slots, "all workers")
        running.processes.beat()
        running.call("resync.full")
        yield running


def finish(running: Installation, contacts: int) -> None:
    """Wait for the end of the run, and see that nobody was left out."""
    running.until(running.has_finished, "the run has finished", RUN_SECONDS)
    run = running.last_run()
    assert run is not None
    assert (run.settled, run.dead) == (contacts, 0), running.processes.logs()
