"""What is still to do, leased, done and dead, for one connection.

The ledger is the truth and the broker a doorbell: a Celery message that is lost is an
expired lease here, and one that comes twice finds its lease void. All changes are
scripts (`ledger.lua`), so each happens whole or not at all.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

from redis import Redis

from pipeline.errors import ConnectionPaused, LeaseLost
from pipeline.permit import Lane, Lease
from pipeline.store import scripts
from pipeline.store.records import (
    Backlog,
    Opened,
    Page,
    Run,
    run_of_entry,
    run_of_hash,
)
from pipeline.store.snapshots import pack_row, pack_snapshot, updated_ms
from pipeline.store.state import LEDGER_KEYS, connection_key
from pipeline.sync.contact import Contact
from pipeline.sync.snapshot import Snapshot

LEASE_SECONDS = 30.0
"""A lost message is noticed after this long; every call renews it."""
ROW_SECONDS = 600
MAX_EXPIRIES = 10
IDS_PER_CALL = 1000
"""Lua's `unpack` takes about 8,000 arguments."""


class AddressHeld(LeaseLost):
    """Another contact with the same address is being written at this moment."""


class Ledger:
    """One connection's ledger."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._connection = connection
        self._keys = [connection_key(connection, name) for name in LEDGER_KEYS]
        self._script = scripts.load(redis, "ledger")

    def key(self, name: str) -> str:
        return connection_key(self._connection, name)

    @property
    def lease_keys(self) -> tuple[str, str]:
        """Where the bucket checks and renews leases: expiries and fencing tokens."""
        return self.key("leased"), self.key("tokens")

    def _call(self, *args: str | bytes | int) -> Any:
        return self._script(keys=self._keys, args=list(args))

    def mark(self, lane: Lane, ids: Iterable[str]) -> None:
        """These changed: let them wait in `lane`, or come back after their lease."""
        batch = list(ids)
        for start in range(0, len(batch), IDS_PER_CALL):
            self._call("mark", lane, *batch[start : start + IDS_PER_CALL])

    def start(self, run_id: str, kind: str, cursor: Mapping[str, Any]) -> str:
        """Start a run; the id of the one already under way when there is one."""
        return cast("bytes", self._call("start", run_id, kind, _dump(cursor))).decode()

    def claim_page(self, seconds: float, owner: str = "") -> Page | None:
        """Take the right to fetch the next page; None when nothing is to be fetched.

        `owner` is the boot of the worker, as in `open`.
        """
        claimed = self._call("claim", _ms(seconds), owner)
        if not claimed:
            return None
        run_id, number, cursor = claimed
        return Page(run_id.decode(), int(number), json.loads(cursor))

    def wanted_page(self) -> dict[str, Any] | None:
        """The cursor of a page that nobody fetches at the moment."""
        cursor = self._call("wanted")
        return cast("dict[str, Any]", json.loads(cursor)) if cursor else None

    def release_page(self, page: Page, wait_seconds: float) -> None:
        """The page could not be had; anybody may try again after the wait."""
        self._call("unclaim", page.run_id, _ms(wait_seconds))

    def commit_page(
        self,
        page: Page,
        cursor: Mapping[str, Any] | None,
        ids: Iterable[str],
        rows: Iterable[Contact] = (),
        *,
        lane: Lane = Lane.BULK,
    ) -> bool:
        """Commit ids, rows and the next cursor in one step; None ends the listing.

        Returns:
            False when the page had been committed before; nothing was changed.
        """
        found = list(ids)
        packed = [part for row in rows for part in (row.id, pack_row(row))]
        done = self._call(
            "commit",
            page.run_id,
            page.number,
            _dump(cursor) if cursor is not None else "",
            ROW_SECONDS * 1000,
            lane,
            len(found),
            *found,
            *packed,
        )
        return bool(done)

    def control(self, action: Literal["pause", "resume", "cancel"]) -> str:
        """Steer the run under way; its state afterwards, "" when there is none."""
        return cast("bytes", self._call("control", action)).decode()

    def lease(self, count: int, *, max_out: int) -> list[Lease]:
        """Lease up to `count` due contacts, the most urgent lane first.

        Args:
            max_out: bulk contacts go out while fewer than this are; urgent ones while
                fewer than twice as many are.
        """
        return self._leases(self._call("lease", count, max_out, _ms(LEASE_SECONDS)))

    def take(self, ghl_id: str, lane: Lane) -> Lease | None:
        """Lease this contact, due or not; None while somebody else holds it."""
        taken = self._leases(self._call("take", ghl_id, lane, _ms(LEASE_SECONDS)))
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
        opened = self._call("open", ghl_id, token, _ms(LEASE_SECONDS), owner)
        if not opened:
            raise LeaseLost(ghl_id)
        if opened == [b"paused"]:
            raise ConnectionPaused(ghl_id)
        lane, row, snapshot, seen, unsettled, attempts = opened
        lease = Lease(self._connection, ghl_id, token, Lane(lane.decode()))
        return Opened(lease, row, snapshot, seen, bool(unsettled), int(attempts))

    def begin(self, lease: Lease, addresses: Iterable[bytes]) -> None:
        """Mark as being written, before the first vendor write.

        Raises:
            AddressHeld: another contact with one of the addresses is being written.
            LeaseLost: the lease is void.
        """
        answer = self._call("begin", lease.ghl_id, lease.token, b"".join(addresses))
        if answer == b"held":
            raise AddressHeld(lease.ghl_id)
        if answer != b"ok":
            raise LeaseLost(lease.ghl_id)

    def settle(
        self,
        lease: Lease,
        outcome: str,
        snapshot: Snapshot | None,
        *,
        old_address: bytes = b"",
        answered: Iterable[str] = (),
        wake: Iterable[str] = (),
    ) -> bool:
        """Save the snapshot and end the lease in one step; False if it was void.

        Args:
            answered: vendors that are known to work by this contact.
        """
        settled = self._call(
            "settle",
            lease.ghl_id,
            lease.token,
            outcome,
            pack_snapshot(snapshot) if snapshot else b"",
            old_address,
            snapshot.address if snapshot else b"",
            " ".join(answered),
            *wake,
        )
        return bool(settled)

    def skip(self, lease: Lease, outcome: str, *, answered: Iterable[str] = ()) -> None:
        """End the lease and leave everything that is remembered as it was."""
        self._call("skip", lease.ghl_id, lease.token, outcome, " ".join(answered))

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
        self._call("give_back", lease.ghl_id, lease.token, _ms(wait_seconds), *flags)

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

    def run(self) -> Run | None:
        """The current or last run; None before the first."""
        fields = self._redis.hgetall(self.key("run"))
        return run_of_hash(cast("dict[bytes, bytes]", fields)) if fields else None

    def finished_runs(self) -> list[Run]:
        """The last 50 finished or cancelled runs, newest first."""
        entries = cast("list[bytes]", self._redis.lrange(self.key("runs"), 0, -1))
        return [run_of_entry(entry) for entry in entries]

    def backlog(self) -> Backlog:
        pipe = self._redis.pipeline(transaction=False)
        for name in ("todo:bulk", "todo:live", "todo:consent", "leased"):
            pipe.zcard(self.key(name))
        pipe.hlen(self.key("dead"))
        pipe.hlen(self.key("snapshots"))
        return Backlog(*pipe.execute())

    def unseen(self, contacts: Sequence[Contact]) -> list[str]:
        """Those that were updated since their snapshot, or have none."""
        if not contacts:
            return []
        ids = [contact.id for contact in contacts]
        stored = cast("list[bytes]", self._redis.hmget(self.key("snapshots"), ids))
        return [
            contact.id
            for contact, packed in zip(contacts, stored, strict=True)
            if not packed or updated_ms(packed) < (contact.date_updated_ms or 0)
        ]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _dump(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
