"""The runs of one connection's ledger: their start, their pages, their end."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

from redis import Redis

from pipeline.permit import Lane
from pipeline.store import scripts
from pipeline.store.records import Page, Run, run_of_entry, run_of_hash
from pipeline.store.snapshots import pack_row, updated_ms
from pipeline.store.state import connection_key, connection_prefix
from pipeline.sync.contact import Contact

ROW_SECONDS = 600
IDS_PER_CALL = 1000
"""Lua's `unpack` takes about 8,000 arguments."""
SCRIPTS = (
    "ledger",
    "ledger_runs",
    "ledger_evidence",
    "ledger_leases",
    "ledger_orders",
    "ledger_sending",
    "ledger_ends",
)


class RunLedger:
    """What a ledger knows of runs, and how its scripts are called."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._connection = connection
        # To send thirty names would cost more than most scripts.
        self._prefix = [connection_prefix(connection)]
        self._script = scripts.load(redis, *SCRIPTS)

    def key(self, name: str) -> str:
        return connection_key(self._connection, name)

    @property
    def lease_keys(self) -> tuple[str, str]:
        """Where the bucket checks and renews leases: expiries and fencing tokens."""
        return self.key("leased"), self.key("tokens")

    def _call(self, *args: str | bytes | int) -> Any:
        return self._script(self._prefix, args)

    def start(
        self,
        run_id: str,
        kind: str,
        cursor: Mapping[str, Any],
        *,
        nightly: bool = False,
    ) -> str:
        """Start a run; the id of the one already under way when there is one.

        Args:
            nightly: nobody ordered it, so it keeps hours; see `keep_hours`. One that is
                under way keeps none any more once somebody orders it.
        """
        by_night = "1" if nightly else ""
        started = self._call("start", run_id, kind, _dump(cursor), by_night)
        return cast("bytes", started).decode()

    def claim_page(self, seconds: float, owner: str = "") -> Page | None:
        """Take the right to fetch the next page; None when nothing is to be fetched.

        `owner` is the boot of the worker, as in `open`.
        """
        claimed = self._call("claim", in_ms(seconds), owner)
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
        self._call("unclaim", page.run_id, in_ms(wait_seconds))

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

    def control(self, action: Literal["pause", "resume", "cancel"]) -> str:
        """Steer the run under way; its state afterwards, "" when there is none.

        Resuming lets one that rests go on at once, at any hour from then on.
        """
        return cast("bytes", self._call("control", action)).decode()

    def keep_hours(self, *, within: bool) -> str:
        """Let a nightly run rest outside its hours, and go on within them.

        While it rests it lists nothing and no bulk work goes out. An operator's pause
        stays as it is.

        Returns:
            The state of the run afterwards, "" when there is none.
        """
        return cast("bytes", self._call("keep_hours", int(within))).decode()

    def run(self) -> Run | None:
        """The current or last run; None before the first."""
        fields = self._redis.hgetall(self.key("run"))
        return run_of_hash(cast("dict[bytes, bytes]", fields)) if fields else None

    def finished_runs(self) -> list[Run]:
        """The last 50 finished or cancelled runs, newest first."""
        entries = cast("list[bytes]", self._redis.lrange(self.key("runs"), 0, -1))
        return [run_of_entry(entry) for entry in entries]

    def is_new(self) -> bool:
        """Whether no full run was ever finished."""
        return not any(
            run.kind == "full" and run.state == "finished"
            for run in self.finished_runs()
        )


def in_ms(seconds: float) -> int:
    return round(seconds * 1000)


def _dump(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
