"""Bring one contact of both sides together: read, plan, apply, remember.

Everything that touches the world comes in through `sync/ports.py`, so this module can
be read, and tested, as the one story that it is.
"""

from dataclasses import replace

from pipeline.errors import BudgetSpent, NotFound, VendorError
from pipeline.sync import (
    around,
    deleting,
    ghl_dnd,
    leaving,
    newcomers,
    responding,
)
from pipeline.sync.actions import Action, Adopt, Append, Confirm
from pipeline.sync.adopting import remarks
from pipeline.sync.around import Around
from pipeline.sync.case import Found, Outcome, Result
from pipeline.sync.comparing import Comparison, after, known_id
from pipeline.sync.consent import Source, Verdict
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.diff import holds_no, is_on_list, plan
from pipeline.sync.judging import Judgement
from pipeline.sync.noticing import tells
from pipeline.sync.ports import Evidence, Ghl, Mailjet, Memory, Policy
from pipeline.sync.reading import NOBODY, read_subscriber
from pipeline.sync.remembering import remember
from pipeline.sync.sides import Inheritance, Sides
from pipeline.sync.snapshot import Snapshot
from pipeline.sync.writer import Facts, Writer


def sync_contact(
    contact_id: str, ghl: Ghl, mailjet: Mailjet, memory: Memory, policy: Policy
) -> Result:
    """Sync one contact from GHL to Mailjet, or bring a subscriber into GHL.

    Args:
        contact_id: GHL's id, or `mailjet:ID` of somebody whom only Mailjet has.

    Raises:
        AddressHeld, BudgetSpent, LeaseLost: nothing is wrong; come back later.
        VendorError: see `pipeline.errors` for its reach.
    """
    sync = _Sync(contact_id, ghl, mailjet, memory, policy)
    mailjet_id = newcomers.mailjet_id_of(contact_id)
    return newcomers.bring(sync, mailjet_id) if mailjet_id else sync.run()


