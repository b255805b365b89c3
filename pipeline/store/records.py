"""What the ledger tells: leases opened, pages, runs, backlogs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pipeline.permit import Lease
from pipeline.store.setup import SetupRecord

RESTING = "resting"
"""State of a nightly run outside its hours."""
ACTIVE_STATES = frozenset({"listing", "draining", "paused", RESTING})


class Settled(IntEnum):
    """What became of a settlement."""

    VOID = 0
    """The lease was somebody else's by then; nothing was changed."""
    DONE = 1
    SENDS = 2
    """Done, and something is ready to be sent where nothing was before."""


@dataclass(frozen=True)
class Opened:
    """What the ledger knows of a leased contact; bytes as stored, empty for none.

    Args:
        touched: letters of the kinds of activities that somebody pointed at, and a
            number that tells this pointing from later ones.
        swept_tasks, swept_meetings: rows that a sweep found different; empty where
            they are as they were carried, `-` where there was no sweep.
        setup: None before the first setup. Read with the lease, for each piece of work
            anew: under the key of a state that was lost meanwhile nobody's opt-out
            would be found.
        rules: what rules remember of the contact.
    """

    lease: Lease
    row: bytes
    snapshot: bytes
    seen: bytes
    unsettled: bool
    attempts: int
    touched: bytes = b""
    swept_tasks: bytes = b"-"
    swept_meetings: bytes = b"-"
    setup: SetupRecord | None = None
    rules: bytes = b""


@dataclass(frozen=True)
class Page:
    """The right to fetch one page of a run's listing."""

    run_id: str
    number: int
    cursor: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One resync: counts are of contacts, times milliseconds since 1970 UTC.

    Args:
        nightly: nobody ordered it, so it goes on in its hours only.
    """

    id: str
    kind: str
    state: str
    discovered: int
    settled: int
    dead: int
    started_ms: int
    finished_ms: int
    outcomes: Mapping[str, int]
    cursor: str = ""
    nightly: bool = False

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES

    @property
    def is_finished(self) -> bool:
        """Ended with everybody looked at; else it is active, or was cancelled."""
        return self.state == "finished"


@dataclass(frozen=True)
class Backlog:
    """How much waits where.

    Args:
        rests: nothing goes out at the moment: paused, or a vendor's limit was hit.
        bulk_rests: no bulk work does, because of the run or of the day.
        consent_only: an operator paused the connection.
    """

    bulk: int
    live: int
    consent: int
    leased: int
    dead: int
    contacts: int
    rests: bool = False
    bulk_rests: bool = False
    consent_only: bool = False

    @property
    def waiting(self) -> int:
        return self.bulk + self.live + self.consent

    @property
    def wants_slots(self) -> bool:
        """Whether something waits that may go out."""
        if self.rests or self.consent_only:
            return not self.rests and bool(self.consent)
        urgent = self.live + self.consent
        return bool(urgent or (self.bulk and not self.bulk_rests))


def run_of_hash(fields: Mapping[bytes, bytes]) -> Run:
    """The run as its hash holds it."""
    return _run({key.decode(): value.decode() for key, value in fields.items()})


def run_of_entry(entry: bytes) -> Run:
    """The run as the list of finished runs holds it: names and values in turn."""
    flat: list[str] = json.loads(entry)
    return _run(dict(zip(flat[::2], flat[1::2], strict=True)))


def _run(text: Mapping[str, str]) -> Run:
    prefix = "outcome:"
    return Run(
        id=text["id"],
        kind=text["kind"],
        state=text["state"],
        discovered=int(text["discovered"]),
        settled=int(text["settled"]),
        dead=int(text["dead"]),
        started_ms=int(text["started_ms"]),
        finished_ms=int(text.get("finished_ms", 0)),
        outcomes={
            key.removeprefix(prefix): int(value)
            for key, value in text.items()
            if key.startswith(prefix)
        },
        cursor=text.get("cursor", ""),
        nightly="nightly" in text,
    )
