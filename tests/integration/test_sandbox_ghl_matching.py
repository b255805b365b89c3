"""The sandbox's GHL where somebody has the address or the phone already."""

from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.sandbox import GhlCaller, Row, fresh_email


def upsert(ghl: GhlCaller, **fields: Any) -> requests.Response:
    body = {"locationId": ghl.location, **fields}
    return ghl.call("POST", "/contacts/upsert", json=body)


def duplicate(ghl: GhlCaller, **query: str) -> Row | None:
    params = {"locationId": ghl.location, **query}
    response = ghl.call("GET", "/contacts/search/duplicate", params=params)
    assert response.status_code == 200, response.text
    row: Row | None = response.json()["contact"]
    return row


def fresh_phone() -> str:
    return f"+1{uuid4().int % 10**10:010}"


def test_an_upsert_creates_or_updates_and_says_which_with_200(ghl: GhlCaller) -> None:
    """GHL 1.3."""
    email = fresh_email()
    first = upsert(ghl, email=email, firstName="Ada", companyName="C", tags=["a"])
    second = upsert(ghl, email=email.upper(), tags=["b"])

    assert (first.status_code, second.status_code) == (200, 200)
    assert (first.json()["new"], second.json()["new"]) == (True, False)
    row = second.json()["contact"]
    assert row["id"] == first.json()["contact"]["id"]
    assert (row["firstName"], row["tags"]) == ("Ada", ["b"])
    assert second.json()["traceId"]


def test_an_upsert_needs_the_location_and_only_known_keys(ghl: GhlCaller) -> None:
    """GHL 1.3, GoHighLevel/highlevel-api-docs#262, #331."""
    bare = ghl.call("POST", "/contacts/upsert", json={"email": fresh_email()})
    other = upsert(ghl, additionalEmails=[fresh_email()])

    assert bare.status_code == 422
    assert other.status_code == 422
    words = ["property additionalEmails should not exist"]
    assert other.json()["message"] == words
    assert upsert(ghl, locationId="anotherLocation00001").status_code == 403


def test_an_upsert_drops_a_phone_that_is_somebody_elses(ghl: GhlCaller) -> None:
    """GHL 1.3, GoHighLevel/highlevel-api-docs#37."""
    own, taken, email = fresh_phone(), fresh_phone(), fresh_email()
    a = ghl.create(email=email, phone=own)
    b = ghl.create(phone=taken, firstName="B")
    response = upsert(ghl, email=email, phone=taken, city="Faro")

    assert response.status_code == 200
    row = response.json()["contact"]
    assert (row["id"], row["phone"], row["city"]) == (a["id"], own, "Faro")
    assert ghl.contact(b["id"])["phone"] == taken


def test_an_upsert_finds_by_phone_when_nobody_has_the_address(ghl: GhlCaller) -> None:
    """GHL 1.3."""
    row = ghl.create(phone=fresh_phone())
    email = fresh_email()
    response = upsert(ghl, email=email, phone=row["phone"])

    assert response.json()["new"] is False
    assert response.json()["contact"]["id"] == row["id"]
    assert ghl.contact(row["id"])["email"] == email


def test_an_upsert_with_an_additional_address_loses_the_first_one(
    ghl: GhlCaller,
) -> None:
    """GHL 1.3, GHL 6 (12), GoHighLevel/highlevel-api-docs#337."""
    first, second = fresh_email(), fresh_email()
    additional = [{"email": second}]
    row = ghl.sandbox.put_contact(email=first, additionalEmails=additional)
    response = upsert(ghl, email=second)

    assert response.json()["contact"]["id"] == row["id"]
    whole = ghl.contact(row["id"])
    assert (whole["email"], whole["additionalEmails"]) == (second, [])
    assert duplicate(ghl, email=first) is None


def test_an_upsert_discards_the_gender_with_200(ghl: GhlCaller) -> None:
    """GHL 1.3, GoHighLevel/highlevel-api-docs#313."""
    row = ghl.create(email=fresh_email())
    response = upsert(ghl, email=row["email"], gender="female")

    assert response.status_code == 200
    raw = ghl.sandbox.contact(row["id"])
    assert raw is not None
    assert "gender" not in raw


@pytest.mark.parametrize("allowed", [True, False])
def test_an_upsert_makes_a_duplicate_only_where_that_is_allowed(
    ghl: GhlCaller, allowed: bool
) -> None:
    """GHL 1.3."""
    row = ghl.create(email=fresh_email())
    ghl.sandbox.settings(allow_duplicates=allowed)
    try:
        wish = {"createNewIfDuplicateAllowed": True}
        response = upsert(ghl, email=row["email"], **wish)
    finally:
        ghl.sandbox.settings(allow_duplicates=False)

    assert response.json()["new"] is allowed
    assert (response.json()["contact"]["id"] != row["id"]) is allowed


def test_a_duplicate_is_looked_for_by_address_and_then_by_phone(
    ghl: GhlCaller,
) -> None:
    """GHL 1.3."""
    a = ghl.create(email=fresh_email())
    b = ghl.create(phone=fresh_phone())

    for query, wanted in (
        ({"email": a["email"].upper()}, a),
        ({"number": b["phone"]}, b),
        ({"email": a["email"], "number": b["phone"]}, a),
    ):
        found = duplicate(ghl, **query)
        assert found is not None
        assert found["id"] == wanted["id"]
    assert duplicate(ghl, email=fresh_email()) is None
    assert ghl.call("GET", "/contacts/search/duplicate").status_code == 422


def test_a_raw_plus_in_a_phone_is_a_space_and_finds_nobody(ghl: GhlCaller) -> None:
    """GHL 1.3."""
    phone = fresh_phone()
    ghl.create(phone=phone)
    path = f"/contacts/search/duplicate?locationId={ghl.location}&number={phone}"

    assert ghl.call("GET", path).json()["contact"] is None
