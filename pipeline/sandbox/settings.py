"""What can be chosen at the start and changed while the sandbox runs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from pipeline.sandbox.limits import parse_rate


@dataclass
class Settings:
    """How the two vendors behave.

    Args:
        ghl_rate, mailjet_rate: such as `100/10`, calls per seconds, or `off`.
        mailjet_send_rate: that of the Send API, which Mailjet counts by itself.
        ghl_daily: GHL calls per UTC day.
        window: `sliding` or `fixed`.
        retry_after: whether a 429 says how long to wait (neither vendor documents it).
        latency_ms: added to every answer.
        allow_duplicates: whether the GHL location takes the same address twice.
        tags_bump_date_updated: whether the tag endpoints count as an edit in GHL.
        search_rows_lack: fields that GHL's search rows do not hold.
        timezone: what GHL says the location's is; its appointments stay in Lisbon's.
        deleted_tasks_listed: whether GHL's task search still shows deleted tasks.
        message_lag_seconds: how long Mailjet's listing of messages lacks a new one.
        historic_namespace: whether the Mailjet account offers historic properties.
        values_rewritten: Mailjet cuts text values to this many characters; None keeps.
        event_from_ts_lifts_the_day: whether Mailjet's event feeds show more than the
            current day for `EventFromTs` alone; `FromTS` always lets them.
        callback_retry_seconds: how long Mailjet waits before it posts events again.
        callback_gives_up_seconds: for how long it does before the address is dead.
        task_create_without_contact: whether GHL's TaskCreate lacks contact and text.
        webhook_retry_seconds: GHL's wait before the second attempt; it doubles.
        anonymised_days: for how long Mailjet still shows a person it has forgotten.
        keep_exchanges: whether requests and answers are kept whole, to be looked at.
    """

    ghl_rate: str = "100/10"
    ghl_daily: int = 200_000
    mailjet_rate: str = "100/10"
    mailjet_send_rate: str = "500/10"
    window: str = "sliding"
    retry_after: bool = False
    latency_ms: float = 0.0
    allow_duplicates: bool = False
    tags_bump_date_updated: bool = True
    search_rows_lack: Sequence[str] = ()
    timezone: str = "Europe/Lisbon"
    deleted_tasks_listed: bool = False
    message_lag_seconds: float = 0.0
    historic_namespace: bool = True
    values_rewritten: int | None = None
    event_from_ts_lifts_the_day: bool = False
    callback_retry_seconds: float = 30.0
    callback_gives_up_seconds: float = 86_400.0
    task_create_without_contact: bool = True
    webhook_retry_seconds: float = 10.0
    anonymised_days: float = 30.0
    keep_exchanges: bool = False

    def __post_init__(self) -> None:
        parse_rate(self.ghl_rate)
        parse_rate(self.mailjet_rate)
        parse_rate(self.mailjet_send_rate)
        if self.window not in {"sliding", "fixed"}:
            raise ValueError(f"window is sliding or fixed, not {self.window}")

    def change(self, changes: dict[str, Any]) -> None:
        """Set some fields.

        Raises:
            ValueError: a name or a value is unknown; nothing was changed.
        """
        known = {field.name for field in fields(self)}
        if unknown := changes.keys() - known:
            raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
        Settings(**{**asdict(self), **changes})
        for name, value in changes.items():
            setattr(self, name, value)
