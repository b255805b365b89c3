"""What became of the mails of an API key: campaigns, messages, events, counts.

Source: the row fields of Mailjet's OpenAPI file (mailjet-mcp-server), whose references
such as `Contact` the API shows as ids (`ContactID`), read 2026-11.
"""

import time
from collections import Counter
from dataclasses import dataclass
from itertools import count

from pipeline.sandbox.mailjet.mails import Campaign, Mails, Message
from pipeline.sandbox.mailjet.times import read_time
from pipeline.sandbox.wire import Row

COUNTS = {
    "sent": "DeliveredCount",
    "open": "OpenedCount",
    "click": "ClickedCount",
    "bounce": "BouncedCount",
    "blocked": "BlockedCount",
    "spam": "SpamComplaintCount",
    "unsub": "UnsubscribedCount",
}
"""Kind of event to the count that it adds to."""
STATES = (
    *("user unknown", "mailbox inactive", "quota exceeded", "invalid domain"),
    *("no mail host", "relay/access denied", "sender blocked", "content blocked"),
    *("policy issue", "system issue", "protocol issue", "connection issue"),
    *("greylisted", "preblocked", "duplicate in campaign", "spam preblocked"),
    *("bad or empty template", "error in template language", "typofix"),
    *("blacklisted", "spam reporter"),
)
"""Why a mail did not arrive: Mailjet's MessageState, numbered from 1."""
AGENT = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0"
SECONDS_FROM_SEND_TO_EVENT = 3600


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row of a feed; `at` is when it happened, as Mailjet shows a time."""

    at: str
    message: Message
    row: Row


class Mailings:
    """The feeds of opens, clicks and bounces, and the counts by contact.

    A block is in no feed: whether `bouncestatistics` shows it is not documented.
    """

    def __init__(self) -> None:
        self.feeds: dict[str, list[Recorded]] = {"open": [], "click": [], "bounce": []}
        self._counts: dict[int, Counter[str]] = {}
        self.mails = Mails()
        self._campaigns: dict[int, Campaign] = {}
        self._named: dict[str, Campaign] = {}
        self._campaign_ids = count(7_001)
        self._event_ids = count(6_000_001)

    def counts(self, contact_id: int) -> Row:
        """A contact's counts in the fields that both statistics show."""
        found = self._counts.get(contact_id, Counter())
        kinds = (*COUNTS.values(), "HardBouncedCount", "SoftBouncedCount")
        unused = ("Deferred", "PreQueued", "Processed", "Queued", "WorkFlowExited")
        rest = {f"{name}Count": 0 for name in unused}
        return rest | {name: found[name] for name in kinds}

    def campaign(
        self, campaign_id: int | None, custom: str, started: int | None, before: int
    ) -> Campaign:
        """Find a campaign by id, else by the sender's name of it, or start one.

        Args:
            started: None is an hour before the first of its events.
            before: when an event of it happened.
        """
        campaign = (
            self._campaigns.get(campaign_id) if campaign_id else self._named.get(custom)
        )
        if campaign is None:
            campaign = self._start(campaign_id, custom, before)
        latest = min(campaign.started, before - SECONDS_FROM_SEND_TO_EVENT)
        campaign.started = latest if started is None else started
        return campaign

    def campaign_now(self, custom: str) -> Campaign:
        """Find a campaign by the sender's name of it, or start one now."""
        known = self._named.get(custom)
        return known or self._start(None, custom, int(time.time()))

    def message(self, message_id: int | None) -> Message | None:
        """Find a message."""
        return self.mails.by_id.get(message_id or 0)

    def count(self, kind: str, contact_id: int, *, hard: bool) -> None:
        """Count an event."""
        counts = self._counts.setdefault(contact_id, Counter())
        counts[COUNTS[kind]] += 1
        if kind == "bounce":
            counts["HardBouncedCount" if hard else "SoftBouncedCount"] += 1

    def record(self, kind: str, message: Message, at: int, details: Row) -> None:
        """Put an event into the feed of its kind, if there is one.

        Args:
            at: Unix seconds.
            details: of a click its `url`, of a bounce `hard_bounce` and `error`.
        """
        if kind not in self.feeds:
            return
        row = {
            "open": self._opened,
            "click": self._clicked,
            "bounce": self._bounced,
        }[kind](message, at, details)
        self.feeds[kind].append(Recorded(read_time(at), message, row))

    def _start(self, campaign_id: int | None, custom: str, started: int) -> Campaign:
        new_id = campaign_id or next(self._campaign_ids)
        campaign = Campaign(new_id, custom, started)
        self._campaigns[new_id] = campaign
        self._named.setdefault(custom, campaign)
        return campaign

    def _opened(self, message: Message, at: int, details: Row) -> Row:
        return {
            "ArrivedAt": read_time(message.campaign.started),
            "CampaignID": message.campaign.id,
            "ContactID": message.contact_id,
            "ID": next(self._event_ids),
            "MessageID": message.id,
            "OpenedAt": read_time(at),
            "UserAgentFull": AGENT,
            "UserAgentID": 1,
        }

    def _clicked(self, message: Message, at: int, details: Row) -> Row:
        return {
            "ClickedAt": read_time(at),
            "ClickedDelay": at - message.campaign.started,
            "ContactID": message.contact_id,
            "ID": next(self._event_ids),
            "MessageID": message.id,
            "Url": details["url"],
            "UserAgentID": 1,
        }

    def _bounced(self, message: Message, at: int, details: Row) -> Row:
        return {
            "BouncedAt": read_time(at),
            "CampaignID": message.campaign.id,
            "ContactID": message.contact_id,
            "ID": message.id,
            "IsBlocked": False,
            "IsStatePermanent": details["hard_bounce"],
            "StateID": STATES.index(details["error"]) + 1,
        }
