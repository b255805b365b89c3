"""How GHL writes its values, and what each becomes here.

Every field of an answer may be missing: absent is unknown and stays absent.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError, fields, missing


class Text(fields.Field[str]):
    """Text as it is; null is known to be empty, a number becomes its digits.

    Lists and objects are no text and count as unknown: a strange `website` must not
    keep a person from being synced.
    """

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> Any:
        if value is missing:
            return missing
        if value is None:
            return ""
        if isinstance(value, str):
            return value if _is_sound(value) else missing
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value) if isinstance(value, int | float) else missing


class Email(fields.Field[str]):
    """An address trimmed and lower-cased; null is known to be empty.

    Whether it has the form of an address is not decided here: a contact without a
    usable address is a contact all the same.
    """

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> Any:
        if value is missing:
            return missing
        if value is None:
            return ""
        if not isinstance(value, str) or not _is_sound(value):
            raise ValidationError("Not an address.")
        return value.strip().lower()


class Flag(fields.Boolean):
    """true, false or the words for them; null is unknown."""

    truthy = {True, "true", "True"}  # noqa: RUF012 - marshmallow's own declaration
    falsy = {False, "false", "False"}  # noqa: RUF012


class _NullIsEmpty(fields.Field[Any]):
    """A list that GHL also writes as null."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(allow_none=True, pre_load=_empty_for_null, **kw)


class Tags(_NullIsEmpty):
    """Tags lower-cased as GHL keeps them, each once, in its order; null is no tags."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValidationError("Not a list of tags.")
        known = (tag for tag in value if isinstance(tag, str) and _is_sound(tag))
        tags = (tag.strip().lower() for tag in known)
        return tuple(dict.fromkeys(filter(None, tags)))


class CustomFields(_NullIsEmpty):
    """`[{"id", "value"}]` as id to value; null is none; the value's form is free."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> Mapping[str, object]:
        if not isinstance(value, list):
            raise ValidationError("Not a list of custom fields.")
        return {
            str(entry["id"]): entry.get("value")
            for entry in value
            if isinstance(entry, dict) and "id" in entry
        }


class Moment(fields.Field[int]):
    """An ISO time (UTC where it names no zone) or milliseconds, as milliseconds.

    What cannot be read is unknown.
    """

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> Any:
        if isinstance(value, str):
            if value.isdecimal() and len(value) < 20:
                return int(value)
            moment = _iso(value)
            return missing if moment is None else round(moment.timestamp() * 1000)
        if isinstance(value, int | float) and not isinstance(value, bool):
            # `isfinite` cannot be asked of an integer beyond every float.
            is_known = isinstance(value, int) or math.isfinite(value)
            return int(value) if is_known else missing
        return missing


class BirthDate(Text):
    """`YYYY-MM-DD`; search rows hold milliseconds, the others ISO text (issue #314)."""

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                return datetime.fromtimestamp(value / 1000, UTC).date().isoformat()
            except (ValueError, OverflowError, OSError):
                return missing
        if isinstance(value, str) and (moment := _iso(value)) is not None:
            return moment.date().isoformat()
        return super().deserialize(value, attr, data, **kw)


def _empty_for_null(value: object) -> object:
    return [] if value is None else value


def _is_sound(text: str) -> bool:
    """Whether the text can be stored: JSON may hold half of a surrogate pair."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _iso(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
