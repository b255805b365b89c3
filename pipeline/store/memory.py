"""One leased contact's share of the state, as `sync/ports.Memory` describes it."""

from typing import cast

from redis import Redis

from pipeline.errors import ReadOnly
from pipeline.permit import Lane
from pipeline.store.activities import Item, Kind, unpack_items
from pipeline.store.feed import FeedStore
from pipeline.store.ledger import Ledger
from pipeline.store.records import Opened
from pipeline.store.snapshots import unpack_row, unpack_side, unpack_snapshot
from pipeline.store.state import connection_key
from pipeline.sync.activity import Activities, Appointment, Carried, HistoryEntry, Task
from pipeline.sync.around import INCOMING
from pipeline.sync.ports import Evidence
from pipeline.sync.snapshot import Snapshot


class LeasedMemory:
    """Opened under a lease; see `pipeline.sync.ports.Memory`."""

    def __init__(
        self,
        redis: "Redis",
        ledger: Ledger,
        feed: FeedStore,
        opened: Opened,
        *,
        read_only: bool,
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
        self.urgent = opened.lease.lane is Lane.CONSENT
        letters = opened.touched.decode().rstrip("0123456789")
        self.touched = frozenset(letters)
        self.swept = self._swept(opened)
        self.incoming: tuple[HistoryEntry, ...] = ()
        if INCOMING in letters:
            self.incoming = feed.incoming(opened.lease.ghl_id)

    def _swept(self, opened: Opened) -> Activities:
        before = self.snapshot.carried if self.snapshot else Carried()
        tasks = _rows("tasks", opened.swept_tasks, is_known=before.tasks is not None)
        meetings = _rows(
            "meetings", opened.swept_meetings, is_known=before.meetings is not None
        )
        return Activities(
            tasks=cast("tuple[Task, ...] | None", tasks),
            appointments=cast("tuple[Appointment, ...] | None", meetings),
        )

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


def _rows(kind: Kind, stored: bytes, *, is_known: bool) -> tuple[Item, ...] | None:
    """What a sweep tells of a contact; None where it tells nothing new.

    A sweep without a row of the contact means that there is none, as far as the
    contact was never looked at, and else that all is as it was.
    """
    if stored == b"-" or (not stored and is_known):
        return None
    return unpack_items(kind, stored)
