"""What is still to do, leased, done and dead, for one connection.

The ledger is the truth and the broker a doorbell: a Celery message that is lost is an
expired lease here, and one that comes twice finds its lease void. All changes are
scripts (`ledger*.lua`), so each happens whole or not at all.
"""

from collections.abc import Iterable, Mapping
from typing import cast

from pipeline.errors import ConnectionPaused, LeaseLost
from pipeline.permit import Lane, Lease
from pipeline.store.consents import pack_record
from pipeline.store.evidence import unpack_evidence
from pipeline.store.order_records import pack_orders
from pipeline.store.records import RESTING, Backlog, Opened, Settled
from pipeline.store.run_ledger import IDS_PER_CALL, RunLedger, in_ms
from pipeline.store.setup import setup_record
from pipeline.store.snapshots import pack_snapshot
from pipeline.sync.consent import NOTHING, Record
from pipeline.sync.orders import Decision, Order
from pipeline.sync.ports import Evidence
from pipeline.sync.snapshot import Snapshot

LEASE_SECONDS = 30.0
"""A lost message is noticed after this long; every call renews it."""
MAX_EXPIRIES = 10
REST_MOST_SECONDS = 60.0
SET_ASIDE = (b"paused", RESTING.encode())
_NONE: Mapping[str, Decision] = {}


class AddressHeld(LeaseLost):
    """Another contact with the same address is being written at this moment."""


