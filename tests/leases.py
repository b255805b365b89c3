"""Leases, and every way in which one ends, for tests of the ledger."""

from collections.abc import Callable

from redis import Redis

from pipeline.permit import Lane, Lease
from pipeline.store.dead_letters import DeadLetter, worker_lost
from pipeline.store.ledger import Ledger
from pipeline.sync.snapshot import Snapshot
from tests.driver import expire_all

LETTER = DeadLetter("", "Rejected", "refused", "bulk", 1, 1).dump()
ADDRESS, OTHER_ADDRESS = b"address1", b"address2"
End = Callable[[Ledger, Redis, Lease], object]


def snapshot(address: bytes = b"", updated_ms: int = 0) -> Snapshot:
    return Snapshot(
        digest=b"map1", ghl=(1,), mailjet=(1,), address=address, updated_ms=updated_ms
    )


def lease_all(ledger: Ledger) -> dict[str, Lease]:
    return {lease.ghl_id: lease for lease in ledger.lease(100, max_out=100)}


def lease_one(ledger: Ledger, ghl_id: str = "ana", lane: Lane = Lane.BULK) -> Lease:
    ledger.mark(lane, [ghl_id])
    return lease_all(ledger)[ghl_id]


def settle(ledger: Ledger, redis: Redis, lease: Lease) -> bool:
    return ledger.settle(lease, "updated", snapshot())


def skip(ledger: Ledger, redis: Redis, lease: Lease) -> None:
    ledger.skip(lease, "not written")


def give_back(ledger: Ledger, redis: Redis, lease: Lease) -> None:
    ledger.give_back(lease, 60)


def bury(ledger: Ledger, redis: Redis, lease: Lease) -> None:
    ledger.bury(lease, LETTER, "Rejected")


def expire(ledger: Ledger, redis: Redis, lease: Lease) -> None:
    expire_all(ledger, redis)
    ledger.expire(worker_lost(1), ())


ENDS: tuple[End, ...] = (settle, skip, give_back, bury, expire)
