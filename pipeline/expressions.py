"""Conditions and values of rules: text in, something to call out.

The language is CEL (cel.dev), by Google's own implementation: it has no effects, knows
nothing but the variables below, and finds misspelt names and wrong types when it
compiles. It is made smaller here, because a call cannot be interrupted and holds the
interpreter meanwhile: nothing can grow, nothing opens a file, and what it may look at
is bounded.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from pipeline.errors import BadExpression, CannotTell
from pipeline.expression_problems import explained
from pipeline.expression_variables import (
    EVERY,
    FLAG,
    NUMBER,
    TEXT,
    TIME,
    VARIABLES,
    is_sound,
    told,
    variables_of,
)

LONGEST = 1_000
"""Characters of an expression."""
LOOPS = re.compile(r"\b(?:all|exists|exists_one)(?:\s|//[^\n]*\n)*\(")
"""One in another could double a text with each, and take 10,000 turns."""
ZONED = {
    "getFullYear": "year",
    "getMonth": "month",
    "getDate": "day_of_month_1_based",
    "getDayOfMonth": "day_of_month",
    "getDayOfYear": "day_of_year",
    "getDayOfWeek": "day_of_week",
    "getHours": "hours",
    "getMinutes": "minutes",
    "getSeconds": "seconds",
    "getMilliseconds": "milliseconds",
}
"""With a time zone each opens any file of that name, and waits for ever for a pipe. No
function of ours does it instead: each call of one leaks (cel-expr-python 0.1.3)."""
SMALLER = "\n".join(
    [
        "stdlib:",
        "  exclude_macros: [map, filter, has]",
        "  exclude_functions:",
        "  - {name: matches}",
        "  - {name: dyn}",
        "  - name: _+_",
        "    overloads: [{id: add_string}, {id: add_list}, {id: add_bytes}]",
        *(
            f"  - {{name: {name}, overloads: [{{id: timestamp_to_{part}_with_tz}}]}}"
            for name, part in ZONED.items()
        ),
    ]
)
VALUES = (TEXT, NUMBER, cel.Type.DOUBLE, FLAG, TIME)


@dataclass(frozen=True)
class Compiled:
    """An expression that can be called, by many threads at once.

    Args:
        text: as it was written.
        mentions: the variables in it.
    """

    text: str
    mentions: frozenset[str]
    _program: cel.Expression = field(repr=False, compare=False)

    def __call__(self, facts: Mapping[str, object]) -> str | int | float | bool:
        """Its value; a time is RFC 3339 text in UTC.

        Raises:
            CannotTell: a variable is missing or too long, or there is no value; tells
                nothing of the facts.
        """
        known = {name: told(facts[name]) for name in self.mentions & facts.keys()}
        data = {name: fact for name, fact in known.items() if fact is not None}
        try:
            found = self._program.eval(data=data)
        except (RuntimeError, SystemError):
            raise CannotTell("takes too many steps") from None
        if found.type() == cel.Type.ERROR:
            raise CannotTell(self._why(data))
        return _result(found.value())

    def _why(self, data: Mapping[str, object]) -> str:
        missing = sorted(self.mentions - data.keys())
        known = f"nothing is known of {', '.join(missing)}"
        return known if missing else "has no value here"


def compile_condition(text: str, triggers: Iterable[str]) -> Compiled:
    """A condition, true or false.

    Args:
        triggers: of which each has to have the variables; see `VARIABLES`.

    Raises:
        BadExpression: it is none; one line that says why and where.
    """
    compiled, kind = _compiled(text, variables_of(triggers))
    if kind != FLAG:
        raise BadExpression("is a value, not a condition; compare it with something")
    return compiled


def compile_value(text: str, triggers: Iterable[str]) -> Compiled:
    """A text, number, time, or true or false.

    Args:
        triggers: of which each has to have the variables; see `VARIABLES`.

    Raises:
        BadExpression: it is none; one line that says why and where.
    """
    compiled, kind = _compiled(text, variables_of(triggers))
    if kind not in VALUES:
        raise BadExpression("is no text, number, time, or true or false")
    return compiled


@lru_cache(maxsize=1024)
def _compiled(text: str, known: frozenset[str]) -> tuple[Compiled, cel.Type]:
    _check(text)
    try:
        program = _environment(known).compile(text)
        kind = program.return_type()
    except RuntimeError as error:
        raise BadExpression(explained(str(error), text, known, VARIABLES)) from None
    mentions = frozenset(name for name in known if _mentions(text, name, known))
    return Compiled(text, mentions, program), kind


def _check(text: str) -> None:
    """What has to be known before CEL sees it."""
    if len(text) > LONGEST:
        raise BadExpression(f"is longer than {LONGEST:,} characters")
    if not text.strip():
        raise BadExpression("is empty")
    if not is_sound(text):
        raise BadExpression("is no text: half of a surrogate pair is in it")
    if len(LOOPS.findall(text)) > 1:
        raise BadExpression("has more than one of all, exists and exists_one")


def _mentions(text: str, name: str, known: frozenset[str]) -> bool:
    """Whether the text, which compiles, does not without that variable."""
    if name.rpartition(".")[2] not in text:
        return False
    try:
        _made(known - {name}).compile(text)
    except RuntimeError:
        return True
    return False


@cache
def _environment(names: frozenset[str]) -> cel.Env:
    return _made(names)


def _made(names: Iterable[str]) -> cel.Env:
    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(SMALLER),
        variables={name: EVERY[name] for name in names},
    )


def _result(value: Any) -> str | int | float | bool:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, str | int) or (
        isinstance(value, float) and math.isfinite(value)
    ):
        return value
    raise CannotTell("has no value here")
