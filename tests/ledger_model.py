"""What the ledger of one connection has to hold, kept in plain Python.

Each method is one thing that happens; `tests/integration/test_ledger_laws.py` lets it
happen to the real ledger as well and compares.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.permit import Lane, Lease

IDS = ("ana", "bo", "cy", "di", "eve", "flo")
MAX_EXPIRIES = 3
URGENCY = list(Lane)
ROOM = {Lane.CONSENT: 3, Lane.LIVE: 2, Lane.BULK: 1}


def higher(one: Lane | None, other: Lane) -> Lane:
    return other if one is None else min(one, other, key=URGENCY.index)


@dataclass
class Held:
    """A lease that is held.

    Args:
        version: how often the contact had changed when it was leased.
        owner: boot of the worker that opened it, "" before.
        has_run_out: its time is over, and nobody has noticed.
        again: the lane of a change that came meanwhile.
        pointed: how often somebody had pointed at it when it was opened.
        touched: what the ledger called that.
    """

    lease: Lease
    version: int
    owner: str = ""
    has_run_out: bool = False
    again: Lane | None = None
    pointed: int = 0
    touched: bytes = b""


@dataclass
class RunModel:
    """The run under way, or the last; `open` are its contacts without an end."""

    number: int = 0
    state: str = ""
    resumes_to: str = ""
    nightly: bool = False
    page: int = 0
    claimed_by: str | None = None
    found: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    settled: int = 0
    dead: int = 0

    @property
    def id(self) -> str:
        return f"run{self.number}"

    @property
    def is_active(self) -> bool:
        return self.state in {"listing", "draining"} or self.is_set_aside

    @property
    def is_set_aside(self) -> bool:
        return self.state in {"paused", "resting"}

    @property
    def takes_pages(self) -> bool:
        return "listing" in (self.state, self.resumes_to)


class LedgerModel:
    """All contacts, leases and runs."""

    def __init__(self) -> None:
        self.waiting: dict[str, Lane] = {}
        self.later: set[str] = set()
        """Those of `waiting` that are not due."""
        self.leased: dict[str, Held] = {}
        self.void: list[Lease] = []
        self.dead: set[str] = set()
        self.attempts: dict[str, int] = {}
        self.suspects: dict[str, int] = {}
        """By `vendor:id`."""
        self.expiries: dict[str, int] = {}
        self.writing: set[str] = set()
        self.held: dict[bytes, str] = {}
        self.addresses: dict[str, bytes] = {}
        self.rows: set[str] = set()
        self.versions = dict.fromkeys(IDS, 0)
        """How often each contact has changed."""
        self.synced: dict[str, int] = {}
        """The version of each contact that is in its snapshot."""
        self.is_paused = self.is_careful = False
        self.touched: dict[str, set[str]] = {}
        """Letters of the kinds of activities to read."""
        self.pointed = dict.fromkeys(IDS, 0)
        """How often somebody pointed at something of each contact."""
        self.crossings: dict[tuple[str, str], bool] = {}
        """By kind and id, whether the moment has come."""
        self.swept: set[str] | None = None
        """Whose tasks the last sweep saw change; None without a sweep."""
        self.run = RunModel()
        self.ended: list[tuple[str, str]] = []
        """Id and end of each run, newest first."""

    # Finding

    def mark(self, lane: Lane, ids: Iterable[str]) -> None:
        for ghl_id in ids:
            self.versions[ghl_id] += 1
            self._wait(ghl_id, lane)

    def _wait(self, ghl_id: str, lane: Lane) -> None:
        if held := self.leased.get(ghl_id):
            held.again = higher(held.again, lane)
        elif higher(self.waiting.get(ghl_id), lane) is not self.waiting.get(ghl_id):
            self.waiting[ghl_id] = lane
            self.later.discard(ghl_id)

    def point_at(self, letters: str, lane: Lane | None, ids: Iterable[str]) -> None:
        for ghl_id in ids:
            self.pointed[ghl_id] += 1
            self.touched.setdefault(ghl_id, set()).update(letters)
            if lane:
                self.mark(lane, [ghl_id])

    def cross(self) -> int:
        due = [member for member, has_come in self.crossings.items() if has_come]
        for kind, ghl_id in due:
            del self.crossings[kind, ghl_id]
            lane = Lane.LIVE if self.run.state == "resting" else Lane.BULK
            self.point_at(kind, lane, [ghl_id])
        return len(due)

    def start(self, *, nightly: bool) -> None:
        """A new run, or an order for the one under way."""
        if not self.run.is_active:
            self.run = RunModel(self.run.number + 1, "listing", nightly=nightly)
        elif not nightly:
            self.run.nightly = False
            if self.run.state == "resting":
                self._go_on()

    def commit(self, ids: Iterable[str], rows: Iterable[str], *, ends: bool) -> None:
        run = self.run
        self.rows.update(rows)
        for ghl_id in ids:
            if ghl_id not in run.found:
                run.found.add(ghl_id)
                run.open.add(ghl_id)
                self.mark(Lane.BULK, [ghl_id])
        run.page += 1
        run.claimed_by = None
        if ends and run.is_set_aside:
            run.resumes_to = "draining"
        elif ends:
            run.state = "draining"
        self._finish_if_done()

    def pause_run(self) -> None:
        if self.run.state != "resting":
            self.run.resumes_to = self.run.state
        self.run.state = "paused"

    def resume_run(self) -> None:
        self.run.nightly = False
        self._go_on()

    def _go_on(self) -> None:
        self.run.state, self.run.resumes_to = self.run.resumes_to, ""
        self._finish_if_done()

    def keep_hours(self, *, within: bool) -> None:
        run = self.run
        if within and run.state == "resting":
            self._go_on()
        elif not within and run.nightly and run.is_active and not run.is_set_aside:
            run.state, run.resumes_to = "resting", run.state
            for ghl_id, lane in self.waiting.items():
                if lane is Lane.BULK and ghl_id not in run.open:
                    self.waiting[ghl_id] = Lane.LIVE

    def cancel_run(self) -> None:
        for ghl_id in self.run.open:
            if self.waiting.get(ghl_id) is Lane.BULK:
                del self.waiting[ghl_id]
                self.later.discard(ghl_id)
        self._end_run("cancelled")

    def _finish_if_done(self) -> None:
        run = self.run
        state = run.resumes_to if run.state == "resting" else run.state
        if state == "draining" and not run.open:
            self._end_run("finished")

    def _end_run(self, how: str) -> None:
        self.run.state, self.run.resumes_to, self.run.open = how, "", set()
        self.ended.insert(0, (self.run.id, how))

    # Leasing

    def due(self, lane: Lane) -> set[str]:
        if self.is_paused or (lane is Lane.BULK and self.run.is_set_aside):
            return set()
        due = {ghl_id for ghl_id, waits_in in self.waiting.items() if waits_in is lane}
        return due - self.later

    def expected(self, count: int, max_out: int) -> dict[Lane, int]:
        """How many of each lane go out."""
        if self.is_careful and self.leased:
            return {}
        if self.is_careful:
            for lane in URGENCY:
                if self.due(lane) - self.attempts.keys():
                    return {lane: 1}
        out, expected = len(self.leased), {}
        for lane in URGENCY:
            room = ROOM[lane] * max_out - out
            expected[lane] = max(0, min(count, room, len(self.due(lane))))
            out, count = out + expected[lane], count - expected[lane]
        return expected

    def grant(self, lease: Lease) -> None:
        assert lease.ghl_id not in self.leased, "two workers hold one contact"
        self.waiting.pop(lease.ghl_id, None)
        self.later.discard(lease.ghl_id)
        self.leased[lease.ghl_id] = Held(lease, self.versions[lease.ghl_id])

    def open(self, ghl_id: str, owner: str, touched: bytes) -> None:
        held = self.leased[ghl_id]
        held.pointed, held.touched = self.pointed[ghl_id], touched
        held.owner, held.has_run_out = owner or held.owner, False

    def open_while_paused(self, ghl_id: str) -> None:
        held = self._release(ghl_id)
        self.expiries.pop(ghl_id, None)
        self._wait(ghl_id, higher(held.again, held.lease.lane))

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused, self.is_careful, self.suspects = False, True, {}

    def _worked(self, vendors: Iterable[str]) -> None:
        self.is_careful = False
        for vendor in () if self.is_paused else vendors:
            self.suspects = {
                suspect: count
                for suspect, count in self.suspects.items()
                if not suspect.startswith(f"{vendor}:")
            }

    def holding(self, ghl_id: str) -> set[bytes]:
        """The addresses that a contact is writing."""
        return {address for address, holder in self.held.items() if holder == ghl_id}

    def begin(self, ghl_id: str, addresses: Iterable[bytes]) -> None:
        self.writing.add(ghl_id)
        self.held |= dict.fromkeys(addresses, ghl_id)

    # Ends

    def settle(
        self,
        ghl_id: str,
        address: bytes,
        wake: Iterable[str],
        answered: Iterable[str],
        *,
        looked: bool,
        crossings: Mapping[str, bool | None],
    ) -> None:
        held = self._release(ghl_id)
        if looked and held.touched and held.pointed == self.pointed[ghl_id]:
            self.touched.pop(ghl_id, None)
        self._settle_crossings(ghl_id, crossings)
        self.synced[ghl_id] = held.version
        self.addresses[ghl_id] = address
        for counts in (self.attempts, self.expiries):
            counts.pop(ghl_id, None)
        self._worked(answered)
        self.writing.discard(ghl_id)
        self.dead.discard(ghl_id)
        self._close(ghl_id, "settled")
        if held.again:
            self._wait(ghl_id, held.again)
        else:
            self.rows.discard(ghl_id)
        self.mark(Lane.LIVE, wake)

    def _settle_crossings(
        self, ghl_id: str, crossings: Mapping[str, bool | None]
    ) -> None:
        for kind, has_come in crossings.items():
            self.crossings.pop((kind, ghl_id), None)
            if has_come is not None:
                self.crossings[kind, ghl_id] = has_come
            if kind == "t" and self.swept:
                self.swept.discard(ghl_id)

    def skip(self, ghl_id: str, answered: Iterable[str]) -> None:
        held = self._release(ghl_id)
        self._worked(answered)
        self._close(ghl_id, "settled")
        if held.again:
            self._wait(ghl_id, held.again)

    def give_back(
        self, ghl_id: str, *, counted: bool, suspect: str, untouched: bool
    ) -> None:
        held = self._release(ghl_id)
        if counted:
            self.attempts[ghl_id] = self.attempts.get(ghl_id, 0) + 1
        if suspect:
            name = f"{suspect}:{ghl_id}"
            self.suspects[name] = self.suspects.get(name, 0) + 1
        if untouched:
            self.writing.discard(ghl_id)
        self.expiries.pop(ghl_id, None)
        self._wait(ghl_id, higher(held.again, held.lease.lane))
        if not held.again:
            self.later.add(ghl_id)

    def bury(self, ghl_id: str) -> None:
        held = self._release(ghl_id)
        self._bury(ghl_id)
        if held.again:
            self._wait(ghl_id, held.again)

    def _bury(self, ghl_id: str) -> None:
        self.dead.add(ghl_id)
        self.attempts.pop(ghl_id, None)
        self.expiries.pop(ghl_id, None)
        self._close(ghl_id, "dead")

    def lost(self, alive: Collection[str]) -> set[str]:
        """Whose lease ran out, or whose worker is none of these."""
        return {
            ghl_id
            for ghl_id, held in self.leased.items()
            if held.has_run_out or (held.owner and held.owner not in alive)
        }

    def expire(self, alive: Collection[str]) -> None:
        if self.run.claimed_by and self.run.claimed_by not in alive:
            self.run.claimed_by = None
        for ghl_id in self.lost(alive):
            held = self._release(ghl_id)
            self.expiries[ghl_id] = self.expiries.get(ghl_id, 0) + 1
            if self.expiries[ghl_id] < MAX_EXPIRIES:
                self._wait(ghl_id, higher(held.again, held.lease.lane))
                continue
            self._bury(ghl_id)
            if held.again:
                self._wait(ghl_id, held.again)

    def replay(self, ghl_id: str) -> None:
        self.dead.remove(ghl_id)
        self.mark(Lane.LIVE, [ghl_id])

    def _release(self, ghl_id: str) -> Held:
        held = self.leased.pop(ghl_id)
        self.void.append(held.lease)
        self.held = {a: holder for a, holder in self.held.items() if holder != ghl_id}
        return held

    def _close(self, ghl_id: str, how: str) -> None:
        if ghl_id in self.run.open:
            self.run.open.remove(ghl_id)
            setattr(self.run, how, getattr(self.run, how) + 1)
            self._finish_if_done()
