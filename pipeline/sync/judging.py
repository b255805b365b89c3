"""All evidence about one contact, joined to one verdict and to what is remembered."""

from dataclasses import dataclass, field

from pipeline.sync import blocking, consent, ghl_dnd
from pipeline.sync.blocking import Reason
from pipeline.sync.consent import OF_MAILJET, Record, Source, Verdict
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.ports import Evidence, Policy
from pipeline.sync.sides import Inheritance
from pipeline.sync.snapshot import Snapshot


@dataclass(frozen=True)
class Judgement:
    """What follows from all that was said.

    Args:
        record: the contact's own statements, to be remembered.
        reopened: a recorded opt-in answers every no, and the writes may say so.
        bounced: the address takes no mail; consent may be open all the same.
        reason, since_ms: why and since when the contact is not to be mailed.
    """

    verdict: Verdict
    record: Record = field(default_factory=dict)
    reopened: bool = False
    bounced: bool = False
    reason: Reason = Reason.REMEMBERED
    since_ms: int = 0

    @property
    def status(self) -> str:
        """The property `ghl_email_status`."""
        is_bounced = self.bounced and self.verdict.is_open
        return "bounced" if is_bounced else str(self.verdict)


@dataclass(frozen=True)
class Hearing:
    """One contact, and all that tells about its consent.

    Args:
        address: fingerprint of the contact's address; empty without one.
        subscriber: Mailjet's side really read, None when it was not.
        heir: the old address, when it changed.
        unsettled: an attempt was cut short that may have written already.
    """

    contact: Contact
    address: bytes
    evidence: Evidence
    subscriber: Subscriber | None
    heir: Inheritance | None
    remembered: Snapshot | None
    policy: Policy
    unsettled: bool = False

    def judge(self) -> Judgement:
        """Join it all; the strictest answer of everybody with the address counts."""
        record = self._of_ghl(self._of_mailjet(self._known()))
        own = consent.decide(record)
        verdict = consent.strictest([own, *self._sharers(record)])
        bounced = self.is_bounced()
        reason, since_ms = Reason.SHARED, 0
        if not own.is_open:
            reason = blocking.reason_of(record)
            since_ms = blocking.said_ms(record, reason)
        elif verdict.is_open and bounced:
            reason = Reason.BOUNCED
            streak = self.policy.soft_bounces
            since_ms = self.evidence.told.delivery.bounced_ms(streak)
        return Judgement(
            verdict,
            record,
            reopened=verdict.is_open and consent.is_reopened(record),
            bounced=bounced,
            reason=reason,
            since_ms=since_ms,
        )

    def is_bounced(self) -> bool:
        """Whether the address takes no mail.

        What we wrote in GHL tells it too, once our state was lost; not where the
        address is another since.
        """
        delivery, before = self.evidence.told.delivery, self.remembered
        if delivery.bounced_ms(self.policy.soft_bounces):
            return True
        if before is None or not before.bounced:
            return ghl_dnd.is_bounce_block(self.contact)
        tells = self.contact.dnd_settings is not None
        is_over = tells and not ghl_dnd.is_bounce_block(self.contact)
        return not (self._is_moved() or delivery.alive_ms or is_over)

    def _known(self) -> Record:
        record, before = self.evidence.own, self.remembered
        if before and before.opted_out and not before.held and not record:
            source = Source.MAILJET_SPAM if before.complained else Source.EARLIER
            record = self._see(record, source, says_no=True)
        return consent.absorbed(record, self.evidence.told_of_contact)

    def _of_mailjet(self, record: Record) -> Record:
        """Of the old address what is new there; of another one all that it shows."""
        if self.heir is not None:
            record = consent.absorbed(record, self.heir.told)
            old = [self.remembered] if self.remembered else []
            record = self._of_subscriber(record, self.heir.was, old)
        if self._is_moved():
            for source in OF_MAILJET:
                record = self._see(record, source, says_no=False)
        record = consent.absorbed(record, self.evidence.told.record)
        for said in self.evidence.records.values():
            record = consent.absorbed(record, _of_the_address(said))
        if self.subscriber is not None:
            record = self._of_subscriber(record, self.subscriber, self._before())
        was_us = any(one.opted_out and not one.held for one in self._before())
        was_us = was_us or self._is_only_excluded_by_us(record)
        in_set = self.evidence.in_mailjet_set and self._trusts_sets(record)
        stands = any(s in record and record[s].stands for s in OF_MAILJET)
        if in_set and not was_us and not stands:
            record = self._see(record, Source.MAILJET, says_no=True)
        return record

    def _of_subscriber(
        self, record: Record, one: Subscriber, before: list[Snapshot]
    ) -> Record:
        """What Mailjet shows of an address.

        Args:
            before: what we remember of everybody with it.
        """
        if not one.contact_id:
            return record
        lists = self._unsubscribed(one, record, before)
        words = " ".join(map(str, lists))
        record = self._see(
            record, Source.MAILJET_LIST, says_no=bool(lists), detail=words
        )
        record = self._see(
            record,
            Source.MAILJET_EXCLUDED,
            says_no=bool(one.excluded)
            and not self._excluded_by_us(one, record, before),
            at_ms=one.excluded_ms,
        )
        record = self._see(record, Source.MAILJET_SPAM, says_no=one.complained)
        if not (lists or one.excluded or one.complained):
            record = self._see(record, Source.MAILJET, says_no=False)
        return record

    def _of_ghl(self, record: Record) -> Record:
        contact = self.contact
        in_set = bool(self.evidence.in_ghl_set) and self._trusts_sets(record)
        if in_set and not record and not ghl_dnd.is_bounce_block(contact):
            record = self._see(record, Source.GHL_EMAIL, says_no=True)
        if contact.dnd is not None:
            record = self._see(record, Source.GHL_ALL, says_no=contact.dnd)
        email = ghl_dnd.email_opt_out(contact)
        was_closed = self.remembered is not None and self.remembered.opted_out
        if email is not None and not (was_closed and ghl_dnd.is_ours(contact)):
            # What we wrote repeats what we knew, unless we know it no more.
            detail = ghl_dnd.email_detail(contact)
            record = self._see(record, Source.GHL_EMAIL, says_no=email, detail=detail)
        return record

    def _sharers(self, record: Record) -> list[Verdict]:
        evidence = self.evidence
        found = [
            consent.decide(evidence.records.get(id_) or _of_snapshot(snapshot))
            for id_, snapshot in evidence.sharers.items()
        ]
        if evidence.address_in_ghl_set and self._trusts_sets(record):
            found.append(Verdict.OPTED_OUT)
        return found

    def _see(
        self,
        record: Record,
        source: Source,
        *,
        says_no: bool,
        at_ms: int | None = None,
        detail: str = "",
    ) -> Record:
        return consent.observed(
            record,
            source,
            says_no=says_no,
            now_ms=self.policy.carrying.now_ms,
            at_ms=at_ms,
            detail=detail,
        )

    def _trusts_sets(self, record: Record) -> bool:
        """A set that was read before somebody opted in tells nothing of them since."""
        return Source.OPT_IN not in record

    def _unsubscribed(
        self, one: Subscriber, record: Record, before: list[Snapshot]
    ) -> list[int]:
        """Lists that were unsubscribed from, as far as they count and it was not us."""
        ours = self.policy.managed_lists
        gone = {id_ for id_, is_gone in (one.unsubscribed or {}).items() if is_gone}
        if not self.policy.optout_scope_account:
            gone &= set(ours)
        was_us = any(one.opted_out and not one.held for one in before)
        if was_us or self._had_begun(record):
            known = record.get(Source.MAILJET_LIST)
            theirs = known.detail.split() if known and known.stands else ()
            gone -= {id_ for id_ in ours if str(id_) not in theirs}
        return sorted(gone)

    def _excluded_by_us(
        self, one: Subscriber, record: Record, before: list[Snapshot]
    ) -> bool:
        """Whether the exclusion is ours: for a bounce, or for a no from elsewhere."""
        if any(one.bounced and one.excluded for one in before):
            return True
        if ghl_dnd.is_bounce_block(self.contact) and not self._is_moved():
            # We had begun to write, or our state was lost.
            return True
        known = record.get(Source.MAILJET_EXCLUDED)
        yes = record.get(Source.OPT_IN)
        is_theirs = (known is not None and known.stands) or (
            # We exclude nobody who has opted in since.
            yes is not None and (one.excluded_ms or 0) > yes.at_ms
        )
        was_us = any(each.excluded for each in before) or self._had_begun(record)
        return was_us and not is_theirs

    def _is_only_excluded_by_us(self, record: Record) -> bool:
        """Whether our exclusion is all that Mailjet shows, and so what a set holds."""
        one = self.subscriber
        if one is None or not one.excluded or one.complained:
            return False
        is_gone = any((one.unsubscribed or {}).values())
        return not is_gone and self._excluded_by_us(one, record, self._before())

    def _had_begun(self, record: Record) -> bool:
        """Whether it may be us who carried out a no that Mailjet shows.

        It closes nothing then that was not closed before; and we carry out no no of
        somebody who has opted in since.
        """
        if not self.unsettled or Source.OPT_IN in record:
            return False
        contact = self.contact
        theirs = ghl_dnd.email_opt_out(contact) and not ghl_dnd.is_ours(contact)
        return bool(contact.dnd or theirs) or not consent.decide(record).is_open

    def _is_moved(self) -> bool:
        before = self.remembered
        return before is not None and before.address != self.address

    def _before(self) -> list[Snapshot]:
        """What we remember of everybody with the address."""
        before = self.remembered
        is_same = before is not None and before.address == self.address
        own = [before] if before and is_same else []
        return [*own, *self.evidence.sharers.values()]


def _of_the_address(record: Record) -> Record:
    """What a contact knows Mailjet to say no to, which is no word of its own alone."""
    noes = consent.unanswered(record)
    return {s: noes[s] for s in OF_MAILJET if s in noes and noes[s].stands}


def _of_snapshot(snapshot: Snapshot) -> Record:
    """What a contact said of which no statement is kept."""
    if not snapshot.opted_out:
        return {}
    return {Source.EARLIER: consent.Statement(Source.EARLIER, 0)}
