"""Every page of a listing, each asked for patiently."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from pipeline.errors import BadPayload
from pipeline.mailjet.records import RecipientPage, SubscriberPage
from pipeline.planning.patience import patiently


class CursorPage(Protocol):
    """A page of GHL's; `next` is None on the last one."""

    @property
    def next(self) -> Any: ...


ByCursor = TypeVar("ByCursor", bound=CursorPage)
ByOffset = TypeVar("ByOffset", SubscriberPage, RecipientPage)


def by_cursor(listing: Callable[[Any], ByCursor]) -> Iterator[ByCursor]:
    """All pages of a listing of GHL's; its client refuses a cursor that repeats."""
    cursor: Any = None
    while True:
        page = patiently(partial(listing, cursor))
        yield page
        cursor = page.next
        if cursor is None:
            return


def by_offset(listing: Callable[[int], ByOffset]) -> Iterator[ByOffset]:
    """All pages of a listing of Mailjet's.

    Raises:
        BadPayload: some accounts were answered one page for every offset
            (mailjet-apiv3-nodejs#291, read 2026-11).
    """
    offset: int | None = 0
    before: Sequence[object] = ()
    while offset is not None:
        page = patiently(partial(listing, offset))
        rows: Sequence[object] = (
            page.recipients if isinstance(page, RecipientPage) else page.subscribers
        )
        if rows and rows == before:
            raise BadPayload("mailjet", "pages", None, "one page comes again and again")
        yield page
        before, offset = rows, page.next_offset
