"""What happened to mails, read back from Mailjet: its own feeds, by time.

They tell what webhooks lost, and all of it to those who have no webhooks. No event says
the address, only the ContactID; none has an id, so windows overlap and whoever reads
drops what `MailEvent.identity` knows.
"""

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, post_load

from pipeline.mailjet import schemas
from pipeline.mailjet.calls import Calls, only
from pipeline.mailjet.fields import (
    LONGEST_URL,
    Flag,
    Id,
    KnownId,
    WholeSeconds,
    Words,
    rfc3339,
)
from pipeline.mailjet.records import Recipient
from pipeline.session import QueryValue
from pipeline.sync.mail_event import EventKind, MailEvent

CAMPAIGN_WINDOW_MS = 366 * 86_400_000
"""How old a campaign may be whose events are read. Automations keep one campaign for
as long as they run, and a link is clicked whenever a mailbox is tidied."""
STATES = {
    1: "user unknown",
    2: "mailbox inactive",
    3: "quota exceeded",
    4: "invalid domain",
    5: "no mail host",
    6: "relay/access denied",
    7: "sender blocked",
    8: "content blocked",
    9: "policy issue",
    10: "system issue",
    11: "protocol issue",
    12: "connection issue",
    13: "greylisted",
    14: "preblocked",
    15: "duplicate in campaign",
    16: "spam preblocked",
    17: "bad or empty template",
    18: "error in template language",
    19: "typofix",
    20: "blacklisted",
    21: "spam reporter",
}
"""`StateID` in the words that events have for it (Mailjet, "message", and the types of
mailjet-apiv3-nodejs, read 2026-11)."""
NEVER_SENT = frozenset({14, 15, 16})
"""Mailjet itself held the mail back: events call that `blocked`, not `bounce`."""


@dataclass(frozen=True)
class EventPage:
    """One page of events; `bad_rows` holds ids of rows, "" for a row without one."""

    events: tuple[MailEvent, ...]
    next_offset: int | None
    bad_rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnsubscribedPage:
    """Ids of places in lists, which `get_recipient` tells more of."""

    recipient_ids: tuple[int, ...]
    next_offset: int | None
    bad_rows: tuple[str, ...] = ()


class RowSchema(schemas.AnswerSchema):
    """A row about one contact."""

    mailjet_id = KnownId(data_key="ContactID")


class OpenSchema(RowSchema):
    """A row of `openinformation`: the first time that somebody opened a mail."""

    at_ms = WholeSeconds(data_key="OpenedAt")
    message_id = Id(data_key="MessageID")
    campaign_id = Id(data_key="CampaignID")

    @post_load
    def _event(self, data: dict[str, Any], **kw: Any) -> MailEvent:
        return MailEvent(EventKind.OPEN, **data)


class ClickSchema(RowSchema):
    """A row of `clickstatistics`."""

    at_ms = WholeSeconds(data_key="ClickedAt")
    message_id = Id(data_key="MessageID")
    url = Words(LONGEST_URL, data_key="Url")

    @post_load
    def _event(self, data: dict[str, Any], **kw: Any) -> MailEvent:
        return MailEvent(EventKind.CLICK, **data)


class BounceSchema(RowSchema):
    """A row of `bouncestatistics`; its ID is that of the message.

    `IsBlocked` says that Mailjet sends nothing to the address any more because of this
    bounce (guides, _event-api.md, on `blocked`): it makes no bounce less permanent.
    """

    at_ms = WholeSeconds(data_key="BouncedAt")
    message_id = Id(data_key="ID")
    campaign_id = Id(data_key="CampaignID")
    hard = Flag(data_key="IsStatePermanent")
    state = Id(data_key="StateID")

    @post_load
    def _event(self, data: dict[str, Any], **kw: Any) -> MailEvent:
        state = data.pop("state")
        error = STATES.get(state, "")
        if state in NEVER_SENT:
            return MailEvent(EventKind.BLOCKED, **{**data, "hard": False}, error=error)
        return MailEvent(EventKind.BOUNCE, **data, error=error)


class ComplaintSchema(RowSchema):
    """A row of `contactstatistics`, of somebody who complained.

    The count must be there: a server that ignores the filter would otherwise make
    complainers of everybody.
    """

    at_ms = WholeSeconds(data_key="LastActivityAt")
    count = KnownId(data_key="SpamComplaintCount")

    @post_load
    def _event(self, data: dict[str, Any], **kw: Any) -> MailEvent:
        return MailEvent(EventKind.SPAM, data["at_ms"], mailjet_id=data["mailjet_id"])


