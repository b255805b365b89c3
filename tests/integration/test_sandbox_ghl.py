"""The sandbox's GHL, one contact at a time, as HighLevel documents it."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.sandbox import GhlCaller, Sandbox, fresh_email

WHOLE_EMAIL_DND = {
    "Email": {"status": "active", "message": "", "code": ""},
    "SMS": {"status": "inactive", "message": "", "code": ""},
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("--contacts", "250") as running:
        yield running


def test_a_missing_contact_is_400_whatever_is_asked_of_it(ghl: GhlCaller) -> None:
    """GHL 0, GHL 6 (6)."""
    answers = [
        ghl.call("GET", "/contacts/gone"),
        ghl.call("PUT", "/contacts/gone", json={}),
        ghl.call("DELETE", "/contacts/gone"),
        ghl.call("POST", "/contacts/gone/tags", json={"tags": ["a"]}),
    ]

    for response in answers:
        assert response.status_code == 400
        assert response.json()["message"] == "Contact not found for id:gone"
    path = ghl.call("GET", "/contacts/tasks")
    assert path.json()["message"] == "Contact with id tasks not found"


def test_creating_needs_the_location_and_answers_201(ghl: GhlCaller) -> None:
    """GHL 1.3."""
    email = fresh_email()
    missing = ghl.call("POST", "/contacts/", json={"email": email})
    row = ghl.create(email=email, name="Ana Maria Silva", gender="f", companyName="C")

    assert missing.status_code == 422
    assert (row["firstName"], row["lastName"]) == ("Ana", "Maria Silva")
    assert row["bounceEmail"] is False
    whole = ghl.contact(row["id"])
    assert whole["email"] == email
    assert whole["companyName"] == "C"
    assert "phone" not in whole
    assert "bounceEmail" not in whole


@pytest.mark.parametrize("field", ["email", "phone"])
def test_a_duplicate_is_400_and_names_who_has_it(ghl: GhlCaller, field: str) -> None:
    """GHL 0, GHL 6 (11)."""
    value = fresh_email() if field == "email" else f"+1{uuid4().int % 10**10}"
    row = ghl.create(**{field: value}, firstName="Bo", lastName="Li")
    body = {"locationId": ghl.location, field: value.upper()}
    response = ghl.call("POST", "/contacts/", json=body)

    assert response.status_code == 400
    answer = response.json()
    assert answer["message"] == "This location does not allow duplicated contacts."
    assert answer["meta"]["contactId"] == row["id"]
    assert answer["meta"]["matchingField"] == field


def test_a_location_may_allow_duplicates(ghl: GhlCaller) -> None:
    """GHL 1.3."""
    email = fresh_email()
    first = ghl.create(email=email)
    ghl.sandbox.settings(allow_duplicates=True)
    try:
        second = ghl.create(email=email)
        location = ghl.call("GET", f"/locations/{ghl.location}").json()["location"]
    finally:
        ghl.sandbox.settings(allow_duplicates=False)

    assert second["id"] != first["id"]
    assert location["settings"]["allowDuplicateContact"] is True


def test_an_update_is_partial_and_bumps_the_time(ghl: GhlCaller) -> None:
    """GHL 1.3."""
    row = ghl.sandbox.put_contact(
        firstName="Old", city="Porto", dateUpdated="2020-01-01T00:00:00.000Z"
    )
    response = ghl.call("PUT", f"/contacts/{row['id']}", json={"firstName": "New"})

    assert response.status_code == 200
    assert response.json()["succeded"] is True
    whole = ghl.contact(row["id"])
    assert (whole["firstName"], whole["city"]) == ("New", "Porto")
    assert whole["dateUpdated"] > "2026"


@pytest.mark.parametrize(
    "field", ["locationId", "gender", "additionalEmails", "companyName", "shoeSize"]
)
def test_an_unknown_property_rejects_the_whole_update(
    ghl: GhlCaller, field: str
) -> None:
    """GHL 0, GHL 6 (10)."""
    row = ghl.create(firstName="Same", email=fresh_email())
    body = {"firstName": "Other", field: "x"}
    response = ghl.call("PUT", f"/contacts/{row['id']}", json=body)

    assert response.status_code == 422
    answer = response.json()
    assert answer["message"] == [f"property {field} should not exist"]
    assert answer["error"] == "Unprocessable Entity"
    assert ghl.contact(row["id"])["firstName"] == "Same"


def test_values_of_the_wrong_kind_are_listed(ghl: GhlCaller) -> None:
    """GHL 0."""
    row = ghl.create(email=fresh_email())
    body = {
        "firstName": 5,
        "email": "no",
        "dnd": "yes",
        "dndSettings": {"Email": {"status": "on"}, "Fax": {"status": "active"}},
    }
    response = ghl.call("PUT", f"/contacts/{row['id']}", json=body)

    assert response.status_code == 422
    statuses = "active, inactive, permanent"
    assert response.json()["message"] == [
        "dnd must be a boolean value",
        f"dndSettings.Email.status must be one of the following values: {statuses}",
        "dndSettings.property Fax should not exist",
        "email must be an email",
        "firstName must be a string",
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 422),
        (b'{"dateOfBirth": "soon"}', 422),
        (b'{"customFields": "none"}', 422),
        (b'{"dndSettings": "none"}', 422),
        (b'{"dndSettings": {"Email": "active"}}', 422),
        (b'{"dndSettings": {"Email": {"status": "active", "by": "me"}}}', 422),
        (b'{"inboundDndSettings": {"Email": {"status": "active"}}}', 422),
    ],
)
def test_a_body_that_cannot_be_read_changes_nothing(
    ghl: GhlCaller, body: bytes, status: int
) -> None:
    row = ghl.create(email=fresh_email())
    before = ghl.contact(row["id"])
    response = ghl.call("PUT", f"/contacts/{row['id']}", data=body)

    assert response.status_code == status
    assert ghl.contact(row["id"]) == before


@pytest.mark.parametrize(
    "text",
    [
        f"{separator.join(parts)}"
        for separator in "/-._"
        for parts in (("1990", "09", "25"), ("09", "25", "1990"))
    ],
)
def test_a_date_of_birth_may_come_in_eight_formats(ghl: GhlCaller, text: str) -> None:
    """GHL 1.3."""
    row = ghl.create(email=fresh_email(), dateOfBirth=text)

    assert row["dateOfBirth"] == "1990-09-25"


def test_a_date_of_birth_that_is_no_date_is_refused(ghl: GhlCaller) -> None:
    """GHL 1.3."""
    row = ghl.create(email=fresh_email())
    for text in ("25.09.1990", "1990-09/25", "1990-02-30", "yesterday"):
        body = {"dateOfBirth": text}
        response = ghl.call("PUT", f"/contacts/{row['id']}", json=body)
        assert response.status_code == 422, text


def test_an_update_with_tags_replaces_all_of_them(ghl: GhlCaller) -> None:
    """GHL 1.3, GHL 6 (8)."""
    row = ghl.create(email=fresh_email(), tags=["a", "B"])
    ghl.call("PUT", f"/contacts/{row['id']}", json={"city": "Faro"})
    assert ghl.contact(row["id"])["tags"] == ["a", "b"]

    ghl.call("PUT", f"/contacts/{row['id']}", json={"tags": ["C"]})
    assert ghl.contact(row["id"])["tags"] == ["c"]


def test_an_update_replaces_the_dnd_settings_whole(ghl: GhlCaller) -> None:
    """GHL 2."""
    row = ghl.create(email=fresh_email(), dndSettings=WHOLE_EMAIL_DND)
    only = {"Email": {"status": "inactive", "message": "", "code": ""}}
    ghl.call("PUT", f"/contacts/{row['id']}", json={"dndSettings": only})

    whole = ghl.contact(row["id"])
    assert whole["dndSettings"] == only
    assert whole["dnd"] is False


def test_an_update_to_somebody_elses_address_is_refused(ghl: GhlCaller) -> None:
    """GHL 1.3."""
    taken = ghl.create(email=fresh_email())
    row = ghl.create(email=fresh_email())
    body = {"email": taken["email"]}
    response = ghl.call("PUT", f"/contacts/{row['id']}", json=body)

    assert response.status_code == 400
    assert response.json()["meta"]["contactId"] == taken["id"]
    assert ghl.contact(row["id"])["email"] == row["email"]
    shouted = {"email": row["email"].upper()}
    own = ghl.call("PUT", f"/contacts/{row['id']}", json=shouted)
    assert own.status_code == 200


def test_custom_fields_are_written_and_read_under_different_names(
    ghl: GhlCaller,
) -> None:
    """GHL 2."""
    path = f"/locations/{ghl.location}/customFields"
    first, second = ghl.call("GET", path).json()["customFields"][:2]
    row = ghl.create(
        email=fresh_email(), customFields=[{"id": first["id"], "field_value": "Gold"}]
    )
    body = {"customFields": [{"key": second["fieldKey"], "field_value": 7}]}
    ghl.call("PUT", f"/contacts/{row['id']}", json=body)

    assert ghl.contact(row["id"])["customFields"] == [
        {"id": first["id"], "value": "Gold"},
        {"id": second["id"], "value": 7},
    ]
    bad = {"customFields": [{"id": first["id"], "value": "x"}]}
    refused = ghl.call("PUT", f"/contacts/{row['id']}", json=bad)
    assert refused.status_code == 422


def test_a_deleted_contact_is_gone_from_everywhere(ghl: GhlCaller) -> None:
    """GHL 1.3."""
    row = ghl.create(email=fresh_email())
    response = ghl.call("DELETE", f"/contacts/{row['id']}")

    assert response.status_code == 200
    assert response.json()["succeded"] is True
    assert ghl.call("GET", f"/contacts/{row['id']}").status_code == 400
    by_id = {"field": "id", "operator": "eq", "value": row["id"]}
    assert ghl.search(filters=[by_id]).json()["contacts"] == []
    assert ghl.listing(query=row["email"]).json()["contacts"] == []
    ghl.create(email=row["email"])


def test_tags_are_added_with_201_and_come_back_lower_case(ghl: GhlCaller) -> None:
    """GHL 1.8, GHL 6 (7), GHL 6 (9)."""
    row = ghl.create(email=fresh_email(), tags=["one"])
    path = f"/contacts/{row['id']}/tags"
    response = ghl.call("POST", path, json={"tags": ["TWO", "One"]})

    assert response.status_code == 201
    assert response.json()["tags"] == ["one", "two"]
    assert ghl.contact(row["id"])["tags"] == ["one", "two"]


def test_tags_are_removed_by_a_delete_with_a_body(ghl: GhlCaller) -> None:
    """GHL 1.8."""
    row = ghl.create(email=fresh_email(), tags=["one", "two"])
    path = f"/contacts/{row['id']}/tags"
    response = ghl.call("DELETE", path, json={"tags": ["ONE", "never there"]})

    assert response.status_code == 200
    assert response.json()["tags"] == ["two"]
    assert ghl.contact(row["id"])["tags"] == ["two"]


def test_tags_must_be_a_list_of_texts(ghl: GhlCaller) -> None:
    """GHL 1.8."""
    row = ghl.create(email=fresh_email())
    for body in ({"tags": "one"}, {"tags": [1]}, {}, {"tags": ["a"], "x": 1}):
        response = ghl.call("POST", f"/contacts/{row['id']}/tags", json=body)
        assert response.status_code == 422


def test_whether_tag_changes_bump_the_time_can_be_chosen(ghl: GhlCaller) -> None:
    """GHL 2."""
    long_ago = "2020-01-01T00:00:00.000Z"
    row = ghl.sandbox.put_contact(dateUpdated=long_ago)
    path = f"/contacts/{row['id']}/tags"
    ghl.sandbox.settings(tags_bump_date_updated=False)
    try:
        ghl.call("POST", path, json={"tags": ["a"]})
        assert ghl.contact(row["id"])["dateUpdated"] == long_ago
    finally:
        ghl.sandbox.settings(tags_bump_date_updated=True)
    ghl.call("POST", path, json={"tags": ["a"]})
    assert ghl.contact(row["id"])["dateUpdated"] > long_ago
