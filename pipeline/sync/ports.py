"""What a sync needs from the world: two vendors, a memory, the operator's policy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from pipeline.sync.activity import (
    Activities,
    Appointment,
    HistoryEntry,
    Listing,
    Note,
    Task,
)
from pipeline.sync.aggregates import NoteText
from pipeline.sync.campaigns import Campaign
from pipeline.sync.consent import Record
from pipeline.sync.contact import Contact, ListAction, Subscriber
from pipeline.sync.delivery import Delivery
from pipeline.sync.mail_event import MailEvent
from pipeline.sync.mapping import FieldMap
from pipeline.sync.orders import Order, Sending
from pipeline.sync.rule_memory import RuleMemory
from pipeline.sync.rules import Rule
from pipeline.sync.snapshot import Fingerprint, Snapshot


class Ghl(Protocol):
    def get_contact(self, contact_id: str) -> Contact: ...
    def contacts_with_email(self, email: str) -> tuple[str, ...]: ...
    def update_contact(
        self, contact_id: str, values: Mapping[str, object]
    ) -> Contact | None: ...
    def create_contact(self, values: Mapping[str, object]) -> Contact: ...
    def delete_contact(self, contact_id: str) -> int: ...
    def add_tags(self, contact_id: str, tags: Sequence[str]) -> tuple[str, ...]: ...
    def remove_tags(self, contact_id: str, tags: Sequence[str]) -> tuple[str, ...]: ...
    def list_tasks(self, contact_id: str) -> Listing[Task]: ...
    def list_notes(self, contact_id: str) -> Listing[Note]: ...
    def list_appointments(
        self, contact_id: str, zone: ZoneInfo
    ) -> Listing[Appointment]: ...
    def create_note(self, contact_id: str, body: str) -> Note: ...
    def update_note(self, contact_id: str, note_id: str, body: str) -> Note | None: ...
    def create_task(
        self,
        contact_id: str,
        *,
        title: str,
        due_ms: int,
        body: str = "",
        assigned_to: str = "",
    ) -> Task: ...


class Mailjet(Protocol):
    def manage_contact(
        self,
        list_id: int,
        email: str,
        action: ListAction,
        *,
        name: str | None = None,
        properties: Mapping[str, object] | None = None,
    ) -> Subscriber: ...
    def manage_lists(
        self, contact_id: int, actions: Mapping[int, ListAction]
    ) -> None: ...
    def contact_lists(self, contact_id: int) -> Mapping[int, bool]: ...
    def contact_data(self, contact_id: int) -> Mapping[str, object]: ...
    def get_contact(self, id_or_email: int | str) -> Subscriber: ...
    def update_contact_data(
        self, contact_id: int, properties: Mapping[str, object]
    ) -> None: ...
    def update_contact(
        self,
        contact_id: int,
        *,
        name: str | None = None,
        excluded: bool | None = None,
    ) -> None: ...
    def delete_contact(self, contact_id: int) -> int: ...
    def contact_history(self, contact_id: int, name: str) -> Iterable[HistoryEntry]: ...
    def create_history(self, contact_id: int, name: str, data: str) -> HistoryEntry: ...


@dataclass(frozen=True)
class Told:
    """What Mailjet's events said of an address, whoever has it."""

    record: Record = field(default_factory=dict)
    delivery: Delivery = field(default_factory=Delivery)


@dataclass(frozen=True)
class Evidence:
    """What state knows about an address beyond the contact's row.

    Args:
        in_ghl_set: whether GHL's complete set of opted-out ids holds the contact;
            None when there is no such set.
        address_in_ghl_set: some contact with this address opted out in GHL.
        in_mailjet_set: the account has a no from this address.
        sharers: the other contacts with this address, by id.
        records: their statements, of those who said anything.
        own: the contact's own statements.
        told: what events said of the address.
        told_of_contact: what GHL's webhooks said of the contact.
    """

    in_ghl_set: bool | None = None
    address_in_ghl_set: bool = False
    in_mailjet_set: bool = False
    sharers: Mapping[str, Snapshot] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)
    own: Record = field(default_factory=dict)
    told: Told = field(default_factory=Told)
    told_of_contact: Record = field(default_factory=dict)


