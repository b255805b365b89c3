"""What can happen to Redis in mid-run: a power cut, a long silence, the loss of all."""

import time
from collections.abc import Callable

from tests.chaos.kills import Chaos, Report, chaos_run

SILENCE_SECONDS = 30.0


def power_cut(chaos: Chaos) -> None:
    """`kill -9`, and a start with what the append-only file holds."""
    chaos.running.valkey.restart()
    _goes_on(chaos)


def silence(chaos: Chaos) -> None:
    """Stopped for 30 s with all connections open."""
    chaos.running.valkey.pause()
    time.sleep(SILENCE_SECONDS)
    chaos.running.valkey.resume()
    _goes_on(chaos)


def loss(chaos: Chaos) -> None:
    """Everything is gone: the product sets itself up again and resyncs."""
    running = chaos.running
    before = running.last_run()
    for email in sorted(running.mailed())[:3]:
        place = {running.list_id: {"unsubscribed": True}}
        running.sandbox.put_subscriber(email=email, lists=place)
        chaos.remember_no(email)
    running.pipeline.redis.flushall()

    def converged() -> bool:
        chaos.look_for_the_revived()
        run = running.last_run()
        return before is not None and run is not None and run.id != before.id

    running.until(converged, "a new run has begun")
    _goes_on(chaos)


def _goes_on(chaos: Chaos) -> None:
    running = chaos.running

    def finished() -> bool:
        chaos.look_for_the_revived()
        return running.has_finished()

    running.until(finished, "the run has finished", 300)
    chaos.expect_one_finished_run()


FAULTS: dict[str, Callable[[Chaos], None]] = {
    "killed and restarted": power_cut,
    "silent for 30 s": silence,
    "wiped": loss,
}


def with_redis_fault(name: str, seed: int, contacts: int, rate: str) -> Report:
    """A run in which that happens to Redis once, at a random moment."""

    def act(chaos: Chaos) -> None:
        chaos.live()
        chaos.supervise()
        FAULTS[name](chaos)

    return chaos_run(seed, contacts, rate, act)
