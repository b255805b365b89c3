"""What is compared: both sides with their base, under the verdict of all evidence."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pipeline.sync import consent, ghl_dnd
from pipeline.sync.actions import Action, Include, Resubscribe
from pipeline.sync.blocking import Block, Unblock, needs_block
from pipeline.sync.case import Case
from pipeline.sync.consent import Record, Source, Statement
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.fields import LIST, Owner
from pipeline.sync.judging import Hearing, Judgement
from pipeline.sync.mapping import EMAIL_STATUS
from pipeline.sync.ports import Evidence
from pipeline.sync.sides import Inheritance, Sides
from pipeline.sync.snapshot import UNKNOWN, Snapshot

OPTED_IN = "The person opted in"
RECOVERED = "The address takes mail again, or is another one"


class Comparison(Case):
    """A case, and how its sides are put together."""

    def base(self, address: bytes) -> Snapshot | None:
        """The snapshot, where it is of this address and this mapping."""
        remembered = self.memory.snapshot
        wanted = (address, self.policy.field_map.digest)
        if remembered and (remembered.address, remembered.digest) == wanted:
            return remembered
        return None

    def is_as_read(self, row: Contact, email: str) -> bool:
        """Whether a row that leaves fields out is of somebody who was read whole since
        the last change.

        GHL documents fewer fields of a row than of a contact, `timezone` among them:
        reading everybody singly in every run would spend a location's day.
        """
        base = self.base(self.policy.fingerprint.address(email))
        if base is None or row.date_updated_ms != base.updated_ms:
            return False
        if self.memory.unsettled or self.memory.seen is not None:
            return False
        field_map = self.policy.field_map
        told = field_map.desired(row, "")
        del told[EMAIL_STATUS]
        now = self.policy.fingerprint.wanted(field_map.columns, told)
        return all(n in (UNKNOWN, old) for n, old in zip(now, base.ghl, strict=True))

    def judge(
        self,
        contact: Contact,
        address: bytes,
        evidence: Evidence,
        subscriber: Subscriber | None,
        heir: Inheritance | None,
    ) -> Judgement:
        """What follows from all that was said."""
        return Hearing(
            contact,
            address,
            evidence,
            subscriber,
            heir,
            self.memory.snapshot,
            self.policy,
            self.memory.unsettled,
        ).judge()

    def sides(
        self,
        contact: Contact,
        address: bytes,
        evidence: Evidence,
        subscriber: Subscriber | None,
        heir: Inheritance | None,
        judgement: Judgement,
        values: Mapping[str, str],
    ) -> Sides:
        """Both sides.

        Args:
            values: what the activities around the contact come to, by column.
        """
        policy, remembered = self.policy, self.memory.snapshot
        base = self.base(address)
        changed_ms = (subscriber and subscriber.updated_ms) or 0
        read_ms = contact.date_updated_ms or 0
        back = self._back(contact, evidence, judgement)
        sides = Sides(
            wanted={**policy.field_map.desired(contact, judgement.status), **values},
            verdict=judgement.verdict,
            base=base,
            subscriber=subscriber,
            seen=self.memory.seen if base else None,
            list_id=policy.list_id,
            writes_properties=not has_older(
                contact.id, contact.date_added_ms or 0, evidence.sharers
            ),
            exclude=policy.exclude_opted_out
            and bool(
                consent.ghls_own(judgement.record)
                or judgement.bounced
                or (remembered and remembered.excluded)
                or (heir and heir.excluded)
            ),
            inherits=heir,
            reopens=judgement.reopened,
            bounced=judgement.bounced,
            recovers=bool(base and (base.bounced or base.held))
            and not judgement.bounced,
            held=self._is_held(base, judgement),
            back=back,
            newer=Owner.MAILJET if changed_ms > read_ms else Owner.GHL,
            unset=self._unset(contact),
            read_ms=read_ms,
            remapped_id=0 if base else self._remapped_id(address),
        )
        return self._guarded(sides)

    def _guarded(self, sides: Sides) -> Sides:
        """The sides, without what takes something away from too many at once."""
        field_map = self.policy.field_map
        if not field_map.layout.empties or not sides.writes_properties:
            return sides
        emptied = sides.merged(field_map, self.policy.fingerprint).emptied
        if not sides.verdict.is_open:
            # Whoever opted out left all lists, and loses no tag by that.
            emptied = frozenset(one for one in emptied if not one.startswith(LIST))
        is_held = bool(emptied) and self.memory.holds_emptying()
        return replace(sides, withheld=emptied) if is_held else sides

    def _unset(self, contact: Contact) -> frozenset[str]:
        """Of a row of a listing nothing: it may leave out more than was never set."""
        is_row = contact is self.memory.row
        return frozenset() if is_row else self.policy.field_map.unset(contact)

    def _remapped_id(self, address: bytes) -> int:
        """Mailjet's id of who was synced under another mapping, else 0."""
        known = self.memory.snapshot
        is_same = known is not None and known.address == address
        return known.mailjet_id if known and is_same else 0

    def _back(
        self, contact: Contact, evidence: Evidence, judgement: Judgement
    ) -> tuple[Block | Unblock, ...]:
        """What GHL has to be told: nobody who said no anywhere is mailed anywhere."""
        is_closed = not judgement.verdict.is_open
        block = Block(judgement.reason, judgement.since_ms)
        reopens = judgement.reopened and ghl_dnd.email_opt_out(contact)
        if reopens and judgement.bounced:
            # What stands there says that the person opted out.
            return (Unblock(OPTED_IN), block)
        if is_closed or judgement.bounced:
            in_set = bool(evidence.in_ghl_set)
            if needs_block(contact, in_ghl_set=in_set, is_closed=is_closed):
                return (block,)
            # The tag may be missing still, where an earlier attempt was cut short.
            untagged = block.tag and block.tag not in (contact.tags or (block.tag,))
            return (block,) if self.memory.unsettled and untagged else ()
        before = self.memory.snapshot
        recovered = bool(before and before.bounced) and ghl_dnd.is_bounce_block(contact)
        if recovered:
            return (Unblock(RECOVERED),)
        if reopens:
            return (Unblock(OPTED_IN),)
        return ()

    def _is_held(self, base: Snapshot | None, judgement: Judgement) -> bool:
        """Whether the contact is one of so many that it may be a slip.

        Only what comes from GHL alone, and of whom we mail: what Mailjet has a no from
        is unsubscribed there, or excluded by hand.
        """
        if judgement.verdict.is_open or base is None or not base.mailjet_id:
            return False
        if base.opted_out and not base.held:
            return False
        noes = consent.unanswered(judgement.record).keys()
        return bool(noes) and noes <= consent.OF_GHL and self.memory.holds_back()