class Memory(Protocol):
    """One contact's share of the state, opened under its lease.

    `row` is GHL's row as discovery found it, `seen` Mailjet's side where the last paged
    read found it different, `unsettled` tells that an earlier attempt had begun to
    write, `trusting` that remembered sides suffice (bulk work), `urgent` that consent
    is at stake.

    `touched` has a letter for each kind of activity that somebody pointed at, and
    `swept` what the full run's sweeps tell: a kind that is None there is unchanged or
    unknown. `incoming` are entries of Mailjet's history that ask for something in GHL,
    `orders` those of the contact that are to be decided, `rule_memory` what rules
    remember of it, None before they met it.
    """

    row: Contact | None
    snapshot: Snapshot | None
    seen: tuple[int, ...] | None
    unsettled: bool
    trusting: bool
    urgent: bool
    touched: frozenset[str]
    swept: Activities
    incoming: tuple[HistoryEntry, ...]
    orders: tuple[Order, ...]
    rule_memory: RuleMemory | None

    def sent_today(self, day: str) -> int:
        """How many orders that count went to the contact on a day."""

    def evidence(self, address: bytes) -> Evidence:
        """What is known; of an empty address only what the contact itself said."""

    def holds_back(self) -> bool:
        """Count an opt-out in GHL of somebody whom we mail; whether there are so many
        that unsubscribing them has to be confirmed."""

    def interactions(self, address: bytes) -> tuple[MailEvent, ...]:
        """Events of an address that wait for an answer, oldest first."""

    def campaigns(self, address: bytes) -> Mapping[int, Campaign]:
        """What the events of an address came to, by campaign."""

    def holds_emptying(self) -> bool:
        """Count a contact that is to lose a value or a tag; whether so many are that
        somebody has to say that it is meant."""

    def holds_deletion(self) -> bool:
        """Count the contact as deleted in GHL; whether so many were that it is left to
        the next full run, which asks somebody."""

    def outlive(self, address: bytes, record: Record) -> None:
        """Let what a contact said be known of its address once the contact is gone."""

    def begin(self, *addresses: bytes) -> Evidence:
        """Mark the contact as being written and lease its addresses.

        Returns:
            what is known of the first one, now that nobody else can change it.

        Raises:
            AddressHeld: another contact with one of them is being written.
        """


@dataclass(frozen=True)
class Carrying:
    """How tasks, notes and appointments are carried.

    Args:
        now_ms: the clock of "overdue" and "next", milliseconds since 1970 UTC.
        zone: of the location.
        appointment_zone: in which GHL lists a contact's appointments; None for `zone`.
        notes_tag: only notes of contacts that carry it; "" carries everybody's.
        task_due_days: from an entry in Mailjet to the due date of its task in GHL.
        task_assignee: GHL user who gets tasks of contacts that nobody is assigned to.
        historic: Mailjet's historic properties that this account has.
        backfill: what the first import found goes into the history too.
        sweeps_tasks, sweeps_appointments: a full run reads them for everybody at once.
    """

    now_ms: int
    zone: ZoneInfo
    note_text: NoteText
    notes_tag: str = ""
    task_due_days: int = 1
    task_assignee: str = ""
    historic: frozenset[str] = frozenset()
    backfill: bool = False
    sweeps_tasks: bool = True
    sweeps_appointments: bool = True
    appointment_zone: ZoneInfo | None = None


class Deletions(StrEnum):
    """What happens in Mailjet to a contact that was deleted in GHL."""

    KEEP = "keep"
    UNSUBSCRIBE = "unsubscribe"
    REMOVE = "remove-from-lists"
    ERASE = "erase"


@dataclass(frozen=True)
class Policy:
    """What the operator decided for a connection.

    Args:
        create_contacts: who is on the list and not in GHL is made a contact there.
        sending: guards for what rules send.
        armed_ms: since when rules look at contacts, at the earliest since the first
            import began; a contact that GHL made since is new to them. Milliseconds
            since 1970 UTC, 0 while nobody is new.
    """

    list_id: int
    field_map: FieldMap
    fingerprint: Fingerprint
    carrying: Carrying
    exclude_opted_out: bool = True
    optout_scope_account: bool = True
    soft_bounces: int = 5
    details_always: bool = False
    deletions: Deletions = Deletions.UNSUBSCRIBE
    create_contacts: bool = False
    rules: tuple[Rule, ...] = ()
    sending: Sending = field(default_factory=Sending)
    armed_ms: int = 0

    @property
    def managed_lists(self) -> tuple[int, ...]:
        return (self.list_id, *self.field_map.layout.managed)
