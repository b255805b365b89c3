"""What `ghl-mailjet init` writes: a connection's table, its schema and `.env`.

Nothing that is there is changed: a file is made, or lines are added at its end.
"""

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from dotenv import dotenv_values

from pipeline.settings.json_schema import json_schema

SCHEMA = "connections.schema.json"
FIRST_LINE = f"#:schema ./{SCHEMA}\n"
"""Tells editors (Taplo, Even Better TOML) where the schema is."""
SECRETS = ("ghl_token", "mailjet_api_key", "mailjet_secret_key")
OWNER_ONLY = 0o600
UNQUOTED = re.compile(r"[A-Za-z0-9_./:@+=-]*")


@dataclass(frozen=True)
class NewConnection:
    """A connection that is to be written.

    Args:
        facts: keys of the table beside secrets and template, such as
            `ghl_location_id`; None is left out.
    """

    name: str
    template: str
    facts: Mapping[str, str | int | None]

    @property
    def variables(self) -> dict[str, str]:
        """Secret to the variable that will hold it: `ACME_GHL_TOKEN`."""
        prefix = re.sub(r"\W", "_", self.name).upper()
        return {secret: f"{prefix}_{secret.upper()}" for secret in SECRETS}

    @property
    def table(self) -> str:
        """Its table of `connections.toml`."""
        named = {f"{secret}_env": name for secret, name in self.variables.items()}
        typed = {**named, **self.facts}
        # A JSON number or text without control characters is one of TOML's too.
        lines = [
            f"{k} = {json.dumps(v, ensure_ascii=False)}\n"
            for k, v in typed.items()
            if v is not None
        ]
        body = template_text(self.template)
        return f"[connections.{self.name}]\n{''.join(lines)}\n{body}"


def templates() -> dict[str, str]:
    """Name of each template that ships, and its first line: what it is for."""
    found = (files("pipeline") / "templates").iterdir()
    names = sorted(item.name.removesuffix(".toml") for item in found)
    return {name: template_text(name).splitlines()[0][2:] for name in names}


def template_text(name: str) -> str:
    return (files("pipeline") / "templates" / f"{name}.toml").read_text("utf-8")


def connections_in(path: Path) -> list[str]:
    """Names of the connections of a file; none where there is no file.

    Raises:
        TOMLDecodeError: it is no TOML.
        OSError, UnicodeDecodeError: it cannot be read.
    """
    if not path.exists():
        return []
    tables = tomllib.loads(path.read_text("utf-8")).get("connections", {})
    return list(tables) if isinstance(tables, dict) else []


def add_connection(path: Path, new: NewConnection) -> None:
    """Make the file, or add the table at its end.

    Raises:
        TOMLDecodeError: the table cannot stand at the end of this file.
        OSError: the file cannot be written.
    """
    if not path.exists():
        with path.open("x", encoding="utf-8") as file:
            file.write(f"{FIRST_LINE}\n{new.table}")
        return
    before = path.read_text("utf-8")
    gap = "\n" if before.endswith("\n") else "\n\n"
    tomllib.loads(f"{before}{gap}{new.table}")
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{gap}{new.table}")


def write_schema(folder: Path) -> None:
    """The JSON Schema of this version; an older one is replaced."""
    text = json.dumps(json_schema(), indent=2)
    (folder / SCHEMA).write_text(f"{text}\n", "utf-8")


def without_value(path: Path, names: Iterable[str]) -> list[str]:
    """Which of the variables neither the environment nor that `.env` sets."""
    known = dotenv_values(path)
    return [name for name in names if not (os.environ.get(name) or known.get(name))]


def add_variables(path: Path, values: Mapping[str, str]) -> None:
    """Add lines to `.env`, which nobody else may read from then on.

    A line that is there without a value stays: of two, the later one counts.

    Raises:
        OSError: the file cannot be written.
    """
    known = dotenv_values(path)
    lines = [
        f"{name}={_quoted(value)}\n"
        for name, value in values.items()
        if value or name not in known
    ]
    before = path.read_text("utf-8") if path.exists() else ""
    gap = "\n" if before and not before.endswith("\n") else ""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        os.fchmod(file.fileno(), OWNER_ONLY)
        file.write(gap + "".join(lines))


def _quoted(value: str) -> str:
    """As python-dotenv reads it back."""
    if UNQUOTED.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
