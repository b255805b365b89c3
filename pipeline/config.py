"""Settings: read once, checked as a whole, then passed down; nothing here is global.

`from_env()` reads `.env`, the process environment (which wins) and, where
`SYNC_CONNECTIONS_FILE` names one, `connections.toml`. Every problem is reported at
once, by the name the operator typed, with what to do; secrets are never echoed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from marshmallow import Schema

from pipeline.errors import ConfigError
from pipeline.settings.digest import digest
from pipeline.settings.file import MADE_BY_INIT, read_connections
from pipeline.settings.mapping import Row
from pipeline.settings.problems import load
from pipeline.settings.schedule import Schedule
from pipeline.settings.schema import ConnectionSchema, Rate, SettingsSchema

__all__ = ["Connection", "Rate", "Row", "Schedule", "Settings", "from_env"]


@dataclass(frozen=True)
class Connection:
    """One GHL location joined to one Mailjet API key and list.

    Args:
        rules: as `config_rules.RuleSchema` loads them.
        live: what rules send leaves; else Mailjet only checks it.
        sends_per_day: of one contact.
        quiet_hours: from and to, hours of the contact's day in which nothing is sent.
        core_fields: whether the default mapping holds beside `rows`.
        rows: what is mapped, each with the fields of `pipeline.sync`'s row.
    """

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
    mailjet_send_rate: Rate
    confirmation_tag: str
    exclude_opted_out: bool
    deletions: str
    create_contacts: bool
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
    live: bool
    sends_per_day: int
    quiet_hours: tuple[int, int] | None
    schedule: Schedule
    core_fields: bool
    rows: tuple[Row, ...]

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
    ghl_webhook_public_key: str
    ghl_webhook_legacy_key: str
    webhook_legacy: bool
    alert_webhook_url: str = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """By which processes see whether they run with the same settings."""
        return digest(self)

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
    "alert_webhook_url": "SYNC_ALERT_WEBHOOK_URL",
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
    "mailjet_send_rate": "MAILJET_SEND_RATE",
    "tag_lists": "SYNC_TAG_LISTS",
    "confirmation_tag": "SYNC_CONFIRMATION_TAG",
    "exclude_opted_out": "SYNC_EXCLUDE_OPTED_OUT",
    "deletions": "SYNC_DELETIONS",
    "create_contacts": "SYNC_CREATE_CONTACTS",
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
    "live": "SYNC_LIVE",
    "sends_per_day": "SYNC_SENDS_PER_DAY",
    "quiet_hours": "SYNC_QUIET_HOURS",
}
CONNECTIONS_FILE_VARIABLE = "SYNC_CONNECTIONS_FILE"


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
    typed = _pick(environ, PROCESS_VARIABLES)
    process = _load(SettingsSchema(), typed, PROCESS_VARIABLES, problems)
    if path := environ.get(CONNECTIONS_FILE_VARIABLE):
        loaded = _from_file(Path(path), environ, problems)
    else:
        typed = {**_pick(environ, CONNECTION_VARIABLES), "name": "default"}
        loaded = [_load(ConnectionSchema(), typed, CONNECTION_VARIABLES, problems)]
    if problems:
        raise ConfigError(problems)
    rhythm = _schedule(process)
    connections = [
        Connection(**{**facts, "schedule": replace(rhythm, **facts["schedule"])})
        for facts in loaded
    ]
    return Settings(
        redis_url=process["redis_url"],
        state_redis_url=process["state_redis_url"] or process["redis_url"],
        connections=tuple(connections),
        read_only=process["mode"] == "read-only",
        details_always=process["details"] == "always",
        optout_scope_account=process["optout_scope"] == "account",
        ghl_webhook_public_key=process["ghl_webhook_public_key"],
        ghl_webhook_legacy_key=process["ghl_webhook_legacy_key"],
        webhook_legacy=process["webhook_legacy"],
        alert_webhook_url=process["alert_webhook_url"],
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
    names: Mapping[str, str],
    problems: list[str],
) -> dict[str, Any]:
    """Load, or add a line for each variable that is wrong or missing."""
    loaded, found = load(schema, values)
    told: dict[str, list[str]] = {}
    for (field_name, *within), what in found:
        name = str(field_name)
        items = [_item(name, key) for key in within]
        told.setdefault(names.get(name, name), []).append(": ".join([*items, what]))
    problems += [f"{name}: {'; '.join(texts)}" for name, texts in told.items()]
    return loaded


def _item(field_name: str, key: str | int) -> str:
    """`rule 1` for the first of `rules`: a variable has no lines to point at."""
    if isinstance(key, int):
        return f"{field_name.removesuffix('s')} {key + 1}"
    return key


def _from_file(
    path: Path, environ: Mapping[str, str], problems: list[str]
) -> list[dict[str, Any]]:
    try:
        return read_connections(path, environ, problems)
    except FileNotFoundError:
        what = f"there is no such file; {MADE_BY_INIT}"
        problems.append(f"{CONNECTIONS_FILE_VARIABLE}: {path.name}: {what}")
        return []
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{CONNECTIONS_FILE_VARIABLE}: {path.name}: {error}")
        return []


def _schedule(loaded: Mapping[str, Any]) -> Schedule:
    names = [each.name for each in fields(Schedule)]
    return Schedule(**{name: loaded[name] for name in names if name in loaded})
