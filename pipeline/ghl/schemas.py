"""GHL's wire records: one schema each, and what we make of them.

Attribute names of a contact are GHL's own, because `Contact.values` is keyed by them.
Answers may hold more than is declared; what we send may not (GHL answers 422 to one
unknown property). Left out of contacts on purpose: `ssn`, attachments, attribution.
"""

from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, post_load
from marshmallow.validate import Email as EmailForm
from marshmallow.validate import Equal, Length

from pipeline.answer import Rows
from pipeline.ghl.fields import (
    BirthDate,
    CustomFields,
    Email,
    Flag,
    Moment,
    Tags,
    Text,
)
from pipeline.ghl.records import ListCursor
from pipeline.sync.contact import Contact

_has_form_of_address = EmailForm()
LOCAL_PART_LENGTH, ADDRESS_LENGTH = 64, 254
"""Octets that mail has room for (RFC 5321, 4.5.3.1); longer, Mailjet would refuse it at
each attempt."""


class AnswerSchema(Schema):
    class Meta:
        unknown = EXCLUDE


def id_field(**kw: Any) -> fields.String:
    return fields.String(required=True, validate=Length(min=1), **kw)


class ContactSchema(AnswerSchema):
    """A contact in full, as `GET /contacts/:contactId` and the writes answer."""

    id = id_field()
    locationId = Text()
    firstName = Text()
    firstNameRaw = Text()
    lastName = Text()
    lastNameRaw = Text()
    name = Text()
    phone = Text()
    companyName = Text()
    address1 = Text()
    city = Text()
    state = Text()
    country = Text()
    postalCode = Text()
    timezone = Text()
    website = Text()
    source = Text()
    type = Text()
    assignedTo = Text()
    dateOfBirth = BirthDate()
    email = Email()
    tags = Tags()
    dnd = Flag(allow_none=True)
    dnd_settings = fields.Dict(data_key="dndSettings", allow_none=True)
    custom_fields = CustomFields(data_key="customFields")
    business_id = Text(data_key="businessId")
    date_added_ms = Moment(data_key="dateAdded")
    date_updated_ms = Moment(data_key="dateUpdated")

    names_are_exact = True

    @post_load
    def _contact(self, data: dict[str, Any], **kw: Any) -> Contact:
        for name in ("firstName", "lastName"):
            if raw := data.pop(f"{name}Raw", ""):
                data[name] = raw
            elif not self.names_are_exact and _is_lowered(data.get(name, "")):
                del data[name]
        email = data.pop("email", None)
        return Contact(
            id=data["id"],
            email=email,
            email_valid=_is_address(email),
            tags=data.pop("tags", None),
            dnd=data.pop("dnd", None),
            dnd_settings=data.pop("dnd_settings", None),
            custom_fields=data.pop("custom_fields", None),
            business_id=data.pop("business_id", None),
            date_added_ms=data.pop("date_added_ms", None),
            date_updated_ms=data.pop("date_updated_ms", None),
            values=data,
        )


class ListRowSchema(ContactSchema):
    """A row of `GET /contacts/` and `GET /contacts/business/:businessId`.

    `firstName` may be lower-cased there, the original being in `firstNameRaw`; a
    lower-case name that comes alone is therefore unknown, and so is `name`.
    """

    class Meta(AnswerSchema.Meta):
        exclude = ("name",)

    names_are_exact = False


class SearchRowSchema(ContactSchema):
    """A row of `POST /contacts/search`: the street is in `address` (issue #314)."""

    address1 = Text(data_key="address")


class MetaSchema(AnswerSchema):
    """The cursor block of `GET /contacts/`; our next request is built from it."""

    total = fields.Integer(allow_none=True, load_default=None)
    start_after = Moment(data_key="startAfter")
    start_after_id = Text(data_key="startAfterId")
    next_page = fields.Raw(data_key="nextPage", allow_none=True, load_default=None)

    @post_load
    def _cursor(self, data: dict[str, Any], **kw: Any) -> dict[str, Any]:
        if "start_after" in data and data.get("start_after_id"):
            data["cursor"] = ListCursor(data["start_after"], data["start_after_id"])
        return data


