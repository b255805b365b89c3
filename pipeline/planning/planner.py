"""Plan every contact by syncing it, on pictures of both vendors."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from pipeline.bootstrap import Kit
from pipeline.errors import Reach, ScopeMissing, VendorError
from pipeline.planning import pointing
from pipeline.planning.changes import Describer
from pipeline.planning.digests import Digests
from pipeline.planning.groups import Groups
from pipeline.planning.mailing import held_back, writes_of
from pipeline.planning.memory import Overlay, PlanningMemory
from pipeline.planning.recording import (
    Probe,
    Recorder,
    WithoutNotes,
    WouldWrite,
    is_of_notes,
)
from pipeline.planning.survey import Survey, Tell, nothing_read, survey
from pipeline.planning.watched import WatchedGhl, WatchedMailjet
from pipeline.planning.writes import Kind, Plan, Turn
from pipeline.store.peek import Peeked
from pipeline.sync.around import INCOMING
from pipeline.sync.case import Outcome, Result
from pipeline.sync.history import NOTE_HISTORY, TASK_HISTORY
from pipeline.sync.reconcile import sync_contact
from pipeline.sync.rules import EVENT
from pipeline.wording import plural

ROUNDS = 4
"""A contact wakes another, or itself, and that one may wake more; it ends by itself, as
each is woken by a change."""
THREADS = 8
AHEAD = 64
"""Contacts whose notes are read at once: waiting for each would take the plan longer
than both vendors' limits ask for."""

Progress = Callable[[int, int], object]


def plan(
    kit: Kit,
    ids: Sequence[str] = (),
    *,
    tell: Tell = lambda what: None,
    progress: Progress = lambda done, total: None,
) -> Plan:
    """What a sync of these contacts, or of everybody, would do now.

    Nothing is written, to no vendor and not to our state.

    Args:
        tell: gets what is being read.
        progress: gets how many contacts are planned, of how many.

    Raises:
        ConfigError: the connection is not set up.
        VendorError: a vendor is down, or a credential is dead.
        BudgetSpent: the day's calls are spent.
    """
    record = kit.require_record()
    made_ms = round(time.time() * 1000)
    found = nothing_read(kit, record) if ids else survey(kit, record, tell)
    order = list(dict.fromkeys(ids)) or found.order
    policy = kit.policy(record)
    planner = Planner(kit, found, is_whole=not ids)
    turns = planner.turns(order, progress)
    told = Plan(
        connection=kit.connection.name,
        location_id=kit.connection.ghl_location_id,
        list_id=record.list_id,
        map_digest=policy.field_map.digest,
        made_ms=made_ms,
        is_whole=not ids,
        turns=turns,
        before=found.before,
        untold=(*found.untold, *_untold(turns)),
    )
    missing = {TASK_HISTORY, NOTE_HISTORY} - record.historic
    remarks = _remarks(told, missing, planner.unread_notes)
    return replace(told, remarks=(*found.remarks, *remarks))


def _untold(turns: Iterable[Turn]) -> Iterable[str]:
    """What failed, and what could not be read, each reason once."""
    turns = tuple(turns)
    for reason, number in Counter(t.problem for t in turns if t.problem).items():
        yield f"{plural(number, 'contact')} cannot be planned: {reason}"
    left = Counter(reason for turn in turns for reason in turn.left_alone)
    for reason, number in left.items():
        yield f"{plural(number, 'contact')}, left alone: {reason}"


def _remarks(told: Plan, missing: Iterable[str], unread_notes: int) -> Iterable[str]:
    of_turns = Counter(remark for turn in told.turns for remark in turn.remarks)
    for remark, number in of_turns.items():
        yield f"{plural(number, 'contact')}: {remark}"
    if unread_notes:
        yield (
            f"notes of {plural(unread_notes, 'contact')} were not read: nothing points "
            "at them, and a run reads them in their own turn"
        )
    if missing:
        names = ", ".join(sorted(missing))
        yield f"Mailjet has no historic property {names}: its history gets nothing"
    writes = [write for turn in told.turns for write in turn.writes]
    if number := sum(write.kind is Kind.NEW_CONTACT for write in writes):
        yield (
            f"{plural(number, 'contact')} made in GHL: what follows of them, such as "
            "ghl_contact_id in Mailjet, is left to the workers"
        )
    if number := sum(write.vendor == "ghl" for write in writes):
        yield (
            f"{plural(number, 'write to GHL needs', 'writes to GHL need')} the scope "
            "contacts.write, which no read can prove"
        )


