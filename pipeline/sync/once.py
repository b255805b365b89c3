"""Make things exactly once in effect, at vendors that know no idempotency key."""

from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import Ambiguous, BadPayload, VendorError

SETTLING_SECONDS = 30.0
"""A request whose answer was lost may be carried out a little later than that: who
looked at once, and found nothing, would post it again."""

Made = TypeVar("Made")


def make_once(make: Callable[[], Made]) -> Made:
    """Send one request that makes something; whoever comes back looks for it first.

    Raises:
        Ambiguous: it may have been made, also where the answer makes no sense; it is
            too early to look before `SETTLING_SECONDS` are over.
    """
    try:
        return make()
    except (Ambiguous, BadPayload) as error:
        raise lost(error) from error


def lost(error: VendorError) -> Ambiguous:
    """The error for a request that may have been carried out all the same."""
    ambiguous = Ambiguous(
        error.vendor, error.route, error.status, error.detail, trace_id=error.trace_id
    )
    ambiguous.retry_after_seconds = SETTLING_SECONDS
    return ambiguous
