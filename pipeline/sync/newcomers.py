"""People whom only Mailjet has, and who become contacts in GHL.

In the ledger such a person is `mailjet:ID`, with leases, attempts and dead letters like
everybody. What is made here is a bare contact; its own sync, which follows at once,
tells Mailjet whose subscriber it is, and from then on it is a contact as any other.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from pipeline.errors import NotFound, Rejected, ScopeMissing
from pipeline.sync.adopting import adoption
from pipeline.sync.case import Case, Outcome, Result
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.judging import Hearing
from pipeline.sync.mapping import CONTACT_ID, NAME_FIELDS, FieldMap
from pipeline.sync.once import lost, make_once
from pipeline.sync.ports import Evidence

PREFIX = "mailjet:"
SOURCE = "Mailjet"
"""GHL's field `source` of who came this way."""
ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
LEFT = Result(Outcome.ONLY_IN_MAILJET, None)


def ledger_id(mailjet_id: int) -> str:
    """The id in the ledger of somebody whom only Mailjet has."""
    return f"{PREFIX}{mailjet_id}"


def mailjet_id_of(ledger_id: str) -> int:
    """Mailjet's id of such a person; 0 for a contact of GHL's."""
    number = ledger_id.removeprefix(PREFIX)
    is_ours = ledger_id.startswith(PREFIX) and number.isascii() and number.isdecimal()
    return int(number) if is_ours else 0


def bring(case: Case, mailjet_id: int) -> Result:
    """Make a contact in GHL of a subscriber, unless there is one, or they said no.

    Raises:
        AddressHeld, BudgetSpent, LeaseLost: nothing is wrong; come back later.
        Ambiguous: it may have been made; whoever comes back finds it by its address.
        VendorError: see `pipeline.errors` for its reach.
    """
    subscriber = _newcomer(case, mailjet_id) if case.policy.create_contacts else None
    if subscriber is None:
        return LEFT
    address = case.policy.fingerprint.address(subscriber.email)
    evidence = case.memory.evidence(address)
    if evidence.sharers:
        return _known(*evidence.sharers)
    if not _may_come(case, subscriber, address, evidence):
        return LEFT
    if known := case.ghl.contacts_with_email(subscriber.email):
        return _known(*known)
    evidence = case.memory.begin(address)
    if evidence.sharers:
        return _known(*evidence.sharers)
    if not _may_come(case, subscriber, address, evidence):
        return LEFT
    try:
        return make(case, values_of(subscriber, case.policy.field_map))
    except ScopeMissing as error:
        # Whoever may not write to GHL is to be synced to Mailjet all the same.
        return replace(LEFT, left_alone=(f"not made a contact in GHL: {error}",))


def values_of(subscriber: Subscriber, field_map: FieldMap) -> dict[str, object]:
    """What a newcomer brings along, by GHL's field names; what is empty stays out.

    All that the mapping leads to GHL, and the name wherever Mailjet has it.
    """
    held = subscriber.properties or {}
    rows = field_map.layout.rows
    brought, _ = adoption(
        [row for row in rows if row.to_ghl], subscriber, field_map, {}
    )
    values: dict[str, object] = {"email": subscriber.email, "source": SOURCE}
    values |= {name: value for name, value in brought.values.items() if value}
    if custom := [one for one in brought.custom_fields if one["field_value"]]:
        values["customFields"] = custom
    if brought.add:
        values["tags"] = list(brought.add)
    for row in rows:
        if row.ghl in NAME_FIELDS and (name := held.get(row.column)):
            values.setdefault(row.ghl, str(name))
    is_named = any(name in values for name in NAME_FIELDS)
    if not is_named and subscriber.name and subscriber.name.lower() != subscriber.email:
        values["name"] = subscriber.name
    return values


def _known(*ghl_ids: str) -> Result:
    """Their own sync tells Mailjet whose subscriber it is."""
    return Result(Outcome.IN_GHL, None, wake=ghl_ids)


def _newcomer(case: Case, mailjet_id: int) -> Subscriber | None:
    """The subscriber as three reads tell; None who is, or was, a contact of GHL's."""
    try:
        held = case.mailjet.contact_data(mailjet_id)
        if held.get(CONTACT_ID):
            return None
        subscriber = case.mailjet.get_contact(mailjet_id)
        if subscriber.is_erased:
            return None
        lists = case.mailjet.contact_lists(mailjet_id)
    except NotFound:
        return None
    return replace(subscriber, properties=held, unsubscribed=lists)


def _may_come(
    case: Case, subscriber: Subscriber, address: bytes, evidence: Evidence
) -> bool:
    """Whether a campaign to our list reaches the person, who said no nowhere."""
    is_member = (subscriber.unsubscribed or {}).get(case.policy.list_id) is False
    if not is_member or not ADDRESS.fullmatch(subscriber.email):
        return False
    unknown = Contact(case.contact_id)
    judgement = Hearing(
        unknown, address, evidence, subscriber, None, None, case.policy
    ).judge()
    return judgement.verdict.is_open and not judgement.bounced


def make(case: Case, values: Mapping[str, object]) -> Result:
    """Make the contact, or find out who it is already.

    Raises:
        Ambiguous: it may have been made; too early to look.
        Rejected: GHL takes no such contact.
    """
    try:
        made = make_once(lambda: case.ghl.create_contact(values))
    except Rejected as error:
        return _after_refusal(case, values, error)
    return Result(Outcome.MADE_IN_GHL, None, wake=(made.id,))


def _after_refusal(case: Case, values: Mapping[str, object], error: Rejected) -> Result:
    """A duplicate by its address is the person; one by its phone is somebody else."""
    if error.duplicate_of is None:
        if error.status == 422 and not case.memory.unsettled:
            # GHL has been seen to refuse a contact and to make it all the same
            # (GoHighLevel/highlevel-api-docs#64, read 2026-11).
            raise lost(error) from error
        raise error
    if _is_same_address(case, values, error):
        return _known(error.duplicate_of)
    if "phone" not in values:
        raise error
    return make(case, {name: text for name, text in values.items() if name != "phone"})


def _is_same_address(case: Case, values: Mapping[str, object], error: Rejected) -> bool:
    if error.duplicate_field in ("email", "phone"):
        return error.duplicate_field == "email"
    return case.ghl.get_contact(error.duplicate_of or "").email == values["email"]
