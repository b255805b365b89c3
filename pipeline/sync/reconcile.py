"""Bring one contact of both sides together: read, plan, apply, remember.

Everything that touches the world comes in through `sync/ports.py`, so this module can
be read, and tested, as the one story that it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.errors import NotFound
from pipeline.sync import consent, diff
from pipeline.sync.consent import Verdict
from pipeline.sync.contact import Contact, EmailProblem, ListAction, Subscriber
from pipeline.sync.diff import Confirm, Inheritance, Retire, Sides
from pipeline.sync.mapping import FIELD_TO_PROPERTY
from pipeline.sync.ports import Evidence, Ghl, Mailjet, Memory, Policy
from pipeline.sync.snapshot import Snapshot
from pipeline.sync.writer import Writer, empty_snapshot, remember


class Outcome(StrEnum):
    """What a sync did, as operators read it in Flower, `runs` and `sync`."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    OPTED_OUT = "opted out"
    SHARED = "shares an address with an older contact"
    NO_EMAIL = "no e-mail"
    INVALID_EMAIL = "invalid e-mail"
    DELETED = "deleted in GHL"


@dataclass(frozen=True)
class Result:
    """What to remember, in one step with the settlement of the lease.

    Args:
        snapshot: None forgets the contact.
        wake: contacts that have to look again because this one let an address go.
    """

    outcome: Outcome
    snapshot: Snapshot | None
    wake: tuple[str, ...] = ()


def sync_contact(
    contact_id: str, ghl: Ghl, mailjet: Mailjet, memory: Memory, policy: Policy
) -> Result:
    """Sync one contact from GHL to Mailjet.

    Raises:
        AddressHeld, BudgetSpent, LeaseLost: nothing is wrong; come back later.
        VendorError: see `pipeline.errors` for its reach.
    """
    return _Sync(contact_id, ghl, mailjet, memory, policy).run()


