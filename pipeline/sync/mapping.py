"""Which GHL field becomes which Mailjet property: the default mapping `core`.

Mailjet has no tags, tasks or custom objects on a contact, so everything is carried by
static contact properties. Their names are lower-case because Mailjet lower-cases them
anyway (mailjet/api-documentation#20, read 2026-11), and each must exist before use:
`ghl-mailjet setup` creates what `FieldMap.properties` lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b

from pipeline.sync import blocking
from pipeline.sync.aggregates import DATATYPES, LAST_NOTE
from pipeline.sync.contact import Contact

FIELD_TO_PROPERTY = {
    "firstName": "firstname",
    "lastName": "lastname",
    "phone": "phone",
    "companyName": "company",
    "city": "city",
    "state": "state",
    "country": "country",
    "postalCode": "postal_code",
    "timezone": "timezone",
    "source": "source",
    "assignedTo": "ghl_assigned_to",
}
CONTACT_ID = "ghl_contact_id"
LOCATION_ID = "ghl_location_id"
TAGS = "ghl_tags"
EMAIL_STATUS = "ghl_email_status"
NAME = "(name)"
"""Not a property: the `Name` of the Mailjet contact, compared like one."""

TEXTS = (*FIELD_TO_PROPERTY.values(), CONTACT_ID, LOCATION_ID, TAGS, EMAIL_STATUS)

NO_TAGS = "|"
"""What `ghl_tags` holds once the last tag is gone: the effect of writing an empty
string is documented nowhere, and `Contains(ghl_tags, "|vip|")` is false here too."""


@dataclass(frozen=True)
class FieldMap:
    """The mapping of one connection.

    Args:
        tag_lists: lower-case tag to the Mailjet list that mirrors it.
        confirmation_tag: our own mark in GHL; like those of `blocking` it is never
            carried to Mailjet, or the mark of one sync would start the next.
        note_excerpt: the text of the last note is a property too.
    """

    location_id: str
    list_id: int = 0
    tag_lists: Mapping[str, int] = field(default_factory=dict)
    confirmation_tag: str = ""
    note_excerpt: bool = False

    @property
    def properties(self) -> dict[str, str]:
        """Every Mailjet property that a sync writes, with its Mailjet datatype."""
        return _properties(note_excerpt=self.note_excerpt)

    @property
    def columns(self) -> tuple[str, ...]:
        """What a snapshot remembers, in order; `list:ID` is membership of a list."""
        lists = frozenset(self.tag_lists.values())
        return _columns(lists, note_excerpt=self.note_excerpt)

    @property
    def digest(self) -> bytes:
        """4 bytes that change with the columns; a snapshot of others is no base."""
        return _digest(self.list_id, self.columns)

    def desired(self, contact: Contact, status: str) -> dict[str, str]:
        """What Mailjet should hold, by column; unknown columns are absent."""
        wanted = {
            target: contact.values[source]
            for source, target in FIELD_TO_PROPERTY.items()
            if source in contact.values
        }
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
            member_of = {self.tag_lists[tag] for tag in tags if tag in self.tag_lists}
            for list_id in set(self.tag_lists.values()):
                wanted[f"list:{list_id}"] = "1" if list_id in member_of else "0"
        return wanted


def _properties(*, note_excerpt: bool) -> dict[str, str]:
    around = {k: v for k, v in DATATYPES.items() if k != LAST_NOTE or note_excerpt}
    return {**dict.fromkeys(TEXTS, "str"), **around}


@lru_cache
def _columns(lists: frozenset[int], *, note_excerpt: bool) -> tuple[str, ...]:
    members = (f"list:{list_id}" for list_id in sorted(lists))
    return (NAME, *_properties(note_excerpt=note_excerpt), *members)


@lru_cache
def _digest(list_id: int, columns: tuple[str, ...]) -> bytes:
    text = "\n".join((f"main:{list_id}", *columns))
    return blake2b(text.encode(), digest_size=4).digest()


def full_name(contact: Contact) -> str | None:
    """First and last name in one; None when either is unknown."""
    if "firstName" not in contact.values or "lastName" not in contact.values:
        return None
    return f"{contact.values['firstName']} {contact.values['lastName']}".strip()


def is_clearable(column: str) -> bool:
    """Whether an empty value is a wish: a task that is done must not be mailed about,
    while an empty field of a contact wipes nothing."""
    return column in DATATYPES


def written(column: str, value: str) -> object:
    """A value as Mailjet gets it; null unassigns (Mailjet guides,
    _contacts_bulk.md, read 2026-11)."""
    if not value:
        return None
    return int(value) if DATATYPES.get(column) == "int" else value


def canonical(column: str, value: object) -> str:
    """A value as it is compared: the order of tags is nobody's change, and a number or
    a date is the same in each of the forms that Mailjet has for it."""
    text = "" if value is None else str(value)
    if column == TAGS:
        return "|".join(sorted(set(text.strip("|").split("|"))))
    if not text or DATATYPES.get(column, "str") == "str":
        return text
    try:
        if DATATYPES[column] == "int":
            return str(int(float(text)))
        return _moment(text).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return text


def _moment(text: str) -> datetime:
    """RFC 3339, UTC where it names no zone, or Unix seconds."""
    if text.isdecimal():
        return datetime.fromtimestamp(int(text), UTC)
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
