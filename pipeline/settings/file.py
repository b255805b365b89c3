"""`connections.toml`: read by tomllib, judged by the schemas, spoken of by line."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.settings.lines import Lines
from pipeline.settings.problems import WHERE_TO_FIND, Problem, load, spoken
from pipeline.settings.rule_rows import webhook_problems, with_urls
from pipeline.settings.schema import SECRET_FIELDS, ConnectionSchema
from pipeline.settings.words import nearest

CONNECTIONS = "connections"
PAIR = (
    *("ghl_base_url", "ghl_location_id"),
    *("mailjet_base_url", "mailjet_api_key", "mailjet_list_id"),
)
"""What makes a connection the one that it is."""
STAND_IN = "-" * 16
"""For a secret whose problem is reported already: a second line would only confuse."""
MADE_BY_INIT = "`ghl-mailjet init` makes one"
PLAIN_SYNTAX = {
    "Cannot overwrite a value": "this key was written before",
    "Unclosed array": "the array does not go on like this; is a comma missing before?",
}
"""What tomllib says of the commonest slips, for who does not write TOML daily."""
AT_LINE = re.compile(r" \(at line (\d+), column (\d+)\)\Z")


def read_connections(
    path: Path, environ: Mapping[str, str], problems: list[str]
) -> list[dict[str, Any]]:
    """The tables of a file as `ConnectionSchema` loads them.

    Args:
        environ: where the variables are that hold the secrets.
        problems: gets a line for each problem, in the order of the file.

    Raises:
        OSError, UnicodeDecodeError: the file cannot be read.
    """
    text = path.read_text("utf-8")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.append(_syntax(path.name, str(error)))
        return []
    lines = Lines(text)
    found: list[Problem] = []
    loaded = []
    tables = document.get(CONNECTIONS, {})
    for key in document.keys() - {CONNECTIONS}:
        found.append(((key,), f"no table of this file; {nearest(key, [CONNECTIONS])}"))
    if not isinstance(tables, dict) or not (tables or found):
        problems.append(f"{path.name}: has no [connections.NAME] table; {MADE_BY_INIT}")
        tables = {}
    for name, table in tables.items():
        values, wrong = _table(name, table, environ)
        found += [((CONNECTIONS, name, *where), what) for where, what in wrong]
        loaded.append(values)
    found += _doubled(loaded)
    problems += _told(path.name, found, lines)
    return loaded


def _doubled(loaded: Iterable[Mapping[str, Any]]) -> Iterator[Problem]:
    """Copies that nobody finished: each would do the other's work once more."""
    first: dict[tuple[object, ...], str] = {}
    for one in loaded:
        pair = tuple(one.get(key) for key in PAIR)
        if None in pair:
            continue
        other = first.setdefault(pair, one["name"])
        if other != one["name"]:
            what = f"the same location, Mailjet key and list as [{CONNECTIONS}.{other}]"
            yield (CONNECTIONS, one["name"]), what


def _table(
    name: str, table: object, environ: Mapping[str, str]
) -> tuple[dict[str, Any], list[Problem]]:
    if not isinstance(table, dict):
        return {}, [((), "is not a table")]
    values = {**table, "name": name}
    wrong = list(_secrets(values, environ))
    if "name" in table:
        wrong.append((("name",), "the name stands in the header"))
    wrong += webhook_problems(values.get("rules"), environ)
    loaded, more = load(ConnectionSchema(), values, place="here")
    if loaded:
        loaded["rules"] = with_urls(loaded["rules"], environ)
    return loaded, wrong + [(_typed(where), what) for where, what in more]


def _secrets(values: dict[str, Any], environ: Mapping[str, str]) -> Iterator[Problem]:
    """Put secrets in the place of the variables that hold them."""
    for secret in SECRET_FIELDS:
        key = f"{secret}_env"
        variable = values.pop(key, None)
        if secret in values:
            yield (
                (secret,),
                "a secret does not belong in this file; put it in .env and name the "
                f"variable in {key}",
            )
            values[secret] = STAND_IN
        elif variable and environ.get(str(variable)):
            values[secret] = environ[str(variable)]
        elif variable:
            # What is typed here by mistake may be the secret itself.
            known = re.fullmatch(r"[A-Z][A-Z0-9_]*", str(variable))
            named = variable if known else "the variable that it names"
            yield (key,), f"{named} is not set; put it in .env"
            values[secret] = STAND_IN
        elif secret in WHERE_TO_FIND:
            yield (
                (key,),
                "missing; name the variable in .env that holds it "
                f"({WHERE_TO_FIND[secret]})",
            )
            values[secret] = STAND_IN


def _typed(where: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A secret's problem is told at the key that names its variable."""
    if where and where[0] in SECRET_FIELDS:
        return (f"{where[0]}_env", *where[1:])
    return where


def _told(file: str, found: list[Problem], lines: Lines) -> list[str]:
    """`connections.toml:12: [connections.acme] fields[2].direction: ...`."""
    told = []
    for path, what in found:
        depth = 2 if path[0] == CONNECTIONS else 1
        table = ".".join(str(key) for key in path[:depth])
        inner = spoken(path[depth:])
        where = f"[{table}] {inner}".strip() + (": " if inner else " ")
        told.append((lines.of(path), f"{where}{what}"))
    return [f"{file}:{line}: {text}" for line, text in sorted(told)]


def _syntax(file: str, message: str) -> str:
    if place := AT_LINE.search(message):
        said = message[: place.start()]
        what = PLAIN_SYNTAX.get(said, said)
        return f"{file}:{place[1]}: {what} (column {place[2]})"
    return f"{file}: {message}"