class _Sync(Comparison):
    def run(self) -> Result:
        try:
            result = self._compare()
            if result.snapshot and (self.memory.urgent or result.postponed):
                # What is around a person must not hold up a no: in a turn of its own.
                return replace(result, wake=(*result.wake, self.contact_id))
            made = responding.work_in_ghl(self, result)
        except NotFound as error:
            if error.vendor != "ghl" or not self._is_gone():
                raise
            result, made = deleting.deleted(self), responding.Response()
        return made.added_to(replace(result, answered=self.memory.incoming))

    def _is_gone(self) -> bool:
        """A contact may be deleted while we look around it."""
        try:
            self.ghl.get_contact(self.contact_id)
        except NotFound:
            return True
        return False

    def _compare(self) -> Result:
        row = self.memory.row
        if row is None or not self._suffices(row):
            return self._from_details()
        if row.email is None or row.email_problem:
            return leaving.without_address(self, row)
        evidence = self._evidence(row.email)
        if self._cannot_tell(row, evidence):
            return self._from_details()
        return self._with_address(row, row.email, evidence)

    def _cannot_tell(self, row: Contact, evidence: Evidence) -> bool:
        """Whether a row leaves open what GHL says about mailing the contact.

        What was read before an opt-in tells nothing about the time since.
        """
        is_silent = ghl_dnd.ghl_opt_out(row) is None and evidence.in_ghl_set is None
        return is_silent or Source.OPT_IN in evidence.own

    def _from_details(self) -> Result:
        try:
            contact = self.ghl.get_contact(self.contact_id)
        except NotFound:
            return deleting.deleted(self)
        if contact.email is None or contact.email_problem:
            return leaving.without_address(self, contact)
        evidence = self._evidence(contact.email)
        if evidence.in_ghl_set is None:
            # GHL leaves `dndSettings` out of a contact that never had any.
            evidence = replace(evidence, in_ghl_set=False)
        return self._with_address(contact, contact.email, evidence)

    def _suffices(self, row: Contact) -> bool:
        """Search lags writes by seconds, so urgent work never trusts a row."""
        policy = self.policy
        if policy.details_always or not self.memory.trusting or row.email is None:
            return False
        if not tells(row, policy.rules):
            return False
        if not policy.field_map.knows_enough(row):
            return self.is_as_read(row, row.email)
        snapshot = self.memory.snapshot
        return snapshot is None or (row.date_updated_ms or 0) >= snapshot.updated_ms

    def _evidence(self, email: str) -> Evidence:
        return self.memory.evidence(self.policy.fingerprint.address(email))

    def _with_address(
        self,
        contact: Contact,
        email: str,
        evidence: Evidence,
        found: Around | None = None,
    ) -> Result:
        address = self.policy.fingerprint.address(email)
        heir = self.inherit(address)
        reads = self._must_read(heir, evidence, address)
        subscriber = self._subscriber(address, email) if reads else None
        judgement = self.judge(contact, address, evidence, subscriber, heir)
        sides = self.sides(contact, address, evidence, subscriber, heir, judgement, {})
        if lost := self._lost(sides):
            return leaving.erased(self, lost, contact, judgement, sides)
        found = self._look(contact, sides, found)
        values = found.wanted(self.policy)
        sides = replace(sides, wanted={**sides.wanted, **values})
        mailjet_id = known_id(sides, evidence)
        appends = self._appends(found, mailjet_id)
        actions = (*self._plan(sides), *appends)
        if contact is self.memory.row and any(isinstance(a, Adopt) for a in actions):
            # A row may be seconds old, and what GHL changed since be written over.
            return self._from_details()
        known = mailjet_id or evidence.in_mailjet_set or appends
        if actions and known and subscriber is None:
            # Whom Mailjet has is never changed unseen: they may have said no, left the
            # list or been deleted there since.
            subscriber = self._subscriber(address, email)
            judgement = self.judge(contact, address, evidence, subscriber, heir)
            sides = self.sides(
                contact, address, evidence, subscriber, heir, judgement, values
            )
            if not mailjet_id:
                # Our state was lost, and their history may tell it already.
                appends = self._appends(found, known_id(sides, evidence))
            actions = (*self._plan(sides), *appends)
            if lost := self._lost(sides):
                return leaving.erased(self, lost, contact, judgement, sides)
        return self._carry_out(
            contact, email, evidence, sides, judgement, found, actions
        )

    def _carry_out(
        self,
        contact: Contact,
        email: str,
        evidence: Evidence,
        sides: Sides,
        judgement: Judgement,
        found: Around,
        actions: tuple[Action, ...],
    ) -> Result:
        address = self.policy.fingerprint.address(email)
        if confirm := self._confirmation(contact):
            actions = (*actions, confirm)
        if actions:
            now = self.memory.begin(*self.addresses(address))
            now = replace(now, in_ghl_set=evidence.in_ghl_set)
            if now != evidence:
                # Somebody with this address was settled since we looked.
                return self._with_address(contact, email, now, found)
        writer = Writer(self.ghl, self.mailjet, self.policy, contact.id, email)
        facts = writer.run(actions, known_id(sides, evidence))
        before = around.carried_before(self.memory)
        return Result(
            _outcome(actions, sides),
            replace(
                remember(contact, address, sides, facts, self.policy),
                carried=found.carried(before, self.policy),
            ),
            after(judgement.record, actions, sides),
            wake=self._wake(address, judgement, evidence, facts),
            looked=found.looked,
            postponed=found.postponed,
            left_alone=(*found.left_alone, *facts.left_alone),
            remarks=remarks(contact, sides, self.policy, wrote=bool(actions)),
            crossings=found.crossings(self.policy.carrying.now_ms),
            found=Found(
                confirm.on(contact) if confirm else contact,
                is_whole=contact is not self.memory.row,
                activities=found.activities,
                verdict=judgement.verdict,
                bounced=judgement.bounced,
                is_oldest=sides.writes_properties,
                on_list=is_on_list(sides, actions),
                adopted=bool(facts.adopted),
                subscriber=sides.subscriber or NOBODY,
                sharers=tuple(sorted(evidence.sharers)),
            ),
        )

    def _look(self, contact: Contact, sides: Sides, found: Around | None) -> Around:
        if self.memory.urgent or not sides.writes_properties:
            return Around()
        if found and found.looked:
            return found
        was_erased = sides.base is not None and sides.base.erased
        base = None if was_erased else sides.base
        try:
            return around.look(contact, self.ghl, self.memory, self.policy, base)
        except (VendorError, BudgetSpent) as error:
            if isinstance(error, NotFound) or not holds_no(self._plan(sides)):
                raise
            # What is around a person must not hold up a no.
            return Around(postponed=True)

    def _appends(self, found: Around, mailjet_id: int) -> tuple[Append, ...]:
        states = around.to_append(
            found, self.mailjet, self.memory, self.policy, mailjet_id
        )
        return tuple(map(Append, states))

    def _must_read(
        self, heir: Inheritance | None, evidence: Evidence, address: bytes
    ) -> bool:
        remembered = self.memory.snapshot
        doubtful = remembered is not None and (
            remembered.erased or remembered.bounced or remembered.held
        )
        return bool(
            heir
            or doubtful
            or Source.OPT_IN in evidence.own
            # What Mailjet has may be what counts.
            or (self.policy.field_map.layout.shared and not self.base(address))
            or self.memory.unsettled
            or not self.memory.trusting
        )

    def _subscriber(self, address: bytes, email: str) -> Subscriber:
        known = self.memory.snapshot
        same = known is not None and known.address == address
        return read_subscriber(
            self.mailjet, known.mailjet_id if known and same else 0, email
        )

    def _plan(self, sides: Sides) -> tuple[Action, ...]:
        return plan(sides, self.policy.field_map, self.policy.fingerprint)

    def _confirmation(self, contact: Contact) -> Confirm | None:
        tag = self.policy.field_map.confirmation_tag
        wanted = tag and contact.tags is not None and tag not in contact.tags
        return Confirm(tag) if wanted else None

    def _wake(
        self, address: bytes, judgement: Judgement, evidence: Evidence, facts: Facts
    ) -> tuple[str, ...]:
        """Who has to look again: a no came to their address, or this one left it; and
        a contact that was given something, for what Mailjet is to hold of that."""
        old = self.memory.snapshot
        was_closed = old is not None and old.opted_out
        is_moved = old is None or old.address != address
        wake = set(self.left_behind(address))
        is_closed = not judgement.verdict.is_open
        was_complained = old is not None and old.complained
        is_other = was_complained is not (judgement.verdict is Verdict.COMPLAINED)
        if was_closed != is_closed or (is_closed and is_moved) or is_other:
            wake |= evidence.sharers.keys()
        if facts.adopted:
            wake.add(self.contact_id)
        return tuple(sorted(wake))

    def _lost(self, sides: Sides) -> Snapshot | None:
        """What we remember of somebody whom Mailjet had under this address."""
        old = self.memory.snapshot
        if old is None or sides.inherits or sides.subscriber is not NOBODY:
            return None
        return old if old.erased or sides.remembered_id else None


def _outcome(actions: tuple[Action, ...], sides: Sides) -> Outcome:
    if not actions:
        return Outcome.UNCHANGED if sides.writes_properties else Outcome.SHARED
    if not sides.verdict.is_open:
        return Outcome.OPTED_OUT
    if not sides.writes_properties:
        return Outcome.SHARED
    return Outcome.UPDATED if sides.remembered_id else Outcome.CREATED
