"""The rows of a mapping: which value of GHL is which of Mailjet's, whose word counts.

Whatever is mapped is a row: a field, a custom field, a tag, a business. What it becomes
is a column: a property, or a place on a list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property

from pipeline.sync.contact import Contact
from pipeline.sync.transforms import Step, backward, outward, text_of, typed

TAG, BUSINESS, CUSTOM, LIST = "tag:", "business:", "contact.", "list:"
NUMBERS = frozenset({"NUMERICAL", "MONETORY", "MONETARY", "FLOAT"})
"""Types of custom fields that GHL takes as bare numbers; `MONETORY` is its spelling."""
OPTIONS = frozenset({"CHECKBOX", "MULTIPLE_OPTIONS"})
UNWRITABLE = frozenset({"FILE_UPLOAD", "SIGNATURE", "TEXTBOX_LIST"})
"""Their values are made of ids that GHL gives: nothing of Mailjet's can become one."""
NEVER_NULL = frozenset({"postalCode", "country"})
"""Fields that GHL's `UpdateContactDto` does not declare nullable (read 2026-11)."""


APART = ("businessId", "dateAdded")
"""Fields that `Contact` keeps outside its values."""


class Direction(StrEnum):
    """The way that values go."""

    TO_MAILJET = "->"
    TO_GHL = "<-"
    BOTH = "<->"


class Owner(StrEnum):
    """Who wins where both sides changed."""

    GHL = "ghl"
    MAILJET = "mailjet"
    NEWER = "newer"


@dataclass(frozen=True)
class Custom:
    """A custom field of GHL's, as `setup` found it.

    Args:
        type: GHL's `dataType`, such as `TEXT`.
    """

    id: str
    type: str


