"""Wire records of a GHL location: businesses, settings, tags, custom fields."""

from typing import Any

from marshmallow import fields, post_load

from pipeline.ghl.fields import Flag, Text
from pipeline.ghl.records import Business, CustomField, Location, Tag
from pipeline.ghl.schemas import AnswerSchema, id_field


class BusinessSchema(AnswerSchema):
    id = id_field()
    name = Text(load_default="")

    @post_load
    def _business(self, data: dict[str, Any], **kw: Any) -> Business:
        return Business(data["id"], data["name"])


class BusinessListSchema(AnswerSchema):
    businesses = fields.List(fields.Nested(BusinessSchema), required=True)


class LocationSettingsSchema(AnswerSchema):
    allow_duplicate_contact = Flag(data_key="allowDuplicateContact", allow_none=True)


class LocationSchema(AnswerSchema):
    id = id_field()
    name = Text()
    timezone = Text()
    settings = fields.Nested(LocationSettingsSchema, allow_none=True)

    @post_load
    def _location(self, data: dict[str, Any], **kw: Any) -> Location:
        return Location(
            id=data["id"],
            name=data.get("name", ""),
            timezone=data.get("timezone", ""),
            allow_duplicate_contact=(data.get("settings") or {}).get(
                "allow_duplicate_contact"
            ),
        )


class OneLocationSchema(AnswerSchema):
    location = fields.Nested(LocationSchema, required=True)


class TagSchema(AnswerSchema):
    id = id_field()
    name = Text(load_default="")

    @post_load
    def _tag(self, data: dict[str, Any], **kw: Any) -> Tag:
        return Tag(data["id"], data["name"])


class LocationTagsSchema(AnswerSchema):
    tags = fields.List(fields.Nested(TagSchema), required=True)


class CustomFieldSchema(AnswerSchema):
    id = id_field()
    name = Text()
    key = Text(data_key="fieldKey")
    data_type = Text(data_key="dataType")

    @post_load
    def _custom_field(self, data: dict[str, Any], **kw: Any) -> CustomField:
        return CustomField(
            id=data["id"],
            name=data.get("name", ""),
            key=data.get("key", ""),
            data_type=data.get("data_type", ""),
        )


class CustomFieldListSchema(AnswerSchema):
    custom_fields = fields.List(
        fields.Nested(CustomFieldSchema), data_key="customFields", required=True
    )


BUSINESS_LIST = BusinessListSchema()
ONE_LOCATION = OneLocationSchema()
LOCATION_TAGS = LocationTagsSchema()
CUSTOM_FIELD_LIST = CustomFieldListSchema()
