"""The snapshot of what came of a plan: both sides as they are now."""

from pipeline.sync.activity import Carried
from pipeline.sync.consent import Verdict
from pipeline.sync.contact import Contact
from pipeline.sync.ports import Policy
from pipeline.sync.sides import Sides
from pipeline.sync.snapshot import UNKNOWN, Snapshot
from pipeline.sync.writer import Facts


def remember(
    contact: Contact, address: bytes, sides: Sides, facts: Facts, policy: Policy
) -> Snapshot:
    """The snapshot after a plan was carried out; what nobody told stays as it was."""
    ghl, mailjet = _sides(sides, facts, policy)
    read_ms = contact.date_updated_ms or 0
    # What somebody else changed since we read the contact must still be found.
    is_ours = facts.found_ms == read_ms
    return Snapshot(
        digest=policy.field_map.digest,
        ghl=ghl,
        mailjet=mailjet,
        mailjet_id=facts.mailjet_id,
        address=address,
        opted_out=not sides.verdict.is_open,
        excluded=sides.is_excluded if facts.excluded is None else facts.excluded,
        complained=sides.verdict is Verdict.COMPLAINED,
        bounced=sides.bounced,
        held=sides.held,
        added_ms=contact.date_added_ms or 0,
        updated_ms=max(read_ms, facts.updated_ms) if is_ours else read_ms,
    )


def _sides(
    sides: Sides, facts: Facts, policy: Policy
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """GHL's and Mailjet's fingerprints, unknown where an older contact writes.

    What that one wrote is no base for this one, which writes it all once it is alone.
    """
    columns, fingerprint = policy.field_map.columns, policy.fingerprint
    blank = (UNKNOWN,) * len(columns)
    if not sides.writes_properties:
        return blank, blank
    base_ghl = sides.base.ghl if sides.base else blank
    theirs = sides.base.mailjet if sides.base else blank
    told = sides.seen or blank
    if sides.subscriber is not None:
        told = fingerprint.subscriber(columns, sides.subscriber)
    values = facts.values or {}
    withheld = facts.withheld | sides.withheld
    told_by_ghl = {k: v for k, v in sides.wanted.items() if k not in sides.withheld}
    wanted = fingerprint.wanted(columns, {**told_by_ghl, **facts.adopted})
    ghl = tuple(n or old for n, old in zip(wanted, base_ghl, strict=True))
    # What is to hold nothing holds nothing, unless a later read tells otherwise.
    empty = {
        column: fingerprint.of(column, "")
        for column, value in sides.wanted.items()
        if not value and policy.field_map.is_clearable(column)
    }
    # What GHL was not given is to be found different again.
    told = tuple(
        theirs[index] if column in withheld else told[index]
        for index, column in enumerate(columns)
    )
    mailjet = tuple(
        fingerprint.of(column, values[column])
        if column in values
        else told[index] or theirs[index] or empty.get(column, UNKNOWN)
        for index, column in enumerate(columns)
    )
    return ghl, mailjet


def empty_snapshot(
    contact: Contact,
    remembered: Snapshot | None,
    opted_out: bool,
    policy: Policy,
    *,
    excluded: bool = False,
) -> Snapshot:
    """A contact without a usable address: known, with its consent, and nothing else."""
    blank = (UNKNOWN,) * len(policy.field_map.columns)
    return Snapshot(
        digest=policy.field_map.digest,
        ghl=blank,
        mailjet=blank,
        carried=remembered.carried if remembered else Carried(),
        opted_out=opted_out or bool(remembered and remembered.opted_out),
        excluded=excluded or bool(remembered and remembered.excluded),
        complained=bool(remembered and remembered.complained),
        bounced=bool(remembered and remembered.bounced),
        added_ms=contact.date_added_ms or 0,
        updated_ms=contact.date_updated_ms or 0,
    )
