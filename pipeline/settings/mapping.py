"""What is mapped, as an operator writes it: `fields`, `tags` and `businesses`.

Each becomes rows, with the facts of a row of `pipeline.sync`; here nothing of it is
imported, so that a mapping can be judged without the domain.
"""

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from pipeline.settings.transforms import TransformsField, is_one_to_one
from pipeline.settings.words import ExactSchema, TagField, WordField, nearest

Row = Mapping[str, Any]

READABLE = (
    *("firstName", "lastName", "name", "phone", "companyName", "address1", "city"),
    *("state", "country", "postalCode", "timezone", "website", "source", "type"),
    *("assignedTo", "dateOfBirth", "dateAdded", "businessId"),
)
"""GHL's own fields of a contact that can be carried to Mailjet."""
WRITABLE = (
    *("firstName", "lastName", "name", "phone", "address1", "city", "state"),
    *("country", "postalCode", "timezone", "website", "source", "assignedTo"),
    "dateOfBirth",
)
"""Those of them that `PUT /contacts/:contactId` takes (GHL's OpenAPI, read 2026-11)."""
ELSEWHERE = {
    "email": "the address is who somebody is, and cannot be mapped",
    "tags": "is carried as ghl_tags; single tags are mapped in `tags`",
    "dnd": "consent is always carried, and cannot be mapped",
}
TYPES = ("str", "int", "float", "bool", "datetime")
DIRECTIONS = ("->", "<-", "<->")
BACK = ("<-", "<->")
OWNERS = ("ghl", "mailjet", "newer")
HISTORIC = ("note", "task")
OWN_PREFIX = "ghl_"
MAPPED_OWN = "ghl_assigned_to"
"""The one property of this prefix that is a row of `core`, not a system's."""
CORE = "core"
CORE_PROPERTIES = (
    *("firstname", "lastname", "phone", "company", "city", "state", "country"),
    *("postal_code", "timezone", "source", MAPPED_OWN),
)
"""What the default mapping writes."""
EVERY = "*"


class GhlField(fields.String):
    """`firstName`, or `contact.plan` for a custom field."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        name: str = super()._deserialize(value, attr, data, **kw)
        if name in READABLE or re.fullmatch(r"contact\.\S{1,200}", name):
            return name
        if name in ELSEWHERE:
            raise ValidationError(ELSEWHERE[name])
        known = (*READABLE, "contact.KEY")
        raise ValidationError(f"no field of GHL's; {nearest(name, known)}")


class PropertyField(fields.String):
    """The name of a Mailjet property that is not ours."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        name: str = super()._deserialize(value, attr, data, **kw)
        if not re.fullmatch(r"[a-z0-9_]+", name):
            if re.fullmatch(r"[A-Za-z0-9_]+", name):
                raise ValidationError("Mailjet lower-cases names: write it so")
            raise ValidationError("no name of a property; use a-z, 0-9 and _")
        if name in HISTORIC or (name.startswith(OWN_PREFIX) and name != MAPPED_OWN):
            raise ValidationError("is a property of ours; choose another name")
        return name


class _RowSchema(ExactSchema):
    direction = WordField(
        "direction",
        DIRECTIONS,
        load_default="->",
        metadata={"description": "->: from GHL to Mailjet; <-: back; <->: both ways."},
    )
    owner = WordField(
        "owner",
        OWNERS,
        load_default="ghl",
        metadata={"description": "Of <->: who wins when both sides changed."},
    )

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _owner_decides(self, data: dict[str, Any], original: Row, **kw: Any) -> None:
        if "owner" in original and original.get("direction", "->") in ("->", "<-"):
            what = 'decides where both sides are written: it is for direction = "<->"'
            raise ValidationError(what, "owner")


