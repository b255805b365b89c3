"""Addresses that an operator types."""

from typing import Any
from urllib.parse import SplitResult, urlsplit

from marshmallow import ValidationError, fields

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST = 2_000
"""Characters of a webhook's address."""


def _split(url: str) -> SplitResult | None:
    """The parts of an address; None when it is none (the reason may hold a secret)."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _web_address(url: str) -> SplitResult:
    """Its parts, if it is https, or http on loopback, where the sandbox lives."""
    parts = _split(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValidationError("not an http(s) address; write https://host")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValidationError("must be https (http is for loopback addresses only)")
    return parts


class BaseUrlField(fields.String):
    """An https address; plain http only on loopback, where the sandbox lives."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        url: str = super()._deserialize(value, attr, data, **kw).rstrip("/")
        parts = _web_address(url)
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValidationError("must hold host and path only, no user or query")
        return url


class RedisUrlField(fields.String):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        url: str = super()._deserialize(value, attr, data, **kw)
        parts = _split(url)
        if (
            parts is None
            or parts.scheme not in {"redis", "rediss", "unix"}
            or (
                parts.scheme != "unix"
                and not (parts.path.strip("/") or "0").isdecimal()
            )
        ):
            raise ValidationError("not a Redis address; write redis://host:6379/0")
        return url


def webhook_problem(url: str) -> str:
    """What is wrong with a webhook's address, which is not repeated; "" is nothing."""
    try:
        parts = _web_address(url)
    except ValidationError as error:
        return str(error.messages[0])
    is_plain = url.isprintable() and " " not in url and len(url) <= LONGEST
    return "" if is_plain and "@" not in parts.netloc else "not an address to post to"


class WebhookUrlField(fields.String):
    """An address to post to, which may hold a secret and is not repeated."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        url: str = super()._deserialize(value, attr, data, **kw)
        if problem := webhook_problem(url):
            raise ValidationError(problem)
        return url
