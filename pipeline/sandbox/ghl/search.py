"""`POST /contacts/search`: whole rows, up to 500 a page, some seconds behind the truth.

Source: HighLevel, Contacts Search API page, read 2026-11; the OpenAPI file names the
endpoint but none of its fields.
"""

import json
from bisect import bisect_right
from typing import Any

from pipeline.sandbox.ghl.errors import bad_request, unprocessable
from pipeline.sandbox.ghl.filters import DATE_FIELDS, compile_filters, range_bounds
from pipeline.sandbox.ghl.listings import mentions
from pipeline.sandbox.ghl.location import Location
from pipeline.sandbox.ghl.rows import found
from pipeline.sandbox.ghl.times import to_millis
from pipeline.sandbox.ghl.writing import payload
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Location] = Routes()

BODY_KEYS = frozenset(
    {"locationId", "pageLimit", "page", "searchAfter", "filters", "sort", "query"}
)
SORT_FIELDS = frozenset(
    {
        "firstNameLowerCase",
        "lastNameLowerCase",
        "businessName",
        "dateAdded",
        "dateUpdated",
        "email",
        "dnd",
        "source",
    }
)
DEFAULT_SORT = [{"field": "dateAdded", "direction": "desc"}]
MAX_PAGE_LIMIT = 500
MAX_PAGED_ROWS = 10_000
MAX_SORT_FIELDS = 2
MAX_QUERY_LENGTH = 75
END_OF_TIME = "9999"


@routes("POST", "/contacts/search")
def search_contacts(location: Location, call: Call) -> Answer:
    """Filter, sort, and show one page by number or by the last row's cursor."""
    body = payload(call, BODY_KEYS)
    if problems := _problems(body):
        raise unprocessable(problems)
    location.require(body["locationId"])
    sort = _sort(body.get("sort", DEFAULT_SORT))
    rows = _matching(location, body, sort)
    start = _start(location, call, body, sort, rows)
    page = rows[start : start + body["pageLimit"]]
    lacking = location.settings.search_rows_lack
    contacts = [found(row, _cursor(row, sort), lacking) for row in page]
    return Answer(200, {"contacts": contacts, "total": len(rows)})


def _problems(body: Row) -> list[str]:
    problems = []
    if not isinstance(body.get("locationId"), str):
        problems.append("locationId must be a string")
    limit: Any = body.get("pageLimit")
    if not _is_count(limit):
        problems.append("pageLimit must be a positive number")
    elif limit > MAX_PAGE_LIMIT:
        problems.append(f"pageLimit must not be greater than {MAX_PAGE_LIMIT}")
    if "page" in body and not _is_count(body["page"]):
        problems.append("page must be a positive number")
    if len(str(body.get("query", ""))) > MAX_QUERY_LENGTH:
        words = "must be shorter than or equal to"
        problems.append(f"query {words} {MAX_QUERY_LENGTH} characters")
    return problems


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _sort(sort: Any) -> list[tuple[str, bool]]:
    """Fields and whether they run downwards."""
    if not isinstance(sort, list) or not 0 < len(sort) <= MAX_SORT_FIELDS:
        raise bad_request(f"sort takes 1 to {MAX_SORT_FIELDS} fields")
    fields = []
    for item in sort:
        if not isinstance(item, dict):
            raise bad_request("Invalid sort")
        field, direction = item.get("field"), item.get("direction", "asc")
        if field not in SORT_FIELDS:
            raise bad_request(f"Invalid field {field}")
        if direction not in ("asc", "desc"):
            raise bad_request(f"Invalid direction {direction}")
        fields.append((field, direction == "desc"))
    return fields


def _matching(location: Location, body: Row, sort: list[tuple[str, bool]]) -> list[Row]:
    """All rows that fit, in order."""
    filters = body.get("filters", [])
    test = compile_filters(filters, refused=location.faults.refused_fields())
    words = str(body.get("query", "")).lower()

    def find() -> list[Row]:
        rows = _ordered(location, filters, sort)
        if not filters and not words:
            return rows
        return [row for row in rows if test(row) and mentions(row, words)]

    return location.index.remember(json.dumps([filters, sort, words]), find)


def _ordered(
    location: Location, filters: list[Row], sort: list[tuple[str, bool]]
) -> list[Row]:
    """All rows in order; a range over the field that sorts narrows them at no cost."""
    known = location.index.rows()
    field, descending = sort[0]
    order = location.index.order(field) if len(sort) == 1 else None
    if order is None:
        return sorted(known.values(), key=lambda row: _place(_cursor(row, sort), sort))
    low, high = _bounds(filters, field)
    keys = order.between(low, high)
    if descending:
        keys.reverse()
    return [known[contact_id] for _, contact_id in keys]


def _bounds(filters: list[Row], field: str) -> tuple[str, str]:
    low, high = "", END_OF_TIME
    for item in filters:
        if item.get("field") == field and item.get("operator") == "range":
            bounds = range_bounds(item["value"])
            low = max(low, bounds.get("gte", ""), bounds.get("gt", ""))
            high = min(
                high, bounds.get("lte", END_OF_TIME), bounds.get("lt", END_OF_TIME)
            )
    return low, high


def _start(
    location: Location,
    call: Call,
    body: Row,
    sort: list[tuple[str, bool]],
    rows: list[Row],
) -> int:
    """The position of the page's first row."""
    if "searchAfter" not in body:
        end = body.get("page", 1) * body["pageLimit"]
        if end > MAX_PAGED_ROWS:
            words = f"page reaches {MAX_PAGED_ROWS} records, use searchAfter beyond"
            raise bad_request(words)
        return location.faults.shifted(end - body["pageLimit"], call)
    if "page" in body:
        raise bad_request("page must be absent when searchAfter is used")
    cursor = body["searchAfter"]
    if not isinstance(cursor, list) or len(cursor) != len(sort) + 1:
        raise bad_request("Invalid searchAfter")
    try:
        return bisect_right(
            rows,
            _place(cursor, sort),
            key=lambda row: _place(_cursor(row, sort), sort),
        )
    except TypeError:
        raise bad_request("Invalid searchAfter") from None


def _cursor(row: Row, sort: list[tuple[str, bool]]) -> list[Any]:
    """What the row is sorted by: one value for each field, then its id."""
    return [*(_sort_value(row, field) for field, _ in sort), row["id"]]


def _sort_value(row: Row, field: str) -> Any:
    if field in DATE_FIELDS:
        return to_millis(row[field])
    if field == "dnd":
        return bool(row.get("dnd"))
    return str(row.get(field.removesuffix("LowerCase")) or "").lower()


class _Down:
    """A value that sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: "_Down") -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Down) and bool(self.value == other.value)


def _place(cursor: list[Any], sort: list[tuple[str, bool]]) -> list[Any]:
    """A cursor as something that compares; rows of equal values go by id."""
    directions = [descending for _, descending in sort]
    directions.append(directions[-1])
    return [
        _Down(value) if descending else value
        for value, descending in zip(cursor, directions, strict=True)
    ]
