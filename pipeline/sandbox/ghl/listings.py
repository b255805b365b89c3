"""Contacts page by page: the newest first, or those of one business."""

from itertools import islice
from urllib.parse import urlencode

from pipeline.sandbox.ghl.errors import bad_request, unprocessable
from pipeline.sandbox.ghl.location import Location
from pipeline.sandbox.ghl.rows import full_name, thin
from pipeline.sandbox.ghl.times import from_millis, to_millis
from pipeline.sandbox.ghl.versions import is_v3
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Location] = Routes()

MAX_LIMIT = 100


@routes("GET", "/contacts/")
def list_contacts(location: Location, call: Call) -> Answer:
    """`GET /contacts/`: newest `dateAdded` first, thin rows, both cursors or none.

    With `startAfter` alone the live API answers page 1 for ever (reported 2026-09).
    """
    cursors = {"startAfter", "startAfterId"}
    _whitelist(call, frozenset({"locationId", "limit", "query", *cursors}))
    _require_location(location, call)
    limit = number(call, "limit", 20, low=1, high=MAX_LIMIT)
    book, total = location.book, len(location.book.by_added)
    end = total
    if cursors <= call.query.keys():
        millis = number(call, "startAfter", 0)
        end = book.by_added.before((from_millis(millis), call.query["startAfterId"]))
    words = call.query.get("query", "").lower()
    older = (book.rows[key] for _, key in book.by_added.downwards(end))
    rows = list(islice((row for row in older if mentions(row, words)), limit + 1))
    more = len(rows) > limit
    rows = rows[:limit]
    page = 1 + (total - end) // limit
    meta = _meta(location, rows, total=total, page=page, more=more)
    return Answer(200, {"contacts": [thin(row) for row in rows], "meta": meta})


@routes("GET", "/contacts/business/:businessId")
def list_business_contacts(location: Location, call: Call) -> Answer:
    """`GET /contacts/business/:businessId`: by offset, with a count of all."""
    known = {"locationId", "limit", "skip", "query"}
    _whitelist(call, frozenset(known | {"startAfter"} if is_v3(call) else known))
    _require_location(location, call)
    business_id = call.params["businessId"]
    if business_id not in location.businesses:
        raise bad_request(f"Business not found for id:{business_id}")
    limit = number(call, "limit", 25, low=1, high=MAX_LIMIT)
    skip = location.faults.shifted(number(call, "skip", 0), call)
    words = call.query.get("query", "").lower()
    rows = [location.book.rows[i] for i in location.book.businesses.ids(business_id)]
    rows = sorted(
        (row for row in rows if mentions(row, words)),
        key=_by_name,
    )
    total, after = len(rows), [v for k, v in call.repeated if k == "startAfter"]
    if after:
        rows = [row for row in rows if [*_by_name(row)] > after]
    page = [thin(row) for row in rows[skip : skip + limit]]
    return Answer(200, {"contacts": page, "count": total})


def _by_name(row: Row) -> tuple[str, str]:
    """The order of a business's contacts, and v3's cursor in it."""
    return full_name(row), row["id"]


def number(
    call: Call, name: str, default: int, *, low: int = 0, high: int | None = None
) -> int:
    """Read a number from the query; 422 with a list when it is none or out of range."""
    text = call.query.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        words = "must be a number conforming to the specified constraints"
        raise unprocessable([f"{name} {words}"])
    value = int(text)
    if high is not None and value > high:
        raise unprocessable([f"{name} must not be greater than {high}"])
    if value < low:
        raise unprocessable([f"{name} must not be less than {low}"])
    return value


def mentions(row: Row, words: str) -> bool:
    """Whether `words`, in lower case, are in a name, address, phone or company."""
    texts = (full_name(row), row.get("email"), row.get("phone"), row.get("companyName"))
    return not words or any(words in (text or "").lower() for text in texts)


def _require_location(location: Location, call: Call) -> None:
    if not call.query.get("locationId"):
        raise unprocessable(["locationId should not be empty"])
    location.require(call.query["locationId"])


def _whitelist(call: Call, allowed: frozenset[str]) -> None:
    strangers = sorted(call.query.keys() - allowed)
    if strangers:
        raise unprocessable([f"property {key} should not exist" for key in strangers])


def _meta(
    location: Location, rows: list[Row], *, total: int, page: int, more: bool
) -> Row:
    """The cursor block; its `nextPageUrl` names a host that is not ours, as live."""
    last = rows[-1] if rows else None
    cursor = {
        "startAfter": to_millis(last["dateAdded"]) if last else None,
        "startAfterId": last["id"] if last else None,
    }
    url = urlencode({"locationId": location.id, **cursor})
    return {
        "total": total,
        "nextPageUrl": f"http://localhost:5058/contacts/?{url}" if more else None,
        **cursor,
        "currentPage": page,
        "nextPage": page + 1 if more else None,
        "prevPage": page - 1 if page > 1 else None,
    }
