"""The table of metrics: what Prometheus can ask for.

Labels name connections, lanes and the like, never a person. A row of `STATE` is read
from Redis when the receiver is asked (`workers/exporter.py`), so it is the same
whichever process answers; a row of `COUNTED` is what one worker has counted since its
start (`workers/worker_metrics.py`), and sums over all workers tell the whole.
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
        buckets: upper bounds of a histogram, in the unit; empty for all else.
    """

    name: str
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    counts: bool = False
    buckets: tuple[float, ...] = ()

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
    "By `trouble`: nothing of the connection is synced, and `ghl-mailjet status` says "
    "why. By an `operator`: nothing but consent is.",
    ("connection", "by"),
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
DEAD_CAUSES = Metric(
    "dead_letters_by_cause",
    "contacts",
    "The same by what they failed of; absent where there is none.",
    ("connection", "cause"),
)
OLDEST = Metric(
    "oldest_waiting_age_seconds",
    "seconds",
    "Since the contact that waits longest may be synced; 0 where none waits.",
    ("connection", "lane"),
)
RESTING = Metric(
    "resting",
    "0 or 1",
    "Nothing goes out for a moment, or no bulk work does: a limit was hit, a day is "
    "spent, or a run is paused or outside its hours.",
    ("connection", "lane"),
)
PACE = Metric(
    "budget_pace_calls_per_second",
    "calls per second",
    "What a vendor allows at the moment, after its headers and refusals.",
    ("connection", "vendor"),
)
USED = Metric(
    "budget_used_calls",
    "calls",
    "Made on this UTC day.",
    ("connection", "vendor"),
)
DAY = Metric(
    "budget_day_calls",
    "calls",
    "Allowed in a UTC day; absent where there is no such limit.",
    ("connection", "vendor"),
)
LEFT = Metric(
    "budget_left_calls",
    "calls",
    "Left of them, by our count or the vendor's, whichever is less.",
    ("connection", "vendor"),
)
RUN_ACTIVE = Metric(
    "run_active", "0 or 1", "A run is under way, or rests.", ("connection",)
)
RUN_STARTED = Metric(
    "run_started_timestamp_seconds",
    "seconds since 1970",
    "When the current or last run began.",
    ("connection",),
)
RUN_CONTACTS = Metric(
    "run_contacts",
    "contacts",
    "Of the current or last run: `discovered`, `settled`, `dead`.",
    ("connection", "state"),
)
SUCCESS = Metric(
    "last_success_timestamp_seconds",
    "seconds since 1970",
    "When GHL was last asked for changes (`looked`), and a contact last synced "
    "(`synced`); absent while that never was.",
    ("connection", "what"),
)
CALLBACKS = Metric(
    "webhook_callbacks",
    "callbacks",
    "Of ours in Mailjet, as last looked at: `alive`, or given up by Mailjet (`dead`); "
    "absent where none is registered.",
    ("connection", "state"),
)
ORDERS = Metric(
    "orders",
    "orders",
    "What rules wanted sent, by where it is; of those that ended, how many ever did.",
    ("connection", "state"),
)
WORKERS = Metric("workers", "workers", "Alive.")
QUEUE_WORKERS = Metric(
    "queue_workers",
    "workers",
    "Alive and taking from that queue.",
    ("queue",),
)
SLOTS = Metric("worker_slots", "contacts", "What all workers sync at a time.")
TICK_AGE = Metric(
    "beat_tick_age_seconds",
    "seconds",
    "Since Beat's last tick reached a worker; absent while there was none.",
)
SYNCED = Metric(
    "synced_contacts",
    "contacts",
    "Syncs that ended well, by what they did.",
    ("connection", "lane", "outcome"),
    counts=True,
)
FAILED = Metric(
    "failed_attempts",
    "attempts",
    "Syncs that ended in an error, by its class; `BudgetSpent` and `RateLimited` only "
    "wait.",
    ("connection", "vendor", "cause"),
    counts=True,
)
CALLS = Metric(
    "vendor_calls",
    "calls",
    "Requests sent, by route and HTTP status; `none` is no answer.",
    ("connection", "vendor", "route", "status"),
    counts=True,
)
WAITED = Metric(
    "budget_wait_seconds",
    "seconds",
    "What each request waited for its token.",
    ("connection", "vendor", "lane"),
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10),
)
LAG = Metric(
    "change_lag_seconds",
    "seconds",
    "From a change in GHL, by GHL's clock, until it was synced.",
    ("connection", "lane"),
    buckets=(1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 21_600, 86_400),
)
CONSENT = Metric(
    "consent_changes",
    "contacts",
    "Whom a sync found to have opted out (`closed`) or in again (`opened`), by who "
    "said so.",
    ("connection", "to", "source"),
    counts=True,
)
STATE = (
    *(RECEIVED, HANDLED, INBOX, WAITING, OLDEST, RESTING, LEASED, DEAD, DEAD_CAUSES),
    *(PAUSED, SUCCESS, PACE, USED, DAY, LEFT, RUN_ACTIVE, RUN_STARTED, RUN_CONTACTS),
    *(DRIFT, DRIFT_AT, CALLBACKS, ORDERS, WORKERS, QUEUE_WORKERS, SLOTS, TICK_AGE),
)
COUNTED = (SYNCED, FAILED, CALLS, WAITED, LAG, CONSENT)
TABLE = (*STATE, *COUNTED)
