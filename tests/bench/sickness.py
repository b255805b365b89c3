"""What one connection that is sick costs the others: with it, and without, in turns."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.bootstrap import Kit
from pipeline.permit import Lane
from tests.sandbox import Row
from tests.system.installation import Installation

GOAL = 0.95
SETTLING_SECONDS = 90.0


@dataclass(frozen=True)
class Sickness:
    """A fault of both vendors of the first connection."""

    name: str
    fault: str
    fields: Row = field(default_factory=dict)


SICKNESSES = (
    Sickness("whose vendor takes 30 s to answer", "slow", {"seconds": 30.0}),
    Sickness("always at 429", "429"),
)


@dataclass(frozen=True)
class Cost:
    """Calls a second of all other connections together.

    Args:
        before, after: while the sick one was well and had nothing to do.
    """

    sickness: Sickness
    connections: int
    seconds: float
    before: float
    during: float
    after: float

    @property
    def ratio(self) -> float:
        """With the sick one, to the mean without: what drifts evenly cancels out."""
        return self.during / ((self.before + self.after) / 2)


def cost_of(
    running: Installation, sicknesses: Sequence[Sickness], seconds: float
) -> Iterator[Cost]:
    """Well, sick, well, sick otherwise, well; the first connection is the sick one."""
    connections = len(running.pipeline.kits)
    before = throughput(running, seconds / 2)
    for sickness in sicknesses:
        fall_ill(running, sickness)
        during = throughput(running, seconds)
        recover(running)
        after = throughput(running, seconds / 2)
        yield Cost(sickness, connections, seconds, before, during, after)
        before = after


def fall_ill(running: Installation, sickness: Sickness) -> None:
    """From now on it has work, and its vendors fail."""
    sandbox = running.sandbox.location(1)
    sandbox.add_fault(sickness.fault, **sickness.fields)
    running.kit.ledger.mark(Lane.BULK, [row["id"] for row in sandbox.contacts()])


def recover(running: Installation) -> None:
    """Its vendors work, nothing is left to do, and nobody waits for it any more."""
    kit = running.kit
    running.sandbox.location(1).clear_faults()

    def rests() -> bool:
        running.pipeline.redis.delete(kit.ledger.key("todo:bulk"))
        return not kit.ledger.backlog().leased and kit.health.paused() is None

    running.until(rests, "the sick connection is well", SETTLING_SECONDS)


def throughput(running: Installation, seconds: float) -> float:
    """Calls a second of the others, which have work all the time."""
    others = list(running.pipeline.kits.values())[1:]
    sandboxes = [running.sandbox.location(n + 2) for n, _ in enumerate(others)]
    for sandbox in sandboxes:
        sandbox.clear_log()
    start = time.monotonic()
    time.sleep(seconds)
    end = time.monotonic()
    assert all(map(_has_work, others)), "the others have nothing left to do"
    arrivals = [call["arrival"] for sandbox in sandboxes for call in sandbox.log()]
    return sum(start <= arrival < end for arrival in arrivals) / (end - start)


def _has_work(kit: Kit) -> bool:
    return kit.ledger.backlog().waiting > 0
