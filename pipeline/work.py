"""One lease, from opening it to its end, whatever happens in between."""

import logging
import random
import time
from collections.abc import Callable, Iterable

from redis.exceptions import RedisError

from pipeline import metrics
from pipeline.bootstrap import Kit
from pipeline.errors import (
    BudgetSpent,
    ConnectionPaused,
    Drifted,
    LeaseLost,
    PermanentError,
    PipelineError,
    RateLimited,
    Reach,
    ReadOnly,
    VendorError,
)
from pipeline.permit import Lane, Permit
from pipeline.retry import GiveUp, PauseConnection, TryAgain, decide, trouble
from pipeline.store.dead_letters import DeadLetter
from pipeline.store.ledger import AddressHeld
from pipeline.store.records import Opened, Settled
from pipeline.store.timeline import Entry, FoundBy, Kind
from pipeline.sync import around, consent
from pipeline.sync.case import GONE_FROM_GHL, Outcome, Result
from pipeline.sync.ports import Ghl, Mailjet
from pipeline.sync.reconcile import sync_contact
from pipeline.sync.rule_memory import pack
from pipeline.synced_meters import count_synced
from pipeline.wording import DAY_SPENT

logger = logging.getLogger(__name__)

HELD_SECONDS = 1.0
"""Another contact with the same address is being written; that takes about as long."""
NOT_WRITTEN = "read-only: not written"
DRIFTED = "drifted since the plan"
PAUSED = "paused"
NOT_SET_UP_SECONDS = 60.0
REST_SECONDS = 1.0
"""Where nobody is granted a call for so long, no other contact need find that out."""

Ring = Callable[[], None]
QUIET = frozenset(
    {Outcome.UNCHANGED, Outcome.OPTED_OUT, Outcome.SHARED}
    | {Outcome.NO_EMAIL, Outcome.INVALID_EMAIL, Outcome.ERASED}
)
"""What a run finds night after night of contacts of whom nothing changed."""


class Guard:
    """What stands between a sync and the world: here nothing does."""

    def between(self, ghl: Ghl, mailjet: Mailjet) -> tuple[Ghl, Mailjet]:
        """Both vendors, for one attempt."""
        return ghl, mailjet

    def admit(self, result: Result) -> None:
        """Look at what is to be settled; a `PipelineError` refuses it."""


NO_GUARD = Guard()


def nobody_hears() -> None:
    """A tick finds what is ready."""


def run_lease(
    kit: Kit,
    ghl_id: str,
    token: int,
    owner: str = "",
    guard: Guard = NO_GUARD,
    ring: Ring = nobody_hears,
) -> str:
    """Sync the leased contact and end the lease; returns what happened, in a word.

    `owner` is the boot of the worker that does it; the command line has none. `ring` is
    called where something became ready to be sent.

    A void lease changes nothing: whoever holds the contact now does the work. Without
    Redis nothing is decided here either: the lease expires, and the contact comes back.
    """
    try:
        opened = kit.ledger.open(ghl_id, token, owner)
    except ConnectionPaused:
        return PAUSED
    except LeaseLost:
        return "lease lost"
    lease = opened.lease
    permit = Permit(lease.lane, lease)
    try:
        return _sync(kit, permit, opened, guard, ring)
    except AddressHeld:
        kit.ledger.give_back(lease, HELD_SECONDS * random.random())  # noqa: S311
        return "address held"
    except LeaseLost:
        return "lease lost"
    except PipelineError as error:
        return _after(error, kit, opened, permit)
    except RedisError:
        raise
    except Exception as error:
        # A record that breaks our own code must not come back for ever.
        name = type(error).__name__
        failure = PermanentError(
            "pipeline", "contact.sync", detail=name, reach=Reach.CALL
        )
        _after(failure, kit, opened, permit)
        raise


def _sync(kit: Kit, permit: Permit, opened: Opened, guard: Guard, ring: Ring) -> str:
    lease, memory = opened.lease, kit.memory(opened)
    record = opened.setup
    if record is None:
        kit.ledger.give_back(lease, NOT_SET_UP_SECONDS)
        return "not set up"
    before = memory.snapshot
    old_address = before.address if before else b""
    ghl, mailjet = guard.between(kit.ghl(permit), kit.mailjet(permit))
    try:
        result = sync_contact(lease.ghl_id, ghl, mailjet, memory, kit.policy(record))
        guard.admit(result)
    except ReadOnly:
        kit.ledger.skip(lease, NOT_WRITTEN, answered=permit.answered)
        _tell(kit, permit, Kind.ENDED, NOT_WRITTEN)
        return NOT_WRITTEN
    except Drifted as error:
        untouched = error.untouched and not opened.unsettled
        kit.ledger.skip(lease, DRIFTED, answered=permit.answered, untouched=untouched)
        _tell(kit, permit, Kind.ENDED, DRIFTED)
        return DRIFTED
    for reason in result.left_alone:
        logger.warning("contact %s, left alone: %s", lease.ghl_id, reason)
    for remark in result.remarks:
        logger.warning("contact %s: %s", lease.ghl_id, remark)
    if opened.unsettled and not result.looked:
        kit.ledger.point_at([lease.ghl_id], around.DOUBT)
    if result.again:
        kit.ledger.point_at([lease.ghl_id], result.again, Lane.LIVE)
    settled = kit.ledger.settle(
        lease,
        result.outcome,
        result.snapshot,
        result.record,
        old_address=old_address,
        answered=permit.answered,
        touched=opened.touched if result.looked else b"",
        crossings=result.crossings,
        wake=result.wake,
        rules=pack(result.rule_memory) if result.rule_memory else b"",
        orders=result.orders,
        decisions=result.decisions,
        day=result.day,
        recalls=memory.urgent or _recalls(result, old_address),
    )
    if not settled:
        return "lease lost"
    count_synced(kit.meters, lease, before, result)
    kit.feed.handled(lease.ghl_id, result.answered)
    if result.snapshot:
        kit.engagement.handled(result.snapshot.address, result.responded)
    if settled is Settled.SENDS:
        ring()
    _tell_of(result, kit, permit, opened)
    return str(result.outcome)


