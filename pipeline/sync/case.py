"""One contact with all that its sync may touch, and what can come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.sync.activity import Activities, HistoryEntry
from pipeline.sync.consent import Record, Verdict
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.mail_event import MailEvent
from pipeline.sync.orders import Decision, Order
from pipeline.sync.ports import Ghl, Mailjet, Memory, Policy
from pipeline.sync.reading import NOBODY, read_inheritance
from pipeline.sync.rule_memory import RuleMemory
from pipeline.sync.sides import Inheritance
from pipeline.sync.snapshot import Snapshot


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
    DELETED_KEPT = "deleted in GHL, kept in Mailjet"
    DELETED_REMOVED = "deleted in GHL, off our lists"
    DELETED_ERASED = "deleted in GHL, erased in Mailjet"
    DELETED_HELD = "deleted in GHL with many others: held back"
    ERASED = "deleted in Mailjet"
    MADE_IN_GHL = "created in GHL"
    IN_GHL = "in GHL already"
    ONLY_IN_MAILJET = "only in Mailjet, left there"


GONE_FROM_GHL = frozenset(
    {
        Outcome.DELETED,
        Outcome.DELETED_KEPT,
        Outcome.DELETED_REMOVED,
        Outcome.DELETED_ERASED,
        Outcome.DELETED_HELD,
    }
)


@dataclass(frozen=True)
class Found:
    """A contact as its sync found it, for the rules about it.

    Args:
        is_whole: it was read singly: what GHL did not tell is not set.
        activities: what was read of them.
        problem: why nobody can be written to, such as `no e-mail`; "" where one can.
        verdict: of all that was said about mailing the contact.
        bounced: the address takes no mail.
        is_oldest: of the contacts with the address, which alone is written to.
        on_list: it is on our list.
        adopted: GHL was given something of Mailjet's since, and is read again at once.
        subscriber: Mailjet's side as it was read; `NOBODY` where it was not.
        sharers: other contacts with the address.
    """

    contact: Contact
    is_whole: bool
    activities: Activities = field(default_factory=Activities)
    problem: str = ""
    verdict: Verdict = Verdict.SUBSCRIBED
    bounced: bool = False
    is_oldest: bool = True
    on_list: bool = True
    adopted: bool = False
    subscriber: Subscriber = field(default=NOBODY, repr=False)
    sharers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What to remember, in one step with the settlement of the lease.

    Args:
        snapshot: None forgets the contact.
        record: who said what about mailing the contact.
        wake: contacts that have to look again because this one let an address go.
        looked: everything that somebody pointed at was looked at.
        postponed: it could not be, and something else could not wait for it.
        left_alone: what could not be read, or was refused, each with the reason.
        remarks: values that the other side cannot hold, and fields that both sides
            changed, without any value.
        crossings: kinds of activities that were read, and when time alone changes
            what they tell, in milliseconds since 1970 UTC; 0 for never.
        again: kinds to read anew, because we made some.
        answered: entries of Mailjet's that ask for nothing more.
        responded: events of the snapshot's address that rules ask nothing more for.
        found: the contact as it was found; None where nobody is there to answer.
        rule_memory: what rules remember of it; None leaves that as it is.
        orders: those that were placed.
        decisions: what became of these, and of earlier ones, by the order's id.
        day: the contact's, by which what it gets is counted.
    """

    outcome: Outcome
    snapshot: Snapshot | None
    record: Record = field(default_factory=dict)
    wake: tuple[str, ...] = ()
    looked: bool = False
    postponed: bool = False
    left_alone: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    crossings: Mapping[str, int] = field(default_factory=dict)
    again: str = ""
    answered: tuple[HistoryEntry, ...] = ()
    responded: tuple[MailEvent, ...] = ()
    found: Found | None = field(default=None, repr=False)
    rule_memory: RuleMemory | None = None
    orders: tuple[Order, ...] = ()
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    day: str = ""

    @property
    def is_closed(self) -> bool:
        """Whether nobody may be mailed."""
        known = self.snapshot
        return known is None or known.opted_out or known.bounced


@dataclass(frozen=True)
class Case:
    """One contact and what its sync may touch."""

    contact_id: str
    ghl: Ghl
    mailjet: Mailjet
    memory: Memory
    policy: Policy

    def addresses(self, address: bytes) -> tuple[bytes, ...]:
        """All that are written: the address, and the one before when it changed."""
        old = self.memory.snapshot
        before = old.address if old else b""
        return tuple(dict.fromkeys(filter(None, (address, before))))

    def inherit(self, address: bytes) -> Inheritance | None:
        """Read the old address of a contact whose address is another now."""
        old = self.memory.snapshot
        if old is None or not old.mailjet_id or old.address in (b"", address):
            return None
        evidence = self.memory.begin(*filter(None, (old.address, address)))
        return read_inheritance(self.mailjet, self.policy, old, evidence)

    def left_behind(self, address: bytes) -> frozenset[str]:
        """Contacts that keep an address which this one has no more."""
        old = self.memory.snapshot
        if old is None or not old.address or old.address == address:
            return frozenset()
        return frozenset(self.memory.evidence(old.address).sharers)
