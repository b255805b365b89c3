"""Everything that a plan can ask for: one vendor call, or a few, for each action."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.sync.blocking import Block, Unblock
from pipeline.sync.contact import Contact, ListAction
from pipeline.sync.history import State


@dataclass(frozen=True)
class Unsubscribe:
    """Unsubscribe from these lists; creates the person, unsubscribed, if need be."""

    list_ids: tuple[int, ...]


@dataclass(frozen=True)
class Exclude:
    """Exclude from all campaigns of the Mailjet account."""


@dataclass(frozen=True)
class Include:
    """Take back our exclusion from campaigns: the reason for it is gone."""


@dataclass(frozen=True)
class Resubscribe:
    """Subscribe again on these lists, by a recorded opt-in."""

    list_ids: tuple[int, ...]


@dataclass(frozen=True)
class Upsert:
    """Create or update with these values; never changes an opt-out of the list."""

    action: ListAction
    name: str | None
    properties: Mapping[str, object]


@dataclass(frozen=True)
class Edit:
    """Change values of somebody whom an operator took off our list: no list changes."""

    name: str | None
    properties: Mapping[str, object]


@dataclass(frozen=True)
class SetLists:
    """Mirror tags: join and leave the lists that stand for them."""

    join: tuple[int, ...]
    leave: tuple[int, ...]


@dataclass(frozen=True)
class Adopt:
    """Give the GHL contact what Mailjet has of these fields and tags.

    Args:
        values: GHL's field names to what is written.
        custom_fields: `id` and `field_value` of each that is written.
        texts: the same by column, as GHL's side of it.
        add, remove: tags; only tags that the mapping names are ever removed.
        found_ms: GHL's date of the contact as it was read, 0 when unknown.
    """

    values: Mapping[str, object]
    texts: Mapping[str, str]
    custom_fields: tuple[Mapping[str, object], ...] = ()
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    found_ms: int = 0

    @property
    def body(self) -> dict[str, object]:
        """What `PUT /contacts/:contactId` gets; empty for nothing."""
        custom = {"customFields": list(self.custom_fields)}
        return {**self.values, **(custom if self.custom_fields else {})}


@dataclass(frozen=True)
class Retire:
    """The address belongs to the contact no more: leave our lists, in these ways."""

    mailjet_id: int
    lists: Mapping[int, ListAction]


@dataclass(frozen=True)
class Append:
    """Add an entry to Mailjet's history: the state that a task or a note came to."""

    state: State


@dataclass(frozen=True)
class Confirm:
    """Set our confirmation tag on the GHL contact."""

    tag: str

    def on(self, contact: Contact) -> Contact:
        """The contact with it: a mark of ours is no change of theirs."""
        return replace(contact, tags=(*(contact.tags or ()), self.tag))


Action = (
    Unsubscribe
    | Exclude
    | Resubscribe
    | Include
    | Block
    | Unblock
    | Upsert
    | Edit
    | SetLists
    | Adopt
    | Retire
    | Append
    | Confirm
)
