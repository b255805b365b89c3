"""Plan every contact by syncing it, on pictures of both vendors."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from pipeline.bootstrap import Kit
from pipeline.errors import Reach, ScopeMissing, VendorError
from pipeline.planning import pointing
from pipeline.planning.changes import Describer
from pipeline.planning.digests import Digests
from pipeline.planning.groups import Groups
from pipeline.planning.memory import Overlay, PlanningMemory
from pipeline.planning.survey import Survey, Tell, nothing_read, survey
from pipeline.planning.watched import ROUTES, Call, WatchedGhl, WatchedMailjet
from pipeline.planning.writes import Plan, Turn, Write
from pipeline.store.peek import Peeked
from pipeline.sync.around import INCOMING
from pipeline.sync.case import Outcome, Result
from pipeline.sync.contact import Subscriber
from pipeline.sync.history import NOTE_HISTORY, TASK_HISTORY
from pipeline.sync.reconcile import sync_contact

ROUNDS = 4
"""A contact wakes another, or itself, and that one may wake more; it ends by itself, as
each is woken by a change."""
THREADS = 8
AHEAD = 64
"""Contacts whose notes are read at once: waiting for each would take the plan longer
than both vendors' limits ask for."""
MAKES = frozenset({"create_note", "create_task", "create_contact"})

Answer = TypeVar("Answer")
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
    found = nothing_read(kit) if ids else survey(kit, record, tell)
    order = list(dict.fromkeys(ids)) or found.order
    policy = kit.policy(record)
    turns = Planner(kit, found, is_whole=not ids).turns(order, progress)
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
    return replace(told, remarks=(*found.remarks, *_remarks(told, missing)))


def _untold(turns: Iterable[Turn]) -> Iterable[str]:
    """What failed, and what could not be read, each reason once."""
    turns = tuple(turns)
    for reason, number in Counter(t.problem for t in turns if t.problem).items():
        yield f"{_contacts(number)} cannot be planned: {reason}"
    left = Counter(reason for turn in turns for reason in turn.left_alone)
    for reason, number in left.items():
        yield f"{_contacts(number)}, left alone: {reason}"


def _contacts(number: int) -> str:
    return "1 contact" if number == 1 else f"{number:,} contacts"


def _remarks(told: Plan, missing: Iterable[str]) -> Iterable[str]:
    if missing:
        names = ", ".join(sorted(missing))
        yield f"Mailjet has no historic property {names}: its history gets nothing"
    writes = (write for turn in told.turns for write in turn.writes)
    if number := sum(write.vendor == "ghl" for write in writes):
        yield (
            f"{number:,} writes to GHL need the scope contacts.write, which no read "
            "can prove"
        )


class _Recorder:
    """Takes down the calls of one turn; see `watched.Watch`."""

    def __init__(self, contact_id: str, describer: Describer, digests: Digests) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.writes: list[Write] = []
        self._contact_id = contact_id
        self._describer = describer
        self._digests = digests

    def reads(self, vendor: str, method: str) -> None:
        self.calls[vendor, ROUTES[vendor, method]] += 1

    def met(self, subscriber: Subscriber) -> None:
        self._digests.met(subscriber)

    def write(self, call: Call, send: Callable[[], Answer]) -> Answer:
        digest = self._digests.of(self._contact_id, call)
        self.calls[call.vendor, call.route] += 1
        self.writes.append(self._describer.describe(call, digest))
        answer = send()
        if call.method in MAKES:
            self._digests.made(self._contact_id, answer, digest)
        return answer


class Planner:
    """Plans one contact after the other; each finds what those before it would do."""

    def __init__(self, kit: Kit, found: Survey, *, is_whole: bool) -> None:
        self._found = found
        self._is_whole = is_whole
        self._policy = kit.policy(kit.require_record())
        self._overlay = Overlay(kit, found.sets)
        self._digests = Digests(self._policy.fingerprint)
        self._describer = Describer(found.ghl, found.mailjet)
        self._groups = Groups()
        self._woken: dict[str, None] = {}
        self._planned: set[str] = set()

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
        notes_tag = self._policy.carrying.notes_tag
        self._found.ghl.look_ahead(contact_id, notes_tag)

    def _turn(self, contact_id: str) -> Turn:
        before = self._overlay.peek(contact_id)
        letters = self._letters(contact_id, before)
        touched = before.touched | frozenset(letters)
        memory = PlanningMemory(
            contact_id,
            self._overlay,
            before.snapshot,
            before.seen,
            before.unsettled,
            touched,
            self._overlay.incoming(contact_id) if INCOMING in touched else (),
        )
        self._planned.add(contact_id)
        recorder = _Recorder(contact_id, self._describer, self._digests)
        ghl = WatchedGhl(self._found.ghl, recorder)
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
        self._overlay.settle(contact_id, result, replace(before, touched=touched))
        self._wake(contact_id, result, memory.addresses)
        return Turn(
            contact_id,
            str(result.outcome),
            letters,
            writes=tuple(recorder.writes),
            calls=recorder.calls,
            left_alone=result.left_alone,
        )

    def _letters(self, contact_id: str, before: Peeked) -> str:
        if contact_id in self._planned:
            return ""
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