class UnsubscribedSchema(schemas.AnswerSchema):
    """A row of `listrecipientstatistics`."""

    id = KnownId(data_key="ListRecipientID")

    @post_load
    def _id(self, data: dict[str, Any], **kw: Any) -> int:
        recipient_id: int = data["id"]
        return recipient_id


OPEN = OpenSchema()
CLICK = ClickSchema()
BOUNCE = BounceSchema()
COMPLAINT = ComplaintSchema()
UNSUBSCRIBED = UnsubscribedSchema()


class StatisticsCalls(Calls):
    """The feeds of events, and what a place in a list says of itself."""

    def list_opens(self, offset: int, from_ms: int, to_ms: int) -> EventPage:
        """Read one page of up to 1,000 first openings, of both seconds and between.

        `GET /openinformation`, Mailjet's OpenAPI (mailjet-mcp-server), read 2026-11.
        """
        query = _window(from_ms, to_ms)
        return self._events("openinformation", offset, OPEN, query)

    def list_clicks(self, offset: int, from_ms: int, to_ms: int) -> EventPage:
        """Read one page of up to 1,000 clicks, of both seconds and between.

        `GET /clickstatistics`, Mailjet's OpenAPI (mailjet-mcp-server), read 2026-11.
        """
        query = _window(from_ms, to_ms)
        return self._events("clickstatistics", offset, CLICK, query)

    def list_bounces(self, offset: int, from_ms: int, to_ms: int) -> EventPage:
        """Read one page of up to 1,000 bounces, of both seconds and between.

        `GET /bouncestatistics`, Mailjet's OpenAPI (mailjet-mcp-server), read 2026-11.
        """
        query = _window(from_ms, to_ms)
        return self._events("bouncestatistics", offset, BOUNCE, query)

    def list_spam_complaints(self, offset: int, since_ms: int) -> EventPage:
        """Read one page of up to 1,000 complainers with any activity since then.

        `GET /contactstatistics`, Mailjet's OpenAPI (mailjet-mcp-server), read 2026-11.
        It tells no time of the complaint: the event has that of the last activity,
        which is no earlier and moves on with each later one.

        Args:
            since_ms: of this second or later; Mailjet is asked for later than the one
                before, as it leaves out the second that it is given.
        """
        query: dict[str, QueryValue] = {
            "Spam": True,
            "MinLastActivityAt": rfc3339(since_ms - 1000),
        }
        return self._events("contactstatistics", offset, COMPLAINT, query)

    def list_unsubscriptions(self, offset: int, since_ms: int) -> UnsubscribedPage:
        """Read one page of up to 1,000 places in lists that were unsubscribed.

        `GET /listrecipientstatistics`, Mailjet's OpenAPI (mailjet-mcp-server), read
        2026-11: the only feed of them, of every list and whoever did it.

        Args:
            since_ms: of this second or later.
        """
        query = {"MinUnsubscribedAt": rfc3339(since_ms)}
        found, following, bad = self.page(
            "listrecipientstatistics", offset, UNSUBSCRIBED, query, "ListRecipientID"
        )
        return UnsubscribedPage(tuple(found), following, bad)

    def get_recipient(self, recipient_id: int) -> Recipient:
        """Read whose place in which list it is, and since when it is unsubscribed.

        `GET /listrecipient/:id`, Mailjet guides (_contacts.md), read 2026-11.

        Raises:
            NotFound: it is gone, and the contact with it or only taken off the list.
        """
        answer = self.session.send(
            "GET", "/v3/REST/listrecipient/:id", path={"id": recipient_id}
        )
        recipient: Recipient = only(answer, schemas.RECIPIENT)
        return recipient

    def _events(
        self, resource: str, offset: int, schema: Schema, query: dict[str, QueryValue]
    ) -> EventPage:
        found, following, bad = self.page(resource, offset, schema, query)
        return EventPage(tuple(found), following, bad)


def _window(from_ms: int, to_ms: int) -> dict[str, QueryValue]:
    """Events of that time, of campaigns begun up to a year before.

    Without a range these resources show the current day alone (guides, _statistics.md);
    that the range of events lifts this is documented nowhere, so that of campaigns
    (`FromTS`) is sent as well.
    """
    return {
        "EventFromTs": rfc3339(from_ms),
        "EventToTs": rfc3339(to_ms),
        "FromTS": rfc3339(from_ms - CAMPAIGN_WINDOW_MS),
    }
