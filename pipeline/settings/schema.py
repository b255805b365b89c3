"""The form of every setting: what the operator may type, and what it becomes."""

from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from pipeline.settings.mapping import (
    CORE,
    EVERY,
    BusinessesField,
    FieldsField,
    TagsField,
)
from pipeline.settings.problems import refuse
from pipeline.settings.rows import disagreements, rows_of
from pipeline.settings.rule_rows import rule_problems
from pipeline.settings.rules import RulesField
from pipeline.settings.schedule import HoursField, ScheduleSchema
from pipeline.settings.urls import BaseUrlField, RedisUrlField, WebhookUrlField
from pipeline.settings.words import ExactSchema, TagField, WordField

SECRET_FIELDS = (
    "ghl_token",
    "mailjet_api_key",
    "mailjet_secret_key",
    "webhook_secret",
)
DELETIONS = ("keep", "unsubscribe", "remove-from-lists", "erase")
"""What happens in Mailjet to a contact that was deleted in GHL."""


@dataclass(frozen=True)
class Rate:
    """An allowance: at most `calls` in any `window_seconds`."""

    calls: int
    window_seconds: float

    @property
    def per_second(self) -> float:
        return self.calls / self.window_seconds


class RateField(fields.Field[Rate]):
    """`100/10` is 100 calls in any 10 seconds."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> Rate:
        calls, _, window = str(value).partition("/")
        try:
            rate = Rate(int(calls), float(window))
        except ValueError:
            raise ValidationError("not calls/seconds; write 100/10") from None
        if rate.calls < 2 or not 0 < rate.window_seconds <= 3600:
            raise ValidationError("needs at least 2 calls and a window of 1-3600 s")
        return rate


class QuietHoursField(fields.Field[tuple[int, int] | None]):
    """`21-8` is from 21:00 to 08:00; `none` is no such hours."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> tuple[int, int] | None:
        if value == "none":
            return None
        hours: tuple[int, int] = HoursField().deserialize(value)
        if hours == (0, 24):
            raise ValidationError("leaves no hour; write 21-8, or none")
        return hours


class WordsField(fields.Field[tuple[str, ...]]):
    """A comma-separated line in the environment, a list in TOML."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> tuple[str, ...]:
        words = value.split(",") if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
            raise ValidationError("not a list of words; separate them by commas")
        return tuple(word.strip() for word in words if word.strip())


class TagListsField(fields.Field[dict[str, int]]):
    """`vip=123,lead=456`, or a TOML table: tag to Mailjet list id."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> dict[str, int]:
        if isinstance(value, dict):
            pairs = [(str(tag), str(list_id)) for tag, list_id in value.items()]
        elif isinstance(value, str):
            typed = [pair.partition("=") for pair in value.split(",") if pair.strip()]
            pairs = [(tag, list_id) for tag, _, list_id in typed]
        else:
            raise ValidationError("not tag=list pairs; write vip=123,lead=456")
        try:
            lists = {tag.strip().lower(): int(list_id) for tag, list_id in pairs}
        except ValueError:
            raise ValidationError("a list id is a number; write vip=123") from None
        if "" in lists or min(lists.values(), default=1) < 1:
            raise ValidationError("needs a tag and a list id of 1 or more: vip=123")
        if len(lists) < len(pairs):
            raise ValidationError("names a tag twice")
        return lists


def _text(**kw: Any) -> fields.String:
    return fields.String(validate=validate.Length(min=1, max=512), **kw)


