"""What follows from an error and an attempt: the only place that decides it.

Tasks turn a wait into the ledger's not-before, the command line into a pause of at
most a minute.
"""

from dataclasses import dataclass

from pipeline.errors import (
    BudgetSpent,
    PermanentError,
    PipelineError,
    RateLimited,
    Reach,
    TransientError,
    VendorError,
)

MAX_ATTEMPTS = 6
BACKOFF_FIRST_SECONDS = 2.0
BACKOFF_MAX_SECONDS = 300.0
RATE_LIMITED_SECONDS = 10.0
"""GHL's and Mailjet's windows are at most this long when they do not say."""


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

    reason: str


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
        return PauseConnection(str(error))
    if isinstance(error, PermanentError) and error.reach is Reach.CONTACT:
        return GiveUp(str(error))
    if isinstance(error, VendorError):
        if attempt + 1 >= MAX_ATTEMPTS:
            return GiveUp(f"{error} ({MAX_ATTEMPTS} attempts)")
        wait = min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2**attempt) * jitter
        suspect = isinstance(error, TransientError)
        return TryAgain(wait, counted=True, suspect=suspect)
    if isinstance(error, BudgetSpent):
        return TryAgain(error.wait_seconds)
    return TryAgain(BACKOFF_FIRST_SECONDS * jitter)
