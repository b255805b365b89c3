"""Contacts that lost their address, and people who are gone from Mailjet."""

from dataclasses import replace

from pipeline.sync.case import Case, Found, Outcome, Result
from pipeline.sync.contact import Contact, EmailProblem
from pipeline.sync.judging import Hearing, Judgement
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
    is_whole = contact is not case.memory.row
    found = Found(contact, is_whole=is_whole, problem=str(outcome))
    return Result(outcome, snapshot, judgement.record, wake=wake, found=found)


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
    outcome = Outcome.ERASED
    is_whole = contact is not case.memory.row
    found = Found(contact, is_whole=is_whole, problem=str(outcome))
    return Result(outcome, snapshot, judgement.record, found=found)