class Planner:
    """Plans one contact after the other; each finds what those before it would do.

    `unread_notes` counts contacts whose notes were not read.
    """

    def __init__(self, kit: Kit, found: Survey, *, is_whole: bool) -> None:
        self._found = found
        self._is_whole = is_whole
        self._policy = kit.policy(kit.require_record())
        self._overlay = Overlay(kit, found.sets)
        self._digests = Digests(self._policy.fingerprint)
        custom = self._policy.field_map.custom.items()
        keys = {one.id: key for key, one in custom}
        self._describer = Describer(found.ghl, found.mailjet, keys)
        self._groups = Groups()
        self._woken: dict[str, None] = {}
        self._planned: set[str] = set()
        self.unread_notes = 0

    def turns(self, order: Sequence[str], progress: Progress) -> tuple[Turn, ...]:
        """All turns, in the order in which they are to be applied."""
        found = []
        with ThreadPoolExecutor(THREADS) as pool:
            for number, contact_id in enumerate(order):
                if number % AHEAD == 0:
                    list(pool.map(self._look_ahead, order[number : number + AHEAD]))
                found.append(self._turn(contact_id))
                progress(number + 1, len(order))
        for _ in range(ROUNDS):
            woken, self._woken = self._woken, {}
            again = [self._turn(contact_id) for contact_id in woken]
            # A turn that writes nothing would settle what is settled.
            found += [turn for turn in again if turn.writes]
        several = {
            id_ for id_, n in Counter(t.contact_id for t in found).items() if n > 1
        }
        numbers = self._groups.numbers(several)
        return tuple(replace(t, group=numbers.get(t.contact_id, 0)) for t in found)

    def _look_ahead(self, contact_id: str) -> None:
        """From several threads at once."""
        if not self._is_quiet(contact_id, self._overlay.peek(contact_id)):
            notes_tag = self._policy.carrying.notes_tag
            self._found.ghl.look_ahead(contact_id, notes_tag)

    def _is_quiet(self, contact_id: str, before: Peeked) -> bool:
        """Whether a run would have no reason to read the contact's notes."""
        row, base = self._found.ghl.known(contact_id), before.snapshot
        if row is None or base is None or base.digest != self._policy.field_map.digest:
            return False
        is_pointed_at = bool(before.touched) or before.unsettled
        if is_pointed_at or base.carried.notes is None or not self._is_whole:
            return False
        updated_ms = row.date_updated_ms
        return updated_ms is not None and updated_ms <= base.updated_ms

    def _turn(self, contact_id: str) -> Turn:
        before = self._overlay.peek(contact_id)
        letters = self._letters(contact_id, before)
        touched = before.touched | frozenset(letters)
        before = replace(before, touched=touched)
        is_first = contact_id not in self._planned
        self._planned.add(contact_id)
        if self._is_quiet(contact_id, before):
            probe = Probe(contact_id, self._describer, self._digests)
            quietly = WithoutNotes(self._found.ghl, probe)
            with suppress(WouldWrite):
                found = self._sync(contact_id, before, letters, probe, quietly)
                left = (one for one in found.left_alone if not is_of_notes(one))
                self.unread_notes += is_first
                return replace(found, left_alone=tuple(left))
        recorder = Recorder(contact_id, self._describer, self._digests)
        ghl = WatchedGhl(self._found.ghl, recorder)
        return self._sync(contact_id, before, letters, recorder, ghl)

    def _sync(
        self,
        contact_id: str,
        before: Peeked,
        letters: str,
        recorder: Recorder,
        ghl: WatchedGhl,
    ) -> Turn:
        memory = PlanningMemory(
            contact_id,
            self._overlay,
            before.snapshot,
            before.seen,
            before.unsettled,
            before.touched,
            self._overlay.incoming(contact_id) if INCOMING in before.touched else (),
            self._overlay.orders(contact_id) if EVENT in before.touched else (),
            self._overlay.rule_memory(contact_id),
        )
        mailjet = WatchedMailjet(self._found.mailjet, recorder)
        try:
            result = sync_contact(contact_id, ghl, mailjet, memory, self._policy)
        except VendorError as error:
            is_scope = isinstance(error, ScopeMissing)
            if error.reach is Reach.CONNECTION and not is_scope:
                raise
            return Turn(contact_id, calls=recorder.calls, problem=str(error))
        if result.outcome is Outcome.DELETED and before.snapshot is None:
            # We never knew it either, so it may be a slip of the pen.
            return Turn(contact_id, calls=recorder.calls, problem="not found in GHL")
        self._overlay.settle(contact_id, result, before)
        self._wake(contact_id, result, memory.addresses)
        mails = writes_of(result, self._policy, self._policy.fingerprint)
        return Turn(
            contact_id,
            str(result.outcome),
            letters,
            writes=(*recorder.writes, *mails),
            calls=recorder.calls,
            left_alone=result.left_alone,
            remarks=(*result.remarks, *held_back(result)),
        )

    def _letters(self, contact_id: str, before: Peeked) -> str:
        if contact_id in self._planned:
            # An earlier turn asked for this one.
            return "".join(sorted(before.touched))
        if not self._is_whole:
            return pointing.EVERYTHING
        ghl, mailjet = self._found.ghl, self._found.mailjet
        return pointing.letters(contact_id, before.snapshot, ghl, mailjet, self._policy)

    def _wake(self, contact_id: str, result: Result, addresses: set[bytes]) -> None:
        """Contacts whose turn was before have another one; others find it all."""
        self._groups.join(contact_id, addresses)
        woken = [*result.wake, *([contact_id] if result.again else [])]
        for other in woken:
            if other in self._planned:
                self._groups.join(other, addresses)
                self._woken[other] = None
