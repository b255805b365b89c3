"""What can happen to a contact that rules answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b

from pipeline.sync.mail_event import MailEvent


class Trigger(StrEnum):
    """What rules wait for, beside the seven events of Mailjet's (`EventKind`)."""

    CREATED = "created"
    UPDATED = "updated"
    TAGGED = "tagged"
    TASK_DUE = "task_due"
    APPOINTMENT_SOON = "appointment_soon"


HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ANSWERED_WITHIN_MS = 7 * DAY_MS
"""What was not answered for a week is no news any more."""
TIMES = frozenset({"event.at", "task.due", "appointment.start"})
"""Variables of changes that are times."""
TIMED = frozenset({Trigger.TASK_DUE, Trigger.APPOINTMENT_SOON})


@dataclass(frozen=True)
class Change:
    """One thing that happened to a contact.

    Args:
        trigger: a `Trigger`, or one of Mailjet's events.
        key: the same for the same change, however often it is seen; tells no value.
        at_ms: when it was, milliseconds since 1970 UTC.
        until_ms: from when on it is too late to answer it.
        what: a tag, the title of a task or an appointment; "" for all others.
        facts: its variables, by name; JSON, a time in milliseconds.
        event: of Mailjet's events.
    """

    trigger: str
    key: str
    at_ms: int
    until_ms: int
    what: str = field(default="", repr=False)
    facts: Mapping[str, object] = field(default_factory=dict, repr=False)
    event: MailEvent | None = None

    @property
    def digest(self) -> str:
        """8 hex digits that tell it from the others of its contact."""
        if self.event is not None:
            return self.event.digest(4).hex()
        return blake2b(self.key.encode(), digest_size=4).hexdigest()


def of_event(event: MailEvent) -> Change:
    """A mail's event, as a change of its contact."""
    facts = {
        "event.kind": str(event.kind),
        "event.url": event.url,
        "event.campaign": event.campaign,
        "event.campaign_id": event.campaign_id,
        "event.at": event.at_ms,
    }
    return Change(
        event.kind,
        event.digest(8).hex(),
        event.at_ms,
        event.at_ms + ANSWERED_WITHIN_MS,
        facts=facts,
        event=event,
    )


def variables(facts: Mapping[str, object]) -> dict[str, object]:
    """A change's facts as expressions take them."""
    return {
        name: moment(value) if name in TIMES and isinstance(value, int) else value
        for name, value in facts.items()
    }


def moment(at_ms: int) -> datetime:
    """Milliseconds since 1970 UTC, as expressions take a time."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
