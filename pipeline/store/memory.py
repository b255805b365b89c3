"""One leased contact's share of the state, as `sync/ports.Memory` describes it."""

from typing import cast

from redis import Redis

from pipeline.errors import ReadOnly
from pipeline.permit import Lane
from pipeline.store.activities import Item, Kind, unpack_items
from pipeline.store.consents import Consents
from pipeline.store.engagement import EngagementStore
from pipeline.store.feed import FeedStore
from pipeline.store.ledger import Ledger
from pipeline.store.mass import Emptying
from pipeline.store.optouts import OptOuts
from pipeline.store.orders import Orders
from pipeline.store.presence import Presence
from pipeline.store.records import Opened
from pipeline.store.snapshots import unpack_row, unpack_side, unpack_snapshot
from pipeline.sync.activity import Activities, Appointment, Carried, HistoryEntry, Task
from pipeline.sync.around import INCOMING
from pipeline.sync.campaigns import Campaign
from pipeline.sync.consent import Record
from pipeline.sync.mail_event import MailEvent
from pipeline.sync.orders import Order
from pipeline.sync.ports import Evidence, Told
from pipeline.sync.rule_memory import unpack
from pipeline.sync.rules import EVENT


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
        self._ledger = ledger
        self._optouts = OptOuts(redis, opened.lease.connection)
        self._emptying = Emptying(redis, opened.lease.connection)
        self._presence = Presence(redis, opened.lease.connection)
        self._consents = Consents(redis, opened.lease.connection)
        self._engagement = EngagementStore(redis, opened.lease.connection)
        self._orders = Orders(redis, opened.lease.connection)
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
        self.rule_memory = unpack(opened.rules)
        self.orders: tuple[Order, ...] = ()
        if EVENT in letters:
            self.orders = self._orders.waiting(opened.lease.ghl_id)

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

    def evidence(self, address: bytes) -> Evidence:
        return self._ledger.evidence(self._lease.ghl_id, address)

    def holds_back(self) -> bool:
        """Whether there are so many new opt-outs in GHL that somebody has to look."""
        return self._optouts.holds_back(self._lease.ghl_id)

    def holds_emptying(self) -> bool:
        """Whether so many are to lose a value or a tag that somebody has to look."""
        return self._emptying.holds_back(self._lease.ghl_id)

    def holds_deletion(self) -> bool:
        """Whether so many were deleted in GHL that the next full run is to ask."""
        return self._presence.holds_back(self._lease.ghl_id)

    def outlive(self, address: bytes, record: Record) -> None:
        """Keep under the address what its contact said."""
        self._consents.tell(address, Told(record))

    def interactions(self, address: bytes) -> tuple[MailEvent, ...]:
        return self._engagement.of(address)

    def campaigns(self, address: bytes) -> dict[int, Campaign]:
        return self._engagement.campaigns(address)

    def sent_today(self, day: str) -> int:
        """How many orders of the contact went, or are about to, on this day."""
        return self._orders.sent_today(self._lease.ghl_id, day)

    def begin(self, *addresses: bytes) -> Evidence:
        """Mark the contact as being written and lease its addresses.

        Raises:
            ReadOnly: nothing will be written, so nothing is marked.
        """
        if self._read_only:
            raise ReadOnly
        return self._ledger.begin(self._lease, addresses)


def _rows(kind: Kind, stored: bytes, *, is_known: bool) -> tuple[Item, ...] | None:
    """What a sweep tells of a contact; None where it tells nothing new.

    A sweep without a row of the contact means that there is none, as far as the
    contact was never looked at, and else that all is as it was.
    """
    if stored == b"-" or (not stored and is_known):
        return None
    return unpack_items(kind, stored)
