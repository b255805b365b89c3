"""The ledger against a model of it, over random histories of workers and their ends.

Every script may come twice (redis-py repeats what was not answered), and a worker may
die after any of them: its leases are never heard of again, until they expire or the
next tick misses its owner.
"""

import os
from collections import Counter
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

from pipeline.config import Rate
from pipeline.errors import ConnectionPaused, LeaseLost
from pipeline.permit import Lane, Lease, Permit
from pipeline.store.bucket import Bucket
from pipeline.store.dead_letters import worker_lost
from pipeline.store.health import Health
from pipeline.store.ledger import AddressHeld, Ledger
from pipeline.store.records import Page
from pipeline.store.snapshots import updated_ms
from pipeline.sync.contact import Contact
from tests.driver import make_due, waiting
from tests.leases import ADDRESS, LETTER, OTHER_ADDRESS, snapshot
from tests.ledger_model import IDS, MAX_EXPIRIES, URGENCY, Held, LedgerModel
from tests.troubles import DEAD_TOKEN

EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", "60"))
"""Histories of up to 40 steps each."""
BOOTS = ("boot1", "boot2")
ids = st.sampled_from(IDS)
some_ids = st.lists(ids, max_size=4)
lanes = st.sampled_from(list(Lane))
owners = st.sampled_from([*BOOTS, ""])
addresses = st.sampled_from([ADDRESS, OTHER_ADDRESS])
vendors = st.sampled_from(["ghl", "mailjet"])
answers = st.sets(vendors)
letters = st.text("tnai", min_size=1, max_size=3)
crossings = st.dictionaries(st.sampled_from("ta"), st.none() | st.booleans())
"""Of the kinds that were looked at: never, or whether the moment has come already."""
PAST_MS, FUTURE_MS = 1, 2**50


class ReplayableLedger(Ledger):
    """Remembers its last script, so that it can be sent again as redis-py may."""

    last: tuple[Any, ...] = ()

    def _call(self, *args: Any) -> Any:
        self.last = args
        return super()._call(*args)

    def expire(self, letter: str, alive: Any) -> int:
        return int(self._call("expire", MAX_EXPIRIES, letter, *alive))

    def replay_last(self) -> list[Lease]:
        """Leases that go to nobody, because the first answer counted."""
        answer = super()._call(*self.last)
        return self._leases(answer) if self.last[0] == "lease" else []


