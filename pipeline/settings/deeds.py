"""What a rule does, as an operator writes it; `pipeline/sync/deeds.py` knows it too."""

import math
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import ValidationError, fields, validate

from pipeline.settings.lines import Path
from pipeline.settings.mapping import HISTORIC, OWN_PREFIX
from pipeline.settings.rows import OWN_TAGS
from pipeline.settings.words import ExactSchema, nearest

FILLED = ("url", "campaign", "what", "when")
SUMMARY = "summary"
"""The text of a note that stands for one note for each campaign."""
TEMPLATE_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,49}\Z"
VARIABLE = r"[A-Z][A-Z0-9_]{0,99}\Z"
EXAMPLE = '{ add_tag = "vip" }'


@dataclass(frozen=True)
class TypedDeed:
    """One deed.

    Args:
        key: which, of `DEEDS`.
        place: where it stands in its rule, such as `("do", 1)`.
        facts: fields of that deed in `sync.deeds`; expressions as text.
        url: of a webhook; may hold a secret.
    """

    key: str
    place: Path
    facts: Mapping[str, Any]
    url: str = field(default="", repr=False)


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


class LabelField(TextField):
    """The same in one line."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        text = super()._deserialize(value, attr, data, **kw).strip()
        if not text.isprintable():
            raise ValidationError("must be one line, without control characters")
        return text


class DeedTagField(TextField):
    """A tag in lower case, as GHL keeps it, that is no mark of ours."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        tag = super()._deserialize(value, attr, data, **kw).strip().lower()
        if tag in OWN_TAGS:
            raise ValidationError("is a mark of ours; choose another tag")
        return tag


class FilledField(fields.String):
    """A text in which `{url}`, `{campaign}`, `{what}` and `{when}` are filled."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kw).strip()
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError:
            raise ValidationError("a brace is open; write {{ for a brace") from None
        for _, name, form, conversion in parts:
            if name is not None and (name not in FILLED or form or conversion):
                raise ValidationError(f"cannot be filled in; {nearest(name, FILLED)}")
        if not text:
            raise ValidationError("is empty")
        return text


def filled_in(text: str) -> set[str]:
    """Names of what is filled into a text that `FilledField` has taken."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


class NewPropertyField(fields.String):
    """The name of a Mailjet property that no mapping of ours writes."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        name: str = super()._deserialize(value, attr, data, **kw)
        validate.Regexp(r"[a-z0-9_]{1,50}\Z", error="use a-z, 0-9 and _, at most 50")(
            name
        )
        if name in HISTORIC or name.startswith(OWN_PREFIX):
            raise ValidationError("is a property of ours; choose another name")
        return name


class ScalarField(fields.Field[str | int | float | bool]):
    """A text, a number, true or false."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> str | int | float | bool:
        is_known = isinstance(value, bool) or (
            (isinstance(value, str) and len(value) <= 500)
            or (isinstance(value, int) and abs(value) < 2**63)
            or (isinstance(value, float) and math.isfinite(value))
        )
        if not is_known:
            raise ValidationError("no text of at most 500, number, true or false")
        known: str | int | float | bool = value
        return known


class VariablesField(fields.Field[Mapping[str, str]]):
    """Name of a template's variable to an expression, such as `contact.firstName`."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> Mapping[str, str]:
        if not isinstance(value, dict):
            raise ValidationError('not a table; write { name = "contact.firstName" }')
        problems: dict[str, list[str]] = {}
        for name, text in value.items():
            if not re.match(TEMPLATE_VARIABLE, name):
                problems[name] = ["use A-Z, a-z, 0-9 and _, at most 50"]
            elif not isinstance(text, str):
                problems[name] = ["no text; write an expression in quotes"]
        if problems:
            raise ValidationError(problems)
        return value


def _id(**kw: Any) -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(min=1), **kw)


class _DeedSchema(ExactSchema):
    what = "this deed"


class AddTagSchema(_DeedSchema):
    tag = DeedTagField(100, data_key="add_tag", required=True)


class RemoveTagSchema(_DeedSchema):
    tag = DeedTagField(100, data_key="remove_tag", required=True)


class TaskSchema(_DeedSchema):
    title = FilledField(data_key="task", required=True)
    due_days = fields.Integer(validate=validate.Range(0, 365))
    assignee = TextField(100)


class NoteSchema(_DeedSchema):
    text = FilledField(data_key="note", required=True)


class SetPropertySchema(_DeedSchema):
    name = NewPropertyField(data_key="set_property", required=True)
    value = ScalarField(required=True)


class AddToListSchema(_DeedSchema):
    list_id = _id(data_key="add_to_list", required=True)
    campaign = LabelField(100)


class SendSchema(_DeedSchema):
    template_id = _id(data_key="send", required=True)
    variables = VariablesField()
    campaign = LabelField(100)
    transactional = fields.Boolean()
    sender = fields.Email()
    subject = LabelField(255)


class DraftSchema(_DeedSchema):
    template_id = _id(data_key="draft", required=True)
    # The day and the hour are added to it.
    campaign = LabelField(80)
    sender = fields.Email(required=True)
    subject = LabelField(255, required=True)
    segment_id = _id(data_key="segment")
    at_hour = fields.Integer(validate=validate.Range(0, 23))


class WebhookSchema(_DeedSchema):
    variable = fields.String(
        data_key="webhook_env",
        required=True,
        validate=validate.Regexp(
            VARIABLE, error="no name of a variable; the URL is put in .env"
        ),
    )


DEEDS: Mapping[str, type[_DeedSchema]] = {
    "add_tag": AddTagSchema,
    "remove_tag": RemoveTagSchema,
    "task": TaskSchema,
    "note": NoteSchema,
    "set_property": SetPropertySchema,
    "add_to_list": AddToListSchema,
    "send": SendSchema,
    "draft": DraftSchema,
    "webhook_env": WebhookSchema,
}
OF_CAMPAIGNS = ("add_to_list", "send", "draft")
"""Those that are counted under a campaign."""
ONCE = ("task", "note", "webhook_env")
"""Those of which a rule has one at most."""


class DoField(fields.Field[tuple[TypedDeed, ...]]):
    """A table, or a list of them; each problem is told with its deed."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> tuple[TypedDeed, ...]:
        problems: dict[Any, Any] = {}
        deeds = []
        for place, item in written(value):
            try:
                deeds.append(_loaded(item, place))
            except ValidationError as error:
                if place == ("do",):
                    raise ValidationError(error.messages) from None
                problems[place[-1]] = error.messages
        if problems:
            raise ValidationError(problems)
        if not deeds:
            raise ValidationError(f"does nothing; write {EXAMPLE}")
        return tuple(deeds)


def written(do: object) -> Iterator[tuple[Path, object]]:
    """Each deed of a `do`, and where in its rule it stands."""
    if isinstance(do, list):
        yield from ((("do", index), item) for index, item in enumerate(do))
    else:
        yield ("do",), do


def _loaded(item: object, place: Path) -> TypedDeed:
    if not isinstance(item, dict):
        raise ValidationError(f"not a table; write {EXAMPLE}")
    found = [key for key in DEEDS if key in item]
    if len(found) != 1:
        known = f"needs one of {', '.join(DEEDS)}"
        raise ValidationError(f"{known}; two deeds are two tables" if found else known)
    return TypedDeed(found[0], place, DEEDS[found[0]]().load(item))
