"""Mailjet's refusals. The reason phrase repeats the message, address and all."""

from typing import Any
from uuid import uuid4

from pipeline.sandbox.wire import Answer, Refusal


def error(status: int, message: Any, info: Any = "") -> Answer:
    """An error body; the actions put objects where other errors have texts."""
    body = {"ErrorInfo": info, "ErrorMessage": message, "StatusCode": status}
    if status == 429 or status >= 500:
        body["ErrorIdentifier"] = str(uuid4()).upper()
    reason = " ".join(message.split()) if isinstance(message, str) else None
    return Answer(status, body, reason=reason)


def bad_request(message: Any, info: Any = "") -> Refusal:
    return Refusal(error(400, message, info))


def not_found() -> Refusal:
    return Refusal(error(404, "Object not found"))


def exists(resource: str, value: str, field: str) -> Refusal:
    words = f'A {resource} resource with value "{value}" for {field} already exists.'
    return bad_request(f"MJ18 {words}")


def invalid_email(method: str, email: str) -> Refusal:
    reason = "Invalid domain" if "@" in email else "No @ character in mail"
    words = f'Invalid email address "{email}", reason: "{reason}"'
    return bad_request(f"Unexpected error during {method}: {words}")
