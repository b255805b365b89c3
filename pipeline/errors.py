"""What can go wrong, how far it reaches, and nothing of what to do about it.

Every error says its *reach*: a `call` may be tried again later, a `contact` has a
problem of its own, a `connection` cannot work for anybody at the moment. What follows
from an error and an attempt is decided in one place, `pipeline/retry.py`.

A message here may be logged, shown in Flower and kept in a dead letter, so it holds
vendor, route template, status and trace id, and never a token, an e-mail address, a
name, a query string or an HTTP reason phrase (Mailjet's repeats the address).
"""

from collections.abc import Sequence
from enum import StrEnum


class Reach(StrEnum):
    """How much an error stops."""

    CALL = "call"
    CONTACT = "contact"
    CONNECTION = "connection"


class PipelineError(Exception):
    """The root of everything this package raises on purpose."""


class ConfigError(PipelineError):
    """The settings cannot be used; `problems` names every one of them at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class BadExpression(PipelineError):
    """What an operator wrote as a condition or a value is none; in one line."""


class CannotTell(PipelineError):
    """An expression has no value here: a variable is missing, a number is no number."""


class BudgetSpent(PipelineError):
    """No token in the time that the caller may wait; nothing was sent.

    Args:
        wait_seconds: when it is worth asking again.
        daily: the day's quota is used up, not just the moment's.
    """

    def __init__(self, wait_seconds: float, *, daily: bool = False) -> None:
        self.wait_seconds = wait_seconds
        self.daily = daily
        super().__init__(f"no budget for {wait_seconds:.1f} s")


class LeaseLost(PipelineError):
    """Somebody else holds the contact by now: stop, write nothing, say nothing."""


class ConnectionPaused(LeaseLost):
    """Nothing may be sent at the moment; the contact waits again."""


class ReadOnly(PipelineError):
    """A write was about to leave although `SYNC_MODE=read-only`."""


class Drifted(PipelineError):
    """A write that no reviewed plan holds was about to leave: nothing was sent.

    Args:
        untouched: nothing was written before it either.
    """

    def __init__(self, *, untouched: bool) -> None:
        self.untouched = untouched
        super().__init__("not what was planned")


class VendorError(PipelineError):
    """A vendor did not do what was asked.

    Args:
        vendor: `ghl` or `mailjet`.
        route: method and template, such as `GET /contacts/:contactId`.
        status: HTTP status, None when there was no answer.
        detail: the vendor's words after redaction, or ours; short.
        trace_id: what the vendor's support asks for (`traceId`, `ErrorIdentifier`).
        reach: overrides the class's usual reach.
    """

    reach = Reach.CALL

    def __init__(
        self,
        vendor: str,
        route: str,
        status: int | None = None,
        detail: str = "",
        *,
        trace_id: str = "",
        reach: Reach | None = None,
    ) -> None:
        self.vendor = vendor
        self.route = route
        self.status = status
        self.detail = detail
        self.trace_id = trace_id
        self.reach = reach or type(self).reach
        parts = [vendor, route, str(status or "no answer"), detail]
        if trace_id:
            parts.append(f"trace {trace_id}")
        super().__init__(": ".join(part for part in parts if part))


class TransientError(VendorError):
    """The same call may succeed later.

    Args:
        retry_after_seconds: what the vendor asked for, None when it did not say.
    """

    retry_after_seconds: float | None = None


class RateLimited(TransientError):
    """429. Never an attempt of a contact."""

    def __init__(
        self,
        vendor: str,
        route: str,
        status: int | None = 429,
        detail: str = "",
        *,
        trace_id: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(vendor, route, status, detail, trace_id=trace_id)
        self.retry_after_seconds = retry_after_seconds


class VendorDown(TransientError):
    """5xx, no connection, or an answer of a broken vendor; not carried out."""


class Ambiguous(TransientError):
    """The answer was lost after the request had left: it may have been carried out."""


class PermanentError(VendorError):
    """The same call will fail again until somebody changes something."""

    reach = Reach.CONTACT


class Unauthorized(PermanentError):
    """The credential is dead, or lacks a scope (`detail` tells which)."""

    reach = Reach.CONNECTION


class ScopeMissing(Unauthorized):
    """The credential works, but not for this route."""


class NotFound(PermanentError):
    """The thing addressed does not exist; GHL says so with a 400 and a text."""


class Rejected(PermanentError):
    """The vendor understood and refuses: invalid address, unknown property.

    Args:
        duplicate_of: GHL's `meta.contactId` when it refused a duplicate.
        duplicate_field: its `meta.matchingField`: by which field that contact is one.
        code: Mailjet's `ErrorCode`, such as `mj-0002`; "" where it told none.
        misfits: Mailjet's properties whose values were all that it refused.
    """

    duplicate_of: str | None = None
    duplicate_field: str | None = None
    code: str = ""
    misfits: frozenset[str] = frozenset()


class BadPayload(PermanentError):
    """A 2xx answer that is not what the vendor documents: build nothing on it."""
