"""How Mailjet reads a request and shows a list: strict bodies, pages of ten."""

import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.errors import bad_request, invalid_email, not_found
from pipeline.sandbox.wire import Answer, Call, Row

Item = TypeVar("Item")

DEFAULT_LIMIT = 10
MAX_LIMIT = 1000
PAGING = frozenset({"Limit", "Offset", "Sort", "countOnly"})


def payload(call: Call, record: str, allowed: frozenset[str]) -> Row:
    """Read a JSON object; one unknown field and nothing is done.

    Args:
        record: Mailjet's own name of the type, such as `TContact`.
    """
    try:
        body = json.loads(call.body)
    except ValueError:
        raise bad_request("Invalid json input: malformed JSON") from None
    if not isinstance(body, dict):
        raise bad_request(f'Invalid json input: expected object for "{record}"')
    for key in body.keys() - allowed:
        words = f'object ""->"{record}" has no property "{key}"'
        raise bad_request(f"Invalid json input: {words}")
    return body


def require(body: Row, field: str) -> Any:
    """A field that must be there."""
    if body.get(field) in (None, ""):
        raise bad_request(f'A non-empty value is required for property "{field}"')
    return body[field]


def text(body: Row, field: str) -> str:
    """A field that must hold a text; absent is empty."""
    value = body.get(field, "")
    if not isinstance(value, str):
        raise bad_request(f'Invalid type for property "{field}"')
    return value


def truth(value: Any, field: str) -> bool:
    """A boolean, also as a text or 0 and 1, the ways Mailjet's samples write it."""
    words = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in words:
        raise bad_request(f'Invalid value for property "{field}"')
    return words[str(value).lower()]


def address(email: Any, method: str) -> str:
    """Check that it looks like an address."""
    if not is_address(str(email)):
        raise invalid_email(method, str(email))
    return str(email)


def is_address(email: str) -> bool:
    """Whether it looks like an address."""
    name, at, domain = email.partition("@")
    return bool(name and at and domain) and "@" not in domain and " " not in email


def contact_in_path(account: Account, call: Call) -> int:
    """The contact that the path names by id or address."""
    named = call.params["contact"]
    if not named.isdecimal():
        address(named, call.method)
    find = account.readable_id if call.method == "GET" else account.contact_id
    contact_id = find(named)
    if contact_id is None:
        raise not_found()
    return contact_id


def filters(call: Call, allowed: frozenset[str]) -> dict[str, str]:
    """The query without its paging; an unknown filter is refused."""
    given = {k: v for k, v in call.query.items() if k not in PAGING}
    for key in given.keys() - allowed:
        raise bad_request(f'Unknown filter "{key}"')
    return given


def page(
    account: Account, call: Call, items: Iterable[Item], show: Callable[[Item], Row]
) -> Answer:
    """One page of a listing; `Count` and `Total` tell of the page, not of the whole."""
    if call.query.get("countOnly") == "1":
        return envelope([], total=sum(1 for _ in items))
    limit, offset = _number(call, "Limit", DEFAULT_LIMIT), _number(call, "Offset", 0)
    if limit == 0:
        # Reported: `Limit=0` shows the first page again whatever the offset.
        limit, offset = MAX_LIMIT, 0
    offset = account.faults.shifted(offset, call)
    end = offset + min(limit, MAX_LIMIT)
    if sort := call.query.get("Sort"):
        return envelope(_sorted([show(item) for item in items], sort)[offset:end])
    return envelope([show(item) for item in islice(items, offset, end)])


def envelope(rows: list[Row], *, status: int = 200, total: int | None = None) -> Answer:
    """Mailjet's wrapping of every success."""
    size = len(rows) if total is None else total
    return Answer(status, {"Count": size, "Data": rows, "Total": size})


def not_modified() -> Answer:
    """A PUT that changes nothing: 304 and no body."""
    return Answer(304)


def _sorted(rows: list[Row], sort: str) -> list[Row]:
    """Order rows by `Prop` or `Prop DESC`; only texts and numbers can be sorted by."""
    field, _, direction = sort.partition(" ")
    values = [row.get(field) for row in rows]
    sortable = all(isinstance(v, str | int) and not isinstance(v, bool) for v in values)
    if not sortable or direction.upper() not in ("", "ASC", "DESC"):
        raise bad_request(f'Invalid value for "Sort": "{sort}"')
    is_down = direction.upper() == "DESC"
    return sorted(rows, key=lambda row: row[field], reverse=is_down)


def _number(call: Call, name: str, default: int) -> int:
    given = call.query.get(name, str(default))
    if not given.isdecimal():
        raise bad_request(f'Invalid value for "{name}"')
    return int(given)
