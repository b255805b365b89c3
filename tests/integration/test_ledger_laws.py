"""The ledger against a model of it, over random histories of workers and their ends."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from pipeline.permit import Lane, Lease
from pipeline.store.dead_letters import worker_lost
from pipeline.store.health import Health
from pipeline.store.ledger import AddressHeld, Ledger
from tests.driver import expire_all, make_due, waiting
from tests.leases import ADDRESS, LETTER, OTHER_ADDRESS, snapshot

MAX_EXPIRIES = 3
ids = st.sampled_from(["ana", "bo", "cy", "di", "eve", "flo"])
lanes = st.sampled_from(list(Lane))
addresses = st.lists(st.sampled_from([ADDRESS, OTHER_ADDRESS]), min_size=1, unique=True)


class ReplayableLedger(Ledger):
    """Remembers its last script, so that it can be sent again as redis-py may."""

    last: tuple[Any, ...] | None = None

    def _call(self, *args: Any) -> Any:
        self.last = None if args[0] == "lease" else args
        return super()._call(*args)

    def expire(self, letter: str) -> int:
        return int(self._call("expire", MAX_EXPIRIES, letter))

    def replay_last(self) -> None:
        if self.last is not None:
            super()._call(*self.last)


class LedgerMachine(RuleBasedStateMachine):
    """Six contacts, any number of workers, one run after the other."""

    redis: Redis

    def __init__(self) -> None:
        super().__init__()
        if keys := list(self.redis.scan_iter("gm:default:*", count=1000)):
            self.redis.delete(*keys)
        self.ledger = ReplayableLedger(self.redis, "default")
        self.health = Health(self.redis, "default")
        self.waiting: dict[str, Lane] = {}
        self.leased: dict[str, Lease] = {}
        self.again: dict[str, Lane] = {}
        self.expiries: dict[str, int] = {}
        self.held: dict[bytes, str] = {}
        self.stale: list[Lease] = []
        self.dead: set[str] = set()
        self.healthy = True
        self.runs = 0
        self.state = self.resumes_to = ""
        self.found: set[str] = set()
        self.open: set[str] = set()
        self.ended = {"settled": 0, "dead": 0}
        self.changes = dict.fromkeys(["ana", "bo", "cy", "di", "eve", "flo"], 0)
        self.leased_at: dict[str, int] = {}
        self.synced: dict[str, int] = {}

    # The model

    def _wait(self, ghl_id: str, lane: Lane) -> None:
        self.changes[ghl_id] += 1
        if ghl_id in self.leased:
            self.again[ghl_id] = _higher(self.again.get(ghl_id, lane), lane)
        else:
            self.waiting[ghl_id] = _higher(self.waiting.get(ghl_id, lane), lane)

    def _granted(self, lease: Lease) -> None:
        assert lease.ghl_id not in self.leased, "two workers hold one contact"
        self.waiting.pop(lease.ghl_id, None)
        self.leased[lease.ghl_id] = lease
        self.leased_at[lease.ghl_id] = self.changes[lease.ghl_id]

    def _released(self, ghl_id: str, comes_back_in: Lane | None = None) -> None:
        self.stale.append(self.leased.pop(ghl_id))
        self.held = {a: holder for a, holder in self.held.items() if holder != ghl_id}
        again = self.again.pop(ghl_id, None)
        if again and comes_back_in:
            again = _higher(again, comes_back_in)
        if lane := again or comes_back_in:
            self.waiting[ghl_id] = lane

    def _closed(self, ghl_id: str, how: str) -> None:
        if ghl_id in self.open:
            self.open.remove(ghl_id)
            self.ended[how] += 1
            self._finish_if_done()

    def _finish_if_done(self) -> None:
        if self.state == "draining" and not self.open:
            self.state = "finished"

    # Finding

    @rule(lane=lanes, ghl_ids=st.lists(ids, min_size=1, max_size=3))
    def something_changes(self, lane: Lane, ghl_ids: list[str]) -> None:
        self.ledger.mark(lane, ghl_ids)
        for ghl_id in ghl_ids:
            self._wait(ghl_id, lane)

    @initialize()
    def a_first_run_starts(self) -> None:
        self.a_run_starts()

    @precondition(lambda self: self.state in {"finished", "cancelled"})
    @rule()
    def another_run_starts(self) -> None:
        self.a_run_starts()

    def a_run_starts(self) -> None:
        self.runs += 1
        self.ledger.start(f"run{self.runs}", "full", {"page": 0})
        self.state = "listing"
        self.found, self.open = set(), set()
        self.ended = {"settled": 0, "dead": 0}

    @precondition(lambda self: self.state == "listing")
    @rule(ghl_ids=st.lists(ids, max_size=4), ends=st.booleans())
    def a_page_is_committed(self, ghl_ids: list[str], ends: bool) -> None:
        page = self.ledger.claim_page(0)
        assert page is not None
        self.ledger.commit_page(page, None if ends else {"page": 1}, ghl_ids)
        for ghl_id in ghl_ids:
            if ghl_id not in self.found:
                self.found.add(ghl_id)
                self.open.add(ghl_id)
                self._wait(ghl_id, Lane.BULK)
        if ends:
            self.state = "draining"
            self._finish_if_done()

    @precondition(lambda self: self.state in {"listing", "draining"})
    @rule()
    def the_run_is_paused(self) -> None:
        self.ledger.control("pause")
        self.state, self.resumes_to = "paused", self.state

    @precondition(lambda self: self.state == "paused")
    @rule()
    def the_run_is_resumed(self) -> None:
        self.ledger.control("resume")
        self.state = self.resumes_to
        self._finish_if_done()

    @precondition(lambda self: self.state in {"listing", "draining", "paused"})
    @rule()
    def the_run_is_cancelled(self) -> None:
        self.ledger.control("cancel")
        self.state = "cancelled"
        for ghl_id in self.open:
            if self.waiting.get(ghl_id) is Lane.BULK:
                del self.waiting[ghl_id]
                self.synced[ghl_id] = self.changes[ghl_id]
        self.open = set()

    @rule()
    def the_connection_is_paused_or_resumed(self) -> None:
        if self.healthy:
            self.health.pause("dead token")
        else:
            self.health.resume()
        self.healthy = not self.healthy

    # Leasing

    @rule(count=st.integers(1, 4), max_out=st.integers(1, 4))
    def some_are_leased(self, count: int, max_out: int) -> None:
        make_due(self.ledger, self.redis)
        expected = min(count, 2 * max_out - len(self.leased), len(self.waiting))
        leases = self.ledger.lease(count, max_out=max_out)
        assert len(leases) <= max(0, expected)
        assert self.healthy or not leases, "a paused connection leases nothing"
        for lease in leases:
            assert self.waiting[lease.ghl_id] is lease.lane
            assert self.state != "paused" or lease.lane is not Lane.BULK
            self._granted(lease)

    @rule(ghl_id=ids, lane=lanes)
    def one_is_taken(self, ghl_id: str, lane: Lane) -> None:
        lease = self.ledger.take(ghl_id, lane)
        assert (lease is None) == (ghl_id in self.leased)
        if lease is not None:
            self._granted(lease)

    @precondition(lambda self: self.leased.keys() - set(self.held.values()))
    @rule(data=st.data(), wanted=addresses)
    def writing_begins(self, data: st.DataObject, wanted: list[bytes]) -> None:
        beginners = sorted(self.leased.keys() - set(self.held.values()))
        lease = self.leased[data.draw(st.sampled_from(beginners))]
        held = self.held.keys() & set(wanted)
        try:
            self.ledger.begin(lease, wanted)
        except AddressHeld:
            assert held
        else:
            assert not held, "two contacts write one address"
            self.held |= dict.fromkeys(wanted, lease.ghl_id)

    # Ends

    def _draw_lease(self, data: st.DataObject) -> Lease:
        return self.leased[data.draw(st.sampled_from(sorted(self.leased)))]

    @precondition(lambda self: self.leased)
    @rule(data=st.data(), wake=st.lists(ids, max_size=2))
    def one_is_settled(self, data: st.DataObject, wake: list[str]) -> None:
        lease = self._draw_lease(data)
        assert self.ledger.settle(lease, "updated", snapshot(), wake=wake)
        self._settled(lease)
        self.dead.discard(lease.ghl_id)
        for ghl_id in wake:
            self._wait(ghl_id, Lane.LIVE)

    @precondition(lambda self: self.leased)
    @rule(data=st.data())
    def one_is_skipped(self, data: st.DataObject) -> None:
        lease = self._draw_lease(data)
        self.ledger.skip(lease, "not written")
        expiries = self.expiries.get(lease.ghl_id, 0)
        self._settled(lease)
        self.expiries[lease.ghl_id] = expiries

    def _settled(self, lease: Lease) -> None:
        self.synced[lease.ghl_id] = self.leased_at[lease.ghl_id]
        self.expiries.pop(lease.ghl_id, None)
        self._closed(lease.ghl_id, "settled")
        self._released(lease.ghl_id)

    @precondition(lambda self: self.leased)
    @rule(data=st.data(), counted=st.booleans())
    def one_is_given_back(self, data: st.DataObject, counted: bool) -> None:
        lease = self._draw_lease(data)
        self.ledger.give_back(lease, 60, counted=counted)
        self._released(lease.ghl_id, lease.lane)

    @precondition(lambda self: self.leased)
    @rule(data=st.data())
    def one_is_buried(self, data: st.DataObject) -> None:
        lease = self._draw_lease(data)
        self.ledger.bury(lease, LETTER, "Rejected")
        self._buried(lease.ghl_id)

    def _buried(self, ghl_id: str) -> None:
        self.dead.add(ghl_id)
        self.expiries.pop(ghl_id, None)
        self._closed(ghl_id, "dead")
        self._released(ghl_id)

    @rule()
    def all_workers_are_lost(self) -> None:
        expire_all(self.ledger, self.redis)
        assert self.ledger.expire(worker_lost(1)) == len(self.leased)
        for ghl_id, lease in list(self.leased.items()):
            self.expiries[ghl_id] = self.expiries.get(ghl_id, 0) + 1
            if self.expiries[ghl_id] >= MAX_EXPIRIES:
                self._buried(ghl_id)
            else:
                self._released(ghl_id, lease.lane)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def a_void_lease_ends(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.stale))
        assert not self.ledger.settle(lease, "updated", snapshot(), wake=["ana"])
        self.ledger.skip(lease, "not written")
        self.ledger.give_back(lease, 0)
        self.ledger.bury(lease, LETTER, "Rejected")

    @rule(ghl_id=ids)
    def a_dead_letter_is_replayed(self, ghl_id: str) -> None:
        assert self.ledger.replay([ghl_id]) == (ghl_id in self.dead)
        if ghl_id in self.dead:
            self.dead.remove(ghl_id)
            self._wait(ghl_id, Lane.LIVE)

    @rule()
    def the_last_script_runs_again(self) -> None:
        self.ledger.replay_last()

    # Laws

    @invariant()
    def the_ledger_agrees_with_the_model(self) -> None:
        in_lanes = {lane: waiting(self.ledger, self.redis, lane) for lane in Lane}
        assert sum(map(len, in_lanes.values())) == len(self.waiting)
        for lane, found in in_lanes.items():
            assert found == {i for i, waits in self.waiting.items() if waits is lane}
        assert self._hash("tokens") == {
            ghl_id: str(lease.token) for ghl_id, lease in self.leased.items()
        }
        assert self._hash("again") == self.again
        assert self._hash("dead").keys() == self.dead
        assert self.redis.zcard(self.ledger.key("leased")) == len(self.leased)
        assert self.redis.hgetall(self.ledger.key("held")) == {
            address: holder.encode() for address, holder in self.held.items()
        }

    @invariant()
    def nothing_of_a_run_is_lost(self) -> None:
        run = self.ledger.run()
        if run is None:
            return
        assert (run.state, run.discovered) == (self.state, len(self.found))
        assert (run.settled, run.dead) == tuple(self.ended.values())
        assert sum(run.outcomes.values()) == run.settled + run.dead
        assert self.open <= self.waiting.keys() | self.leased.keys()
        if run.state != "cancelled":
            assert run.discovered == len(self.open) + run.settled + run.dead
        finished = [each.id for each in self.ledger.finished_runs()]
        assert len(finished) == len(set(finished)) == self.runs - run.is_active

    def teardown(self) -> None:
        """Whatever changed is synced after its change, once workers live again."""
        self.health.resume()
        self.ledger.control("resume")
        self.all_workers_are_lost()
        self.ledger.replay(list(self.dead))
        self.waiting |= dict.fromkeys(self.dead, Lane.LIVE)
        make_due(self.ledger, self.redis)
        leases = self.ledger.lease(100, max_out=100)
        assert {lease.ghl_id for lease in leases} == self.waiting.keys()
        for lease in leases:
            self.ledger.settle(lease, "updated", snapshot())
            self.synced[lease.ghl_id] = self.changes[lease.ghl_id]
        changed = {i: n for i, n in self.changes.items() if n or i in self.synced}
        assert changed == {i: self.synced.get(i) for i in changed}
        assert self.ledger.backlog().waiting == self.ledger.backlog().leased == 0

    def _hash(self, name: str) -> dict[str, str]:
        stored = self.redis.hgetall(self.ledger.key(name))
        return {key.decode(): value.decode() for key, value in stored.items()}


def _higher(one: Lane, other: Lane) -> Lane:
    return min(one, other, key=list(Lane).index)


@pytest.mark.timeout(120)
def test_no_history_loses_a_contact_or_gives_it_to_two_workers(redis):
    LedgerMachine.redis = redis

    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=50,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
