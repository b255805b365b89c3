"""What was posted to the receiver, taken in within bounds: anybody may post."""

import json
from collections.abc import Iterable

from flask import abort, request

MOST_BYTES = 5 * 2**20
"""GHL's largest payload is a contact; Mailjet groups the events of a second."""
MOST_LEVELS = 64
"""No webhook of either vendor has more than five."""


def read_body() -> bytes:
    """What was sent, and not a byte more than is allowed."""
    length = request.content_length
    if length is not None and length > MOST_BYTES:
        abort(413)
    try:
        body: bytes = request.environ["wsgi.input"].read(MOST_BYTES + 1)
    except Exception:
        # Cut short, stalled, or no chunks after all: whatever the server says of it.
        abort(400)
    if len(body) > MOST_BYTES:
        abort(413)
    if length is not None and len(body) != length:
        abort(400)
    return body


def parsed(body: bytes) -> object:
    """The JSON object or array that was sent, whatever type the header names."""
    try:
        found: object = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        abort(400)
    if not isinstance(found, dict | list) or _is_deep(found):
        abort(400)
    return found


def _is_deep(found: object) -> bool:
    """Whether it would trouble whoever walks it.

    How many levels `json` itself bears differs between versions of Python.
    """
    level = [found]
    for _ in range(MOST_LEVELS):
        level = [child for each in level for child in _within(each)]
    return bool(level)


def _within(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
