"""Sync one contact in this process, waiting for what a worker would put off."""

import time
from collections.abc import Callable

from pipeline import work
from pipeline.bootstrap import Kit
from pipeline.permit import Lane, Lease

PATIENCE_SECONDS = 60.0
AGAIN = "again in"
BUSY = f"{AGAIN} 1 s: a worker has it"


def sync_now(
    kit: Kit,
    ghl_id: str,
    lane: Lane = Lane.LIVE,
    *,
    tell: Callable[[str], object] = lambda line: None,
    first: Callable[[Lease], object] = lambda lease: None,
    guard: work.Guard = work.NO_GUARD,
) -> str:
    """Sync one contact; returns what happened, in a word.

    Args:
        tell: gets a line for each wait.
        first: done under the lease, before the sync.
        guard: stands between the sync and the world.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        lease = kit.ledger.take(ghl_id, lane)
        outcome = BUSY
        if lease is not None:
            first(lease)
            outcome = work.run_lease(kit, ghl_id, lease.token, guard=guard)
        if not outcome.startswith(AGAIN) or time.monotonic() > deadline:
            return outcome
        tell(outcome)
        wait = float(outcome.removeprefix(f"{AGAIN} ").split(" s")[0])
        time.sleep(min(max(wait, 0.5), max(0.0, deadline - time.monotonic())))