@dataclass
class _Sync:
    contact_id: str
    ghl: Ghl
    mailjet: Mailjet
    memory: Memory
    policy: Policy

    def run(self) -> Result:
        row = self.memory.row
        if row is None or not self._suffices(row):
            return self._from_details()
        if row.email is None or row.email_problem:
            return self._without_address(row)
        evidence = self._evidence(row.email)
        if consent.ghl_opt_out(row) is None and evidence.in_ghl_set is None:
            return self._from_details()
        return self._with_address(row, row.email, evidence)

    def _from_details(self) -> Result:
        try:
            contact = self.ghl.get_contact(self.contact_id)
        except NotFound:
            return self._deleted()
        if contact.email is None or contact.email_problem:
            return self._without_address(contact)
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
        policy, remembered = self.policy, self.memory.snapshot
        address = policy.fingerprint.address(email)
        base = remembered
        if base and (base.address, base.digest) != (address, policy.field_map.digest):
            base = None
        heir = self._inherit(address)
        subscriber = None
        if self.memory.unsettled or not self.memory.trusting:
            known = remembered if remembered and not heir else None
            subscriber = self._read(known.mailjet_id if known else 0, email)
        verdict = self._verdict(contact, evidence, subscriber, heir)
        older = _has_older(contact, evidence.sharers)
        sides = Sides(
            wanted=policy.field_map.desired(contact, verdict),
            verdict=verdict,
            base=base,
            subscriber=subscriber,
            seen=self.memory.seen if base else None,
            list_id=policy.list_id,
            writes_properties=not older,
            exclude=policy.exclude_opted_out
            and bool(
                consent.ghl_opt_out(contact)
                or evidence.in_ghl_set
                or (remembered and remembered.excluded)
                or (heir and heir.excluded)
            ),
            inherits=heir,
        )
        actions = diff.plan(sides, policy.field_map, policy.fingerprint)
        if confirm := self._confirmation(contact):
            actions = (*actions, confirm)
        if actions and heir is None:
            self.memory.begin(address)
        writer = Writer(self.ghl, self.mailjet, policy, contact.id, email)
        facts = writer.run(actions, _mailjet_id(base, subscriber))
        return Result(
            _outcome(actions, base, verdict, older),
            remember(contact, address, sides, facts, policy),
            wake=self._wake(verdict, evidence, heir),
        )

    def _confirmation(self, contact: Contact) -> Confirm | None:
        tag = self.policy.field_map.confirmation_tag
        wanted = tag and contact.tags is not None and tag not in contact.tags
        return Confirm(tag) if wanted else None

    def _inherit(self, address: bytes | None) -> Inheritance | None:
        """Read the old address of a contact whose address is another now."""
        old = self.memory.snapshot
        if old is None or not old.mailjet_id or old.address == address:
            return None
        self.memory.begin(*filter(None, (address, old.address)))
        was = self._read(old.mailjet_id, "")
        opted_out = self._says_no(was)
        lists = was.unsubscribed or {}
        return Inheritance(
            mailjet_id=old.mailjet_id,
            lists=tuple(i for i, gone in lists.items() if not gone),
            properties={k: v for k, v in (was.properties or {}).items() if v},
            opted_out=opted_out or old.opted_out,
            excluded=bool(was.excluded),
            keep=opted_out
            or old.opted_out
            or bool(self.memory.evidence(old.address).sharers),
        )

    def _read(self, mailjet_id: int, email: str) -> Subscriber:
        """Mailjet's side as it is now; ContactID 0 when there is no such subscriber."""
        try:
            subscriber = self.mailjet.get_contact(mailjet_id or email)
        except NotFound:
            return Subscriber(0, properties={}, excluded=False, unsubscribed={})
        return replace(
            subscriber,
            properties=self.mailjet.contact_data(subscriber.contact_id),
            unsubscribed=self.mailjet.contact_lists(subscriber.contact_id),
        )

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
            or bool(subscriber and self._says_no(subscriber)),
            remembered=bool(remembered and remembered.opted_out),
            sharers=any(sharer.opted_out for sharer in evidence.sharers.values()),
            complained=bool(subscriber and subscriber.complained)
            or bool(remembered and remembered.complained),
        )

    def _says_no(self, subscriber: Subscriber) -> bool:
        """Whether Mailjet has a no; one to a list of ours is one in either scope."""
        account_wide = self.policy.optout_scope_account
        if consent.mailjet_opt_out(subscriber, account_wide=account_wide):
            return True
        lists = subscriber.unsubscribed or {}
        return any(lists.get(list_id) for list_id in self.policy.managed_lists)

    def _wake(
        self, verdict: Verdict, evidence: Evidence, heir: Inheritance | None
    ) -> tuple[str, ...]:
        remembered = self.memory.snapshot
        wake: set[str] = set()
        if not verdict.is_open and not (remembered and remembered.opted_out):
            wake |= evidence.sharers.keys()
        if heir and remembered:
            wake |= self.memory.evidence(remembered.address).sharers.keys()
        return tuple(sorted(wake))

    def _without_address(self, contact: Contact) -> Result:
        """Nobody to mail: what an earlier address got is taken back, consent stays."""
        outcome = (
            Outcome.INVALID_EMAIL
            if contact.email_problem is EmailProblem.INVALID
            else Outcome.NO_EMAIL
        )
        remembered = self.memory.snapshot
        heir = self._inherit(None)
        actions = (Retire(heir.mailjet_id),) if heir and not heir.keep else ()
        Writer(self.ghl, self.mailjet, self.policy, contact.id, "").run(actions, 0)
        opted_out = bool(consent.ghl_opt_out(contact)) or bool(heir and heir.opted_out)
        return Result(
            outcome,
            empty_snapshot(contact, remembered, opted_out, self.policy),
            wake=self._wake(Verdict.SUBSCRIBED, Evidence(), heir),
        )

    def _deleted(self) -> Result:
        """Gone from GHL: unsubscribed, unless another contact uses the address."""
        remembered = self.memory.snapshot
        if remembered is None or not remembered.mailjet_id:
            return Result(Outcome.DELETED, None)
        sharers = self.memory.evidence(remembered.address).sharers
        if not sharers:
            self.memory.begin(remembered.address)
            lists = self.policy.managed_lists
            self.mailjet.manage_lists(
                remembered.mailjet_id,
                dict.fromkeys(lists, ListAction.UNSUBSCRIBE),
            )
        return Result(Outcome.DELETED, None, wake=tuple(sharers))


def _has_older(contact: Contact, sharers: Mapping[str, Snapshot]) -> bool:
    """Of contacts that share an address the oldest writes the properties."""
    own = (contact.date_added_ms or 0, contact.id)
    return any((other.added_ms, id_) < own for id_, other in sharers.items())


def _mailjet_id(base: Snapshot | None, subscriber: Subscriber | None) -> int:
    if subscriber is not None and subscriber.contact_id:
        return subscriber.contact_id
    return base.mailjet_id if base else 0


def _outcome(
    actions: tuple[diff.Action, ...],
    base: Snapshot | None,
    verdict: Verdict,
    older: bool,
) -> Outcome:
    if not actions:
        return Outcome.SHARED if older else Outcome.UNCHANGED
    if not verdict.is_open:
        return Outcome.OPTED_OUT
    if older:
        return Outcome.SHARED
    return Outcome.UPDATED if base and base.mailjet_id else Outcome.CREATED
