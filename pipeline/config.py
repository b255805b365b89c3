"""Settings: read once, checked as a whole, then passed down; nothing here is global.

`from_env()` reads `.env`, the process environment (which wins) and, where
`SYNC_CONNECTIONS_FILE` names one, `connections.toml`. Every problem is reported at
once, by the name the operator typed, with what to do; secrets are never echoed.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from marshmallow import Schema, ValidationError

from pipeline.config_schema import ConnectionSchema, Rate, SettingsSchema
from pipeline.errors import ConfigError

__all__ = ["Connection", "Rate", "Settings", "from_env"]


@dataclass(frozen=True)
class Connection:
    """One GHL location joined to one Mailjet API key and list."""

    name: str
    ghl_token: str = field(repr=False)
    ghl_location_id: str
    mailjet_api_key: str = field(repr=False)
    mailjet_secret_key: str = field(repr=False)
    mailjet_list_id: int | None
    ghl_base_url: str
    mailjet_base_url: str
    ghl_business_ids: tuple[str, ...]
    ghl_rate: Rate
    ghl_daily: int
    daily_reserve: int
    mailjet_rate: Rate
    tag_lists: Mapping[str, int]
    confirmation_tag: str
    exclude_opted_out: bool
    note_bodies: bool
    note_excerpt: bool
    note_length: int
    notes_tag: str
    notes_sweep_days: int
    task_due_days: int
    task_assignee: str
    webhook_secret: str = field(repr=False)
    soft_bounces: int
    rules: tuple[Mapping[str, Any], ...]

    @property
    def calls_per_second(self) -> float:
        """What the slower of the two vendors allows."""
        return min(self.ghl_rate.per_second, self.mailjet_rate.per_second)


@dataclass(frozen=True)
class Settings:
    """Everything the processes need to know, with units in the names."""

    redis_url: str = field(repr=False)
    state_redis_url: str = field(repr=False)
    connections: tuple[Connection, ...]
    read_only: bool
    details_always: bool
    optout_scope_account: bool
    changes_interval_seconds: int
    optouts_interval_seconds: int
    feedback_interval_seconds: int
    bulk_hours: tuple[int, int]
    report_hour: int
    ghl_webhook_public_key: str
    ghl_webhook_legacy_key: str
    webhook_legacy: bool

    def connection(self, name: str) -> Connection:
        """Find a connection.

        Raises:
            ConfigError: no connection has that name; lists those that exist.
        """
        for connection in self.connections:
            if connection.name == name:
                return connection
        known = ", ".join(connection.name for connection in self.connections)
        raise ConfigError([f"connection {name!r}: unknown; configured are: {known}"])


PROCESS_VARIABLES = {
    "redis_url": "REDIS_URL",
    "state_redis_url": "SYNC_REDIS_URL",
    "mode": "SYNC_MODE",
    "details": "SYNC_DETAILS",
    "optout_scope": "SYNC_OPTOUT_SCOPE",
    "changes_interval_seconds": "SYNC_CHANGES_INTERVAL_SECONDS",
    "optouts_interval_seconds": "SYNC_OPTOUTS_INTERVAL_SECONDS",
    "feedback_interval_seconds": "SYNC_FEEDBACK_INTERVAL_SECONDS",
    "bulk_hours": "SYNC_BULK_HOURS",
    "report_hour": "SYNC_REPORT_HOUR",
    "ghl_webhook_public_key": "GHL_WEBHOOK_PUBLIC_KEY",
    "ghl_webhook_legacy_key": "GHL_WEBHOOK_LEGACY_KEY",
    "webhook_legacy": "SYNC_WEBHOOK_LEGACY",
}
CONNECTION_VARIABLES = {
    "ghl_base_url": "GHL_BASE_URL",
    "ghl_token": "GHL_TOKEN",
    "ghl_location_id": "GHL_LOCATION_ID",
    "ghl_business_ids": "GHL_BUSINESS_IDS",
    "ghl_rate": "GHL_RATE",
    "ghl_daily": "GHL_DAILY",
    "daily_reserve": "SYNC_DAILY_RESERVE",
    "mailjet_base_url": "MAILJET_BASE_URL",
    "mailjet_api_key": "MAILJET_API_KEY",
    "mailjet_secret_key": "MAILJET_SECRET_KEY",
    "mailjet_list_id": "MAILJET_LIST_ID",
    "mailjet_rate": "MAILJET_RATE",
    "tag_lists": "SYNC_TAG_LISTS",
    "confirmation_tag": "SYNC_CONFIRMATION_TAG",
    "exclude_opted_out": "SYNC_EXCLUDE_OPTED_OUT",
    "note_bodies": "SYNC_NOTE_BODIES",
    "note_excerpt": "SYNC_NOTE_EXCERPT",
    "note_length": "SYNC_NOTE_LENGTH",
    "notes_tag": "SYNC_NOTES_TAG",
    "notes_sweep_days": "SYNC_NOTES_SWEEP_DAYS",
    "task_due_days": "SYNC_TASK_DUE_DAYS",
    "task_assignee": "SYNC_TASK_ASSIGNEE",
    "webhook_secret": "SYNC_WEBHOOK_SECRET",
    "soft_bounces": "SYNC_SOFT_BOUNCES",
    "rules": "SYNC_RULES",
}
CONNECTIONS_FILE_VARIABLE = "SYNC_CONNECTIONS_FILE"
SECRET_FIELDS = (
    "ghl_token",
    "mailjet_api_key",
    "mailjet_secret_key",
    "webhook_secret",
)
STAND_IN = "-" * 16
"""For a secret whose problem is reported already: a second line would only confuse."""
WHERE_TO_FIND = {
    "ghl_token": "create one in GHL: Settings > Private Integrations",
    "ghl_location_id": "the id in the address of the sub-account's GHL pages",
    "mailjet_api_key": "Mailjet: Account settings > API key management",
    "mailjet_secret_key": "Mailjet: Account settings > API key management",
}


def from_env(
    environ: Mapping[str, str] | None = None, *, dotenv_path: str = ".env"
) -> Settings:
    """Read and check all settings.

    Args:
        environ: variables to read; None means `.env` under the process environment.

    Raises:
        ConfigError: one line for each problem, by variable or TOML key.
    """
    if environ is None:
        from_file = {k: v for k, v in dotenv_values(dotenv_path).items() if v}
        environ = {**from_file, **{k: v for k, v in os.environ.items() if v}}
    problems: list[str] = []
    process = _load(SettingsSchema(), _pick(environ, PROCESS_VARIABLES), problems)
    if path := environ.get(CONNECTIONS_FILE_VARIABLE):
        connections = _connections_from_file(Path(path), environ, problems)
    else:
        values = _pick(environ, CONNECTION_VARIABLES)
        connections = _one_connection("default", values, CONNECTION_VARIABLES, problems)
    if problems:
        raise ConfigError(problems)
    return Settings(
        redis_url=process["redis_url"],
        state_redis_url=process["state_redis_url"] or process["redis_url"],
        connections=tuple(connections),
        read_only=process["mode"] == "read-only",
        details_always=process["details"] == "always",
        optout_scope_account=process["optout_scope"] == "account",
        changes_interval_seconds=process["changes_interval_seconds"],
        optouts_interval_seconds=process["optouts_interval_seconds"],
        feedback_interval_seconds=process["feedback_interval_seconds"],
        bulk_hours=process["bulk_hours"],
        report_hour=process["report_hour"],
        ghl_webhook_public_key=process["ghl_webhook_public_key"],
        ghl_webhook_legacy_key=process["ghl_webhook_legacy_key"],
        webhook_legacy=process["webhook_legacy"],
    )


def _pick(environ: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """Field to typed text; an empty variable is a variable that is not set."""
    return {
        field: environ[variable].strip()
        for field, variable in variables.items()
        if environ.get(variable, "").strip()
    }


def _load(
    schema: Schema,
    values: Mapping[str, Any],
    problems: list[str],
    names: Mapping[str, str] = PROCESS_VARIABLES,
    prefix: str = "",
) -> dict[str, Any]:
    """Load, or add a line for every wrong or missing field."""
    try:
        loaded: dict[str, Any] = schema.load(values)
        return loaded
    except ValidationError as error:
        messages = error.messages_dict
        for key, what in messages.items():
            text = "; ".join(what) if isinstance(what, list) else str(what)
            if key not in values and key in WHERE_TO_FIND:
                text = f"missing; {WHERE_TO_FIND[key]}, then put it in .env"
            problems.append(f"{prefix}{names.get(key, key)}: {text}")
        return {}


def _one_connection(
    name: str,
    values: Mapping[str, Any],
    names: Mapping[str, str],
    problems: list[str],
    prefix: str = "",
) -> list[Connection]:
    before = len(problems)
    loaded = _load(
        ConnectionSchema(), {**values, "name": name}, problems, names, prefix
    )
    return [Connection(**loaded)] if len(problems) == before else []


def _connections_from_file(
    path: Path, environ: Mapping[str, str], problems: list[str]
) -> list[Connection]:
    """`[connections.NAME]` tables; secrets stay in the variables that they name."""
    try:
        tables = tomllib.loads(path.read_text("utf-8")).get("connections", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{CONNECTIONS_FILE_VARIABLE}: {path.name}: {error}")
        return []
    if not isinstance(tables, dict) or not tables:
        problems.append(f"{path.name}: has no [connections.NAME] table")
        return []
    connections: list[Connection] = []
    for name, table in tables.items():
        prefix = f"{path.name}: [connections.{name}] "
        if not isinstance(table, dict):
            problems.append(f"{prefix}is not a table")
            continue
        values, names = dict(table), {}
        for secret in SECRET_FIELDS:
            names[secret] = f"{secret}_env"
            variable = values.pop(names[secret], None)
            if secret in values:
                problems.append(
                    f"{prefix}{secret}: a secret does not belong in this file; put it "
                    f"in .env and name the variable in {secret}_env"
                )
                values[secret] = STAND_IN
            elif variable and environ.get(str(variable)):
                values[secret] = environ[str(variable)]
            elif variable:
                # What is typed here by mistake may be the secret itself.
                known = re.fullmatch(r"[A-Z][A-Z0-9_]*", str(variable))
                named = variable if known else "the variable that it names"
                problems.append(f"{prefix}{secret}_env: {named} is not set")
                values[secret] = STAND_IN
        connections += _one_connection(name, values, names, problems, prefix)
    return connections
