"""Contacts that lost their address, and people who are gone from either side."""

from dataclasses import replace

from pipeline.errors import NotFound, PermanentError, Reach
from pipeline.sync.case import Case, Outcome, Result
from pipeline.sync.consent import Verdict
from pipeline.sync.contact import Contact, EmailProblem, ListAction
from pipeline.sync.judging import Hearing, Judgement
from pipeline.sync.mapping import EMAIL_STATUS
from pipeline.sync.remembering import empty_snapshot
from pipeline.sync.sides import Sides
from pipeline.sync.snapshot import Snapshot
from pipeline.sync.writer import Writer


def without_address(case: Case, contact: Contact) -> Result:
    """Nobody to mail: what an earlier address got is taken back, consent stays."""
    outcome = (
        Outcome.INVALID_EMAIL
        if contact.email_problem is EmailProblem.INVALID
        else Outcome.NO_EMAIL
    )
    evidence = case.memory.evidence(b"")
    heir = case.inherit(b"")
    actions = heir.retirement if heir else ()
    Writer(case.ghl, case.mailjet, case.policy, contact.id, "").run(actions, 0)
    judgement = Hearing(
        contact, b"", evidence, None, heir, case.memory.snapshot, case.policy
    ).judge()
    snapshot = empty_snapshot(
        contact,
        case.memory.snapshot,
        not judgement.verdict.is_open,
        case.policy,
        excluded=bool(heir and heir.excluded),
    )
    wake = tuple(sorted(case.left_behind(b"")))
    return Result(outcome, snapshot, judgement.record, wake=wake)


def deleted(case: Case) -> Result:
    """Gone from GHL: unsubscribed, unless another contact has the address."""
    remembered = case.memory.snapshot
    if remembered is None or not remembered.mailjet_id:
        return Result(Outcome.DELETED, None)
    others = tuple(case.memory.begin(remembered.address).sharers)
    email = "" if others else _email(case, remembered.mailjet_id)
    if email and not (others := _others_in_ghl(case, email)):
        _unsubscribe(case, email, remembered.mailjet_id)
    return Result(Outcome.DELETED, None, wake=others)


def erased(
    case: Case, old: Snapshot, contact: Contact, judgement: Judgement, sides: Sides
) -> Result:
    """Deleted in Mailjet by somebody: not ours to bring back.

    What the person said before is true for GHL all the same.
    """
    if not judgement.verdict.is_open and sides.back:
        case.memory.begin(*case.addresses(old.address))
        writer = Writer(case.ghl, case.mailjet, case.policy, contact.id, "")
        writer.run(sides.back, 0)
    snapshot = replace(
        old,
        erased=True,
        opted_out=not judgement.verdict.is_open,
        added_ms=contact.date_added_ms or 0,
        updated_ms=contact.date_updated_ms or 0,
    )
    return Result(Outcome.ERASED, snapshot, judgement.record)


def _unsubscribe(case: Case, email: str, mailjet_id: int) -> None:
    """Take the address off every list, and say so where the next look finds it."""
    first, *others = case.policy.managed_lists
    status = {EMAIL_STATUS: Verdict.OPTED_OUT}
    case.mailjet.manage_contact(first, email, ListAction.UNSUBSCRIBE, properties=status)
    if others:
        gone = dict.fromkeys(others, ListAction.UNSUBSCRIBE)
        case.mailjet.manage_lists(mailjet_id, gone)


def _email(case: Case, mailjet_id: int) -> str:
    """The address as Mailjet has it; "" when the person was deleted there."""
    try:
        subscriber = case.mailjet.get_contact(mailjet_id)
    except NotFound:
        return ""
    return "" if subscriber.is_erased else subscriber.email


def _others_in_ghl(case: Case, email: str) -> tuple[str, ...]:
    """Contacts with the address that we have yet to sync, such as the same person made
    anew: what is unsubscribed here is nobody's to undo."""
    try:
        ids = case.ghl.contacts_with_email(email)
    except PermanentError as error:
        if error.reach is Reach.CONNECTION:
            raise
        return ()
    return tuple(id_ for id_ in ids if _has_email(case, id_, email))


def _has_email(case: Case, contact_id: str, email: str) -> bool:
    """Search still shows for some seconds who is gone."""
    try:
        return case.ghl.get_contact(contact_id).email == email
    except NotFound:
        return False
