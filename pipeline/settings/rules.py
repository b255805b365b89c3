"""The form of a rule, and the rules that ship; `pipeline/sync/rules.py` runs them."""

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from pipeline.errors import BadExpression
from pipeline.expression_variables import OF_MAILS, VARIABLES
from pipeline.expressions import LONGEST, compile_condition, compile_value
from pipeline.settings.deeds import (
    OF_CAMPAIGNS,
    ONCE,
    SUMMARY,
    DeedTagField,
    DoField,
    FilledField,
    TextField,
    TypedDeed,
    filled_in,
)
from pipeline.settings.lines import Path
from pipeline.settings.problems import refuse
from pipeline.settings.words import ExactSchema, nearest

KINDS = OF_MAILS
TRIGGERS = tuple(VARIABLES)
TIMED = ("task_due", "appointment_soon")
TOLD_BY: Mapping[str, tuple[str, ...]] = {
    "url": ("click",),
    "campaign": KINDS,
    "what": ("tagged", *TIMED),
}
"""What titles and notes can hold, to the triggers that tell it; the others leave it
empty."""
DAY_BEFORE = 24
"""Hours before an appointment, where nothing else is said."""
ACTIONS = ("tag", "task", "note", "do")
SHIPPED: Mapping[str, Mapping[str, Any]] = {
    "tag-openers": {"on": "open", "tag": "mailjet-opened"},
    "tag-clickers": {"on": "click", "tag": "mailjet-clicked"},
    "task-on-click": {"on": "click", "task": "Call: clicked {url}"},
    "task-on-pricing-click": {
        "on": "click",
        "url_contains": "pricing",
        "task": "Call: clicked {url}",
    },
    "campaign-notes": {"on": ["open", "click"], "note": SUMMARY},
}
"""In the form in which an operator writes a rule; each is off until it is named."""


class TriggersField(fields.Field[frozenset[str]]):
    """One trigger, or a list of them."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> frozenset[str]:
        triggers = value if isinstance(value, list) else [value]
        wrong = [trigger for trigger in triggers if trigger not in TRIGGERS]
        if wrong:
            raise ValidationError(
                [f"no trigger; {nearest(each, TRIGGERS)}" for each in wrong]
            )
        if not triggers:
            raise ValidationError(f"names no trigger; {nearest('', TRIGGERS)}")
        return frozenset(triggers)


class RuleSchema(ExactSchema):
    """One rule as an operator writes it.

    It becomes the fields of `sync.rules.Rule`, with `do` as `TypedDeed` and `when` as
    text, both right as far as can be told without the connection.
    """

    what = "a rule"
    name = fields.String(
        required=True,
        validate=validate.Regexp(
            r"[a-z0-9-]{1,40}\Z", error="use a-z, 0-9 and -, at most 40"
        ),
    )
    on = TriggersField(required=True)
    when = TextField(LONGEST)
    do = DoField()
    hours_before = fields.Integer(validate=validate.Range(0, 720))
    existing = fields.Boolean()
    url_contains = TextField(200)
    campaign = TextField(200)
    tag = DeedTagField(100)
    task = FilledField()
    note = fields.String(validate=validate.OneOf([SUMMARY]))
    due_days = fields.Integer(validate=validate.Range(0, 365))
    assignee = TextField(100)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _makes_sense(
        self, data: dict[str, Any], original: Mapping[str, Any], **kw: Any
    ) -> None:
        refuse([*_form(data, original), *_deeds(data)])

    @post_load
    def _as_the_long_form(self, data: dict[str, Any], **kw: Any) -> dict[str, Any]:
        deeds = data.pop("do", ()) or (_short_form(data),)
        named = {"campaign": data["name"]}
        data["do"] = tuple(
            TypedDeed(deed.key, deed.place, {**named, **deed.facts})
            if deed.key in OF_CAMPAIGNS
            else deed
            for deed in deeds
        )
        if "appointment_soon" in data["on"]:
            data.setdefault("hours_before", DAY_BEFORE)
        return data


def _form(
    data: Mapping[str, Any], original: Mapping[str, Any]
) -> Iterator[tuple[Path, str]]:
    """What is wrong with keys that are right one by one."""
    on = data.get("on", frozenset(TRIGGERS))
    given = [action for action in ACTIONS if action in original]
    if not given:
        yield ("_schema",), f"needs one of {', '.join(ACTIONS[:-1])} and {ACTIONS[-1]}"
    if len(given) > 1:
        yield ("_schema",), f"has {' and '.join(given)}; put all deeds into do = [...]"
    if "on" in data:
        yield from ((("task",), what) for what in _untold(data.get("task", ""), on))
    if "url_contains" in original and "on" in data and on != {"click"}:
        yield ("url_contains",), 'is about clicks; write on = "click"'
    if "campaign" in original and not on & {*KINDS}:
        yield ("campaign",), "is about events of Mailjet's"
    for name in ("due_days", "assignee"):
        if name in original and "task" not in original:
            beside = "; put it beside task in do" if "do" in original else ""
            yield (name,), f"is about tasks{beside}"
    if "hours_before" in original and not on & {*TIMED}:
        yield ("hours_before",), f"is about {' and '.join(TIMED)}"
    if "existing" in original and "created" not in on:
        yield ("existing",), 'is about on = "created"'
    if "note" in original and "on" in data and not on <= {*KINDS}:
        yield ("note",), "tells of events of Mailjet's; write do = { note = ... }"


def _deeds(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """What is wrong with expressions, and with deeds that are right one by one."""
    if not (on := data.get("on")):
        return
    if "when" in data:
        try:
            compile_condition(data["when"], on)
        except BadExpression as error:
            yield ("when",), str(error)
    seen: set[str | tuple[str, str]] = set()
    for deed in data.get("do", ()):
        here = (*deed.place, deed.key)
        if (one := _once(deed, data.get("name", ""))) in seen:
            advice = "one is enough" if deed.key in ONCE else "give it a campaign"
            yield here, f"is there twice in this rule; {advice}"
        seen.add(one)
        if deed.facts.get("text") == SUMMARY and not on <= {*KINDS}:
            yield here, "a summary tells of events of Mailjet's"
        text = deed.facts.get("title") or deed.facts.get("text") or ""
        yield from ((here, what) for what in _untold(text, on))
        for name, text in deed.facts.get("variables", {}).items():
            try:
                compile_value(text, on)
            except BadExpression as error:
                yield (*deed.place, "variables", name), str(error)


def _untold(text: str, on: frozenset[str]) -> Iterator[str]:
    """What a text is filled with that none of the triggers tells."""
    for name in sorted(filled_in(text) & TOLD_BY.keys()):
        if not on & {*TOLD_BY[name]}:
            yield f"{{{name}}} is there on {', '.join(TOLD_BY[name])} alone"


def _once(deed: TypedDeed, rule: str) -> str | tuple[str, str]:
    """What a rule has once, such as a kind of order and its campaign."""
    if deed.key in ONCE:
        return deed.key
    if deed.key in OF_CAMPAIGNS:
        return deed.key, deed.facts.get("campaign", rule)
    return deed.key, repr(deed.facts)


def _short_form(data: dict[str, Any]) -> TypedDeed:
    """The one deed of a rule without `do`."""
    if "tag" in data:
        return TypedDeed("add_tag", (), {"tag": data.pop("tag")})
    if "note" in data:
        return TypedDeed("note", (), {"text": data.pop("note")})
    facts = {"title": data.pop("task")}
    facts |= {key: data.pop(key) for key in ("due_days", "assignee") if key in data}
    return TypedDeed("task", (), facts)


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
