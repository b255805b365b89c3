"""The sandbox's contact search: filters, cursors, whole rows."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.sandbox import GhlCaller, Row, Sandbox, fresh_email

WHOLE_EMAIL_DND = {
    "Email": {"status": "active", "message": "", "code": ""},
    "SMS": {"status": "inactive", "message": "", "code": ""},
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("--contacts", "250") as running:
        yield running


def test_search_shows_whole_rows_with_their_drifted_keys(ghl: GhlCaller) -> None:
    """GHL 1.2, GHL 6 (13)."""
    row = ghl.create(
        email=fresh_email(),
        firstName="Ada",
        address1="1 Elm",
        dateOfBirth="1990-01-02",
        dndSettings=WHOLE_EMAIL_DND,
    )
    (shown,) = ghl.found("id", "eq", row["id"])

    assert shown["address"] == "1 Elm"
    assert "address1" not in shown
    assert shown["dateOfBirth"] == 631238400000
    assert shown["dndSettings"] == WHOLE_EMAIL_DND
    assert shown["firstNameLowerCase"] == "ada"
    assert shown["searchAfter"][-1] == row["id"]
    assert {"dateUpdated", "phone", "dnd", "businessName"} <= shown.keys()


def test_search_rows_may_lack_the_dnd_settings(ghl: GhlCaller) -> None:
    """GHL 1.2."""
    ghl.sandbox.settings(search_rows_lack=["dndSettings"])
    try:
        rows = ghl.search(pageLimit=1).json()["contacts"]
    finally:
        ghl.sandbox.settings(search_rows_lack=[])

    assert "dndSettings" not in rows[0]


@pytest.mark.parametrize("missing", ["locationId", "pageLimit"])
def test_search_needs_location_and_page_limit(ghl: GhlCaller, missing: str) -> None:
    """GHL 1.2."""
    response = ghl.search(**{missing: None})

    assert response.status_code == 422
    assert response.json()["message"][0].startswith(f"{missing} must be")


def test_a_search_page_holds_500_rows_at_most(ghl: GhlCaller) -> None:
    """GHL 1.2."""
    assert ghl.search(pageLimit=500).status_code == 200
    assert ghl.search(pageLimit=501).status_code == 422


def test_search_by_page_number_ends_at_10_000_records(ghl: GhlCaller) -> None:
    """GHL 1.2, GHL 6 (3)."""
    assert ghl.search(pageLimit=500, page=20).status_code == 200
    assert ghl.search(pageLimit=500, page=21).status_code == 400


def test_search_takes_a_page_number_or_a_cursor_never_both(ghl: GhlCaller) -> None:
    """GHL 1.2."""
    cursor = ghl.search(pageLimit=1).json()["contacts"][0]["searchAfter"]

    assert ghl.search(page=1, searchAfter=cursor).status_code == 400


@pytest.mark.parametrize(
    "sort",
    [
        None,
        [("dateUpdated", "asc")],
        [("dateUpdated", "desc")],
        [("dateAdded", "asc")],
        [("lastNameLowerCase", "desc")],
        [("dnd", "asc"), ("email", "desc")],
        [("businessName", "asc"), ("dateUpdated", "desc")],
    ],
)
def test_the_last_rows_cursor_continues_without_gap_or_repeat(
    ghl: GhlCaller, sort: list[tuple[str, str]] | None
) -> None:
    """GHL 1.2."""
    order = {"sort": [{"field": f, "direction": d} for f, d in sort]} if sort else {}
    rows: list[Row] = []
    while True:
        after = {"searchAfter": rows[-1]["searchAfter"]} if rows else {}
        page = ghl.search(pageLimit=60, **order, **after).json()
        rows += page["contacts"]
        if len(page["contacts"]) < 60:
            break

    ids = [row["id"] for row in rows]
    assert len(ids) == len(set(ids)) == page["total"]
    if sort and len(sort) == 1:
        field, direction = sort[0]
        values = [str(row[field] or "") for row in rows]
        assert values == sorted(values, reverse=direction == "desc")


def test_search_by_a_range_of_update_times_is_half_open_as_asked(
    ghl: GhlCaller,
) -> None:
    """GHL 1.2."""
    marks = [f"2031-01-0{day}T00:00:00.000Z" for day in (1, 2, 3)]
    ids = [ghl.sandbox.put_contact(dateUpdated=mark)["id"] for mark in marks]
    value = {"gte": "2031-01-01T00:00:00Z", "lt": marks[2]}

    assert {r["id"] for r in ghl.found("dateUpdated", "range", value)} == set(ids[:2])
    item = {"field": "dateUpdated", "operator": "range", "value": value}
    sort = [{"field": "dateUpdated", "direction": "desc"}]
    sorted_page = ghl.search(filters=[item], sort=sort).json()
    assert ids_of(sorted_page) == [ids[1], ids[0]]
    assert sorted_page["total"] == 2
    for contact_id in ids:
        ghl.sandbox.delete_contact(contact_id)


def test_search_finds_who_opted_out_by_channel_status(ghl: GhlCaller) -> None:
    """GHL 1.2, GHL 2, GHL 6 (15)."""
    raw = ghl.sandbox.contacts()
    for status in ("active", "permanent"):
        rows = ghl.found("dndSettings.Email.status", "eq", status)
        wanted = {
            row["id"]
            for row in raw
            if row["dndSettings"].get("Email", {}).get("status") == status
        }
        assert wanted
        assert {row["id"] for row in rows} == wanted
    assert {row["id"] for row in ghl.found("dnd", "eq", True)} == {
        row["id"] for row in raw if row["dnd"]
    }


def test_search_operators_mean_what_their_names_say(ghl: GhlCaller) -> None:
    """GHL 1.2."""
    word = uuid4().hex
    row = ghl.create(email=fresh_email(), city=f"New {word} City", tags=[word, "b"])
    one = {row["id"]}

    def ids(field: str, operator: str, value: Any = None) -> set[str]:
        return {row["id"] for row in ghl.found(field, operator, value)}

    assert ids("city", "eq", f"new {word} city") == one
    assert not one & ids("city", "not_eq", f"New {word} City")
    assert ids("city", "contains", word) == one
    assert not one & ids("city", "not_contains", word)
    assert ids("tags", "eq", word) == one
    assert one <= ids("city", "exists")
    assert one <= ids("website", "not_exists")
    assert not one & ids("website", "exists")


def test_search_filters_are_anded_and_nest_in_groups(ghl: GhlCaller) -> None:
    """GHL 1.2."""
    word = uuid4().hex
    a = ghl.create(email=fresh_email(), city=word, source="a")["id"]
    b = ghl.create(email=fresh_email(), city=word, source="b")["id"]
    ghl.create(email=fresh_email(), city=word, source="c")
    city = {"field": "city", "operator": "eq", "value": word}
    sources = [{"field": "source", "operator": "eq", "value": s} for s in ("a", "b")]
    either = ghl.search(filters=[city, {"group": "OR", "filters": sources}]).json()
    neither = ghl.search(filters=[city, {"group": "AND", "filters": sources}]).json()

    assert set(ids_of(either)) == {a, b}
    assert either["total"] == 2
    assert neither["contacts"] == []


def test_search_finds_by_custom_field(ghl: GhlCaller) -> None:
    """GHL 1.2."""
    path = f"/locations/{ghl.location}/customFields"
    field = ghl.call("GET", path).json()["customFields"][3]["id"]
    word = uuid4().hex
    values = [{"id": field, "field_value": word}]
    row = ghl.create(email=fresh_email(), customFields=values)

    (shown,) = ghl.found(f"customFields.{field}", "eq", word)
    assert shown["id"] == row["id"]
    assert shown["customFields"] == [{"id": field, "value": word}]


def test_search_refuses_unknown_fields_operators_and_long_values(
    ghl: GhlCaller,
) -> None:
    """GHL 1.2."""

    def refusal(**item: Any) -> requests.Response:
        return ghl.search(filters=[item])

    unknown = refusal(field="shoeSize", operator="eq", value="9")
    assert unknown.status_code == 400
    assert unknown.json()["message"] == "Invalid field shoeSize"
    email = refusal(field="email", operator="contains", value="a")
    assert email.status_code == 400
    date = refusal(field="dateUpdated", operator="eq", value="2026")
    assert date.status_code == 400
    long = refusal(field="city", operator="eq", value="x" * 76)
    assert long.status_code == 400
    sort = ghl.search(sort=[{"field": "phone", "direction": "asc"}])
    assert sort.json()["message"] == "Invalid field phone"
    three = [{"field": f, "direction": "asc"} for f in ("email", "dnd", "source")]
    assert ghl.search(sort=three).status_code == 400
    assert ghl.search(colour="red").status_code == 422


def ids_of(body: Row) -> list[str]:
    return [row["id"] for row in body["contacts"]]


@pytest.mark.parametrize(
    "body",
    [
        {"filters": {}},
        {"filters": ["city"]},
        {"filters": [{"group": "XOR", "filters": []}]},
        {"filters": [{"field": "dateAdded", "operator": "range", "value": {"gt": 5}}]},
        {
            "filters": [
                {"field": "dateAdded", "operator": "range", "value": {"to": "x"}}
            ]
        },
        {"sort": ["email"]},
        {"sort": [{"field": "email", "direction": "up"}]},
        {"searchAfter": ["one"]},
        {"searchAfter": ["text where a time belongs", 5]},
    ],
)
def test_search_answers_400_to_what_it_cannot_read(ghl: GhlCaller, body: Row) -> None:
    """GHL 1.2."""
    assert ghl.search(**body).status_code == 400


def test_search_finds_by_words_and_refuses_long_ones(ghl: GhlCaller) -> None:
    """GHL 1.2."""
    row = ghl.create(email=fresh_email())

    assert ids_of(ghl.search(query=row["email"]).json()) == [row["id"]]
    assert ghl.search(query="x" * 76).status_code == 422
    assert ghl.search(page=0).status_code == 422


def test_a_write_shows_in_a_search_that_was_just_made(ghl: GhlCaller) -> None:
    city = uuid4().hex
    assert ghl.found("city", "eq", city) == []
    row = ghl.create(email=fresh_email(), city=city)

    assert [shown["id"] for shown in ghl.found("city", "eq", city)] == [row["id"]]
