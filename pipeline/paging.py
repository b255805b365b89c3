"""One page of a stage of discovery, and the cursor of the next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import BadPayload
from pipeline.sync.contact import Contact

Cursor = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """One page: ids to sync, rows worth caching, where to go on (None = the end)."""

    next: Cursor | None
    ids: Sequence[str] = ()
    rows: Sequence[Contact] = field(default=())


def paged(
    cursor: Cursor, ids: Sequence[int], next_offset: int | None, onwards: Cursor
) -> Found:
    """The cursor after one page of Mailjet; a page that comes again ends the scan.

    Some accounts were answered the first page for every offset
    (mailjet-apiv3-nodejs#291, read 2026-11).
    """
    stage, first = cursor["stage"], ids[0] if ids else None
    if first is not None and first == cursor.get("first"):
        raise BadPayload("mailjet", stage, None, "one page comes again and again")
    if next_offset is None:
        return Found(onwards)
    return Found({**cursor, "offset": next_offset, "first": first})
