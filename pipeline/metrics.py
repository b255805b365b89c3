"""The table of metrics: what Prometheus can ask the receiver for.

Labels name connections, lanes and the like, never a person. What is behind a row is
read from Redis at each scrape (`workers/exporter.py`), so it is the same whichever
process answers.
"""

from dataclasses import dataclass

PREFIX = "ghl_mailjet_"


@dataclass(frozen=True)
class Metric:
    """One row.

    Args:
        name: what follows `ghl_mailjet_`; the unit is its end.
        unit: of the value.
        counts: it only ever goes up; `_total` is added to its name.
    """

    name: str
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    counts: bool = False

    @property
    def full_name(self) -> str:
        """As Prometheus shows it."""
        return f"{PREFIX}{self.name}{'_total' if self.counts else ''}"


RECEIVED = Metric(
    "received_requests",
    "requests",
    "Answered by the receiver, by where it came to and class of the HTTP status.",
    ("source", "status"),
    counts=True,
)
HANDLED = Metric(
    "handled_entries",
    "entries",
    "Ends of what was received: applied, or why there was nothing to do.",
    ("source", "outcome"),
    counts=True,
)
INBOX = Metric(
    "inbox_entries",
    "entries",
    "Received and not handled yet; failed ones wait for `ghl-mailjet inbox --replay`.",
    ("state",),
)
WAITING = Metric(
    "waiting_contacts", "contacts", "To be synced.", ("connection", "lane")
)
LEASED = Metric("leased_contacts", "contacts", "Being synced.", ("connection",))
DEAD = Metric(
    "dead_letters",
    "contacts",
    "Failed for good, until `ghl-mailjet replay`.",
    ("connection",),
)
PAUSED = Metric(
    "paused",
    "0 or 1",
    "Nothing of the connection is synced; `ghl-mailjet status` says why.",
    ("connection",),
)
DRIFT = Metric(
    "consent_drift_contacts",
    "contacts",
    "Differing in the last consent report: mailable in Mailjet after an opt-out in GHL "
    "(`mailable`), or not blocked in GHL after one in Mailjet (`unblocked`).",
    ("connection", "direction"),
)
DRIFT_AT = Metric(
    "consent_report_timestamp_seconds",
    "seconds since 1970",
    "When the last consent report was made.",
    ("connection",),
)
ORDERS = Metric(
    "orders",
    "orders",
    "What rules wanted sent, by where it is; of those that ended, how many ever did.",
    ("connection", "state"),
)
WORKERS = Metric("workers", "workers", "Alive.")
SLOTS = Metric("worker_slots", "contacts", "What all workers sync at a time.")
TICK_AGE = Metric(
    "beat_tick_age_seconds",
    "seconds",
    "Since Beat's last tick reached a worker; absent while there was none.",
)
TABLE = (
    *(RECEIVED, HANDLED, INBOX, WAITING, LEASED, DEAD, PAUSED, DRIFT, DRIFT_AT),
    *(ORDERS, WORKERS, SLOTS, TICK_AGE),
)
