"""All rows of one connection, wherever they stand, and where two do not agree."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.settings.mapping import BACK, CORE, EVERY, Row, made_row

Path = tuple[str | int, ...]
"""Where something stands in a connection's table: `("fields", 2, "mailjet")`."""

LIST = "list:"
OWN_TAGS = frozenset(
    f"mailjet-{why}" for why in ("unsubscribed", "complained", "excluded", "bounced")
)
"""What a sync marks in GHL whom not to mail with: a list must not take it off."""


def rows_of(data: Mapping[str, Any]) -> dict[Path, Row]:
    """Where each row stands, and the row.

    Args:
        data: of a connection `fields`, `tags`, `businesses` and `tag_lists` as loaded;
            what could not be loaded is absent.
    """
    found: dict[Path, Row] = {}
    for key in ("fields", "tags"):
        for index, row in enumerate(data.get(key) or ()):
            if row != CORE:
                found[key, index] = row
    for index, business in enumerate(data.get("businesses") or ()):
        if "list" in business:
            column = f"{LIST}{business['list']}"
            found["businesses", index] = made_row(f"business:{business['id']}", column)
    for tag, list_id in (data.get("tag_lists") or {}).items():
        found["tag_lists", tag] = made_row(f"tag:{tag}", f"{LIST}{list_id}")
    return found


def disagreements(
    data: Mapping[str, Any], rows: Mapping[Path, Row]
) -> Iterator[tuple[Path, str]]:
    """What is wrong with rows that are right one by one, and where."""
    yield from _twice_core(data)
    yield from _businesses(data)
    kept = f"{LIST}{data.get('mailjet_list_id')}"
    seen: list[Row] = []
    for path, row in rows.items():
        if row["column"] == kept:
            what = "names the list that is kept: whoever is no member would leave it"
            yield _at(path, "list"), what
        if row["ghl"] == f"tag:{data.get('confirmation_tag')}":
            yield _at(path, "tag"), "is the mark of ours (confirmation_tag)"
        if row["direction"] in BACK and row["ghl"].removeprefix("tag:") in OWN_TAGS:
            what = 'is a mark of ours, which only leads to Mailjet; direction = "->"'
            yield _at(path, "tag"), what
        for other in seen:
            if problem := _clash(path, row, other):
                yield problem
                break
        seen.append(row)


def _clash(path: Path, row: Row, other: Row) -> tuple[Path, str] | None:
    back = [each for each in (row, other) if each["direction"] in BACK]
    if row["column"] == other["column"]:
        target = "list" if row["column"].startswith(LIST) else "property"
        where = _at(path, target)
        if row["ghl"] == other["ghl"]:
            return where, "is there twice"
        if target == "property":
            return where, "is written by another row as well"
        if back:
            return where, "is that of another row, so its members tell nothing"
        if _kind(row) != _kind(other):
            return where, "is that of a tag and of a business; use two lists"
    if len(back) == 2 and row["ghl"] == other["ghl"]:
        return _at(path, "ghl"), "is written back by another row as well"
    return None


def _at(path: Path, what: str) -> Path:
    """The key of a row that holds its list, property, tag or GHL field."""
    table, index = path
    if table == "tag_lists":
        return path
    if table == "fields":
        return (table, index, "mailjet" if what == "property" else what)
    return (table, index, "tag" if what == "ghl" else what)


def _kind(row: Row) -> str:
    return str(row["ghl"].partition(":")[0])


def _twice_core(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    items = data.get("fields") or ()
    places = [index for index, item in enumerate(items) if item == CORE]
    for index in places[1:]:
        yield ("fields", index), "is there twice"


def _businesses(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    businesses = data.get("businesses") or ()
    if businesses and data.get("ghl_business_ids"):
        yield ("ghl_business_ids",), "stands in `businesses` already; use that alone"
    ids: set[str] = set()
    for index, business in enumerate(businesses):
        if business["id"] in ids:
            yield ("businesses", index), "is there twice"
        if business["id"] == EVERY and "list" in business:
            yield ("businesses", index, "list"), "a list is of one business"
        ids.add(business["id"])
