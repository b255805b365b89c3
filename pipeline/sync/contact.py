"""The person, as each side tells it.

**Absent is unknown, never empty.** GHL's listings are thin: a row that lacks `phone`
says nothing about the phone. So a value is either missing from `values` (unknown) or
present (known), and known values may be the empty string (known to be empty).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ANONYMISED_SUFFIX = "@domain.invalid"


class EmailProblem(StrEnum):
    """Why an address cannot be synced."""

    MISSING = "no e-mail"
    INVALID = "invalid e-mail"


@dataclass(frozen=True)
class Contact:
    """The person in GHL.

    Args:
        values: GHL's own field name to text, such as `firstName`; absent is unknown.
        email: trimmed and lower-cased; "" is known to be empty, None is unknown.
        email_valid: whether `email` has the form of an address.
        tags: lower-cased, in GHL's order, without repeats; None is unknown.
        dnd: GHL's all-channel flag; None is unknown.
        dnd_settings: GHL's object as received; None is unknown.
        custom_fields: custom field id to value; None is unknown.
        business_id: "" for none; None is unknown.
        date_added_ms, date_updated_ms: milliseconds since 1970 UTC; None is unknown.
    """

    id: str
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    email: str | None = field(default=None, repr=False)
    email_valid: bool = False
    tags: tuple[str, ...] | None = None
    dnd: bool | None = None
    dnd_settings: Mapping[str, object] | None = None
    custom_fields: Mapping[str, object] | None = field(default=None, repr=False)
    business_id: str | None = None
    date_added_ms: int | None = None
    date_updated_ms: int | None = None

    @property
    def email_problem(self) -> EmailProblem | None:
        if not self.email:
            return EmailProblem.MISSING
        return None if self.email_valid else EmailProblem.INVALID


@dataclass(frozen=True)
class Subscriber:
    """The same person in Mailjet.

    Args:
        contact_id: Mailjet's numeric ContactID, the one stable key.
        email: trimmed and lower-cased; "" where the answer did not carry it.
        name: None is unknown.
        properties: lower-case property name to value; None is unknown.
        excluded: `IsExcludedFromCampaigns`; None is unknown.
        complained: `IsSpamComplaining`.
        unsubscribed: list id to whether the person is unsubscribed from it; a list
            that is missing has never had the person; None is unknown.
        excluded_ms: when `excluded` last changed, milliseconds since 1970 UTC; None
            is unknown, or never.
        updated_ms: Mailjet's `LastUpdateAt`, in the same way.
    """

    contact_id: int
    email: str = field(default="", repr=False)
    name: str | None = field(default=None, repr=False)
    properties: Mapping[str, object] | None = field(default=None, repr=False)
    excluded: bool | None = None
    complained: bool = False
    unsubscribed: Mapping[int, bool] | None = None
    excluded_ms: int | None = None
    updated_ms: int | None = None

    @property
    def is_erased(self) -> bool:
        """Whether only the anonymised remains are left, as Mailjet keeps for 30 days
        (Mailjet, guide "Delete contacts", read 2026-11)."""
        return self.email.endswith(ANONYMISED_SUFFIX)


class ListAction(StrEnum):
    """What Mailjet can do with a person and a list (Mailjet, managecontact)."""

    ADD = "addnoforce"
    """Add; somebody who unsubscribed stays unsubscribed."""
    UNSUBSCRIBE = "unsub"
    REMOVE = "remove"
    """Deletes the membership and its memory of an opt-out with it."""
    ADD_AGAIN = "addforce"
    """Add; somebody who unsubscribed is subscribed again: for a proven opt-in alone."""
