"""JSON Schema of `connections.toml`, for editors that complete and check as one types.

Made of the schemas that load the file; what they check beyond the form (two rows that
do not agree, variables that are not set) is told by the commands alone.
"""

from collections.abc import Callable, Mapping
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema, fields, validate

from pipeline.expressions import LONGEST
from pipeline.settings import deeds, mapping, rules, urls
from pipeline.settings import schema as settings
from pipeline.settings.schedule import HoursField
from pipeline.settings.transforms import PLAIN, TransformsField
from pipeline.settings.words import WordField

Form = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest one that TOML editors (Taplo, Even Better TOML) read whole."""
NAME_PATTERN = "^[a-z0-9-]{1,40}$"
TEXT: Form = {"type": "string"}
END = r"\Z"
SCALAR: Form = {"type": ["string", "number", "boolean"]}
DESCRIPTIONS = {
    "ghl_location_id": "Id of the sub-account, from the address of its GHL pages.",
    "ghl_base_url": "Where GHL answers; https, or loopback.",
    "ghl_business_ids": 'Businesses listed by business too: ids, or ["*"].',
    "ghl_rate": "GHL's calls/seconds; answers correct it downwards.",
    "ghl_daily": "GHL's calls a day.",
    "daily_reserve": "Percent of GHL's day that bulk work leaves to changes.",
    "mailjet_base_url": "Where Mailjet answers: https://api.us.mailjet.com in the US.",
    "mailjet_list_id": "The list that is kept; without it setup makes one.",
    "mailjet_rate": "Mailjet's calls/seconds; refusals correct it downwards.",
    "tag_lists": "Tags mirrored as lists: tag to list id.",
    "confirmation_tag": "Tag set in GHL once a contact is in Mailjet.",
    "exclude_opted_out": "Opted out in GHL is excluded from all Mailjet campaigns.",
    "deletions": "What a deletion in GHL does to the Mailjet contact.",
    "create_contacts": "Whoever is only in Mailjet becomes a contact in GHL.",
    "note_bodies": "Mailjet's history gets the text of notes.",
    "note_excerpt": "The last note's text is the property ghl_last_note.",
    "note_length": "Characters of a note that are carried.",
    "notes_tag": "Only notes of contacts with this tag are carried.",
    "notes_sweep_days": "Days in which every contact's notes are read once.",
    "task_due_days": "Days from a task written in Mailjet to its due date.",
    "task_assignee": "GHL user id who gets tasks of contacts nobody is assigned to.",
    "soft_bounces": "Soft bounces in a row until GHL's e-mail DND is set.",
    "mailjet_send_rate": "Mailjet's calls/seconds for mails.",
    "rules": "What follows from what happens: names of shipped rules, and tables.",
    "on": "What the rule waits for: one or several.",
    "when": "A condition, such as contact.city == 'Porto'; without it, always.",
    "do": "What the rule does: one table, or a list of them.",
    "hours_before": "Of task_due and appointment_soon: how long before it.",
    "existing": "Of created: for contacts as well that were there before.",
    "add_to_list": "Id of a Mailjet list, such as one that starts an automation.",
    "set_property": "Name of a Mailjet property of its own, set to value.",
    "send": "Id of a Mailjet template that is sent to the contact.",
    "variables": "Name of a template's variable to a value, such as contact.city.",
    "transactional": "The mail answers the person: to who opted out, too, at any hour.",
    "draft": "Id of a Mailjet template of a campaign that is scheduled once a day.",
    "segment": "Id of a Mailjet segment; without it, the whole list.",
    "at_hour": "Hour of the location's day at which the campaign goes.",
    "webhook_env": "Name of the variable in .env that holds the address to post to.",
    "live": "Mails that rules send leave; until then Mailjet only checks them.",
    "sends_per_day": "Mails and the like that rules send to one contact in a day.",
    "quiet_hours": "Hours of the contact's day in which nothing is sent, or none.",
    "fields": 'What is mapped: "core" for the default mapping, and tables.',
    "tags": "Tags mirrored as lists or true/false properties.",
    "businesses": "Businesses listed by business too, each with a list or not.",
    "schedule": "When the connection is looked at; what is left out is as SYNC_* says.",
}
"""Keys that do not tell it themselves."""


def json_schema() -> Form:
    """The schema of the whole file."""
    connection = _Forms().of(settings.ConnectionSchema)
    return {
        "$schema": DRAFT,
        "title": "connections.toml of ghl-mailjet",
        "type": "object",
        "properties": {
            "connections": {
                "type": "object",
                "patternProperties": {NAME_PATTERN: _as_typed(connection)},
                "additionalProperties": False,
                "minProperties": 1,
            }
        },
        "required": ["connections"],
        "additionalProperties": False,
    }


def _as_typed(connection: Form) -> Form:
    """In the file secrets are variables, and the name is in the header."""
    properties = dict(connection["properties"])
    del properties["name"]
    required = set(connection["required"]) - {"name"}
    for secret in settings.SECRET_FIELDS:
        del properties[secret]
        what = f"Name of the variable that holds {secret}."
        properties[f"{secret}_env"] = {**TEXT, "minLength": 1, "description": what}
        if secret in required:
            required = required - {secret} | {f"{secret}_env"}
    return {**connection, "properties": properties, "required": sorted(required)}


class _Forms:
    """Forms of schemas and of the fields that are our own."""

    def __init__(self) -> None:
        plugin = MarshmallowPlugin(schema_name_resolver=lambda schema: "")
        self._spec = APISpec("connections", "1", "3.1.0", plugins=[plugin])
        converter: Any = plugin.converter  # there once the spec is
        converter.add_attribute_function(
            lambda converter, field, **kw: self._form(field)
        )

    def of(self, schema: type[Schema], **more: Any) -> Form:
        """The form of a schema as a whole."""
        name = schema.__name__
        if name not in self._spec.components.schemas:
            self._spec.components.schema(name, schema=schema)
        return {**self._spec.components.schemas[name], **more}

    def _form(self, field: fields.Field[Any]) -> Form:
        told = DESCRIPTIONS.get(field.data_key or field.name or "")
        form = {"description": told} if told else {}
        for check in field.validators:
            if isinstance(check, validate.Regexp):
                # Python's \Z is unknown to the expressions of JSON Schema.
                form["pattern"] = f"^{str(check.regex.pattern).removesuffix(END)}$"
        for kind, made in FORMS.items():
            if isinstance(field, kind):
                return {**form, **made(self, field)}
        return form


def _one_of(*keys: str) -> Form:
    return {"oneOf": [{"required": [key]} for key in keys]}


def _rows(items: Form) -> Form:
    return {"type": "array", "items": items}


def _ghl(forms: _Forms, field: Any) -> Form:
    custom = {"pattern": r"^contact\.\S{1,200}$"}
    return {**TEXT, "anyOf": [{"enum": list(mapping.READABLE)}, custom]}


def _property(forms: _Forms, field: Any) -> Form:
    ours = [{"enum": list(mapping.HISTORIC)}, {"pattern": f"^{mapping.OWN_PREFIX}"}]
    free = {"pattern": "^[a-z0-9_]+$", "not": {"anyOf": ours}}
    return {**TEXT, "anyOf": [{"const": mapping.MAPPED_OWN}, free]}


def _transforms(forms: _Forms, field: Any) -> Form:
    texts = {"type": "object", "minProperties": 1, "additionalProperties": SCALAR}
    with_argument = {
        "type": "object",
        "properties": {"join": TEXT, "default": SCALAR, "map": texts},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return _rows({"anyOf": [{"enum": list(PLAIN)}, with_argument]})


def _fields(forms: _Forms, field: Any) -> Form:
    row = forms.of(mapping.FieldRowSchema)
    return {**_rows({"anyOf": [{"const": mapping.CORE}, row]}), "default": ["core"]}


def _tags(forms: _Forms, field: Any) -> Form:
    return _rows(forms.of(mapping.TagRowSchema, **_one_of("list", "property")))


def _businesses(forms: _Forms, field: Any) -> Form:
    ids = {**TEXT, "pattern": r"^(\*|[A-Za-z0-9]+)$"}
    return _rows({"anyOf": [ids, forms.of(mapping.BusinessRowSchema)]})


def _rules(forms: _Forms, field: Any) -> Form:
    own = forms.of(rules.RuleSchema, **_one_of(*rules.ACTIONS))
    return _rows({"anyOf": [{"enum": list(rules.SHIPPED)}, own]})


def _triggers(forms: _Forms, field: Any) -> Form:
    triggers = {"enum": list(rules.TRIGGERS)}
    return {"anyOf": [triggers, {**_rows(triggers), "minItems": 1}]}


def _do(forms: _Forms, field: Any) -> Form:
    one = {"anyOf": [forms.of(schema) for schema in deeds.DEEDS.values()]}
    return {"anyOf": [one, {**_rows(one), "minItems": 1}]}


def _variables(forms: _Forms, field: Any) -> Form:
    return {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,49}$"},
        "additionalProperties": {**TEXT, "maxLength": LONGEST, "pattern": r"\S"},
    }


def _property_of_rule(forms: _Forms, field: Any) -> Form:
    ours = [{"enum": list(mapping.HISTORIC)}, {"pattern": f"^{mapping.OWN_PREFIX}"}]
    return {**TEXT, "pattern": "^[a-z0-9_]{1,50}$", "not": {"anyOf": ours}}


def _rate(forms: _Forms, field: settings.RateField) -> Form:
    rate = field.load_default
    pattern = r"^\d+/\d+(\.\d+)?$"
    return {
        **TEXT,
        "pattern": pattern,
        "default": f"{rate.calls}/{rate.window_seconds:g}",
    }


def _text(forms: _Forms, field: deeds.TextField) -> Form:
    return {**TEXT, "pattern": r"\S", "maxLength": field.most}


def _tag_lists(forms: _Forms, field: Any) -> Form:
    lists = {"type": "integer", "minimum": 1}
    return {"type": "object", "additionalProperties": lists}


def _just(**form: Any) -> Callable[[_Forms, Any], Form]:
    return lambda forms, field: form


FORMS: Mapping[type[fields.Field[Any]], Callable[[_Forms, Any], Form]] = {
    mapping.GhlField: _ghl,
    mapping.PropertyField: _property,
    mapping.FieldsField: _fields,
    mapping.TagsField: _tags,
    mapping.BusinessesField: _businesses,
    TransformsField: _transforms,
    rules.RulesField: _rules,
    rules.TriggersField: _triggers,
    deeds.DoField: _do,
    deeds.VariablesField: _variables,
    deeds.NewPropertyField: _property_of_rule,
    deeds.ScalarField: _just(**SCALAR),
    deeds.TextField: _text,
    deeds.FilledField: _just(type="string", pattern=r"\S"),
    settings.RateField: _rate,
    settings.QuietHoursField: _just(
        type="string", pattern=r"^(none|\d{1,2}-\d{1,2})$", default="21-8"
    ),
    urls.BaseUrlField: _just(type="string", pattern="^https?://"),
    settings.WordsField: _just(type="array", items=TEXT, default=[]),
    settings.TagListsField: _tag_lists,
    HoursField: _just(type="string", pattern=r"^\d{1,2}-\d{1,2}$"),
    WordField: lambda forms, field: {"enum": list(field.words)},
}
"""Our own fields of marshmallow, in JSON Schema."""
