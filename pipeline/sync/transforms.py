"""What happens to a value on its way: named steps, each with its way back.

A value starts as GHL's JSON has it: text, number, list of options, object of files.
Each step is `(name, argument)`. Going out, back and out again tells the same as going
out once, so that what comes back as an echo is nobody's change.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

Step = tuple[str, Any]
"""`map` has pairs of texts as its argument, `join` a separator, `default` a text; the
others have None."""
JOINER = ", "
"""Between the options of a list that no step joins."""
YES = frozenset({"true", "yes", "y", "1", "on", "checked", "accepted"})
NO = frozenset({"false", "no", "n", "0", "off", "unchecked"})
WORD = re.compile(r"[^\W\d_]+")
SURROUNDINGS = re.compile(r"[^\d.,+-]")
"""Currency and spaces around and within a number."""
EXPONENT = re.compile(r"[+-]?[\d.]+e[+-]?\d+\Z", re.IGNORECASE)
SECONDS_DIGITS = 11
"""A number of more digits is of milliseconds."""
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?\Z")


def outward(steps: Iterable[Step], value: object) -> object:
    """The value after all steps.

    Raises:
        ValueError: it is none that a step can take; the message holds no value.
    """
    for name, argument in steps:
        value = OUT[name](value, argument)
    return value


def backward(steps: Iterable[Step], value: object) -> object:
    """What the value was before, as far as the steps can be taken back."""
    for name, argument in reversed(tuple(steps)):
        if name in BACK:
            value = BACK[name](value, argument)
    return value


def text_of(value: object) -> str:
    """A JSON value as one text; "" for nothing.

    Files become their links, text boxes their contents.
    """
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case {"url": url}:
            return text_of(url)
        case dict():
            return text_of(list(value.values()))
        case list() | tuple():
            return JOINER.join(filter(None, map(text_of, value)))
    return str(value)


def typed(value: object, datatype: str) -> str:
    """The value as the text that Mailjet's datatype has for it.

    Args:
        datatype: `str`, `int`, `float`, `bool` or `datetime`.

    Raises:
        ValueError: it has none; the message holds no value.
    """
    text = text_of(value)
    if not text or datatype == "str":
        return text
    if datatype == "bool":
        return truth(value)
    if datatype == "datetime":
        return f"{moment(text):%Y-%m-%dT%H:%M:%SZ}".rjust(20, "0")
    number = _float(text)
    if datatype == "float":
        return repr(number)
    if number != int(number):
        raise ValueError("is no whole number")
    return str(int(number))


def truth(value: object) -> str:
    """`true` or `false`: ticked options are true, and so is each word for it."""
    if isinstance(value, list | tuple):
        words = [text_of(one).strip().lower() for one in value]
        return str(bool(words) and words != ["false"] and words != ["no"]).lower()
    word = text_of(value).strip().lower()
    if not word:
        return ""
    if word in YES | NO:
        return str(word in YES).lower()
    raise ValueError("is neither yes nor no")


def moment(text: str) -> datetime:
    """ISO 8601, UTC where it names no zone, or Unix seconds or milliseconds.

    Raises:
        ValueError: it is none.
    """
    try:
        digits = text.removeprefix("-")
        if digits.isdecimal():
            seconds = int(text) / (1000 if len(digits) > SECONDS_DIGITS else 1)
            return datetime.fromtimestamp(seconds, UTC)
        found = datetime.fromisoformat(text.strip())
        if not found.tzinfo:
            return found.replace(tzinfo=UTC)
        return found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError("is no date") from None


def _float(text: str) -> float:
    try:
        number = float(text)
        return number if number - number == 0 else _no_number()
    except ValueError:
        return _no_number()


def _no_number() -> float:
    raise ValueError("is no number")


def _title(value: object, _: object) -> object:
    """Words that are all small or all capitals; `McDonald` stays as it is."""

    def one(word: re.Match[str]) -> str:
        found = word[0]
        plain = found.islower() or found.isupper()
        raised = found[:1].upper() + found[1:].lower()
        # Some letters have no capital of their own, such as the German sharp s.
        return raised if plain and len(raised) == len(found) else found

    text = text_of(value)
    return WORD.sub(one, text)


def _date(value: object, _: object) -> object:
    text = text_of(value).strip()
    return moment(text).date().isoformat() if text else ""


def _number(value: object, _: object) -> object:
    """`1,234.50 USD` is 1234.5; the comma of `12,5` is a decimal one."""
    whole = text_of(value).strip()
    if not whole:
        return ""
    # An exponent is no currency.
    text = whole if EXPONENT.match(whole) else SURROUNDINGS.sub("", whole)
    if THOUSANDS.match(text):
        text = text.replace(",", "")
    elif "." not in text:
        text = text.replace(",", ".", 1)
    number = _float(text)
    return text_of(number) if abs(number) < 1e15 else repr(number)


def _mapped(value: object, pairs: Iterable[tuple[str, str]]) -> object:
    text = text_of(value)
    return dict(pairs).get(text, text)


def _map_back(value: object, pairs: Iterable[tuple[str, str]]) -> object:
    text = text_of(value)
    return {new: old for old, new in pairs}.get(text, text)


def _join(value: object, separator: str) -> object:
    options = value if isinstance(value, list | tuple) else [value]
    return separator.join(part for one in options for part in _parts(one, separator))


def _split(value: object, separator: str) -> object:
    return _parts(value, separator) or ""


def _parts(value: object, separator: str) -> list[str]:
    parts = (part.strip() for part in text_of(value).split(separator.strip() or " "))
    return [part for part in parts if part]


def _boolean(value: object, _: object) -> object:
    return truth(value)


def _default(value: object, instead: str) -> object:
    return value if text_of(value).strip() else instead


def _no_default(value: object, instead: str) -> object:
    is_default = text_of(value).strip().casefold() == instead.strip().casefold()
    return "" if is_default else value


def _trim(value: object, _: object) -> object:
    return text_of(value).strip()


def _lower(value: object, _: object) -> object:
    return text_of(value).lower()


OUT: dict[str, Callable[[Any, Any], object]] = {
    "trim": _trim,
    "lower": _lower,
    "title": _title,
    "date": _date,
    "number": _number,
    "boolean": _boolean,
    "join": _join,
    "default": _default,
    "map": _mapped,
}
BACK: dict[str, Callable[[Any, Any], object]] = {
    **{name: OUT[name] for name in ("trim", "lower", "title", "date", "number")},
    "boolean": _boolean,
    "join": _split,
    "default": _no_default,
    "map": _map_back,
}