def after(record: Record, actions: Iterable[Action], sides: Sides) -> Record:
    """The record once a plan was carried out: what we took back ourselves stands no
    more, and if it comes again it is new. What we leave as it is was answered too."""
    again: tuple[int, ...] = ()
    for action in actions:
        match action:
            case Unblock():
                record = _cleared(record, Source.GHL_EMAIL)
            case Include():
                record = _cleared(record, Source.MAILJET_EXCLUDED)
            case Resubscribe(list_ids):
                again = list_ids
    if sides.reopens and sides.subscriber is not None:
        state = sides.subscriber.unsubscribed or {}
        left = sorted(i for i, gone in state.items() if gone and i not in again)
        words = " ".join(map(str, left))
        record = _cleared(record, Source.MAILJET_LIST, words)
        record = _cleared(record, Source.MAILJET)
    return record


def _cleared(record: Record, source: Source, left: str = "") -> Record:
    """A record after we took back ourselves what an opt-in answers.

    Args:
        left: words of the statement that stand all the same.
    """
    known = record.get(source)
    if known is None:
        if not left:
            return record
        known = Statement(source, min(said.at_ms for said in record.values()))
    return {**record, source: replace(known, detail=left, stands=bool(left))}


def has_older(contact_id: str, added_ms: int, sharers: Mapping[str, Snapshot]) -> bool:
    """Of contacts that share an address the oldest writes, and answers events."""
    own = (added_ms, contact_id)
    return any((other.added_ms, id_) < own for id_, other in sharers.items())


def known_id(sides: Sides, evidence: Evidence) -> int:
    """Mailjet's id of the address, also where another contact had it made."""
    if sides.subscriber is not None and sides.subscriber.contact_id:
        return sides.subscriber.contact_id
    others = (sharer.mailjet_id for sharer in evidence.sharers.values())
    return sides.remembered_id or max(others, default=0)
