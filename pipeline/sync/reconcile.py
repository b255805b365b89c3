"""Bring one contact of both sides together: read, plan, apply, remember.

Everything that touches the world comes in through `sync/ports.py`, so this module can
be read, and tested, as the one story that it is.
"""

from collections.abc import Mapping
from dataclasses import replace

from pipeline.errors import NotFound
from pipeline.sync import consent, diff, leaving
from pipeline.sync.case import Case, Outcome, Result
from pipeline.sync.consent import Verdict
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.diff import Confirm, Inheritance, Sides
from pipeline.sync.mapping import FIELD_TO_PROPERTY
from pipeline.sync.ports import Evidence, Ghl, Mailjet, Memory, Policy
from pipeline.sync.reading import (
    NOBODY,
    read_subscriber,
    says_no,
)
from pipeline.sync.snapshot import Snapshot
from pipeline.sync.writer import Writer, remember


def sync_contact(
    contact_id: str, ghl: Ghl, mailjet: Mailjet, memory: Memory, policy: Policy
) -> Result:
    """Sync one contact from GHL to Mailjet.

    Raises:
        AddressHeld, BudgetSpent, LeaseLost: nothing is wrong; come back later.
        VendorError: see `pipeline.errors` for its reach.
    """
    return _Sync(contact_id, ghl, mailjet, memory, policy).run()


