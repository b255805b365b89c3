"""What GHL's calls give back, beside `pipeline.sync.contact.Contact`."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pipeline.sync.contact import Contact

Cursor = TypeVar("Cursor")


@dataclass(frozen=True)
class ListCursor:
    """Where a listing goes on: the last contact seen.

    Both halves are needed: with `start_after` alone GHL answers page 1 for ever
    (PipedreamHQ/pipedream#21941, read 2026-11).

    Args:
        start_after: when that contact was added, milliseconds since 1970 UTC.
    """

    start_after: int
    start_after_id: str


@dataclass(frozen=True)
class ContactPage(Generic[Cursor]):
    """One page of contacts, and the cursor to save after it.

    Args:
        next: None when this was the last page.
        total: how many contacts the listing has; None where GHL did not say.
        bad_rows: ids of rows that could not be read, "" for a row without one.
    """

    contacts: tuple[Contact, ...]
    next: Cursor | None
    total: int | None = None
    bad_rows: tuple[str, ...] = ()

    @property
    def ids(self) -> list[str]:
        """Rows that cannot be read are contacts too: reading them singly tells more."""
        return [
            *(contact.id for contact in self.contacts),
            *filter(None, self.bad_rows),
        ]


@dataclass(frozen=True)
class Business:
    id: str
    name: str


@dataclass(frozen=True)
class BusinessPage:
    """Args:
    next: the next `skip`; None when this was the last page.
    """

    businesses: tuple[Business, ...]
    next: int | None


@dataclass(frozen=True)
class Location:
    """The sub-account.

    Args:
        timezone: IANA name, "" where GHL did not say.
        allow_duplicate_contact: None where GHL did not say.
    """

    id: str
    name: str
    timezone: str
    allow_duplicate_contact: bool | None


@dataclass(frozen=True)
class Tag:
    """An entry of the location's dictionary of tags, in the spelling it has there."""

    id: str
    name: str


@dataclass(frozen=True)
class CustomField:
    """Args:
    key: such as `contact.pincode`.
    data_type: GHL's word, such as `TEXT`.
    """

    id: str
    name: str
    key: str
    data_type: str
