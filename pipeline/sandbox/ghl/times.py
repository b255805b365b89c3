"""GHL's times: ISO-8601 in UTC with milliseconds, or milliseconds since 1970."""

import re
from datetime import UTC, date, datetime

YEAR_FIRST = re.compile(r"(\d{4})([/\-._])(\d{2})\2(\d{2})")
YEAR_LAST = re.compile(r"(\d{2})([/\-._])(\d{2})\2(\d{4})")


def now_iso() -> str:
    return to_iso(datetime.now(UTC))


def to_iso(moment: datetime) -> str:
    """`2021-07-02T05:18:26.704Z`; such texts sort like the times they name."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def from_millis(millis: float) -> str:
    return to_iso(datetime.fromtimestamp(millis / 1000, UTC))


def birthday(text: str) -> str:
    """Read a date of birth in one of GHL's eight formats, or an ISO time.

    `YYYY-MM-DD` and `MM-DD-YYYY` with `/`, `-`, `.` or `_` between.

    Raises:
        ValueError: it is none of them.
    """
    if found := YEAR_FIRST.fullmatch(text):
        year, _, month, day = found.groups()
    elif found := YEAR_LAST.fullmatch(text):
        month, _, day, year = found.groups()
    else:
        return from_millis(to_millis(text))[:10]
    return date(int(year), int(month), int(day)).isoformat()


def to_millis(text: str) -> int:
    """Read an ISO time or date; without a zone it is UTC.

    Raises:
        ValueError: it is no such text.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
