"""One leased contact's share of the state, as `sync/ports.Memory` describes it."""

from typing import cast

from redis import Redis

from pipeline.errors import ReadOnly
from pipeline.permit import Lane
from pipeline.store.ledger import Ledger
from pipeline.store.records import Opened
from pipeline.store.snapshots import unpack_row, unpack_side, unpack_snapshot
from pipeline.store.state import connection_key
from pipeline.sync.ports import Evidence
from pipeline.sync.snapshot import Snapshot


class LeasedMemory:
    """Opened under a lease; see `pipeline.sync.ports.Memory`."""

    def __init__(
        self, redis: "Redis", ledger: Ledger, opened: Opened, *, read_only: bool
    ) -> None:
        self._redis = redis
        self._ledger = ledger
        self._read_only = read_only
        self._lease = opened.lease
        self.row = unpack_row(opened.row)
        self.snapshot = unpack_snapshot(opened.snapshot)
        self.seen = unpack_side(opened.seen)
        self.unsettled = opened.unsettled
        self.trusting = opened.lease.lane is Lane.BULK

    def _key(self, name: str) -> str:
        return connection_key(self._lease.connection, name)

    def evidence(self, address: bytes) -> Evidence:
        """One round trip, and one more where contacts share the address."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.exists(self._key("optouts:ghl"))
        pipe.sismember(self._key("optouts:ghl"), self._lease.ghl_id)
        pipe.sismember(self._key("optouts:ghl:addresses"), cast("str", address))
        pipe.sismember(self._key("optouts:mailjet"), cast("str", address))
        pipe.hget(self._key("addresses"), address)
        complete, in_ghl, address_in_ghl, in_mailjet, ids = pipe.execute()
        return Evidence(
            in_ghl_set=bool(in_ghl) if complete else None,
            address_in_ghl_set=bool(address_in_ghl),
            in_mailjet_set=bool(in_mailjet),
            sharers=self._sharers(ids),
        )

    def _sharers(self, ids: bytes | None) -> dict[str, Snapshot]:
        others = [i for i in (ids or b"").split(b",") if i]
        others = [i for i in others if i.decode() != self._lease.ghl_id]
        if not others:
            return {}
        packed = self._redis.hmget(self._key("snapshots"), others)
        return {
            id_.decode(): snapshot
            for id_, stored in zip(others, cast("list[bytes]", packed), strict=True)
            if (snapshot := unpack_snapshot(stored)) is not None
        }

    def begin(self, *addresses: bytes) -> None:
        """Mark the contact as being written and lease its addresses.

        Raises:
            ReadOnly: nothing will be written, so nothing is marked.
        """
        if self._read_only:
            raise ReadOnly
        self._ledger.begin(self._lease, addresses)
