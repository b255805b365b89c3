"""What can be done to a value on its way; `pipeline/sync` does it."""

from collections.abc import Collection
from typing import Any

from marshmallow import ValidationError, fields

from pipeline.settings.words import nearest

Transform = tuple[str, Any]
"""Name and argument: None, a text, or of `map` pairs of texts."""

PLAIN = ("trim", "lower", "title", "date", "number", "boolean")
WITH_ARGUMENT = {
    "join": '{ join = ", " }',
    "default": '{ default = "none" }',
    "map": '{ map = { A = "first" } }',
}
"""Name to how it is written."""
NAMES = (*PLAIN, *WITH_ARGUMENT)


def is_one_to_one(pairs: Collection[tuple[str, str]]) -> bool:
    """Whether each new text tells the one that it came from."""
    return len({new for _, new in pairs}) == len(pairs)


class TransformsField(fields.Field[tuple[Transform, ...]]):
    """`["trim", { default = "0" }]`."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> tuple[Transform, ...]:
        if not isinstance(value, list):
            raise ValidationError('not a list; write ["trim", { default = "0" }]')
        problems: dict[int, list[str]] = {}
        found: list[Transform] = []
        for index, item in enumerate(value):
            try:
                found.append(_transform(item))
            except ValidationError as error:
                problems[index] = [str(message) for message in error.messages]
        if problems:
            raise ValidationError(problems)
        names = [name for name, _ in found]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValidationError(f"{', '.join(sorted(twice))}: is there twice")
        return tuple(found)


def _transform(item: object) -> Transform:
    if isinstance(item, dict) and len(item) == 1:
        [(name, argument)] = item.items()
        if name in PLAIN:
            raise ValidationError(f'{name} takes nothing; write "{name}"')
        if name in WITH_ARGUMENT:
            return name, _argument(name, argument)
    elif isinstance(item, str):
        name = item
        if name in PLAIN:
            return name, None
        if name in WITH_ARGUMENT:
            raise ValidationError(f"{name} needs more; write {WITH_ARGUMENT[name]}")
    else:
        raise ValidationError("neither a name nor a table of one key")
    raise ValidationError(f"no transform; {nearest(name, NAMES)}")


def _argument(name: str, argument: object) -> Any:
    wrong = ValidationError(f"{name} is written {WITH_ARGUMENT[name]}")
    if name == "map":
        if not isinstance(argument, dict) or not argument:
            raise wrong
        pairs = [(key, _text(value)) for key, value in argument.items()]
        if any(text is None for _, text in pairs):
            raise wrong
        return tuple(pairs)
    text = _text(argument)
    if text is None or (name == "join" and not isinstance(argument, str)):
        raise wrong
    return text


def _text(value: object) -> str | None:
    """A TOML scalar as text; None for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None
