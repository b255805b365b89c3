"""The form of every setting: what the operator may type, and what it becomes."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from pipeline.config_rules import RulesField

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Rate:
    """An allowance: at most `calls` in any `window_seconds`."""

    calls: int
    window_seconds: float

    @property
    def per_second(self) -> float:
        return self.calls / self.window_seconds


def _split(url: str) -> SplitResult | None:
    """The parts of an address; None when it is none (the reason may hold a secret)."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


class BaseUrlField(fields.String):
    """An https address; plain http only on loopback, where the sandbox lives."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        url: str = super()._deserialize(value, attr, data, **kw).rstrip("/")
        parts = _split(url)
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValidationError("not an http(s) address; write https://host")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValidationError("must hold host and path only, no user or query")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
            raise ValidationError("must be https (http is for loopback addresses only)")
        return url


class RedisUrlField(fields.String):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        url: str = super()._deserialize(value, attr, data, **kw)
        parts = _split(url)
        if (
            parts is None
            or parts.scheme not in {"redis", "rediss", "unix"}
            or (
                parts.scheme != "unix"
                and not (parts.path.strip("/") or "0").isdecimal()
            )
        ):
            raise ValidationError("not a Redis address; write redis://host:6379/0")
        return url


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


class HoursField(fields.Field[tuple[int, int]]):
    """`1-5` is from 01:00 to 05:00 UTC; `22-4` runs over midnight."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> tuple[int, int]:
        start, _, end = str(value).partition("-")
        try:
            hours = int(start), int(end)
        except ValueError:
            raise ValidationError("not a pair of hours; write 1-5") from None
        if not all(0 <= hour <= 24 for hour in hours) or (
            hours[0] % 24 == hours[1] % 24 and hours != (0, 24)
        ):
            raise ValidationError("needs two different hours of 0-24; write 1-5")
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


class TagField(fields.String):
    """A tag in lower case, as GHL keeps it: written otherwise it is never found."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        tag: str = super()._deserialize(value, attr, data, **kw)
        return tag.strip().lower()


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


class ConnectionSchema(Schema):
    """One connection, from either source."""

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
    tag_lists = TagListsField(load_default=dict)
    confirmation_tag = TagField(load_default="")
    exclude_opted_out = fields.Boolean(load_default=True)
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

    @validates_schema
    def _lists_of_their_own(self, data: dict[str, Any], **kw: Any) -> None:
        if data["mailjet_list_id"] in data["tag_lists"].values():
            raise ValidationError(
                "names the list that is kept (MAILJET_LIST_ID): who loses the tag "
                "would be taken off it",
                "tag_lists",
            )


class SettingsSchema(Schema):
    """What holds for the whole process."""

    redis_url = RedisUrlField(load_default="redis://127.0.0.1:6379/0")
    state_redis_url = RedisUrlField(load_default=None, allow_none=True)
    mode = fields.String(
        load_default="read-write", validate=validate.OneOf(["read-write", "read-only"])
    )
    details = fields.String(
        load_default="auto", validate=validate.OneOf(["auto", "always"])
    )
    optout_scope = fields.String(
        load_default="account", validate=validate.OneOf(["account", "list"])
    )
    changes_interval_seconds = fields.Integer(
        load_default=60, validate=validate.Range(min=5, max=86_400)
    )
    optouts_interval_seconds = fields.Integer(
        load_default=300, validate=validate.Range(min=30, max=86_400)
    )
    feedback_interval_seconds = fields.Integer(
        load_default=300, validate=validate.Range(min=30, max=86_400)
    )
    bulk_hours = HoursField(load_default=(1, 5))
    report_hour = fields.Integer(load_default=6, validate=validate.Range(0, 23))
    ghl_webhook_public_key = fields.String(load_default="")
    ghl_webhook_legacy_key = fields.String(load_default="")
    webhook_legacy = fields.Boolean(load_default=False)
