"""What marshmallow finds wrong, as places and sentences."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from marshmallow import Schema, ValidationError

from pipeline.settings.lines import Path

Problem = tuple[Path, str]
"""Where in what was loaded, and what is wrong there."""

OF_ITSELF = "_schema"
PLAIN = {
    "Missing data for required field.": "missing",
    "Not a valid integer.": "not a whole number",
    "Not a valid boolean.": "neither true nor false",
}
"""What marshmallow says, in the words of these files."""
WHERE_TO_FIND = {
    "ghl_token": "create one in GHL: Settings > Private Integrations",
    "ghl_location_id": "the id in the address of the sub-account's GHL pages",
    "mailjet_api_key": "Mailjet: Account settings > API key management",
    "mailjet_secret_key": "Mailjet: Account settings > API key management",
}


def load(
    schema: Schema, values: Mapping[str, Any], *, place: str = "in .env"
) -> tuple[dict[str, Any], list[Problem]]:
    """What was loaded, and every problem; with one, nothing is.

    Args:
        place: where what is missing has to be put.
    """
    try:
        loaded: dict[str, Any] = schema.load(values)
    except ValidationError as error:
        found = list(_flat(error.messages_dict, ()))
        return {}, [
            (path, _missing(path, values, place) or what) for path, what in found
        ]
    return loaded, []


def refuse(problems: Iterable[Problem]) -> None:
    """Raise what a schema found at each place, as marshmallow tells such; or nothing.

    Raises:
        ValidationError: with every problem, which `load` tells by its place again.
    """
    messages: dict[str | int, Any] = {}
    for path, what in problems:
        inner = messages
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner.setdefault(path[-1], []).append(what)
    if messages:
        raise ValidationError(messages)


def spoken(path: Path) -> str:
    """`fields[2].direction`."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def _flat(messages: object, path: Path) -> Iterator[Problem]:
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _flat(inner, path if key == OF_ITSELF else (*path, key))
    elif isinstance(messages, list):
        yield path, "; ".join(PLAIN.get(str(what), str(what)) for what in messages)


def _missing(path: Path, values: Mapping[str, Any], place: str) -> str:
    if len(path) != 1 or path[0] in values or path[0] not in WHERE_TO_FIND:
        return ""
    return f"missing; {WHERE_TO_FIND[str(path[0])]}, then put it {place}"
