"""Full runs and live syncs of one connection: our stores, on vendors of a few lines."""

from redis import Redis

from pipeline.permit import Lane, Lease
from pipeline.store.feed import FeedStore
from pipeline.store.ledger import AddressHeld, Ledger
from pipeline.store.memory import LeasedMemory
from pipeline.store.optouts import OptOuts
from pipeline.store.presence import Presence
from pipeline.store.seen import SubscriberPages
from pipeline.sync.consent import mailjet_opt_out
from pipeline.sync.contact import Subscriber
from pipeline.sync.ghl_dnd import ghl_opt_out
from pipeline.sync.ports import Policy
from pipeline.sync.reconcile import sync_contact
from tests.tiny_vendors import TinyGhl, TinyMailjet

CONNECTION = "default"


class TinyPipeline:
    """What `discovery` and `work` do, without sessions, budgets and failures."""

    def __init__(
        self, redis: Redis, ghl: TinyGhl, mailjet: TinyMailjet, policy: Policy
    ) -> None:
        self.redis = redis
        self.ghl = ghl
        self.mailjet = mailjet
        self.policy = policy
        self.ledger = Ledger(redis, CONNECTION)
        self._runs = 0

    def forget(self) -> None:
        """Lose all state, and set up again, which reads who opted out."""
        if keys := list(self.redis.scan_iter(f"gm:{CONNECTION}:*", count=1000)):
            self.redis.delete(*keys)
        self.read_optouts()

    def read_optouts(self) -> None:
        optouts, reader = OptOuts(self.redis, CONNECTION), "reader"
        gone = [c.id for c in self.ghl.contacts.values() if ghl_opt_out(c)]
        optouts.add_ghl(reader, gone, first=True)
        self.ledger.mark(Lane.CONSENT, optouts.complete_ghl(reader))
        address = self.policy.fingerprint.address
        said_no = [address(s.email) for s in self._subscribers() if self._says_no(s)]
        optouts.add_mailjet(reader, said_no, first=True)
        optouts.complete_mailjet(reader)

    def full_run(self) -> None:
        """All stages of a full run, and its work."""
        self.read_optouts()
        pages = SubscriberPages(
            self.redis, CONNECTION, self.policy, is_new=self.ledger.is_new()
        )
        for list_id in self.policy.field_map.layout.read_lists:
            there = [
                person.id
                for person in self.mailjet.people.values()
                if person.unsubscribed.get(list_id) is False
            ]
            pages.add_members(list_id, there, first=True)
        pages.compare(
            Subscriber(s.contact_id, properties=s.properties)
            for s in self._subscribers()
        )
        self._runs += 1
        self.ledger.start(f"run{self._runs}", "full", {"stage": "listing"})
        rows = list(self.ghl.contacts.values())
        self._commit({"stage": "missing"}, [row.id for row in rows], rows)
        self._commit(None, Presence(self.redis, CONNECTION).missing())
        self.work()

    def _commit(self, cursor, ids, rows=()) -> None:  # type: ignore[no-untyped-def]
        page = self.ledger.claim_page(60)
        assert page is not None
        self.ledger.commit_page(page, cursor, ids, rows)

    def sync(self, contact_id: str) -> None:
        self.ledger.mark(Lane.LIVE, [contact_id])
        self.work()

    def work(self) -> None:
        while leases := self.ledger.lease(10, max_out=10):
            for lease in leases:
                self.run(lease)

    def run(self, lease: Lease) -> None:
        opened = self.ledger.open(lease.ghl_id, lease.token)
        memory = LeasedMemory(
            self.redis,
            self.ledger,
            FeedStore(self.redis, CONNECTION),
            opened,
            read_only=False,
        )
        old = memory.snapshot.address if memory.snapshot else b""
        try:
            result = sync_contact(
                lease.ghl_id, self.ghl, self.mailjet, memory, self.policy
            )
        except AddressHeld:
            self.ledger.give_back(lease, 0)
            return
        self.ledger.settle(
            lease,
            result.outcome,
            result.snapshot,
            result.record,
            old_address=old,
            touched=opened.touched if result.looked else b"",
            crossings=result.crossings,
            wake=result.wake,
        )

    def _subscribers(self) -> list[Subscriber]:
        return [self.mailjet.read(one.email) for one in self.mailjet.people.values()]

    def _says_no(self, subscriber: Subscriber) -> bool:
        wide = self.policy.optout_scope_account
        if mailjet_opt_out(subscriber, account_wide=wide):
            return True
        lists = subscriber.unsubscribed or {}
        return any(lists.get(list_id) for list_id in self.policy.managed_lists)
