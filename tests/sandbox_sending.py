"""The sandbox's back door to what Mailjet has sent, and how to count what was wrong."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

Row = dict[str, Any]

DOMAIN = "lighthouse.example"
"""Every address of it may send."""
TEMPLATES = range(1001, 1011)
"""Those that Mailjet knows from the beginning."""


class SendingControl:
    """Mails that went out, templates and senders."""

    _get: Callable[..., Any]
    _ask: Callable[..., Any]

    def messages(self) -> list[Row]:
        """All messages, oldest first: one for each recipient of a mail.

        Each has `id`, `arrived` (Unix seconds), `made` (monotonic seconds), `contact`,
        `email`, `custom_id`, `payload`, `template`, `campaign` (the sender's name of
        it), `status`, `error`, `said` (the message as the Send API took it) and
        `consent`, as it was when it was sent: `excluded`, `complained` and `lists`
        (list id as text to
        `{"unsubscribed": bool}`). What a `mail_event` made has no `said`.
        """
        rows: list[Row] = self._get("mailjet/messages")
        return rows

    def put_template(self, template_id: int, name: str) -> None:
        """Let Mailjet know a template, or rename it."""
        self._ask("PUT", f"mailjet/templates/{template_id}", {"name": name})

    def delete_template(self, template_id: int) -> None:
        self._ask("DELETE", f"mailjet/templates/{template_id}")

    def put_sender(self, email: str, status: str = "Active") -> None:
        """Let Mailjet know a sender, an address or `*@domain`, or change its status."""
        self._ask("PUT", f"mailjet/senders/{quote(email)}", {"status": status})


def double_sends(messages: Iterable[Row]) -> int:
    """Mails beyond the first with the same CustomID; blocked ones reached nobody."""
    named = Counter(
        each["custom_id"]
        for each in messages
        if each["custom_id"] and each["status"] != "blocked"
    )
    return sum(count - 1 for count in named.values())


def sends_to_closed(messages: Iterable[Row], list_id: int | None = None) -> list[Row]:
    """Mails to who had said no when they were sent, everywhere or on some list.

    Args:
        list_id: only a no on this list, or everywhere, counts; None is any list.
    """
    return [
        each
        for each in messages
        if each["consent"] and each["status"] != "blocked" and _is_closed(each, list_id)
    ]


def _is_closed(message: Row, list_id: int | None) -> bool:
    consent = message["consent"]
    lists = consent["lists"]
    asked = lists.values() if list_id is None else [lists.get(str(list_id), {})]
    left = any(each.get("unsubscribed") for each in asked)
    return bool(consent["excluded"] or consent["complained"] or left)
