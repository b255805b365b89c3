"""Which contacts go out now: the ledger, the budget and fairness, and no sending.

A message costs nothing to lose (its lease expires), so only as many contacts are out at
a time as about one second of budget can serve. That keeps the queue short, and a live
edit or the next connection never waits behind a resync.
"""

import time
from math import ceil

from pipeline.bootstrap import Kit, Pipeline
from pipeline.permit import Lease

DEFAULT_SLOTS = 16
"""What a worker has that has not told of its slots yet."""
SECONDS_IN_FLIGHT = 1.0
FILL = 1000
"""No limit of its own: `max_out` is the limit."""
VIEW_SECONDS = 1.0


def max_out(calls_per_second: float, *, slots: int, busy: int, connections: int) -> int:
    """How many contacts of one connection may be out at a time, at least one.

    Args:
        calls_per_second: what the slower of its two vendors allows.
        slots: threads of all workers together.
        busy: connections that have work.
        connections: connections there are; while there is only one, no slot is kept
            free for another that may wake up.
    """
    budget = ceil(calls_per_second * SECONDS_IN_FLIGHT)
    if connections == 1:
        share = 2 * slots
    elif busy > 1:
        share = ceil(slots / busy)
    else:
        share = slots // 2
    return max(1, min(budget, share))


class Dispatcher:
    """Leases what goes out; the caller sends it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._slots = DEFAULT_SLOTS
        self._busy = 1
        self._view_until = 0.0
        self._paces: dict[str, tuple[float, float]] = {}

    def following(self, kit: Kit) -> list[Lease]:
        """After a settlement: what follows on the same connection."""
        self._look()
        return self._lease(kit, FILL)

    def idle(self) -> list[Lease]:
        """At a tick: everything that has to go out, connection by connection.

        Each tick begins with another connection, so that none is always the first to
        take the slots.
        """
        processes = self._pipeline.processes
        kits = list(self._pipeline.kits.values())
        backlogs = {kit.connection.name: kit.ledger.backlog() for kit in kits}
        busy = [kit for kit in kits if backlogs[kit.connection.name].wants_slots]
        processes.set_busy_connections(len(busy))
        self._view_until = 0.0
        self._look()
        # Twice the slots may queue behind those that run.
        room = 3 * self._slots - sum(backlog.leased for backlog in backlogs.values())
        turn = processes.next_turn() % max(1, len(busy))
        leases: list[Lease] = []
        for kit in (*busy[turn:], *busy[:turn]):
            # One of each goes out all the same: only a settlement sends the next, and
            # who has none out has none.
            least = 0 if backlogs[kit.connection.name].leased else 1
            leases += self._lease(kit, max(room - len(leases), least))
        return leases

    def _look(self) -> None:
        if time.monotonic() >= self._view_until:
            processes = self._pipeline.processes
            self._slots = processes.slots() or DEFAULT_SLOTS
            self._busy = processes.busy_connections()
            self._view_until = time.monotonic() + VIEW_SECONDS

    def _lease(self, kit: Kit, count: int) -> list[Lease]:
        limit = self._max_out(kit.connection.calls_per_second)
        if limit > 1:
            limit = min(limit, self._max_out(self._pace(kit)))
        return kit.ledger.lease(count, max_out=limit)

    def _max_out(self, calls_per_second: float) -> int:
        return max_out(
            calls_per_second,
            slots=self._slots,
            busy=self._busy,
            connections=len(self._pipeline.kits),
        )

    def _pace(self, kit: Kit) -> float:
        """Calls a second that the slower vendor allows, after headers and refusals.

        With more contacts out than it serves, each waits for its next call until its
        patience ends, and what it had called already is called anew.
        """
        name, now = kit.connection.name, time.monotonic()
        until, pace = self._paces.get(name, (0.0, 0.0))
        if now >= until:
            buckets = (kit.ghl_bucket, kit.mailjet_bucket)
            pace = min(bucket.state().calls_per_second for bucket in buckets)
            self._paces[name] = now + VIEW_SECONDS, pace
        return pace