def _recalls(result: Result, old_address: bytes) -> bool:
    """Whether what is about to be sent would go where it must not go any more."""
    address = result.snapshot.address if result.snapshot else b""
    return result.is_closed or (bool(old_address) and address != old_address)


def _tell_of(result: Result, kit: Kit, permit: Permit, opened: Opened) -> None:
    """Add what a sync did to the contact's timeline, where it did something."""
    lease = opened.lease
    if result.wake:
        others = set(result.wake) - {lease.ghl_id}
        kit.timeline.found(others, FoundBy.ADDRESS)
    if result.outcome in GONE_FROM_GHL and not opened.snapshot:
        # Nobody knew it: what named it is all that is left.
        kit.timeline.forget(lease.ghl_id)
    elif lease.lane is not Lane.BULK or permit.told or _is_news(result):
        detail = "; ".join((*result.left_alone, *result.remarks))
        noes = consent.unanswered(result.record)
        _tell(kit, permit, Kind.ENDED, result.outcome, detail, noes)
        if lease.ghl_id in result.wake:
            kit.timeline.found([lease.ghl_id], FoundBy.ITSELF)


def _is_news(result: Result) -> bool:
    """Whether a run found more than that all is as it was."""
    return result.outcome not in QUIET or bool(result.left_alone or result.remarks)


def _tell(
    kit: Kit,
    permit: Permit,
    kind: Kind,
    word: str,
    detail: str = "",
    noes: Iterable[str] = (),
) -> None:
    lease = permit.lease
    if lease is not None:
        now_ms, calls = round(time.time() * 1000), tuple(permit.told)
        entry = Entry(now_ms, kind, word, detail, lease.lane, calls, tuple(noes))
        kit.timeline.add([lease.ghl_id], entry)


def _after(error: PipelineError, kit: Kit, opened: Opened, permit: Permit) -> str:
    """Carry out what `retry` decides."""
    lease = opened.lease
    untouched = not permit.calls and not opened.unsettled
    decision = decide(error, opened.attempts, jitter=random.random())  # noqa: S311
    cause = type(error).__name__
    vendor = error.vendor if isinstance(error, VendorError) else ""
    kit.meters.count(metrics.FAILED, lease.connection, vendor, cause)
    match decision:
        case PauseConnection():
            kit.health.pause(trouble(error))
            kit.ledger.give_back(lease, 0)
            _tell(kit, permit, Kind.RETRY, cause, f"the connection is paused: {error}")
            return f"{PAUSED}: {cause}"
        case GiveUp(reason):
            letter = DeadLetter(
                lease.ghl_id,
                cause,
                reason,
                lease.lane,
                opened.attempts + 1,
                round(time.time() * 1000),
            )
            kit.ledger.bury(lease, letter.dump(), cause)
            _tell(kit, permit, Kind.DEAD, cause, reason)
            return f"dead letter: {cause}"
        case TryAgain(wait, counted, suspect):
            told = trouble(error)
            if isinstance(error, BudgetSpent | RateLimited) and wait >= REST_SECONDS:
                kit.ledger.rest(lease.lane, wait, _why_rest(error))
            if suspect:
                kit.health.stumble(told, f"{lease.ghl_id}:{lease.token}")
            kit.ledger.give_back(
                lease,
                wait,
                counted=counted,
                suspect=told.vendor if suspect else "",
                untouched=untouched,
            )
            if not isinstance(error, BudgetSpent):
                _tell(kit, permit, Kind.RETRY, cause, f"in {wait:.0f} s: {error}")
            return f"again in {wait:.0f} s: {cause}"


def _why_rest(error: BudgetSpent | RateLimited) -> str:
    if isinstance(error, RateLimited):
        return f"{error.vendor} says its limit is reached"
    return DAY_SPENT if error.daily else "a limit is reached"
