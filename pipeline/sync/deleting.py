"""Contacts that were deleted in GHL: what becomes of them in Mailjet, by policy.

Whatever the policy is, another contact with the address keeps it as it is, and a no is
not lost: where nothing in Mailjet remembers it any more, we do.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from pipeline.errors import NotFound, PermanentError, Reach
from pipeline.sync.case import Case, Outcome, Result
from pipeline.sync.consent import Verdict
from pipeline.sync.contact import Contact, ListAction, Subscriber
from pipeline.sync.judging import Hearing, Judgement
from pipeline.sync.mapping import EMAIL_STATUS, LOCATION_ID
from pipeline.sync.ports import Deletions, Evidence
from pipeline.sync.snapshot import Snapshot
from pipeline.sync.unsubscribing import unsubscribe

REMOVED = "removed"
"""`ghl_email_status` of somebody who left our lists and never said no."""


def deleted(case: Case) -> Result:
    """Gone from GHL: `Policy.deletions`, unless another contact has the address."""
    remembered = case.memory.snapshot
    if remembered is None or not remembered.mailjet_id:
        return Result(Outcome.DELETED, None)
    evidence = case.memory.evidence(remembered.address)
    policy = case.policy.deletions
    if policy is Deletions.KEEP and not _is_owed_a_no(case, remembered, evidence):
        others = tuple(evidence.sharers)
        kept = Outcome.DELETED if others else Outcome.DELETED_KEPT
        return Result(kept, None, wake=others)
    if policy is Deletions.ERASE and case.memory.holds_deletion():
        # Erasing cannot be taken back, so it waits however the deletion was found.
        return Result(Outcome.DELETED_HELD, remembered)
    others = tuple(case.memory.begin(remembered.address).sharers)
    subscriber = None if others else _living(case, remembered.mailjet_id)
    if subscriber is None:
        return Result(Outcome.DELETED, None, wake=others)
    # Of who was found after our state was lost the address is known only now.
    evidence = case.memory.begin(case.policy.fingerprint.address(subscriber.email))
    known = tuple(evidence.sharers) or _others_in_ghl(case, subscriber.email)
    if known:
        return Result(Outcome.DELETED, None, wake=known)
    if known is None and policy is Deletions.ERASE:
        # Nobody can tell whether another contact has the address.
        policy = Deletions.UNSUBSCRIBE
    return Result(TAKE_OUT[policy](case, subscriber, evidence), None)


def _judge(
    case: Case, address: bytes, evidence: Evidence, subscriber: Subscriber | None
) -> Judgement:
    """What is known of the consent of somebody of whom GHL tells nothing any more."""
    return Hearing(
        Contact(case.contact_id),
        address,
        evidence,
        subscriber,
        None,
        case.memory.snapshot,
        case.policy,
        case.memory.unsettled,
    ).judge()


def _is_owed_a_no(case: Case, remembered: Snapshot, evidence: Evidence) -> bool:
    """Whether somebody said no, and we had not come to carry that out in Mailjet."""
    is_out = remembered.opted_out and not remembered.held
    address = remembered.address
    return not (is_out or _judge(case, address, evidence, None).verdict.is_open)


def _unsubscribe(case: Case, subscriber: Subscriber, evidence: Evidence) -> Outcome:
    """Take the address off every list, and say so where the next look finds it."""
    first, *others = case.policy.managed_lists
    status = {EMAIL_STATUS: Verdict.OPTED_OUT}
    case.mailjet.manage_contact(
        first, subscriber.email, ListAction.UNSUBSCRIBE, properties=status
    )
    unsubscribe(case.mailjet, subscriber.contact_id, others)
    return Outcome.DELETED


def _remove(case: Case, subscriber: Subscriber, evidence: Evidence) -> Outcome:
    """Leave our lists; for who said no the row there is the memory of it."""
    subscriber = _with_lists(case, subscriber)
    address = case.policy.fingerprint.address(subscriber.email)
    if not _judge(case, address, evidence, subscriber).verdict.is_open:
        return _unsubscribe(case, subscriber, evidence)
    mailjet_id, lists = subscriber.contact_id, subscriber.unsubscribed or {}
    mailed = [id_ for id_ in case.policy.managed_lists if lists.get(id_) is False]
    if mailed:
        leave = dict.fromkeys(mailed, ListAction.REMOVE)
        case.mailjet.manage_lists(mailjet_id, leave)
    # Else, should our state be lost, everybody who ever left would be looked for.
    case.mailjet.update_contact_data(mailjet_id, {EMAIL_STATUS: REMOVED})
    return Outcome.DELETED_REMOVED


def _erase(case: Case, subscriber: Subscriber, evidence: Evidence) -> Outcome:
    """Delete for good; a no is kept under the keyed hash of the address, and first:
    after the deletion nobody could read it."""
    held = case.mailjet.contact_data(subscriber.contact_id)
    ours = case.policy.field_map.location_id
    if (held.get(LOCATION_ID) or ours) != ours:
        # Another location mails the person through the same account of Mailjet.
        return _unsubscribe(case, subscriber, evidence)
    subscriber = _with_lists(case, subscriber)
    address = case.policy.fingerprint.address(subscriber.email)
    judgement = _judge(case, address, evidence, subscriber)
    if not judgement.verdict.is_open:
        case.memory.outlive(address, judgement.record)
    with suppress(NotFound):
        case.mailjet.delete_contact(subscriber.contact_id)
    return Outcome.DELETED_ERASED


TakeOut = Callable[[Case, Subscriber, Evidence], Outcome]
TAKE_OUT: Mapping[Deletions, TakeOut] = {
    Deletions.KEEP: _unsubscribe,
    Deletions.UNSUBSCRIBE: _unsubscribe,
    Deletions.REMOVE: _remove,
    Deletions.ERASE: _erase,
}
"""`KEEP` comes here only to carry out a no."""


def _with_lists(case: Case, subscriber: Subscriber) -> Subscriber:
    lists = case.mailjet.contact_lists(subscriber.contact_id)
    return replace(subscriber, unsubscribed=lists)


def _living(case: Case, mailjet_id: int) -> Subscriber | None:
    """Whom Mailjet has under that id; None when the person was deleted there."""
    try:
        subscriber = case.mailjet.get_contact(mailjet_id)
    except NotFound:
        return None
    return None if subscriber.is_erased or not subscriber.email else subscriber


def _others_in_ghl(case: Case, email: str) -> tuple[str, ...] | None:
    """Contacts with the address that we have yet to sync, such as the same person made
    anew: what is unsubscribed here is nobody's to undo. None where nobody can tell."""
    try:
        ids = case.ghl.contacts_with_email(email)
    except PermanentError as error:
        if error.reach is Reach.CONNECTION:
            raise
        return None
    return tuple(id_ for id_ in ids if _has_email(case, id_, email))


def _has_email(case: Case, contact_id: str, email: str) -> bool:
    """Search still shows for some seconds who is gone."""
    try:
        return case.ghl.get_contact(contact_id).email == email
    except NotFound:
        return False
