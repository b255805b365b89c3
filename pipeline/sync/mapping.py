"""What Mailjet should hold of a contact: the mapping's rows, and what is always there.

Mailjet has no tags, tasks or custom objects on a contact, so everything is carried by
static contact properties. Their names are lower-case because Mailjet lower-cases them
anyway (mailjet/api-documentation#20, read 2026-11), and each must exist before use:
`ghl-mailjet setup` creates what `FieldMap.properties` lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b

from pipeline.sync import blocking
from pipeline.sync.aggregates import DATATYPES, LAST_NOTE
from pipeline.sync.contact import Contact
from pipeline.sync.fields import (
    APART,
    BUSINESS,
    CORE_ROWS,
    CUSTOM,
    LIST,
    TAG,
    Custom,
    Row,
)

CONTACT_ID = "ghl_contact_id"
LOCATION_ID = "ghl_location_id"
TAGS = "ghl_tags"
EMAIL_STATUS = "ghl_email_status"
NAME = "(name)"
"""Not a property: the `Name` of the Mailjet contact, compared like one."""
SYSTEM = (CONTACT_ID, LOCATION_ID, TAGS, EMAIL_STATUS)
NAME_FIELDS = ("firstName", "lastName")

NO_TAGS = "|"
"""What `ghl_tags` holds once the last tag is gone: the effect of writing an empty
string is documented nowhere, and `Contains(ghl_tags, "|vip|")` is false here too."""


@dataclass(frozen=True)
class Layout:
    """The rows of a connection with all that follows from them; made once.

    Args:
        note_excerpt: the text of the last note is a property too.
        rule_lists: lists that rules add to; whoever opts out leaves them as well.
        rule_properties: name and datatype of those that rules set.
        every_custom_field: rules ask for custom fields by any key.
    """

    rows: tuple[Row, ...] = CORE_ROWS
    note_excerpt: bool = False
    rule_lists: tuple[int, ...] = ()
    rule_properties: tuple[tuple[str, str], ...] = ()
    every_custom_field: bool = False

    @cached_property
    def datatypes(self) -> dict[str, str]:
        """Every property that a sync writes or reads, with its Mailjet datatype."""
        around = {
            k: v for k, v in DATATYPES.items() if k != LAST_NOTE or self.note_excerpt
        }
        mapped = {row.column: row.datatype for row in self.rows if not row.list_id}
        return {**mapped, **dict.fromkeys(SYSTEM, "str"), **around}

    @cached_property
    def lists(self) -> tuple[int, ...]:
        """The Mailjet lists that rows are about."""
        return tuple(sorted({row.list_id for row in self.rows if row.list_id}))

    @property
    def managed(self) -> tuple[int, ...]:
        """Lists that are kept beside the connection's own."""
        return (*self.lists, *self.rule_lists)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """What a snapshot remembers, in order; `list:ID` is membership of a list."""
        members = (f"{LIST}{list_id}" for list_id in self.lists)
        return (NAME, *self.datatypes, *members)

    @cached_property
    def plain(self) -> tuple[tuple[str, str], ...]:
        """GHL's field and column of rows that carry a text as it is: nearly all are,
        and of these nothing need be asked for each contact."""
        return tuple((r.ghl, r.column) for r in self.rows if r.is_plain)

    @cached_property
    def others(self) -> tuple[Row, ...]:
        """All other rows."""
        return tuple(row for row in self.rows if not row.is_plain)

    @cached_property
    def shared(self) -> dict[str, Row]:
        """Rows whose value may come from Mailjet, by column."""
        return {row.column: row for row in self.rows if row.to_ghl}

    @cached_property
    def joinable(self) -> frozenset[str]:
        """Columns of lists that a contact joins because of what GHL says."""
        return frozenset(r.column for r in self.rows if r.list_id and r.to_mailjet)

    @cached_property
    def read_lists(self) -> tuple[int, ...]:
        """Lists whose members tell something to GHL."""
        return tuple(i for i in self.lists if f"{LIST}{i}" in self.shared)

    @cached_property
    def clearable(self) -> frozenset[str]:
        """Columns of which an empty value is a wish: a task that is done must not be
        mailed about, while an empty field wipes nothing unless its row says so."""
        return frozenset({*DATATYPES, *(r.column for r in self.rows if r.clears)})

    @cached_property
    def empties(self) -> frozenset[str]:
        """Columns by which something that a person wrote may be taken away."""
        rows = (row for row in self.rows if row.clears or (row.to_ghl and row.is_flag))
        return frozenset(row.column for row in rows)

    @cached_property
    def needs(self) -> frozenset[str]:
        """Names in `Contact.values` without which a contact is not known enough."""
        plain = (
            row.ghl for row in self.rows if not row.ghl.startswith((TAG, BUSINESS))
        )
        fields = {n for n in plain if not n.startswith(CUSTOM)}
        return frozenset({*fields, *NAME_FIELDS}.difference(APART))

    @cached_property
    def custom_keys(self) -> tuple[str, ...]:
        """Keys of the custom fields that rows name."""
        keys = (row.ghl for row in self.rows if row.ghl.startswith(CUSTOM))
        return tuple(dict.fromkeys(keys))

    @cached_property
    def needs_business(self) -> bool:
        about = ("businessId", BUSINESS)
        return any(row.ghl.startswith(about) for row in self.rows)


