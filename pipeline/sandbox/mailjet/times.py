"""Mailjet's times: RFC 3339 in UTC with whole seconds; it reads Unix seconds too."""

from datetime import UTC, datetime
from typing import Any

from pipeline.sandbox.mailjet.errors import bad_request


def read_time(value: Any) -> str:
    """Unix seconds or RFC 3339, UTC where it names no zone, as Mailjet shows a time."""
    if isinstance(value, int | float):
        moment = datetime.fromtimestamp(value, UTC)
    else:
        moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_filter(given: dict[str, str], name: str) -> str:
    """A moment in the form that rows have, which sorts like the time it names."""
    value = given[name]
    try:
        return read_time(int(value) if value.isdecimal() else value)
    except (OverflowError, ValueError):
        raise bad_request(f'Invalid value for filter "{name}"') from None
