"""What an operator decides about consent: a recorded opt-in, a mass of opt-outs."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial

from pipeline import work
from pipeline.bootstrap import Kit
from pipeline.errors import ConfigError, NotFound
from pipeline.ghl.client import GhlClient
from pipeline.permit import Lane, Lease, Permit
from pipeline.store.timeline import FoundBy
from pipeline.sync import consent, ghl_dnd
from pipeline.sync.aggregates import iso
from pipeline.sync.blocking import Reason, Unblock
from pipeline.sync.case import GONE_FROM_GHL
from pipeline.sync.consent import OF_GHL, Record, Source
from pipeline.sync.contact import Contact
from pipeline.sync.writer import Writer
from pipeline.sync_now import sync_now

PROOF_LENGTH = 200
TAKEN_BACK = "A mass of opt-outs was taken back"
Tell = Callable[[str], object]


def record_opt_in(kit: Kit, ghl_id: str, proof: str, at_ms: int | None) -> str:
    """Record that the person opted in, and open again what that answers.

    Both sides are read first, so that everything said until now is known with its time,
    and of everybody with the address: what Mailjet says of it each has to answer.

    Args:
        at_ms: when the person said so; None is now.

    Returns:
        the outcome of the sync that followed.

    Raises:
        ConfigError: it cannot be recorded; says why, and what to do.
    """
    _must_be_proof(proof)
    kit.require_record()
    if kit.settings.read_only:
        raise ConfigError(["SYNC_MODE=read-only: nothing can be opened again"])
    if _read(kit, ghl_id) in GONE_FROM_GHL:
        raise ConfigError([f"GHL has no contact {ghl_id}"])
    for other in _sharers(kit, ghl_id):
        _read(kit, other)
    known = kit.consents.own(ghl_id)
    said_ms = _now_ms() if at_ms is None else at_ms
    _must_answer(known, said_ms)
    return sync_now(
        kit,
        ghl_id,
        Lane.CONSENT,
        first=lambda lease: kit.consents.replace(
            ghl_id, consent.opted_in(kit.consents.own(ghl_id), said_ms, proof)
        ),
    )


def _read(kit: Kit, ghl_id: str) -> str:
    """Read both sides of a contact, and carry out what they say."""
    outcome = sync_now(kit, ghl_id, Lane.CONSENT)
    if outcome.startswith((work.PAUSED, "again", "dead letter")):
        problem = f"both sides of {ghl_id} must be read first, and were not: {outcome}"
        raise ConfigError([problem])
    return outcome


def _must_be_proof(proof: str) -> None:
    if not 5 <= len(proof.strip()) <= PROOF_LENGTH:
        raise ConfigError(
            [
                "--opt-in: say in 5 to 200 characters where the proof is, such as "
                "'form 1234, 2026-11-02'"
            ]
        )
    if "@" in proof:
        raise ConfigError(
            ["--opt-in: name where the proof is, not the person: no addresses"]
        )


def _must_answer(known: Record, at_ms: int) -> None:
    """Refuse an opt-in that would not, or could not, open anything."""
    if at_ms > _now_ms() + 60_000:
        raise ConfigError(["--at: lies in the future"])
    dnd, email = known.get(Source.GHL_ALL), known.get(Source.GHL_EMAIL)
    problems = []
    if dnd and dnd.stands:
        problems.append(
            "GHL has DND for all channels: clear it there first, as it is about calls "
            "and texts too"
        )
    if email and email.stands and email.detail == "permanent":
        problems.append(
            "GHL has a permanent DND for e-mail, which only the person can lift there"
        )
    if Source.MAILJET_SPAM in known:
        problems.append(
            "the person complained of spam in Mailjet, which only Mailjet can lift"
        )
    problems += [
        f"{source}: said on {iso(said.at_ms)}, which is not before {iso(at_ms)}: only "
        "a newer opt-in counts"
        for source, said in consent.unanswered(known).items()
        if said.at_ms >= at_ms and source is not Source.MAILJET_SPAM
    ]
    if problems:
        raise ConfigError(problems)


def confirm_mass(kit: Kit) -> int:
    """Unsubscribe whom a mass of opt-outs in GHL has only excluded so far."""
    held = kit.optouts.held()
    kit.optouts.confirm()
    kit.optouts.release(held)
    kit.timeline.found(held, FoundBy.ORDER)
    kit.ledger.mark(Lane.CONSENT, held)
    return len(held)


def revoke_mass(kit: Kit, tell: Tell) -> int:
    """Take back a mass of opt-outs that was a slip, for whom GHL's flag was cleared.

    A no stays: while the mass waited we set such a flag again. Whose flag was never
    cleared stays held. Returns how many were taken back.
    """
    revoked, ghl = 0, kit.ghl(Permit(Lane.LIVE))
    for ghl_id in kit.optouts.held():
        contact = _contact(ghl, ghl_id)
        is_set_again = contact is not None and _is_set_again(contact)
        if contact and ghl_dnd.ghl_opt_out(contact) and not is_set_again:
            tell(f"{ghl_id}: GHL still says no")
            continue
        take_back = partial(_take_back, kit, ghl)
        tell(f"{ghl_id}: {sync_now(kit, ghl_id, Lane.CONSENT, first=take_back)}")
        revoked += 1
    return revoked


def _contact(ghl: GhlClient, ghl_id: str) -> Contact | None:
    try:
        return ghl.get_contact(ghl_id)
    except NotFound:
        return None


def _is_set_again(contact: Contact) -> bool:
    """Whether somebody cleared the flag in GHL, and we set it again."""
    return not contact.dnd and ghl_dnd.email_detail(contact) == Reason.REMEMBERED


def _take_back(kit: Kit, ghl: GhlClient, lease: Lease) -> None:
    """What a mass said of a contact was never said.

    Under the lease nobody sets the flag again; GHL comes first, so that nobody is
    unsubscribed where this is cut short.
    """
    ghl_id = lease.ghl_id
    contact = _contact(ghl, ghl_id)
    if contact and _is_set_again(contact):
        mailjet = kit.mailjet(Permit(Lane.LIVE))
        policy = kit.policy(kit.require_record())
        writer = Writer(ghl, mailjet, policy, ghl_id, contact.email or "")
        writer.run([Unblock(TAKEN_BACK)], 0)
    kit.optouts.release([ghl_id])
    kit.optouts.forget_ghl(ghl_id, kit.presence.address(ghl_id))
    known = kit.consents.own(ghl_id)
    rest = {source: said for source, said in known.items() if source not in OF_GHL}
    kit.consents.replace(ghl_id, rest)
    kit.consents.forget_told_of_contact(ghl_id)


def statements(kit: Kit, ghl_id: str) -> Record:
    """All that is known of a contact: its own statements, and what events said."""
    address = kit.presence.address(ghl_id)
    told = kit.consents.told(address).record if address else {}
    of_contact = kit.consents.told_of_contact(ghl_id)
    return consent.joined(kit.consents.own(ghl_id), told, of_contact)


def shared_with(kit: Kit, ghl_id: str) -> Iterable[str]:
    """Other contacts with the same address that said no."""
    return [
        other
        for other in _sharers(kit, ghl_id)
        if not consent.decide(kit.consents.own(other)).is_open
    ]


def _sharers(kit: Kit, ghl_id: str) -> list[str]:
    """Other contacts with the same address."""
    address = kit.presence.address(ghl_id)
    known = kit.consents.contacts_of([address])[address] if address else []
    return [other for other in known if other != ghl_id]


def _now_ms() -> int:
    return round(datetime.now(UTC).timestamp() * 1000)
