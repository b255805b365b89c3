"""What one sync adds to the counts of its process."""

import time

from pipeline import metrics
from pipeline.meters import Meters
from pipeline.permit import Lane, Lease
from pipeline.sync.case import Result
from pipeline.sync.consent import Source, unanswered
from pipeline.sync.snapshot import Snapshot


def count_synced(
    meters: Meters, lease: Lease, before: Snapshot | None, result: Result
) -> None:
    """Count a settled sync: its outcome, how late it was, and who opted out or in.

    Args:
        before: as the contact was remembered.
    """
    meters.count(metrics.SYNCED, lease.connection, lease.lane, result.outcome)
    after = result.snapshot
    if after is None:
        return
    changed_ms = after.updated_ms
    # A first import finds what changed years ago, and an opt-in reads what did not.
    is_change = lease.lane is not Lane.BULK or before is not None
    if is_change and changed_ms > (before.updated_ms if before else 0):
        lag = max(0.0, time.time() - changed_ms / 1000)
        meters.observe(metrics.LAG, lag, lease.connection, lease.lane)
    was_closed = before is not None and before.opted_out
    if after.opted_out != was_closed:
        to = "closed" if after.opted_out else "opened"
        source = _who(result) if after.opted_out else Source.OPT_IN
        meters.count(metrics.CONSENT, lease.connection, to, source)


def _who(result: Result) -> Source:
    """Who said the newest no."""
    noes = unanswered(result.record).values()
    newest = max(noes, key=lambda said: said.at_ms, default=None)
    return newest.source if newest else Source.EARLIER
