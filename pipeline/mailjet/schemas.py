"""Mailjet's wire records: one schema each, and what we make of them.

Numbers and booleans may come as strings, as Mailjet's own samples show them. Left out
of contacts on purpose: counters and dates of activity. Events are in `statistics` and
`webhooks`.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load

from pipeline.answer import Rows
from pipeline.mailjet.fields import Time
from pipeline.mailjet.records import ContactsList, Property, Recipient, User
from pipeline.sync.contact import Subscriber


class Email(fields.String):
    """An address trimmed and lower-cased: Mailjet and the CRM differ in case."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        return super()._deserialize(value, attr, data, **kw).strip().lower()


class PropertyObject(fields.Field[Mapping[str, object]]):
    """`{"age": 30}`, names lower-cased, as managecontact writes and answers them."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> Mapping[str, object]:
        if not isinstance(value, dict):
            raise ValidationError("Not an object.")
        return {name.lower(): inner for name, inner in value.items()}


class PropertyPairs(fields.Field[Mapping[str, object]]):
    """`[{"Name": "age", "Value": 30}]`, names lower-cased, as contactdata has them."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> Mapping[str, object]:
        if not isinstance(value, list):
            raise ValidationError("Not a list of pairs.")
        return {
            str(pair["Name"]).lower(): pair.get("Value")
            for pair in value
            if isinstance(pair, dict) and "Name" in pair
        }


class AnswerSchema(Schema):
    class Meta:
        unknown = EXCLUDE


class CountSchema(AnswerSchema):
    """The envelope of an answer that only counts."""

    rows = Rows(data_key="Data", load_default=())
    total = fields.Integer(data_key="Total", required=True)


def _id(key: str = "ID") -> fields.Integer:
    return fields.Integer(data_key=key, required=True)


class ContactSchema(AnswerSchema):
    """A row of `contact`."""

    contact_id = _id()
    email = Email(data_key="Email", required=True)
    name = fields.String(data_key="Name", allow_none=True)
    excluded = fields.Boolean(data_key="IsExcludedFromCampaigns", allow_none=True)
    complained = fields.Boolean(data_key="IsSpamComplaining", allow_none=True)
    excluded_ms = Time(data_key="ExclusionFromCampaignsUpdatedAt")
    updated_ms = Time(data_key="LastUpdateAt")

    @post_load
    def _subscriber(self, data: dict[str, Any], **kw: Any) -> Subscriber:
        return Subscriber(**{**data, "complained": bool(data.get("complained"))})


class ManagedContactSchema(AnswerSchema):
    """The answer of `contactslist/:listId/managecontact`."""

    contact_id = _id("ContactID")
    email = Email(data_key="Email")
    name = fields.String(data_key="Name", allow_none=True)
    properties = PropertyObject(data_key="Properties", allow_none=True)

    @post_load
    def _subscriber(self, data: dict[str, Any], **kw: Any) -> Subscriber:
        return Subscriber(**data)


class ContactDataSchema(AnswerSchema):
    """A row of `contactdata`."""

    contact_id = _id("ContactID")
    properties = PropertyPairs(data_key="Data", required=True)

    @post_load
    def _subscriber(self, data: dict[str, Any], **kw: Any) -> Subscriber:
        return Subscriber(**data)


class MembershipSchema(AnswerSchema):
    """A row of `contact/:contactId/getcontactslists`."""

    list_id = _id("ListID")
    unsubscribed = fields.Boolean(data_key="IsUnsub", required=True)


class RecipientSchema(AnswerSchema):
    """A row of `listrecipient`."""

    id = _id()
    contact_id = _id("ContactID")
    list_id = _id("ListID")
    unsubscribed = fields.Boolean(data_key="IsUnsubscribed", required=True)
    unsubscribed_ms = Time(data_key="UnsubscribedAt")

    @post_load
    def _recipient(self, data: dict[str, Any], **kw: Any) -> Recipient:
        return Recipient(**data)


class PropertySchema(AnswerSchema):
    """A row of `contactmetadata`."""

    id = _id()
    name = fields.String(data_key="Name", required=True)
    datatype = fields.String(data_key="Datatype", required=True)
    namespace = fields.String(data_key="NameSpace", load_default="static")

    @post_load
    def _property(self, data: dict[str, Any], **kw: Any) -> Property:
        return Property(**{**data, "name": data["name"].lower()})


class ContactsListSchema(AnswerSchema):
    """A row of `contactslist`."""

    id = _id()
    name = fields.String(data_key="Name", required=True)
    deleted = fields.Boolean(data_key="IsDeleted", load_default=None)
    subscriber_count = fields.Integer(data_key="SubscriberCount", load_default=None)

    @post_load
    def _list(self, data: dict[str, Any], **kw: Any) -> ContactsList:
        return ContactsList(**{**data, "deleted": bool(data["deleted"])})


class UserSchema(AnswerSchema):
    """The row of `user`."""

    id = _id()
    warned_at = fields.String(data_key="WarnedRatelimitAt", load_default=None)

    @post_load
    def _user(self, data: dict[str, Any], **kw: Any) -> User:
        return User(data["id"], data["warned_at"] or "")


COUNT = CountSchema()
CONTACT = ContactSchema()
MANAGED_CONTACT = ManagedContactSchema()
CONTACT_DATA = ContactDataSchema()
MEMBERSHIP = MembershipSchema()
RECIPIENT = RecipientSchema()
PROPERTY = PropertySchema()
CONTACTS_LIST = ContactsListSchema()
USER = UserSchema()


def load_rows(
    schema: Schema, rows: list[object], id_key: str
) -> tuple[list[Any], tuple[str, ...]]:
    """The records of a page, and the ids of the rows that are none."""
    records, bad_rows = [], []
    for row in rows:
        try:
            records.append(schema.load(row))  # type: ignore[arg-type]
        except ValidationError:
            bad = row.get(id_key) if isinstance(row, dict) else ""
            bad_rows.append(str(bad or ""))
    return records, tuple(bad_rows)
