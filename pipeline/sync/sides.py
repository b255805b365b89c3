"""Both sides of one contact, as a plan is made from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.sync.actions import Retire
from pipeline.sync.blocking import Block, Unblock
from pipeline.sync.consent import Record, Verdict
from pipeline.sync.contact import ListAction, Subscriber
from pipeline.sync.fields import Owner
from pipeline.sync.mapping import FieldMap
from pipeline.sync.merging import Columns, Merge, merge
from pipeline.sync.snapshot import Fingerprint, Snapshot


@dataclass(frozen=True)
class Inheritance:
    """What an old address hands over when the contact's address changed.

    Mailjet cannot change an address (PUT /contact takes no `Email`; Mailjet, contact
    resource, read 2026-11), so a changed address is a new subscriber.

    Args:
        lists: where the old address is subscribed.
        properties: its values, ours and others'.
        leaves: how the old address leaves our lists; empty where it stays as it is:
            another contact has it, or Mailjet has it no more. Who said no is
            unsubscribed, as the row is the memory of that; others are removed.
        was, told: Mailjet's side of it, and what events said of it.
    """

    mailjet_id: int
    lists: tuple[int, ...]
    properties: Mapping[str, object]
    opted_out: bool
    excluded: bool
    leaves: Mapping[int, ListAction]
    was: Subscriber
    told: Record = field(default_factory=dict)

    @property
    def retirement(self) -> tuple[Retire, ...]:
        return (Retire(self.mailjet_id, self.leaves),) if self.leaves else ()


@dataclass(frozen=True)
class Sides:
    """All that a plan is made from.

    Args:
        wanted: what GHL wants Mailjet to hold, by column.
        base: the snapshot of the same address, None without one.
        subscriber: Mailjet's side really read, None when it was not.
        seen: Mailjet's side as the last paged read found it different, else None.
        writes_properties: False for a contact that shares its address with an older
            one, which alone writes; consent counts all the same.
        exclude: who is not to be mailed is excluded from campaigns as well.
        inherits: the old address, when it changed.
        reopens: a recorded opt-in answers every no that Mailjet or GHL still has.
        bounced, recovers: the address takes no mail; it does again.
        held: one of a mass of opt-outs, unsubscribed only once that is confirmed.
        back: what GHL has to be told.
        newer: the side that was changed last.
        unset: columns of fields that GHL left out of a whole contact.
        read_ms: GHL's date of the contact as it was read, 0 when unknown.
        withheld: columns that would lose something, with so many others that somebody
            has to say that it is meant.
        remapped_id: Mailjet's id of who was synced under another mapping, else 0.
    """

    wanted: Mapping[str, str]
    verdict: Verdict
    base: Snapshot | None
    subscriber: Subscriber | None
    seen: tuple[int, ...] | None
    list_id: int
    writes_properties: bool
    exclude: bool
    inherits: Inheritance | None = None
    reopens: bool = False
    bounced: bool = False
    recovers: bool = False
    held: bool = False
    back: tuple[Block | Unblock, ...] = ()
    newer: Owner = Owner.GHL
    unset: frozenset[str] = frozenset()
    read_ms: int = 0
    withheld: frozenset[str] = frozenset()
    remapped_id: int = 0

    def merged(self, field_map: FieldMap, fingerprint: Fingerprint) -> Merge:
        """Which columns are to be written where."""
        columns = Columns(
            self.wanted,
            self.base,
            self.subscriber,
            self.seen,
            self.newer,
            self.unset,
            self.withheld,
        )
        return merge(columns, field_map, fingerprint)

    @property
    def remembered_id(self) -> int:
        """Mailjet's id of who was synced before, else 0."""
        return (self.base.mailjet_id if self.base else 0) or self.remapped_id

    @property
    def is_excluded(self) -> bool:
        """Whether campaigns leave the address out, as far as we know."""
        if self.subscriber is not None:
            return bool(self.subscriber.excluded)
        return self.base is not None and self.base.excluded
