"""What Mailjet posts: its seven events, one alone or those of a second in a list.

Payloads: guides, _event-api.md, read 2026-11. There is no signature and no event id; a
row is what it says, and says it again when an answer of ours was lost. Nothing that is
posted makes this raise.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load

from pipeline.mailjet.fields import (
    LONGEST_ADDRESS,
    LONGEST_URL,
    LONGEST_WORD,
    Address,
    Flag,
    Id,
    WholeSeconds,
    Words,
)
from pipeline.mailjet.schemas import AnswerSchema
from pipeline.sync.mail_event import EventKind, MailEvent


class EventSchema(AnswerSchema):
    """What every event has; ids may be 0, and older ones lack some fields."""

    at_ms = WholeSeconds(data_key="time")
    email = Address(LONGEST_ADDRESS)
    mailjet_id = Id(data_key="mj_contact_id")
    message_id = Id(data_key="MessageID")
    campaign_id = Id(data_key="mj_campaign_id")
    campaign = Words(LONGEST_WORD, data_key="customcampaign")

    @post_load
    def _of_somebody(self, data: dict[str, Any], **kw: Any) -> dict[str, Any]:
        if not data["email"] and not data["mailjet_id"]:
            raise ValidationError("Names nobody.")
        return data


_ERROR = {"error": Words(LONGEST_WORD)}
EXTRAS: Mapping[EventKind, Mapping[str, fields.Field[Any]]] = {
    EventKind.SENT: {},
    EventKind.OPEN: {},
    EventKind.CLICK: {"url": Words(LONGEST_URL)},
    # `blocked` says that Mailjet sends nothing to the address any more because of this
    # bounce, which makes it no less permanent.
    EventKind.BOUNCE: {
        "hard": Flag(data_key="hard_bounce"),
        **_ERROR,
    },
    EventKind.BLOCKED: _ERROR,
    EventKind.SPAM: {},
    EventKind.UNSUB: {"list_id": Id(data_key="mj_list_id")},
}
"""What an event tells beside what all do; a new one is a row here and an EventKind."""
SCHEMAS: Mapping[EventKind, Schema] = {
    kind: EventSchema.from_dict(dict(extra))() for kind, extra in EXTRAS.items()
}


def parse(body: object) -> tuple[tuple[MailEvent, ...], int]:
    """The events of one post, and how many of its rows could not be read.

    A word for an event that we do not know is neither: Mailjet may add events, and
    what it adds is not ours to complain about.
    """
    events: list[MailEvent] = []
    unreadable = 0
    for row in body if isinstance(body, list) else [body]:
        try:
            event = _event(row)
        except ValidationError:
            unreadable += 1
        else:
            events += [event] if event else []
    return tuple(events), unreadable


def _event(row: object) -> MailEvent | None:
    """The event; None for one that we do not know."""
    if not isinstance(row, dict) or not isinstance(row.get("event"), str):
        raise ValidationError("Not an event.")
    try:
        kind = EventKind(row["event"].strip().lower())
    except ValueError:
        return None
    return MailEvent(kind, **SCHEMAS[kind].load(row))
