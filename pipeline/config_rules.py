"""The form of a rule, and the rules that ship; `pipeline/sync/rules.py` runs them."""

import string
from collections.abc import Mapping
from typing import Any

from marshmallow import (
    ValidationError,
    fields,
    post_load,
    validate,
    validates_schema,
)

from pipeline.config_words import ExactSchema, nearest

KINDS = ("sent", "open", "click", "bounce", "blocked", "spam", "unsub")
ACTIONS = ("tag", "task", "note")
FILLED = ("url", "campaign", "when")
SHIPPED: Mapping[str, Mapping[str, Any]] = {
    "tag-openers": {"on": "open", "tag": "mailjet-opened"},
    "tag-clickers": {"on": "click", "tag": "mailjet-clicked"},
    "task-on-click": {"on": "click", "task": "Call: clicked {url}"},
    "task-on-pricing-click": {
        "on": "click",
        "url_contains": "pricing",
        "task": "Call: clicked {url}",
    },
    "campaign-notes": {"on": ["open", "click"], "note": "summary"},
}
"""In the form in which an operator writes a rule; each is off until it is named."""


class KindsField(fields.Field[frozenset[str]]):
    """One event, or a list of them."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> frozenset[str]:
        kinds = value if isinstance(value, list) else [value]
        wrong = [kind for kind in kinds if kind not in KINDS]
        if wrong:
            raise ValidationError(
                [f"no event of Mailjet's; {nearest(kind, KINDS)}" for kind in wrong]
            )
        if not kinds:
            raise ValidationError(f"names no event; {nearest('', KINDS)}")
        return frozenset(kinds)


class TitleField(fields.String):
    """A text with `{url}`, `{campaign}` and `{when}` in it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        title: str = super()._deserialize(value, attr, data, **kw).strip()
        try:
            parts = list(string.Formatter().parse(title))
        except ValueError:
            raise ValidationError("a brace is open; write {{ for a brace") from None
        for _, name, form, conversion in parts:
            if name is not None and (name not in FILLED or form or conversion):
                raise ValidationError(f"cannot be filled in; {nearest(name, FILLED)}")
        if not title:
            raise ValidationError("is empty")
        return title


class TextField(fields.String):
    """A text that is not blank, of at most so many characters."""

    def __init__(self, most: int, **kw: Any) -> None:
        super().__init__(**kw)
        self.most = most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kw)
        if not text.strip() or len(text) > self.most:
            raise ValidationError(f"1 to {self.most} characters")
        return text


class RuleSchema(ExactSchema):
    """One rule as an operator writes it, as the fields of `sync.rules.Rule`."""

    what = "a rule"
    name = fields.String(
        required=True,
        validate=validate.Regexp(
            r"[a-z0-9-]{1,40}\Z", error="use a-z, 0-9 and -, at most 40"
        ),
    )
    on = KindsField(required=True)
    url_contains = TextField(200)
    campaign = TextField(200)
    tag = TextField(100)
    task = TitleField()
    note = fields.String(validate=validate.OneOf(["summary"]))
    due_days = fields.Integer(validate=validate.Range(0, 365))
    assignee = TextField(100)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _makes_sense(
        self, data: dict[str, Any], original: Mapping[str, Any], **kw: Any
    ) -> None:
        problems: dict[str, str] = {}
        if len([action for action in ACTIONS if action in original]) != 1:
            problems["_schema"] = "needs one of tag, task and note"
        if "url_contains" in original and data.get("on", {"click"}) != {"click"}:
            problems["url_contains"] = 'is about clicks; write on = "click"'
        for name in ("due_days", "assignee"):
            if name in original and "task" not in original:
                problems[name] = "is about tasks"
        if problems:
            raise ValidationError({name: [text] for name, text in problems.items()})

    @post_load
    def _as_ghl_keeps_it(self, data: dict[str, Any], **kw: Any) -> dict[str, Any]:
        if "tag" in data:
            data["tag"] = data["tag"].strip().lower()
        return data


class RulesField(fields.Field[tuple[Mapping[str, Any], ...]]):
    """Names of shipped rules, separated by commas; in TOML a list of names and tables.

    Each problem is told with the rule it is about.
    """

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> tuple[Mapping[str, Any], ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list):
            raise ValidationError("not a list of rules; see the README")
        problems: dict[int, Any] = {}
        rules: dict[int, Mapping[str, Any]] = {}
        for index, item in enumerate(items):
            try:
                if not isinstance(item, str) or item.strip():
                    rules[index] = _loaded(item)
            except ValidationError as error:
                problems[index] = error.messages
        names = [rule["name"] for rule in rules.values()]
        for index, rule in rules.items():
            if rule["name"] in names[: list(rules).index(index)]:
                problems[index] = {"name": ["is there twice"]}
        if problems:
            raise ValidationError(problems)
        return tuple(rules.values())


def _loaded(item: object) -> Mapping[str, Any]:
    schema = RuleSchema()
    if isinstance(item, dict):
        loaded: Mapping[str, Any] = schema.load(item)
        return loaded
    if not isinstance(item, str):
        raise ValidationError("neither a name nor a table")
    name = item.strip()
    if name not in SHIPPED:
        raise ValidationError(f"no rule that ships; {nearest(name, SHIPPED)}")
    return _loaded({"name": name, **SHIPPED[name]})
