"""Things that happen to mails: what each changes in the account, and tells as an event.

Source: dev.mailjet.com, guide "Event API", read 2026-11.
"""

import time
from dataclasses import dataclass

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.mailings import AGENT, COUNTS, STATES, Mailings
from pipeline.sandbox.mailjet.mails import Message
from pipeline.sandbox.mailjet.times import read_time
from pipeline.sandbox.wire import Row

RELATED = {
    "user unknown": "recipient",
    "mailbox inactive": "recipient",
    "quota exceeded": "recipient",
    "blacklisted": "recipient",
    "spam reporter": "recipient",
    "invalid domain": "domain",
    "no mail host": "domain",
    "relay/access denied": "domain",
    "greylisted": "domain",
    "typofix": "domain",
    "bad or empty template": "content",
    "error in template language": "content",
    "sender blocked": "spam",
    "content blocked": "spam",
    "policy issue": "spam",
    "system issue": "system",
    "protocol issue": "system",
    "connection issue": "system",
    "preblocked": "mailjet",
    "duplicate in campaign": "mailjet",
    "spam preblocked": "spam",
}
READER: Row = {"ip": "127.0.0.1", "geo": "PT", "agent": AGENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that happens to one recipient's mail.

    Args:
        event: one of Mailjet's seven kinds.
        contact: ContactID or address; a mail to an unknown address makes the contact.
        list_id: the list that a recipient leaves by `unsub` or `spam`; 0 is none.
        error: of a bounce or block, in Mailjet's words; empty is a usual one.
        message_id, campaign_id: None is a new message, and the campaign of the name
            `customcampaign`; a known message is of its own campaign.
        campaign_started: Unix seconds; None is an hour before its first event.
        time: Unix seconds; None is now.
    """

    event: str
    contact: int | str
    list_id: int = 0
    url: str = "https://lighthouse.example/offer"
    hard_bounce: bool = False
    error: str = ""
    message_id: int | None = None
    campaign_id: int | None = None
    customcampaign: str = ""
    campaign_started: int | None = None
    time: int | None = None

    def __post_init__(self) -> None:
        if self.event not in COUNTS:
            raise ValueError(f"no such event: {self.event}")
        if self.error and self.error not in STATES:
            raise ValueError(f"no such error: {self.error}")


def happen(account: Account, happening: Happening) -> Row:
    """Let it happen.

    Returns:
        the event, as Mailjet would send it.
    """
    at = int(time.time()) if happening.time is None else happening.time
    contact_id = _contact(account, str(happening.contact))
    mailings = account.mailings
    message = mailings.message(happening.message_id) or _sent(
        mailings, happening, contact_id, at
    )
    details = _details(happening)
    mailings.count(happening.event, contact_id, hard=happening.hard_bounce)
    mailings.record(happening.event, message, at, {"url": happening.url, **details})
    error = details.get("error", "")
    message.befall(happening.event, error, hard=happening.hard_bounce)
    _change(account, contact_id, happening, read_time(at))
    return {
        "event": happening.event,
        "time": at,
        **_common(account, message),
        **details,
    }


def _contact(account: Account, named: str) -> int:
    known = account.contact_id(named)
    if known is not None:
        return known
    if "@" not in named:
        raise ValueError("Mailjet has no such contact")
    return account.add_contact(named)


def _sent(
    mailings: Mailings, happening: Happening, contact_id: int, at: int
) -> Message:
    campaign = mailings.campaign(
        happening.campaign_id, happening.customcampaign, happening.campaign_started, at
    )
    return mailings.mails.add(
        contact_id,
        campaign,
        message_id=happening.message_id,
        arrived=campaign.started,
    )


def _change(account: Account, contact_id: int, happening: Happening, at: str) -> None:
    row = account.contacts[contact_id]
    row["LastActivityAt"] = max(row["LastActivityAt"], at)
    if happening.event == "sent":
        row["DeliveredCount"] += 1
    if happening.event == "spam":
        row["IsSpamComplaining"] = True
    if happening.event not in {"spam", "unsub"}:
        return
    if happening.list_id:
        account.unsubscribe(contact_id, happening.list_id, at)
    elif happening.event == "unsub":
        row["UnsubscribedAt"] = at


def _common(account: Account, message: Message) -> Row:
    return {
        "MessageID": message.id,
        "Message_GUID": message.guid,
        "email": account.contacts[message.contact_id]["Email"],
        "mj_campaign_id": message.campaign.id,
        "mj_contact_id": message.contact_id,
        "customcampaign": message.campaign.custom,
        "CustomID": message.said.get("CustomID", ""),
        "Payload": message.said.get("EventPayload", ""),
    }


def _details(happening: Happening) -> Row:
    """What only events of this kind carry."""
    match happening.event:
        case "sent":
            return {"mj_message_id": "", "smtp_reply": "250 2.0.0 OK"}
        case "open":
            return dict(READER)
        case "click":
            return {"url": happening.url, **READER}
        case "bounce":
            usual = "user unknown" if happening.hard_bounce else "quota exceeded"
            error = _error(happening.error or usual)
            hard = {"blocked": False, "hard_bounce": happening.hard_bounce}
            return {**hard, **error, "comment": ""}
        case "blocked":
            return _error(happening.error or "preblocked")
        case "spam":
            return {"source": "JMRPP"}
    return {"mj_list_id": happening.list_id, **READER}


def _error(error: str) -> Row:
    return {"error_related_to": RELATED[error], "error": error}