class Ledger(RunLedger):
    """One connection's ledger."""

    def mark(self, lane: Lane, ids: Iterable[str]) -> None:
        """These changed: let them wait in `lane`, or come back after their lease."""
        batch = list(ids)
        for start in range(0, len(batch), IDS_PER_CALL):
            self._call("mark", lane, *batch[start : start + IDS_PER_CALL])

    def point_at(
        self, ids: Iterable[str], kinds: str, lane: Lane | None = None
    ) -> None:
        """Let these kinds of activities be read when the contacts are synced next.

        Args:
            kinds: letters, see `pipeline.sync.around.Kind`.
            lane: where they wait for that; None leaves it to whatever else comes.
        """
        batch = list(ids)
        for start in range(0, len(batch), IDS_PER_CALL):
            some = batch[start : start + IDS_PER_CALL]
            self._call("point_at", kinds, lane or "", *some)

    def cross(self, limit: int = IDS_PER_CALL) -> int:
        """Point at contacts of which something fell due; how many.

        They wait in the bulk lane, and in the live one while a run rests or where a
        rule waits for the moment.
        """
        return int(self._call("cross", limit))

    def lease(self, count: int, *, max_out: int) -> list[Lease]:
        """Lease up to `count` due contacts, the most urgent lane first.

        Args:
            max_out: bulk contacts go out while fewer than this are, live ones while
                fewer than twice as many are, consent while fewer than three times.
        """
        return self._leases(self._call("lease", count, max_out, in_ms(LEASE_SECONDS)))

    def take(self, ghl_id: str, lane: Lane) -> Lease | None:
        """Lease this contact, due or not; None while somebody else holds it."""
        taken = self._leases(self._call("take", ghl_id, lane, in_ms(LEASE_SECONDS)))
        return taken[0] if taken else None

    def _leases(self, flat: list[bytes]) -> list[Lease]:
        return [
            Lease(self._connection, id_.decode(), int(token), Lane(lane.decode()))
            for id_, token, lane in zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        ]

    def open(self, ghl_id: str, token: int, owner: str = "") -> Opened:
        """Begin the work of a lease, and renew it.

        Args:
            owner: boot of the worker, whose death ends the lease at once; empty where
                nobody would notice it: only the expiry counts then.

        Raises:
            ConnectionPaused: before it began; the lease has ended.
            LeaseLost: it expired, or the contact is settled.
        """
        opened = self._call("open", ghl_id, token, in_ms(LEASE_SECONDS), owner)
        if not opened:
            raise LeaseLost(ghl_id)
        if opened == [b"paused"]:
            raise ConnectionPaused(ghl_id)
        lane, row, snapshot, seen, unsettled, attempts = opened[:6]
        touched, tasks, meetings, rules, setup = opened[6:]
        return Opened(
            Lease(self._connection, ghl_id, token, Lane(lane.decode())),
            row,
            snapshot,
            seen,
            bool(unsettled),
            int(attempts),
            touched,
            tasks,
            meetings,
            setup_record(dict(zip(setup[::2], setup[1::2], strict=True))),
            rules,
        )

    def evidence(self, ghl_id: str, address: bytes) -> Evidence:
        """What was said about a contact and an address; it may be empty."""
        return unpack_evidence(self._call("evidence", ghl_id, address))

    def begin(self, lease: Lease, addresses: Iterable[bytes]) -> Evidence:
        """Mark as being written, before the first vendor write.

        Returns:
            what was said about the first address, from then on.

        Raises:
            AddressHeld: another contact with one of the addresses is being written.
            LeaseLost: the lease is void.
        """
        answer = self._call("begin", lease.ghl_id, lease.token, b"".join(addresses))
        if answer == b"held":
            raise AddressHeld(lease.ghl_id)
        if answer == b"stale":
            raise LeaseLost(lease.ghl_id)
        return unpack_evidence(answer)

    def settle(
        self,
        lease: Lease,
        outcome: str,
        snapshot: Snapshot | None,
        record: Record = NOTHING,
        *,
        old_address: bytes = b"",
        answered: Iterable[str] = (),
        touched: bytes = b"",
        crossings: Mapping[str, int] | None = None,
        wake: Iterable[str] = (),
        rules: bytes = b"",
        orders: Iterable[Order] = (),
        decisions: Mapping[str, Decision] = _NONE,
        day: str = "",
        recalls: bool = False,
    ) -> Settled:
        """Save the snapshot and end the lease in one step.

        Args:
            record: the contact's statements about consent; none leave what there was.
            answered: vendors that are known to work by this contact.
            touched: `Opened.touched`, where everything it names was looked at.
            crossings: kinds that were looked at, and when time alone changes what
                they tell, in milliseconds; 0 for never.
            rules: what they remember of the contact; empty leaves what there was, `-`
                forgets it.
            orders: to be placed, unless they were before; whatever may be sent is to
                be named in `decisions` as well.
            decisions: by id, of orders that were waiting.
            day: of the contact's, under which what is sent is counted; "" counts none.
            recalls: somebody said no, or may have, or the address is another: mails
                that are ready are decided anew, those of whom it wakes as well.
        """
        told, messages = pack_orders(orders, decisions, day, recalls=recalls)
        settled = self._call(
            "settle",
            lease.ghl_id,
            lease.token,
            outcome,
            pack_snapshot(snapshot) if snapshot else b"",
            pack_record(record),
            old_address,
            snapshot.address if snapshot else b"",
            " ".join(answered),
            touched,
            "".join(f"{kind}{due_ms}" for kind, due_ms in (crossings or {}).items()),
            rules,
            told,
            len(messages),
            *messages,
            *wake,
        )
        return Settled(settled)

    def skip(
        self,
        lease: Lease,
        outcome: str,
        *,
        answered: Iterable[str] = (),
        untouched: bool = False,
    ) -> None:
        """End the lease and leave everything that is remembered as it was.

        Args:
            untouched: as of `give_back`.
        """
        words = (outcome, " ".join(answered), int(untouched))
        self._call("skip", lease.ghl_id, lease.token, *words)

    def give_back(
        self,
        lease: Lease,
        wait_seconds: float,
        *,
        counted: bool = False,
        suspect: str = "",
        untouched: bool = False,
    ) -> None:
        """Let the contact wait again; a void lease changes nothing.

        Args:
            counted: it was an attempt of the contact.
            suspect: a vendor that may be to blame; the attempt may be taken back.
            untouched: nothing has been written since the contact was settled.
        """
        flags = (int(counted), suspect, int(untouched))
        self._call("give_back", lease.ghl_id, lease.token, in_ms(wait_seconds), *flags)

    def rest(self, lane: Lane, seconds: float, reason: str) -> None:
        """Send no bulk contact for so long; for an urgent one's sake none at all.

        For what no other contact can help: a vendor's limit that was hit, a day that
        is spent. At most a minute, because it may be over sooner than it looked.
        """
        self._call("rest", lane, in_ms(min(seconds, REST_MOST_SECONDS)), reason)

    def resting(self) -> str:
        """Why nothing, or no bulk contact, goes out at the moment; "" when all may."""
        said = self._redis.mget(self.key("rests"), self.key("rests:bulk"))
        everything, bulk = cast("list[bytes | None]", said)
        if everything:
            return everything.decode()
        return f"bulk work: {bulk.decode()}" if bulk else ""

    def bury(self, lease: Lease, letter: str, code: str) -> None:
        """Make a dead letter of the contact."""
        self._call("bury", lease.ghl_id, lease.token, letter, code)

    def expire(self, letter: str, alive: Iterable[str]) -> int:
        """Return leases that expired, or whose worker is dead, to their lanes.

        Args:
            letter: of a contact that this happens to for the tenth time in a row.
            alive: boots of the living workers; a lease opened without one only expires.

        Returns:
            how many there were.
        """
        return int(self._call("expire", MAX_EXPIRIES, letter, *alive))

    def replay(self, ids: Iterable[str]) -> int:
        """Let dead letters wait again; how many of the ids were dead."""
        batch, replayed = list(ids), 0
        for start in range(0, len(batch), IDS_PER_CALL):
            replayed += int(self._call("replay", *batch[start : start + IDS_PER_CALL]))
        return replayed

    def backlog(self) -> Backlog:
        pipe = self._redis.pipeline(transaction=False)
        for name in ("todo:bulk", "todo:live", "todo:consent", "leased"):
            pipe.zcard(self.key(name))
        pipe.hlen(self.key("dead"))
        pipe.hlen(self.key("snapshots"))
        pipe.hexists(self.key("health"), "paused_ms")
        pipe.exists(self.key("rests"))
        pipe.exists(self.key("rests:bulk"))
        pipe.exists(self.key("paused"))
        pipe.hget(self.key("run"), "state")
        *counts, paused, rests, bulk_rests, by_operator, state = pipe.execute()
        bulk, live, consent, leased, dead, contacts = counts
        return Backlog(
            bulk,
            live,
            consent,
            leased,
            dead,
            contacts,
            rests=bool(paused or rests),
            bulk_rests=bool(bulk_rests) or state in SET_ASIDE,
            consent_only=bool(by_operator),
        )