class ContactListSchema(AnswerSchema):
    contacts = Rows(required=True)
    meta = fields.Nested(MetaSchema, allow_none=True, load_default=None)
    count = fields.Integer(allow_none=True, load_default=None)


class ContactSearchSchema(AnswerSchema):
    contacts = Rows(required=True)
    total = fields.Integer(allow_none=True, load_default=None)


class DoneSchema(AnswerSchema):
    """A write's answer: the flag is `succeded` in v2 and `succeeded` in v3."""

    succeded = Flag(validate=Equal(True))
    succeeded = Flag(validate=Equal(True))


class OneContactSchema(DoneSchema):
    contact = fields.Nested(ContactSchema, required=True)


class UpdatedContactSchema(DoneSchema):
    """The contact is documented, and yet a write is no less done without it."""

    contact = fields.Nested(ContactSchema, allow_none=True, load_default=None)


class TagListSchema(AnswerSchema):
    tags = Tags(required=True)


class UpdateContactSchema(Schema):
    """What `PUT /contacts/:contactId` may carry.

    `tags` is left out on purpose: it would replace every tag that the contact has.
    """

    class Meta:
        unknown = RAISE

    firstName = fields.String(allow_none=True)
    lastName = fields.String(allow_none=True)
    name = fields.String(allow_none=True)
    email = fields.String(allow_none=True)
    phone = fields.String(allow_none=True)
    address1 = fields.String(allow_none=True)
    city = fields.String(allow_none=True)
    state = fields.String(allow_none=True)
    postalCode = fields.String(allow_none=True)
    country = fields.String(allow_none=True)
    website = fields.String(allow_none=True)
    timezone = fields.String(allow_none=True)
    source = fields.String(allow_none=True)
    assignedTo = fields.String(allow_none=True)
    dateOfBirth = fields.String(allow_none=True)
    dnd = fields.Boolean()
    dndSettings = fields.Dict()
    inboundDndSettings = fields.Dict()
    customFields = fields.List(fields.Dict())


class CreateContactSchema(UpdateContactSchema):
    """What `POST /contacts/` may carry; the client adds `locationId`."""

    locationId = id_field()
    companyName = fields.String(allow_none=True)
    gender = fields.String(allow_none=True)
    tags = fields.List(fields.String())


CONTACT_LIST = ContactListSchema()
CONTACT_SEARCH = ContactSearchSchema()
LIST_ROW = ListRowSchema()
SEARCH_ROW = SearchRowSchema()
ONE_CONTACT = OneContactSchema()
UPDATED_CONTACT = UpdatedContactSchema()
DONE = DoneSchema()
TAG_LIST = TagListSchema()
UPDATE_CONTACT = UpdateContactSchema()
CREATE_CONTACT = CreateContactSchema()


def load_rows(
    schema: Schema, rows: list[object], id_key: str = "id"
) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """The records of a page, and the ids of the rows that are none."""
    records, bad_rows = [], []
    for row in rows:
        try:
            records.append(schema.load(row))  # type: ignore[arg-type]
        except ValidationError:
            bad_rows.append(str(row.get(id_key) or "") if isinstance(row, dict) else "")
    return tuple(records), tuple(bad_rows)


def _is_lowered(name: str) -> bool:
    """Whether a name may have lost its capitals; scripts without any cannot."""
    return name == name.lower() != name.upper()


def _is_address(email: str | None) -> bool:
    if not email or len(email.encode()) > ADDRESS_LENGTH:
        return False
    try:
        _has_form_of_address(email)
    except ValidationError:
        return False
    return len(email.rpartition("@")[0].encode()) <= LOCAL_PART_LENGTH