class LedgerMachine(RuleBasedStateMachine):
    """Six contacts, any number of workers, one run after the other."""

    redis: Redis

    def __init__(self) -> None:
        super().__init__()
        if keys := list(self.redis.scan_iter("gm:default:*", count=1000)):
            self.redis.delete(*keys)
        self.ledger = ReplayableLedger(self.redis, "default")
        self.health = Health(self.redis, "default")
        self.bucket = Bucket(
            self.redis,
            "gm:bucket:laws",
            Rate(1_000_000, 1.0),
            lease_keys=self.ledger.lease_keys,
        )
        self.model = LedgerModel()
        self.pages: list[Page] = []

    # Finding

    @rule(lane=lanes, ghl_ids=st.lists(ids, min_size=1, max_size=3))
    def something_changes(self, lane: Lane, ghl_ids: list[str]) -> None:
        self.ledger.mark(lane, ghl_ids)
        self.model.mark(lane, ghl_ids)

    @rule(kinds=letters, lane=st.none() | lanes, ghl_ids=some_ids)
    def somebody_points_at_activities(
        self, kinds: str, lane: Lane | None, ghl_ids: list[str]
    ) -> None:
        self.ledger.point_at(ghl_ids, kinds, lane)
        self.model.point_at(kinds, lane, ghl_ids)

    @rule()
    def what_fell_due_is_looked_for(self) -> None:
        assert self.ledger.cross() == self.model.cross()

    @rule(differing=st.sets(ids))
    def a_sweep_of_tasks_ends(self, differing: set[str]) -> None:
        self._later()
        key = self.ledger.key("swept:tasks")
        self.redis.delete(key)
        self.redis.hset(key, mapping={"complete": "", **dict.fromkeys(differing, "x")})
        self.model.swept = differing

    @initialize()
    def a_first_run_starts(self) -> None:
        self.a_run_is_asked_for(nightly=False)

    @rule(nightly=st.booleans())
    def a_run_is_asked_for(self, nightly: bool) -> None:
        asked = f"run{self.model.run.number + 1}"
        self.model.start(nightly=nightly)
        started = self.ledger.start(asked, "full", {"page": 0}, nightly=nightly)
        assert started == self.model.run.id

    @rule(owner=owners)
    def a_page_is_claimed(self, owner: str) -> None:
        run = self.model.run
        page = self.ledger.claim_page(60, owner)
        is_wanted = run.state == "listing" and not self.model.is_paused
        assert (page is not None) == (is_wanted and run.claimed_by is None)
        if page is not None:
            assert (page.run_id, page.number) == (run.id, run.page)
            run.claimed_by = owner
            self.pages.append(page)

    @precondition(lambda self: self.pages)
    @rule(data=st.data(), found=some_ids, ends=st.booleans())
    def a_page_is_committed(
        self, data: st.DataObject, found: list[str], ends: bool
    ) -> None:
        page = data.draw(st.sampled_from(self.pages))
        rows = [Contact(ghl_id) for ghl_id in found[:2]]
        cursor = None if ends else {"page": page.number + 1}
        run = self.model.run
        is_new = run.takes_pages and (page.run_id, page.number) == (run.id, run.page)
        assert self.ledger.commit_page(page, cursor, found, rows) == is_new
        if is_new:
            self.model.commit(found, found[:2], ends=ends)

    @precondition(lambda self: self.pages)
    @rule(data=st.data())
    def a_page_could_not_be_had(self, data: st.DataObject) -> None:
        page = data.draw(st.sampled_from(self.pages))
        self.ledger.release_page(page, 60)
        if page.run_id == self.model.run.id:
            # Nobody's: the wait outlives every worker.
            self.model.run.claimed_by = ""

    @rule()
    def a_claim_runs_out(self) -> None:
        if self.model.run.claimed_by is not None:
            self._later()
            self.redis.hset(self.ledger.key("run"), "claimed_until", 1)
            self.model.run.claimed_by = None

    # Steering

    @rule()
    def the_run_is_paused(self) -> None:
        if self.model.run.state in {"listing", "draining", "resting"}:
            self.model.pause_run()
        assert self.ledger.control("pause") == self.model.run.state

    @precondition(lambda self: self.model.run.is_set_aside)
    @rule()
    def the_run_is_resumed(self) -> None:
        self.model.resume_run()
        assert self.ledger.control("resume") == self.model.run.state

    @rule(within=st.booleans())
    def an_hour_strikes(self, within: bool) -> None:
        self.model.keep_hours(within=within)
        assert self.ledger.keep_hours(within=within) == self.model.run.state

    @precondition(lambda self: self.model.run.is_active)
    @rule()
    def the_run_is_cancelled(self) -> None:
        self.ledger.control("cancel")
        for ghl_id in self.model.run.open:
            if self.model.waiting.get(ghl_id) is Lane.BULK:
                # An operator's will: what only the run wanted is not synced.
                self.model.versions[ghl_id] = self.model.synced.get(ghl_id, 0)
        self.model.cancel_run()

    @rule()
    def the_connection_is_paused_or_resumed(self) -> None:
        self._later()
        if self.model.is_paused:
            self.health.resume()
            self.model.resume()
        else:
            self.health.pause(DEAD_TOKEN)
            self.model.pause()

    @rule()
    def time_passes(self) -> None:
        self._later()
        make_due(self.ledger, self.redis)
        self.model.later = set()

    # Leasing

    @rule(count=st.integers(1, 4), max_out=st.integers(1, 4))
    def some_are_leased(self, count: int, max_out: int) -> None:
        expected = self.model.expected(count, max_out)
        leases = self.ledger.lease(count, max_out=max_out)
        assert Counter(lease.lane for lease in leases) == +Counter(expected)
        assert leases == sorted(leases, key=lambda lease: URGENCY.index(lease.lane))
        for lease in leases:
            assert lease.ghl_id in self.model.due(lease.lane)
        for lease in leases:
            self.model.grant(lease)

    @rule(ghl_id=ids, lane=lanes)
    def one_is_taken(self, ghl_id: str, lane: Lane) -> None:
        lease = self.ledger.take(ghl_id, lane)
        assert (lease is None) == (ghl_id in self.model.leased)
        if lease is not None:
            self.model.grant(lease)

    def _draw(self, data: st.DataObject) -> Held:
        return self.model.leased[data.draw(st.sampled_from(sorted(self.model.leased)))]

    @precondition(lambda self: self.model.leased)
    @rule(data=st.data(), owner=owners)
    def one_is_opened(self, data: st.DataObject, owner: str) -> None:
        lease = self._draw(data).lease
        ghl_id = lease.ghl_id
        if self.model.is_paused:
            with pytest.raises(ConnectionPaused):
                self.ledger.open(ghl_id, lease.token, owner)
            self.model.open_while_paused(ghl_id)
            return
        opened = self.ledger.open(ghl_id, lease.token, owner)
        assert opened.lease == lease
        assert opened.unsettled == (ghl_id in self.model.writing)
        assert opened.attempts == self.model.attempts.get(ghl_id, 0)
        assert bool(opened.row) == (ghl_id in self.model.rows)
        assert bool(opened.snapshot) == (ghl_id in self.model.synced)
        touched = set(opened.touched.decode().rstrip("0123456789"))
        assert touched == self.model.touched.get(ghl_id, set())
        swept = self.model.swept
        told = b"-" if swept is None else b"x" if ghl_id in swept else b""
        assert (opened.swept_tasks, opened.swept_meetings) == (told, b"-")
        self.model.open(ghl_id, owner, opened.touched)

    @precondition(lambda self: self.model.leased)
    @rule(data=st.data())
    def a_call_renews_a_lease(self, data: st.DataObject) -> None:
        held = self._draw(data)
        next(self.bucket.pauses(Permit(Lane.BULK, held.lease)), None)
        held.has_run_out = False

    @precondition(lambda self: self.model.leased)
    @rule(data=st.data(), wanted=st.sets(addresses, min_size=1))
    def writing_begins(self, data: st.DataObject, wanted: set[bytes]) -> None:
        lease = self._draw(data).lease
        # Whoever begins twice begins with the same addresses.
        wanted = self.model.holding(lease.ghl_id) or wanted
        taken = {
            a for a in wanted if self.model.held.get(a, lease.ghl_id) != lease.ghl_id
        }
        try:
            self.ledger.begin(lease, sorted(wanted))
        except AddressHeld:
            assert taken
        else:
            assert not taken, "two contacts write one address"
            self.model.begin(lease.ghl_id, wanted)

    # Ends

    @precondition(lambda self: self.model.leased)
    @rule(
        data=st.data(),
        address=addresses | st.just(b""),
        wake=some_ids,
        answered=answers,
        looked=st.booleans(),
        due=crossings,
    )
    def one_is_settled(
        self,
        data: st.DataObject,
        address: bytes,
        wake: list[str],
        answered: set[str],
        looked: bool,
        due: dict[str, bool | None],
    ) -> None:
        held = self._draw(data)
        ghl_id = held.lease.ghl_id
        assert self.ledger.settle(
            held.lease,
            "updated",
            snapshot(address, updated_ms=held.version),
            old_address=self.model.addresses.get(ghl_id, b""),
            wake=wake,
            answered=answered,
            touched=held.touched if looked else b"",
            crossings={
                kind: 0 if has_come is None else PAST_MS if has_come else FUTURE_MS
                for kind, has_come in due.items()
            },
        )
        self.model.settle(ghl_id, address, wake, answered, looked=looked, crossings=due)

    @precondition(lambda self: self.model.leased)
    @rule(data=st.data(), answered=answers)
    def one_is_skipped(self, data: st.DataObject, answered: set[str]) -> None:
        held = self._draw(data)
        self.ledger.skip(held.lease, "not written", answered=answered)
        # Its change is known, and the operator does not want it written.
        behind = held.version - self.model.synced.get(held.lease.ghl_id, 0)
        self.model.versions[held.lease.ghl_id] -= behind
        self.model.skip(held.lease.ghl_id, answered)

    @precondition(lambda self: self.model.leased)
    @rule(
        data=st.data(),
        counted=st.booleans(),
        suspect=vendors | st.just(""),
        untouched=st.booleans(),
    )
    def one_is_given_back(
        self, data: st.DataObject, counted: bool, suspect: str, untouched: bool
    ) -> None:
        lease = self._draw(data).lease
        flags: Any = {"counted": counted, "suspect": suspect, "untouched": untouched}
        self.ledger.give_back(lease, 60, **flags)
        self.model.give_back(lease.ghl_id, **flags)

    @precondition(lambda self: self.model.leased)
    @rule(data=st.data())
    def one_is_buried(self, data: st.DataObject) -> None:
        lease = self._draw(data).lease
        self.ledger.bury(lease, LETTER, "Rejected")
        self.model.bury(lease.ghl_id)

    @precondition(lambda self: self.model.leased)
    @rule(data=st.data())
    def a_lease_runs_out(self, data: st.DataObject) -> None:
        held = self._draw(data)
        self._later()
        self.redis.zadd(self.ledger.key("leased"), {held.lease.ghl_id: 1})
        held.has_run_out = True

    @rule(alive=st.sets(st.sampled_from(BOOTS)))
    def beat_ticks_while_these_workers_live(self, alive: set[str]) -> None:
        lost = len(self.model.lost(alive))
        assert self.ledger.expire(worker_lost(1), sorted(alive)) == lost
        self.model.expire(alive)

    @precondition(lambda self: self.model.void)
    @rule(data=st.data())
    def a_void_lease_is_used(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.model.void))
        with pytest.raises(LeaseLost):
            self.ledger.open(lease.ghl_id, lease.token, "boot1")
        with pytest.raises(LeaseLost):
            next(self.bucket.pauses(Permit(Lane.BULK, lease)), None)
        with pytest.raises(LeaseLost):
            self.ledger.begin(lease, [ADDRESS])
        assert not self.ledger.settle(lease, "updated", snapshot(), wake=["ana"])
        self.ledger.skip(lease, "not written")
        self.ledger.give_back(lease, 0, counted=True, suspect="ghl", untouched=True)
        self.ledger.bury(lease, LETTER, "Rejected")

    @rule(ghl_id=ids)
    def a_dead_letter_is_replayed(self, ghl_id: str) -> None:
        assert self.ledger.replay([ghl_id]) == (ghl_id in self.model.dead)
        if ghl_id in self.model.dead:
            self.model.replay(ghl_id)

    def _later(self) -> None:
        """What is repeated is repeated at once."""
        self.ledger.last = ()

    @precondition(lambda self: self.ledger.last)
    @rule()
    def the_last_script_runs_again(self) -> None:
        for lease in self.ledger.replay_last():
            self.model.grant(lease)

    # Laws

    @invariant()
    def the_ledger_agrees_with_the_model(self) -> None:
        model = self.model
        for lane in Lane:
            assert waiting(self.ledger, self.redis, lane) == {
                ghl_id for ghl_id, waits_in in model.waiting.items() if waits_in is lane
            }
        leased = model.leased.items()
        assert self.redis.zcard(self.ledger.key("leased")) == len(leased)
        assert self._hash("tokens") == {i: str(h.lease.token) for i, h in leased}
        assert self._hash("lanes") == {i: h.lease.lane for i, h in leased}
        assert self._hash("owners") == {i: h.owner for i, h in leased if h.owner}
        assert self._hash("again") == {i: h.again for i, h in leased if h.again}
        assert self._hash("held") == {a.decode(): i for a, i in model.held.items()}

    @invariant()
    def what_is_remembered_of_contacts_agrees(self) -> None:
        model = self.model
        assert self._hash("dead").keys() == model.dead
        assert self._hash("writing").keys() == model.writing
        for name in ("attempts", "expiries", "suspects"):
            stored = {i: int(count) for i, count in self._hash(name).items()}
            assert stored == getattr(model, name), name
        packed = self.redis.hgetall(self.ledger.key("snapshots"))
        versions = {i.decode(): updated_ms(p) for i, p in packed.items()}
        assert versions == model.synced, "a stale worker hid a newer write"
        touched = {
            i: set(n.rstrip("0123456789")) for i, n in self._hash("touched").items()
        }
        assert touched == model.touched, "nobody would look at what was pointed at"
        due = self.redis.zrange(self.ledger.key("crossings"), 0, -1, withscores=True)
        assert {(m.decode()[0], m.decode()[1:]): at <= PAST_MS for m, at in due} == (
            model.crossings
        )
        rows = self.redis.keys(self.ledger.key("row:*"))
        assert {row.decode().rpartition(":")[2] for row in rows} == model.rows
        known: dict[str, set[str]] = {}
        for ghl_id, address in model.addresses.items():
            if address:
                known.setdefault(address.decode(), set()).add(ghl_id)
        stored_ids = self._hash("addresses").items()
        assert {a: set(i.split(",")) for a, i in stored_ids} == known

    @invariant()
    def nothing_of_a_run_is_lost(self) -> None:
        run, model = self.ledger.run(), self.model.run
        if run is None:
            return
        assert (run.id, run.state) == (model.id, model.state)
        counts = (run.discovered, run.settled, run.dead)
        assert counts == (len(model.found), model.settled, model.dead)
        assert sum(run.outcomes.values()) == run.settled + run.dead
        unended = self.model.waiting.keys() | self.model.leased.keys()
        assert model.open <= unended
        if run.state != "cancelled":
            assert run.discovered == len(model.open) + run.settled + run.dead
        ended = [(each.id, each.state) for each in self.ledger.finished_runs()]
        assert ended == self.model.ended, "a run ends exactly once"

    def teardown(self) -> None:
        """Whatever changed is synced after its change, once workers live again."""
        model = self.model
        self.health.resume()
        self.ledger.control("resume")
        for held in model.leased.values():
            self.redis.zadd(self.ledger.key("leased"), {held.lease.ghl_id: 1})
        self.ledger.expire(worker_lost(1), ())
        self.ledger.replay(IDS)
        make_due(self.ledger, self.redis)
        back = set()
        while leases := self.ledger.lease(100, max_out=100):
            for lease in leases:
                assert self.ledger.settle(lease, "updated", snapshot())
                back.add(lease.ghl_id)
        behind = {i for i in IDS if model.versions[i] > model.synced.get(i, 0)}
        assert behind <= back, "a change is never synced"
        assert self.ledger.backlog().waiting == 0

    def _hash(self, name: str) -> dict[str, str]:
        stored = self.redis.hgetall(self.ledger.key(name))
        return {
            key.decode(): value.decode(errors="replace")
            for key, value in stored.items()
        }


@pytest.mark.timeout(3600 if EXAMPLES > 60 else 120)
def test_no_history_loses_a_contact_or_gives_it_to_two_workers(redis):
    LedgerMachine.redis = redis

    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