class FieldRowSchema(_RowSchema):
    """One field, as `{ ghl = "city", mailjet = "city" }`."""

    what = "a field"
    ghl = GhlField(
        required=True,
        metadata={"description": "GHL's field, or contact.KEY of a custom field."},
    )
    mailjet = PropertyField(
        required=True, metadata={"description": "Mailjet property, in lower case."}
    )
    type = WordField(
        "type of Mailjet's",
        TYPES,
        load_default="str",
        metadata={"description": "Mailjet's type of the property."},
    )
    transforms = TransformsField(
        load_default=(),
        metadata={
            "description": "What is done to the value on its way, in this order."
        },
    )
    empty = WordField(
        "way with an empty value",
        ("keep", "clear"),
        load_default="keep",
        metadata={"description": "keep: an empty value wipes nothing; clear: it does."},
    )

    @validates_schema(skip_on_field_errors=False)
    def _way_back(self, data: dict[str, Any], **kw: Any) -> None:
        ghl = data.get("ghl", "")
        if data.get("direction") not in BACK or not ghl:
            return
        problems: dict[str, Any] = {}
        if ghl in READABLE and ghl not in WRITABLE:
            what = f'GHL does not let {ghl} be written; direction = "->" is left'
            problems["direction"] = [what]
        # Of a row that only leads to GHL the transforms are on that way.
        taken_back = data.get("transforms", ()) if data["direction"] == "<->" else ()
        for index, (name, argument) in enumerate(taken_back):
            if name == "map" and not is_one_to_one(argument):
                what = "has two names for one value: there is no way back"
                problems.setdefault("transforms", {})[index] = [what]
            if name == "join" and ghl in READABLE:
                what = f"{ghl} is one text: there is no list to go back to"
                problems.setdefault("transforms", {})[index] = [what]
        if problems:
            raise ValidationError(problems)

    @post_load
    def _row(self, data: dict[str, Any], **kw: Any) -> dict[str, Any]:
        return {
            "ghl": data["ghl"],
            "column": data["mailjet"],
            "datatype": data["type"],
            "direction": data["direction"],
            "owner": _owner(data),
            "transforms": data["transforms"],
            "clears": data["empty"] == "clear",
        }


class TagRowSchema(_RowSchema):
    """One tag, as `{ tag = "vip", list = 678 }`, or with a `property`."""

    what = "a tag"
    tag = TagField(
        required=True,
        validate=validate.Length(1, 100),
        metadata={"description": "The tag in GHL; capitals do not count."},
    )
    list = fields.Integer(
        validate=validate.Range(min=1),
        metadata={"description": "Id of the Mailjet list of who has the tag."},
    )
    property = PropertyField(
        metadata={"description": "Mailjet property that is true for who has the tag."}
    )

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _one_target(self, data: dict[str, Any], original: Row, **kw: Any) -> None:
        if ("list" in original) == ("property" in original):
            raise ValidationError("needs one of list and property")

    @post_load
    def _row(self, data: dict[str, Any], **kw: Any) -> Row:
        column = data.get("property") or f"list:{data['list']}"
        return made_row(f"tag:{data['tag']}", column, data["direction"], _owner(data))


class BusinessRowSchema(ExactSchema):
    """One business, as `{ id = "64...", list = 910 }`."""

    what = "a business"
    id = fields.String(
        required=True,
        validate=validate.Regexp(r"[A-Za-z0-9]+\Z", error="no id of GHL's"),
        metadata={"description": "Id of the business in GHL."},
    )
    list = fields.Integer(
        validate=validate.Range(min=1),
        metadata={"description": "Id of the Mailjet list of its contacts."},
    )


def made_row(ghl: str, column: str, direction: str = "->", owner: str = "ghl") -> Row:
    """A row that says yes or no."""
    return {
        "ghl": ghl,
        "column": column,
        "datatype": "bool",
        "direction": direction,
        "owner": owner,
        "transforms": (),
        "clears": False,
    }


def _owner(data: Mapping[str, Any]) -> str:
    return "mailjet" if data["direction"] == "<-" else str(data["owner"])


class _ItemsField(fields.Field[tuple[Any, ...]]):
    """A list of words and tables; each problem is told with its item."""

    schema: ExactSchema
    example = ""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValidationError(f"not a list; write {self.example}")
        problems: dict[int, Any] = {}
        items: list[Any] = []
        for index, item in enumerate(value):
            try:
                loaded = self.schema.load(item) if isinstance(item, dict) else None
                items.append(self.word(item) if loaded is None else loaded)
            except ValidationError as error:
                problems[index] = error.messages
        if problems:
            raise ValidationError(problems)
        return tuple(items)

    def word(self, item: object) -> Any:
        """What stands for an item that is no table."""
        raise ValidationError(f"not a table; write {self.example}")


class FieldsField(_ItemsField):
    """`["core", { ghl = "contact.plan", mailjet = "plan" }]`."""

    schema = FieldRowSchema()
    example = '[ "core", { ghl = "contact.plan", mailjet = "plan" } ]'

    def word(self, item: object) -> str:
        if item != CORE:
            raise ValidationError(f'neither "{CORE}" nor a table')
        return CORE


class TagsField(_ItemsField):
    """`[{ tag = "vip", list = 678 }]`."""

    schema = TagRowSchema()
    example = '[ { tag = "vip", list = 678 } ]'


class BusinessesField(_ItemsField):
    """`["*"]`, ids, and tables with a list."""

    schema = BusinessRowSchema()
    example = '[ { id = "64...", list = 910 } ]'

    def word(self, item: object) -> dict[str, str]:
        if not isinstance(item, str) or not re.fullmatch(r"\*|[A-Za-z0-9]+", item):
            raise ValidationError(f"no id of GHL's; write {self.example}")
        return {"id": item}