CORE = Layout()


@dataclass(frozen=True)
class FieldMap:
    """The mapping of one connection.

    Args:
        confirmation_tag: our own mark in GHL; like those of `blocking` it is never
            carried to Mailjet, or the mark of one sync would start the next.
        custom: custom fields by key, as `setup` found them; what a row names and GHL
            does not have is unknown.
    """

    location_id: str
    list_id: int = 0
    layout: Layout = CORE
    confirmation_tag: str = ""
    custom: Mapping[str, Custom] = field(default_factory=dict)

    @property
    def properties(self) -> dict[str, str]:
        """Every Mailjet property, with its Mailjet datatype."""
        return {**self.layout.datatypes, **dict(self.layout.rule_properties)}

    @property
    def columns(self) -> tuple[str, ...]:
        """What a snapshot remembers, in order."""
        return self.layout.columns

    @property
    def digest(self) -> bytes:
        """4 bytes that change with the columns; a snapshot of others is no base.

        Of a row to GHL with its field too: what another tag told takes nothing away.
        """
        shared = (f"{name} of {row.ghl}" for name, row in self.layout.shared.items())
        text = "\n".join((f"main:{self.list_id}", *self.columns, *shared))
        return blake2b(text.encode(), digest_size=4).digest()

    def knows_enough(self, contact: Contact) -> bool:
        """Whether a row of a listing tells all that the mapping is about."""
        layout = self.layout
        if contact.tags is None or not layout.needs <= contact.values.keys():
            return False
        if layout.custom_keys and contact.custom_fields is None:
            return False
        return not (layout.needs_business and contact.business_id is None)

    def desired(self, contact: Contact, status: str) -> dict[str, str]:
        """GHL's side by column, as Mailjet should hold it; what is unknown, or cannot
        be held, is absent."""
        told = contact.values
        wanted = {c: told[name] for name, c in self.layout.plain if name in told}
        for row in self.layout.others:
            try:
                text = row.text(contact, self.custom)
            except ValueError:
                continue
            # Several tags may stand for one list: having one of them is enough.
            if text is not None and wanted.get(row.column) != "1":
                wanted[row.column] = text
        if (name := full_name(contact)) is not None:
            wanted[NAME] = name
        wanted[CONTACT_ID] = contact.id
        wanted[LOCATION_ID] = self.location_id
        wanted[EMAIL_STATUS] = status
        if contact.tags is not None:
            own = {self.confirmation_tag, *blocking.TAGS}
            tags = [tag for tag in contact.tags if tag not in own]
            # A bar within a tag would make two of it.
            barred = "|".join(tag.replace("|", "/") for tag in tags)
            wanted[TAGS] = f"|{barred}|" if tags else NO_TAGS
        return wanted

    def unset(self, contact: Contact) -> frozenset[str]:
        """Columns of rows to GHL whose field the contact does not have at all."""
        return frozenset(
            column
            for column, row in self.layout.shared.items()
            if not (row.is_flag or row.is_custom) and row.ghl not in contact.values
        )

    def misfits(self, contact: Contact) -> tuple[str, ...]:
        """What of the contact Mailjet's datatypes cannot hold, without its value."""
        told = []
        for row in self.layout.rows:
            if not (row.transforms or row.datatype != "str"):
                continue
            try:
                row.text(contact, self.custom)
            except ValueError as error:
                told.append(f"{row.ghl} {error}: not carried to {row.column}")
        return tuple(told)

    def is_clearable(self, column: str) -> bool:
        """Whether an empty value is a wish."""
        return column in self.layout.clearable

    def written(self, column: str, value: str) -> object:
        """A value as Mailjet gets it; null unassigns (Mailjet guides,
        _contacts_bulk.md, read 2026-11)."""
        if not value:
            return None
        match self.layout.datatypes.get(column):
            case "int":
                return int(value)
            case "float":
                return float(value)
            case "bool":
                return value == "true"
        return value


def full_name(contact: Contact) -> str | None:
    """First and last name in one; None when both are unknown.

    A row of a listing that lacks one of them is not enough (`knows_enough`), and of a
    contact that was read singly GHL may leave out what it never had.
    """
    told = [contact.values[name] for name in NAME_FIELDS if name in contact.values]
    return " ".join(told).strip() if told else None


def canonical(column: str, value: object, datatype: str = "str") -> str:
    """A value as it is compared: the order of tags is nobody's change, and a number or
    a date is the same in each of the forms that Mailjet has for it."""
    text = "" if value is None else str(value)
    if column == TAGS:
        return "|".join(sorted(set(text.strip("|").split("|"))))
    if not text or datatype == "str":
        return text
    try:
        match datatype:
            case "int":
                return str(int(float(text)))
            case "float":
                return repr(float(text))
            case "bool":
                return text.lower()
        return _moment(text).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return text


def _moment(text: str) -> datetime:
    """RFC 3339, UTC where it names no zone, or Unix seconds."""
    if text.isdecimal():
        return datetime.fromtimestamp(int(text), UTC)
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
