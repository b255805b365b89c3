"""What follows from an error and an attempt: the only place that decides it.

Tasks turn a wait into the ledger's not-before, the command line into a pause of at
most a minute.
"""

from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import (
    BadPayload,
    BudgetSpent,
    ConfigError,
    NotFound,
    PermanentError,
    PipelineError,
    RateLimited,
    Reach,
    Rejected,
    ScopeMissing,
    TransientError,
    Unauthorized,
    VendorError,
)

MAX_ATTEMPTS = 6
BACKOFF_FIRST_SECONDS = 2.0
BACKOFF_MAX_SECONDS = 300.0
RATE_LIMITED_SECONDS = 10.0
"""GHL's and Mailjet's windows are at most this long when they do not say."""
LONGEST_OUTAGE_WAIT_SECONDS = BACKOFF_MAX_SECONDS
"""A vendor that is down may ask for an hour; who asks again after this does no harm."""


class Cause(StrEnum):
    """What stops a connection, as far as it decides who has to mend it."""

    CREDENTIAL = "credential"
    SCOPE = "scope"
    LOCATION = "location"
    LIST = "list"
    PROPERTY = "property"
    BASE_URL = "base URL"
    OUTAGE = "outage"


@dataclass(frozen=True)
class Trouble:
    """Why a connection rests, or may have to.

    Args:
        vendor: `ghl` or `mailjet`.
        reason: the error's own message; no address, no name (see `pipeline.errors`).
        wait_seconds: the vendor asked not to be called before.
    """

    vendor: str
    cause: Cause
    reason: str
    wait_seconds: float = 0.0


def trouble(error: PipelineError) -> Trouble:
    """What an error means to its connection.

    An error that is no vendor's comes of the probe, which found the account of Mailjet
    incomplete.
    """
    vendor = error.vendor if isinstance(error, VendorError) else "mailjet"
    wait_seconds = 0.0
    if isinstance(error, TransientError) and error.retry_after_seconds:
        wait_seconds = min(error.retry_after_seconds, LONGEST_OUTAGE_WAIT_SECONDS)
    return Trouble(vendor, _cause(error, vendor), str(error), wait_seconds)


def _cause(error: PipelineError, vendor: str) -> Cause:
    match error:
        case ConfigError():
            return Cause.PROPERTY
        case ScopeMissing():
            return Cause.SCOPE
        case Unauthorized():
            return Cause.CREDENTIAL
        case NotFound():
            return Cause.LIST if vendor == "mailjet" else Cause.LOCATION
        case Rejected() if "listid" in error.detail.lower():
            return Cause.LIST
        case Rejected():
            return Cause.PROPERTY
        case BadPayload() if error.reach is Reach.CONNECTION:
            return Cause.BASE_URL
    return Cause.OUTAGE


@dataclass(frozen=True)
class TryAgain:
    """Later, please.

    Args:
        counted: it was an attempt of the contact.
        suspect: the vendor may be down, so the attempt may be taken back.
    """

    wait_seconds: float
    counted: bool = False
    suspect: bool = False


@dataclass(frozen=True)
class GiveUp:
    """A dead letter: nothing changes until somebody changes something."""

    reason: str


@dataclass(frozen=True)
class PauseConnection:
    """Nobody can be synced over this connection at the moment."""


Decision = TryAgain | GiveUp | PauseConnection


def decide(error: PipelineError, attempt: int, *, jitter: float) -> Decision:
    """Decide what follows.

    Args:
        attempt: counted attempts before this one.
        jitter: 0 to 1, drawn by the caller; full jitter keeps a crowd apart.
    """
    if isinstance(error, RateLimited):
        return TryAgain(error.retry_after_seconds or RATE_LIMITED_SECONDS)
    if isinstance(error, VendorError) and error.reach is Reach.CONNECTION:
        return PauseConnection()
    if isinstance(error, PermanentError) and error.reach is Reach.CONTACT:
        return GiveUp(str(error))
    if isinstance(error, VendorError):
        if attempt + 1 >= MAX_ATTEMPTS:
            return GiveUp(f"{error} ({MAX_ATTEMPTS} attempts)")
        wait = min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2**attempt) * jitter
        wait = max(wait, trouble(error).wait_seconds)
        suspect = isinstance(error, TransientError)
        return TryAgain(wait, counted=True, suspect=suspect)
    if isinstance(error, BudgetSpent):
        return TryAgain(error.wait_seconds)
    return TryAgain(BACKOFF_FIRST_SECONDS * jitter)