class ConnectionSchema(ExactSchema):
    """One connection, from either source.

    `fields`, `tags`, `tag_lists` and `businesses` become `core_fields` and `rows`.
    """

    what = "a connection"
    name = fields.String(
        required=True,
        validate=validate.Regexp(
            r"[a-z0-9-]{1,40}\Z", error="use a-z, 0-9 and -, at most 40"
        ),
    )
    ghl_token = _text(required=True)
    ghl_location_id = _text(required=True)
    mailjet_api_key = _text(required=True)
    mailjet_secret_key = _text(required=True)
    mailjet_list_id = fields.Integer(
        load_default=None, allow_none=True, validate=validate.Range(min=1)
    )
    ghl_base_url = BaseUrlField(load_default="https://services.leadconnectorhq.com")
    mailjet_base_url = BaseUrlField(load_default="https://api.mailjet.com")
    ghl_business_ids = WordsField(load_default=())
    ghl_rate = RateField(load_default=Rate(100, 10.0))
    ghl_daily = fields.Integer(load_default=200_000, validate=validate.Range(min=1))
    daily_reserve = fields.Integer(load_default=10, validate=validate.Range(0, 90))
    mailjet_rate = RateField(load_default=Rate(100, 10.0))
    mailjet_send_rate = RateField(load_default=Rate(500, 10.0))
    tag_lists = TagListsField(load_default=dict)
    confirmation_tag = TagField(load_default="")
    exclude_opted_out = fields.Boolean(load_default=True)
    deletions = WordField("policy", DELETIONS, load_default="unsubscribe")
    create_contacts = fields.Boolean(load_default=False)
    note_bodies = fields.Boolean(load_default=False)
    note_excerpt = fields.Boolean(load_default=False)
    note_length = fields.Integer(
        load_default=500, validate=validate.Range(min=20, max=10_000)
    )
    notes_tag = TagField(load_default="")
    notes_sweep_days = fields.Integer(
        load_default=7, validate=validate.Range(min=1, max=365)
    )
    task_due_days = fields.Integer(
        load_default=1, validate=validate.Range(min=0, max=365)
    )
    task_assignee = fields.String(load_default="")
    webhook_secret = fields.String(
        load_default="",
        validate=validate.Regexp(
            r"[A-Za-z0-9_-]{16,256}\Z",
            error="use A-Z, a-z, 0-9, _ and -, 16 to 256 of them",
        ),
    )
    soft_bounces = fields.Integer(load_default=5, validate=validate.Range(1, 20))
    rules = RulesField(load_default=())
    live = fields.Boolean(load_default=False)
    sends_per_day = fields.Integer(load_default=2, validate=validate.Range(1, 50))
    quiet_hours = QuietHoursField(load_default=(21, 8))

    field_rows = FieldsField(data_key="fields", load_default=(CORE,))
    tags = TagsField(load_default=())
    businesses = BusinessesField(load_default=())
    schedule = fields.Nested(ScheduleSchema, load_default=dict)

    def typed_keys(self) -> list[str]:
        """In a file secrets are named, and the name stands in the header."""
        typed = [
            key for key in super().typed_keys() if key not in ("name", *SECRET_FIELDS)
        ]
        return [*typed, *(f"{secret}_env" for secret in SECRET_FIELDS)]

    @validates_schema(skip_on_field_errors=False)
    def _rows_agree(self, data: dict[str, Any], **kw: Any) -> None:
        typed = {**data, "fields": data.get("field_rows")}
        rows = rows_of(typed)
        refuse([*disagreements(typed, rows), *rule_problems(typed, rows)])

    @post_load
    def _connection(self, data: dict[str, Any], **kw: Any) -> dict[str, Any]:
        typed = {**data, "fields": data.pop("field_rows")}
        data["core_fields"] = CORE in typed["fields"]
        data["rows"] = tuple(rows_of(typed).values())
        for key in ("tags", "tag_lists"):
            del data[key]
        if businesses := data.pop("businesses"):
            ids = tuple(business["id"] for business in businesses)
            data["ghl_business_ids"] = (EVERY,) if EVERY in ids else ids
        return data


class SettingsSchema(ScheduleSchema):
    """What holds for the whole process."""

    redis_url = RedisUrlField(load_default="redis://127.0.0.1:6379/0")
    state_redis_url = RedisUrlField(load_default=None, allow_none=True)
    mode = WordField("mode", ["read-write", "read-only"], load_default="read-write")
    details = WordField("way to read", ["auto", "always"], load_default="auto")
    optout_scope = WordField("scope", ["account", "list"], load_default="account")
    ghl_webhook_public_key = fields.String(load_default="")
    ghl_webhook_legacy_key = fields.String(load_default="")
    webhook_legacy = fields.Boolean(load_default=False)
    alert_webhook_url = WebhookUrlField(load_default="")
