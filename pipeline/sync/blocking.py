"""GHL's e-mail DND: when to write it, and what it says of who wrote it and why.

GHL knows one e-mail channel for a contact. It is read, changed and written whole with
all others, because whether GHL merges them is documented nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.sync import consent, ghl_dnd
from pipeline.sync.aggregates import iso
from pipeline.sync.consent import Record, Source
from pipeline.sync.contact import Contact
from pipeline.sync.ghl_dnd import BOUNCE_CODE

CHANNELS = frozenset({"call", "email", "sms", "whatsapp", "gmb", "fb"})
ENTRY = frozenset({"status", "message", "code"})
"""`dndSettings` as it is written (GHL OpenAPI contacts.json, read 2026-11)."""
EMAIL = "Email"
"""The channel's name in `Version: 2021-07-28`."""


class Reason(StrEnum):
    """Why we block a contact's e-mail: the `code` of the entry in GHL, and, where
    Mailjet told it, the tag."""

    UNSUBSCRIBED = "mailjet-unsubscribed"
    COMPLAINED = "mailjet-complained"
    EXCLUDED = "mailjet-excluded"
    BOUNCED = BOUNCE_CODE
    REMEMBERED = "ghl-mailjet-remembered"
    SHARED = "ghl-mailjet-shared"


TAGS = frozenset(reason for reason in Reason if reason.startswith("mailjet-"))
"""Our own marks in GHL: like the confirmation tag they are not carried to Mailjet, or
the mark of one sync would be the change that starts the next."""
WORDS = {
    Reason.UNSUBSCRIBED: "unsubscribed in Mailjet",
    Reason.COMPLAINED: "complained of spam, as Mailjet tells",
    Reason.EXCLUDED: "excluded from campaigns in Mailjet",
    Reason.BOUNCED: "the address bounces, as Mailjet tells",
    Reason.REMEMBERED: "opted out before, and has not opted in since",
    Reason.SHARED: "another contact with this address opted out",
}
REASONS = {
    Source.MAILJET_LIST: Reason.UNSUBSCRIBED,
    Source.MAILJET: Reason.UNSUBSCRIBED,
    Source.MAILJET_SPAM: Reason.COMPLAINED,
    Source.MAILJET_EXCLUDED: Reason.EXCLUDED,
}


@dataclass(frozen=True)
class Block:
    """Set GHL's e-mail DND, and the tag that tells why."""

    reason: Reason
    at_ms: int

    @property
    def entry(self) -> dict[str, str]:
        """The e-mail channel of `dndSettings`."""
        when = f" on {iso(self.at_ms)}" if self.at_ms else ""
        words = f"{WORDS[self.reason]}{when}; written by ghl-mailjet"
        return {
            "status": "active",
            "message": words[0].upper() + words[1:],
            "code": self.reason,
        }

    @property
    def tag(self) -> str:
        return self.reason if self.reason in TAGS else ""


@dataclass(frozen=True)
class Unblock:
    """Clear GHL's e-mail DND: the person opted in, or the address takes mail again."""

    why: str

    @property
    def entry(self) -> dict[str, str]:
        message = f"{self.why}; written by ghl-mailjet"
        return {"status": "inactive", "message": message, "code": "ghl-mailjet"}


def reason_of(record: Record) -> Reason:
    """Why a person whose record is closed gets no mail.

    A complaint tells more than the unsubscription that comes with it.
    """
    told = consent.unanswered(record).keys() & REASONS.keys()
    for source in (Source.MAILJET_SPAM, Source.MAILJET_LIST, Source.MAILJET_EXCLUDED):
        if source in told:
            return REASONS[source]
    return Reason.UNSUBSCRIBED if told else Reason.REMEMBERED


def said_ms(record: Record, reason: Reason) -> int:
    """When that was said; 0 where nobody knows."""
    times = [
        said.at_ms for source, said in record.items() if REASONS.get(source) is reason
    ]
    return max(times, default=0)


def needs_block(contact: Contact, *, in_ghl_set: bool, is_closed: bool) -> bool:
    """Whether GHL may still mail a person who is not to be mailed.

    What we wrote about a bounce is replaced once the person says no: it would go when
    the address changes.
    """
    blocks = ghl_dnd.ghl_blocks(contact)
    if blocks is None:
        blocks = in_ghl_set
    if not blocks:
        return True
    return is_closed and ghl_dnd.is_bounce_block(contact)


def documented(settings: Mapping[str, object]) -> dict[str, object]:
    """The channels and words that GHL documents: it shows more (`RCS`, #264), and may
    refuse to take that back."""
    return {
        name: {key: text for key, text in channel.items() if key in ENTRY}
        for name, channel in settings.items()
        if name.lower() in CHANNELS and isinstance(channel, Mapping)
    }


def with_email(
    settings: Mapping[str, object], entry: Mapping[str, str]
) -> dict[str, object]:
    """`dndSettings` with another e-mail channel; all other channels untouched."""
    known = ghl_dnd.email_channels(settings)
    return {**settings, **{name: dict(entry) for name in known or (EMAIL,)}}
