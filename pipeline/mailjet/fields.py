"""How Mailjet writes its values, and what each becomes here.

A value that is missing or strange is nothing: "", 0, false or None. Only of
`EntryText`, `KnownId` and `WholeSeconds` it is an error.
"""

from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError, fields

from pipeline.sync.activity import END_OF_TIME_MS

LARGEST_ID = 2**63 - 1
LONGEST_ADDRESS = 320
LONGEST_URL = 2000
LONGEST_WORD = 200


class EntryText(fields.Field[str]):
    """Text of any form; a number, as an `int` property may hold, becomes its digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        if isinstance(value, str):
            return sound(value)
        if isinstance(value, int | float):
            return str(value)
        raise ValidationError("Not a text.")


class Words(fields.Field[str]):
    """A text, cut at `longest` characters; what is no text is ""."""

    def __init__(self, longest: int, **kw: Any) -> None:
        super().__init__(**kw)
        self._longest = longest

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> str:
        return sound(value)[: self._longest] if isinstance(value, str) else ""


class Address(Words):
    """An address trimmed and lower-cased; what is too long to be one is ""."""

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> str:
        if not isinstance(value, str) or len(value) > self._longest:
            return ""
        return sound(value).strip().lower()


class Id(fields.Field[int]):
    """A number, or its digits as Mailjet's samples show it; anything else is 0."""

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> int:
        if _is_digits(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            return 0
        return value if 0 < value <= LARGEST_ID else 0


class KnownId(Id):
    """An id that has to be there."""

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> int:
        known = super().deserialize(value, attr, data, **kw)
        if not known:
            raise ValidationError("Not an id.")
        return known


class Flag(fields.Field[bool]):
    """true, or the words and the number for it; anything else is false."""

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> bool:
        if isinstance(value, str):
            return value.strip().lower() in {"true", "1"}
        return isinstance(value, int) and value == 1


class Time(fields.Field[int]):
    """RFC 3339, UTC where it names no zone, or Unix seconds, as milliseconds.

    What is missing, nonsense or outside 1970 to 9999 is None: an entry without a time
    is an entry.
    """

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> Any:
        seconds: float
        if _is_digits(value):
            value = int(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value
        else:
            try:
                moment = datetime.fromisoformat(value)
            except (TypeError, ValueError):
                return None
            placed = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            seconds = placed.timestamp()
        # Not a number is not in between either.
        in_reach = 0 < seconds < END_OF_TIME_MS / 1000
        return round(seconds * 1000) if in_reach else None


class WholeSeconds(Time):
    """A time that has to be there, without its fraction: only one of Mailjet's ways
    of telling an event has fractions, and the event is the same."""

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> int:
        moment: int | None = super().deserialize(value, attr, data, **kw)
        if moment is None:
            raise ValidationError("Not a time.")
        return moment // 1000 * 1000


def sound(text: str) -> str:
    """The text as it can be stored: JSON may hold half of a surrogate pair."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def rfc3339(milliseconds: int) -> str:
    """A time as Mailjet's filters take it, in whole seconds."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_digits(value: object) -> bool:
    is_text = isinstance(value, str) and len(value) < 20
    return is_text and value.isascii() and value.isdecimal()  # type: ignore[attr-defined]
