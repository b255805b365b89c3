"""GHL's times: ISO-8601 in UTC with milliseconds, or milliseconds since 1970."""

from datetime import UTC, datetime


def now_iso() -> str:
    return to_iso(datetime.now(UTC))


def to_iso(moment: datetime) -> str:
    """`2021-07-02T05:18:26.704Z`; such texts sort like the times they name."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def from_millis(millis: float) -> str:
    return to_iso(datetime.fromtimestamp(millis / 1000, UTC))


def to_millis(text: str) -> int:
    """Read an ISO time or date; without a zone it is UTC.

    Raises:
        ValueError: it is no such text.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
