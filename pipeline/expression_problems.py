"""What CEL says of an expression that is none, in one line and in our words.

What was typed is not repeated, it may be a secret.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

LONGEST = 200
"""Characters of a reason."""
ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
UNDECLARED = re.compile(r"undeclared reference to '(.+?)' \(in ")
NO_OVERLOAD = re.compile(r"found no matching overload for '(.+?)' applied to '(.*)'")
LEFT_OUT = {
    "map": "there is no map; exists and all look at each item of a list",
    "filter": "there is no filter; exists and all look at each item of a list",
    "has": "there is no has; write 'key' in contact.custom",
    "matches": "there are no patterns; use contains, startsWith and endsWith",
    "dyn": "there is no dyn",
}
"""What CEL has and we have not, and what does instead."""
FUNCTIONS = (
    *("contains", "startsWith", "endsWith", "size", "exists", "all", "exists_one"),
    *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfYear"),
    *("getDayOfWeek", "getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    *("timestamp", "duration", "string", "int", "double"),
)
"""Those that a misspelt name may have been meant as."""
PLAIN = {
    "mismatched input '<EOF>'": "something is missing at the end",
    "mismatched input": "this cannot stand here",
    "extraneous input": "this is too much here",
    "no viable alternative": "this cannot stand here",
    "token recognition error": "this is no character of the language",
    "missing ": "something is missing here",
    "invalid int literal": "this number is too large",
    "invalid uint literal": "this number is too large",
    "invalid hex int literal": "this number is too large",
    "Invalid string literal": "this text has no end, or an escape that is none",
    "the range of a comprehension": "this is no list",
    "must be a simple identifier": "all and exists begin with a name: exists(t, ...)",
    "reserved identifier": "this word cannot be a name",
    "cannot be the operand of a select": "this has no fields",
    "undefined field": "this has no such field",
}
"""The start of what CEL says, to what that means."""
NESTED = ("recursion", "nesting")
OTHER_LANGUAGES = {
    r"error at: '=": "equal is ==",
    r"error at: '&|input 'and'": "and is &&",
    r"error at: '\||input 'or'": "or is ||",
    r"error at: '['\"]": "this text has no end, or an escape that is none",
}
"""What CEL says of how others write the same, to how it is written."""
INSTEAD = {
    ("== != contains", "(list(string), string)"): "write 'vip' in contact.tags",
    ("< <= > >= == !=", "(duration, int)"): "30 days are duration('720h')",
    ("< <= > >= == !=", "(timestamp, string)"): (
        "write timestamp('2026-11-28T00:00:00Z')"
    ),
}
"""Functions and what they were given, to what does that."""

ByTrigger = Mapping[str, Collection[str]]
"""Trigger to the variables that an expression would have there."""


def explained(
    message: str,
    text: str,
    known: Collection[str],
    by_trigger: ByTrigger,
) -> str:
    """Why the text is no expression, and where in it.

    Args:
        message: CEL's, of several lines.
        known: variables that it may have.
    """
    found = list(_found(message, text, known, by_trigger))
    left_out = [line for line in found if line.endswith(tuple(LEFT_OUT.values()))]
    if found:
        return [*left_out, *found][0][:LONGEST]
    is_nested = any(word in message for word in NESTED)
    return "is nested too deeply" if is_nested else "is no expression"


def _found(
    message: str, text: str, known: Collection[str], by_trigger: ByTrigger
) -> Iterator[str]:
    for line, column, what in ERROR.findall(message):
        where, told = int(column), _plain(what)
        if _behind_not(text, int(line), where):
            told = "not is !"
        if name := UNDECLARED.search(what):
            where = _start(text, int(line), where, name[1])
            told = _unknown(name[1], known, by_trigger)
        elif overload := NO_OVERLOAD.search(what):
            told = _no_overload(*overload.groups())
        before = f"line {line}, " if "\n" in text.strip() else ""
        yield f"{before}column {where}: {told}"


def _behind_not(text: str, line: int, column: int) -> bool:
    """`not` alone is a name for CEL, which stumbles over what follows."""
    written = text.split("\n")[line - 1][: column - 1]
    return re.search(r"(?:^|\W)not\s+$", written) is not None


def _plain(what: str) -> str:
    for pattern, meant in OTHER_LANGUAGES.items():
        if re.search(pattern, what):
            return meant
    for said, meant in PLAIN.items():
        if said in what:
            return meant
    return "this is no expression"


def _start(text: str, line: int, column: int, name: str) -> int:
    """CEL points at the last dot of a name, and at the parenthesis of a call."""
    written = text.split("\n")[line - 1 : line]
    for start in (column - name.rfind("."), column - len(name)):
        if written and start > 0 and written[0].startswith(name, start - 1):
            return start
    return column


def _unknown(name: str, known: Collection[str], by_trigger: ByTrigger) -> str:
    if name in LEFT_OUT:
        return LEFT_OUT[name]
    if name in FUNCTIONS:
        zoned = "; times are in UTC" if name.startswith("get") else ""
        return f"{name} does not take that many{zoned}"
    for other in {word for names in by_trigger.values() for word in names}:
        if (name == other or name.startswith(f"{other}.")) and other not in known:
            having = [each for each, names in by_trigger.items() if other in names]
            return f"{other} is there on {', '.join(having)} alone"
    meant = _nearest(name, [*known, *FUNCTIONS])
    hint = (
        f"did you mean {meant!r}?" if meant else "the README has those that there are"
    )
    if name.startswith("contact."):
        hint += " (a custom field is contact.custom.KEY)"
    return f"there is no such name; {hint}"


def _nearest(name: str, known: Collection[str]) -> str:
    """What may have been meant; `city` is `contact.city`."""
    by_fold = {word.casefold(): word for word in known}
    near = get_close_matches(name.casefold(), by_fold, 1)
    ends = [
        word for fold, word in by_fold.items() if fold.endswith(f".{name.casefold()}")
    ]
    return by_fold[near[0]] if near else "".join(ends[:1])


def _no_overload(function: str, given: str) -> str:
    types = given.replace("google.protobuf.", "").lower()
    spoken = function.strip("@").replace("_", "") if function[0] in "_@!-" else function
    told = f"{spoken} does not take {types}"
    if function == "_+_" and any(word in types for word in ("string", "list", "bytes")):
        return f"{told}: texts and lists cannot be joined"
    for (functions, taken), meant in INSTEAD.items():
        if spoken in functions.split() and taken == types:
            return f"{told}; {meant}"
    return told
