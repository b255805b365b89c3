"""The mails of an API key: one message for each recipient, and what became of it."""

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import count
from uuid import uuid4

from pipeline.sandbox.wire import Row

STATUSES = {
    "sent": "sent",
    "open": "opened",
    "click": "clicked",
    "bounce": "softbounced",
    "blocked": "blocked",
    "spam": "spam",
    "unsub": "unsub",
}
"""Kind of event to the Status that a message has after it."""


@dataclass(slots=True)
class Campaign:
    """`started`: its SendStartAt, Unix seconds; `custom`: the sender's name of it."""

    id: int
    custom: str
    started: int


@dataclass(slots=True)
class Message:
    """One recipient's copy of a mail.

    Args:
        guid: the id that Mailjet's events carry beside the number.
        arrived: Unix seconds.
        said: the mail in the words of the Send API; empty where nobody said anything.
        consent: the contact's when it was sent: `excluded`, `complained` and `lists`.
        status: Mailjet's word for the newest that happened to it.
        error: why it did not arrive, in Mailjet's words.
        permanent: whether that will stay so.
        made: monotonic seconds.
    """

    id: int
    guid: str
    contact_id: int
    campaign: Campaign
    arrived: int
    said: Row = field(default_factory=dict)
    consent: Row = field(default_factory=dict)
    status: str = "queued"
    error: str = ""
    permanent: bool = False
    made: float = field(default_factory=time.monotonic)

    def befall(self, kind: str, error: str, *, hard: bool) -> None:
        """Remember an event in the fields that show how the message fares."""
        self.permanent = hard and kind == "bounce"
        self.status = "hardbounced" if self.permanent else STATUSES[kind]
        self.error = error


class Mails:
    """Messages by id, in the order in which they were sent."""

    def __init__(self) -> None:
        self.by_id: dict[int, Message] = {}
        self._by_custom_id: dict[str, list[Message]] = {}
        self._by_contact: dict[int, list[Message]] = {}
        # As live: beyond what JavaScript's numbers hold exactly.
        self._ids = count(19_421_777_835_146_491)

    def add(
        self,
        contact_id: int,
        campaign: Campaign,
        *,
        message_id: int | None = None,
        arrived: int | None = None,
        said: Row | None = None,
        consent: Row | None = None,
    ) -> Message:
        """A new message.

        Args:
            message_id: None takes a new one.
            arrived: Unix seconds; None is now.
            said, consent: those of the message.
        """
        message = Message(
            message_id or next(self._ids),
            str(uuid4()),
            contact_id,
            campaign,
            int(time.time()) if arrived is None else arrived,
            said or {},
            consent or {},
        )
        self.by_id[message.id] = message
        self._by_contact.setdefault(contact_id, []).append(message)
        if custom_id := message.said.get("CustomID"):
            self._by_custom_id.setdefault(custom_id, []).append(message)
        return message

    def called(self, custom_id: str) -> Collection[Message]:
        """Those that their sender gave this CustomID; there may be many."""
        return self._by_custom_id.get(custom_id, ())

    def to(self, contact_id: int) -> Collection[Message]:
        """A contact's."""
        return self._by_contact.get(contact_id, ())

    def has_reached(self, contact_id: int, campaign: Campaign) -> bool:
        """Whether the campaign has mailed that contact."""
        return any(
            each.campaign is campaign and each.status != "blocked"
            for each in self.to(contact_id)
        )
