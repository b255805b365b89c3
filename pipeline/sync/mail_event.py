"""What happened to a mail, in Mailjet's words, whichever way we heard of it."""

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b


class EventKind(StrEnum):
    """Mailjet's seven events (guides, _event-api.md, read 2026-11)."""

    SENT = "sent"
    OPEN = "open"
    CLICK = "click"
    BOUNCE = "bounce"
    BLOCKED = "blocked"
    SPAM = "spam"
    UNSUB = "unsub"


SIGNS_OF_LIFE = frozenset({EventKind.SENT, EventKind.OPEN, EventKind.CLICK})
"""The address takes mail: `sent` is said once the other server has accepted it."""


def latest(second_ms: int, now_ms: int) -> int:
    """The end of a second of Mailjet's, whose times are whole ones: a no of the same
    second as an opt-in may have come after it."""
    return min(second_ms + 999, now_ms)


@dataclass(frozen=True)
class MailEvent:
    """One event of one recipient.

    Args:
        at_ms: Mailjet's time, milliseconds since 1970 UTC, whole seconds.
        email: trimmed and lower-cased; "" where what we read does not carry it.
        mailjet_id: ContactID; 0 where what we read does not carry it.
        message_id: of this recipient's copy of the mail; 0 where unknown.
        campaign: the sender's own name of the campaign, "" without one.
        list_id: the list unsubscribed from; 0 where it was none, or is unknown.
        url: what was clicked.
        hard: of a bounce: the address will never take mail.
        error: of a bounce or a block: Mailjet's word for the reason.
    """

    kind: EventKind
    at_ms: int
    email: str = field(default="", repr=False)
    mailjet_id: int = 0
    message_id: int = 0
    campaign_id: int = 0
    campaign: str = ""
    list_id: int = 0
    url: str = field(default="", repr=False)
    hard: bool = False
    error: str = ""

    @property
    def identity(self) -> str:
        """The same for the same event, however often and by whichever way it comes.

        Mailjet gives events no id. A message bounces once, whatever second each of
        Mailjet's ways names; where no message is told, the person is part of it.
        """
        who = "" if self.message_id else (self.email or str(self.mailjet_id))
        when = 0 if self.kind is EventKind.BOUNCE else self.at_ms // 1000
        parts = (self.kind, self.message_id, when, self.url, self.list_id, who)
        return "\n".join(map(str, parts))

    def digest(self, size: int, key: bytes = b"") -> bytes:
        """So many bytes that stand for the identity; with a key nobody can guess it."""
        told = self.identity.encode("utf-8", "surrogatepass")
        return blake2b(told, key=key, digest_size=size).digest()