@dataclass(frozen=True)
class Row:
    """One row.

    Args:
        ghl: GHL's own name of a field, `contact.KEY` of a custom field, `tag:NAME` or
            `business:ID`, of which the contact has it or not.
        column: Mailjet's property in lower case, or `list:ID`.
        datatype: Mailjet's: `str`, `int`, `float`, `bool` or `datetime`.
        transforms: steps on the way to Mailjet, taken back on the way to GHL; of a row
            that only leads to GHL, steps on that way.
        clears: an empty value is carried as well; else null never wipes.
    """

    ghl: str
    column: str
    datatype: str = "str"
    direction: Direction = Direction.TO_MAILJET
    owner: Owner = Owner.GHL
    transforms: tuple[Step, ...] = ()
    clears: bool = False

    @property
    def to_mailjet(self) -> bool:
        return self.direction is not Direction.TO_GHL

    @property
    def to_ghl(self) -> bool:
        return self.direction is not Direction.TO_MAILJET

    @property
    def is_flag(self) -> bool:
        """Whether GHL's side is something that a contact has, or has not."""
        return self.ghl.startswith((TAG, BUSINESS))

    @property
    def is_custom(self) -> bool:
        return self.ghl.startswith(CUSTOM)

    @property
    def is_plain(self) -> bool:
        """Whether Mailjet gets the text of a field of GHL's own as it is."""
        as_it_is = self.datatype == "str" and not self.transforms and self.to_mailjet
        is_value = not (self.is_flag or self.is_custom)
        return as_it_is and is_value and self.ghl not in APART

    @property
    def carries_nothing(self) -> bool:
        """Whether an empty value is carried: that a tag was taken off always is."""
        return self.clears or self.is_flag

    @property
    def tag(self) -> str:
        """The tag that it is about; "" where it is about none."""
        return self.ghl.removeprefix(TAG) if self.ghl.startswith(TAG) else ""

    @property
    def list_id(self) -> int:
        """The Mailjet list that it is about; 0 where it is about a property."""
        name = self.column.removeprefix(LIST)
        return 0 if name == self.column else int(name)

    @property
    def nothings(self) -> tuple[str, ...]:
        """The texts that tell of nothing."""
        if self.list_id:
            return ("0",)
        return ("", "false") if self.is_flag else ("",)

    @cached_property
    def stand_in(self) -> str:
        """What Mailjet gets for an empty field of GHL's, as by `default`; or "".

        It tells no more than an empty value does, on either side.
        """
        if self.is_flag or not self.to_mailjet:
            return ""
        try:
            return self.as_told("")
        except ValueError:
            return ""

    def text(self, contact: Contact, custom: Mapping[str, Custom]) -> str | None:
        """GHL's side, as Mailjet should hold it; None where it is unknown.

        Raises:
            ValueError: Mailjet's datatype cannot hold it; the message has no value.
        """
        found = _raw(self.ghl, contact, custom)
        if found is None:
            return None
        if self.is_flag:
            return self.flag(bool(found))
        return self.as_told(found)

    def as_told(self, value: object) -> str:
        """GHL's side where that is the field's value.

        Raises:
            ValueError: Mailjet's datatype cannot hold it; the message has no value.
        """
        if not self.to_mailjet:
            return text_of(value)
        return typed(outward(self.transforms, value), self.datatype)

    def flag(self, has: bool) -> str:
        """The text for having it or not."""
        if self.list_id:
            return "1" if has else "0"
        return "true" if has else "false"

    def for_ghl(self, value: object, custom: Mapping[str, Custom]) -> object:
        """What GHL is to be written for a value of Mailjet's.

        Raises:
            ValueError: the custom field cannot hold it; the message has no value.
        """
        steps = self.transforms
        if self.datatype == "datetime":
            # Mailjet takes Unix seconds too, which tell nobody in GHL anything.
            value = typed(value, self.datatype)
        made = backward(steps, value) if self.to_mailjet else outward(steps, value)
        text = text_of(made)
        known = custom.get(self.ghl)
        if known is None:
            needs_null = not text and self.ghl not in NEVER_NULL
            if self.ghl == "dateOfBirth" and text:
                return typed(text, "datetime")[:10]
            return None if needs_null else text
        if known.type in OPTIONS:
            options = made if isinstance(made, list) else [text]
            return [text_of(option) for option in options if text_of(option)]
        if known.type in NUMBERS and text:
            number = float(typed(text, "float"))
            return int(number) if number.is_integer() else number
        if known.type == "DATE" and text:
            return typed(text, "datetime")[:10]
        return text


def _raw(name: str, contact: Contact, custom: Mapping[str, Custom]) -> object | None:
    """GHL's value as it told it; "" for none, None for unknown."""
    if name.startswith(TAG):
        tags = contact.tags
        return None if tags is None else name.removeprefix(TAG) in tags
    if name.startswith(BUSINESS):
        business = contact.business_id
        return None if business is None else business == name.removeprefix(BUSINESS)
    if name.startswith(CUSTOM):
        known, values = custom.get(name), contact.custom_fields
        if known is None or values is None:
            return None
        # GHL lists the fields that have a value.
        found = values.get(known.id)
        return "" if found is None else found
    if name == "businessId":
        return contact.business_id
    if name == "dateAdded":
        added_ms = contact.date_added_ms
        return None if added_ms is None else _iso(added_ms)
    return contact.values.get(name)


def _iso(milliseconds: int) -> str:
    try:
        moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


CORE_ROWS = (
    Row("firstName", "firstname"),
    Row("lastName", "lastname"),
    Row("phone", "phone"),
    Row("companyName", "company"),
    Row("city", "city"),
    Row("state", "state"),
    Row("country", "country"),
    Row("postalCode", "postal_code"),
    Row("timezone", "timezone"),
    Row("source", "source"),
    Row("assignedTo", "ghl_assigned_to"),
)
"""The default mapping, `core`."""


def laid_over(rows: tuple[Row, ...], others: tuple[Row, ...]) -> tuple[Row, ...]:
    """Rows with others, which replace those of the same property."""
    columns = {row.column for row in others if not row.list_id}
    return (*(row for row in rows if row.column not in columns), *others)