class _Sync(Case):
    def run(self) -> Result:
        row = self.memory.row
        if row is None or not self._suffices(row):
            return self._from_details()
        if row.email is None or row.email_problem:
            return leaving.without_address(self, row)
        evidence = self._evidence(row.email)
        if consent.ghl_opt_out(row) is None and evidence.in_ghl_set is None:
            return self._from_details()
        return self._with_address(row, row.email, evidence)

    def _from_details(self) -> Result:
        try:
            contact = self.ghl.get_contact(self.contact_id)
        except NotFound:
            return leaving.deleted(self)
        if contact.email is None or contact.email_problem:
            return leaving.without_address(self, contact)
        evidence = self._evidence(contact.email)
        if evidence.in_ghl_set is None:
            # GHL leaves `dndSettings` out of a contact that never had any.
            evidence = replace(evidence, in_ghl_set=False)
        return self._with_address(contact, contact.email, evidence)

    def _suffices(self, row: Contact) -> bool:
        """Search lags writes by seconds, so urgent work never trusts a row."""
        if self.policy.details_always or not self.memory.trusting:
            return False
        if row.email is None or row.tags is None:
            return False
        if not FIELD_TO_PROPERTY.keys() <= row.values.keys():
            return False
        snapshot = self.memory.snapshot
        return snapshot is None or (row.date_updated_ms or 0) >= snapshot.updated_ms

    def _evidence(self, email: str) -> Evidence:
        return self.memory.evidence(self.policy.fingerprint.address(email))

    def _with_address(self, contact: Contact, email: str, evidence: Evidence) -> Result:
        address = self.policy.fingerprint.address(email)
        heir = self.inherit(address)
        subscriber = self._subscriber(address, email) if self._must_read(heir) else None
        sides = self._sides(contact, address, evidence, subscriber, heir)
        actions = self._plan(sides)
        known = _mailjet_id(sides, evidence) or evidence.in_mailjet_set
        if actions and known and subscriber is None:
            # Whom Mailjet has is never changed unseen: they may have said no, left the
            # list or been deleted there since.
            subscriber = self._subscriber(address, email)
            sides = self._sides(contact, address, evidence, subscriber, heir)
            actions = self._plan(sides)
        if lost := self._lost(sides):
            return self._erased(lost, contact, sides.verdict)
        if confirm := self._confirmation(contact):
            actions = (*actions, confirm)
        if actions:
            self.memory.begin(*self.addresses(address))
            now = replace(self.memory.evidence(address), in_ghl_set=evidence.in_ghl_set)
            if now != evidence:
                # Somebody with this address was settled since we looked.
                return self._with_address(contact, email, now)
        writer = Writer(self.ghl, self.mailjet, self.policy, contact.id, email)
        facts = writer.run(actions, _mailjet_id(sides, evidence))
        return Result(
            _outcome(actions, sides),
            remember(contact, address, sides, facts, self.policy),
            wake=self._wake(address, sides.verdict, evidence),
        )

    def _must_read(self, heir: Inheritance | None) -> bool:
        remembered = self.memory.snapshot
        was_erased = remembered is not None and remembered.erased
        return bool(
            heir or was_erased or self.memory.unsettled or not self.memory.trusting
        )

    def _subscriber(self, address: bytes, email: str) -> Subscriber:
        known = self.memory.snapshot
        same = known is not None and known.address == address
        return read_subscriber(
            self.mailjet, known.mailjet_id if known and same else 0, email
        )

    def _sides(
        self,
        contact: Contact,
        address: bytes,
        evidence: Evidence,
        subscriber: Subscriber | None,
        heir: Inheritance | None,
    ) -> Sides:
        policy, remembered = self.policy, self.memory.snapshot
        base = remembered
        if base and (base.address, base.digest) != (address, policy.field_map.digest):
            base = None
        verdict = self._verdict(contact, evidence, subscriber, heir)
        return Sides(
            wanted=policy.field_map.desired(contact, verdict),
            verdict=verdict,
            base=base,
            subscriber=subscriber,
            seen=self.memory.seen if base else None,
            list_id=policy.list_id,
            writes_properties=not _has_older(contact, evidence.sharers),
            exclude=policy.exclude_opted_out
            and bool(
                consent.ghl_opt_out(contact)
                or evidence.in_ghl_set
                or (remembered and remembered.excluded)
                or (heir and heir.excluded)
            ),
            inherits=heir,
        )

    def _plan(self, sides: Sides) -> tuple[diff.Action, ...]:
        return diff.plan(sides, self.policy.field_map, self.policy.fingerprint)

    def _confirmation(self, contact: Contact) -> Confirm | None:
        tag = self.policy.field_map.confirmation_tag
        wanted = tag and contact.tags is not None and tag not in contact.tags
        return Confirm(tag) if wanted else None

    def _verdict(
        self,
        contact: Contact,
        evidence: Evidence,
        subscriber: Subscriber | None,
        heir: Inheritance | None,
    ) -> Verdict:
        remembered = self.memory.snapshot
        return consent.decide(
            ghl=consent.ghl_opt_out(contact) or bool(evidence.in_ghl_set),
            mailjet=evidence.in_mailjet_set
            or bool(heir and heir.opted_out)
            or bool(subscriber and says_no(subscriber, self.policy)),
            remembered=bool(remembered and remembered.opted_out),
            sharers=evidence.address_in_ghl_set
            or any(sharer.opted_out for sharer in evidence.sharers.values()),
            complained=bool(subscriber and subscriber.complained)
            or bool(remembered and remembered.complained),
        )

    def _wake(
        self, address: bytes, verdict: Verdict, evidence: Evidence
    ) -> tuple[str, ...]:
        """Who has to look again: a no came to their address, or this one left it."""
        old = self.memory.snapshot
        is_new = old is None or not old.opted_out or old.address != address
        wake = set(self.left_behind(address))
        if not verdict.is_open and is_new:
            wake |= evidence.sharers.keys()
        return tuple(sorted(wake))

    def _lost(self, sides: Sides) -> Snapshot | None:
        """What we remember of somebody whom Mailjet had under this address."""
        old = self.memory.snapshot
        if old is None or sides.inherits or sides.subscriber is not NOBODY:
            return None
        return old if old.erased or (sides.base and old.mailjet_id) else None

    def _erased(self, old: Snapshot, contact: Contact, verdict: Verdict) -> Result:
        """Somebody deleted the person in Mailjet: not ours to bring back."""
        snapshot = replace(
            old,
            erased=True,
            opted_out=not verdict.is_open,
            added_ms=contact.date_added_ms or 0,
            updated_ms=contact.date_updated_ms or 0,
        )
        return Result(Outcome.ERASED, snapshot)


def _has_older(contact: Contact, sharers: Mapping[str, Snapshot]) -> bool:
    """Of contacts that share an address the oldest writes the properties."""
    own = (contact.date_added_ms or 0, contact.id)
    return any((other.added_ms, id_) < own for id_, other in sharers.items())


def _mailjet_id(sides: Sides, evidence: Evidence) -> int:
    """Mailjet's id of the address, also where another contact had it made."""
    if sides.subscriber is not None and sides.subscriber.contact_id:
        return sides.subscriber.contact_id
    if sides.base is not None and sides.base.mailjet_id:
        return sides.base.mailjet_id
    return max((sharer.mailjet_id for sharer in evidence.sharers.values()), default=0)


def _outcome(actions: tuple[diff.Action, ...], sides: Sides) -> Outcome:
    if not actions:
        return Outcome.UNCHANGED if sides.writes_properties else Outcome.SHARED
    if not sides.verdict.is_open:
        return Outcome.OPTED_OUT
    if not sides.writes_properties:
        return Outcome.SHARED
    is_known = sides.base is not None and sides.base.mailjet_id
    return Outcome.UPDATED if is_known else Outcome.CREATED
