"""The sandbox's GHL as `Version: v3` spells it."""

from typing import Any

import pytest
import requests

from tests.sandbox import GhlCaller, fresh_email

V3 = {"Version": "v3"}
ACTIVE = {"status": "active", "message": "", "code": ""}


def v3(ghl: GhlCaller, method: str, path: str, **rest: Any) -> requests.Response:
    return ghl.call(method, path, headers=V3, **rest)


def test_v3_has_no_list_of_contacts(ghl: GhlCaller) -> None:
    """GHL 0."""
    response = v3(ghl, "GET", "/contacts/", params={"locationId": ghl.location})

    assert response.status_code == 404
    assert ghl.listing().status_code == 200


def test_v3_writes_channels_in_lower_camel_case_and_refuses_the_older_keys(
    ghl: GhlCaller,
) -> None:
    """GHL 0, GHL 6 (14)."""
    path = f"/contacts/{ghl.create(email=fresh_email())['id']}"
    settings = {"email": ACTIVE, "whatsApp": ACTIVE}
    written = v3(ghl, "PUT", path, json={"dndSettings": settings})
    older = v3(ghl, "PUT", path, json={"dndSettings": {"Email": ACTIVE}})
    too_new = ghl.call("PUT", path, json={"dndSettings": {"email": ACTIVE}})

    assert written.json()["contact"]["dndSettings"] == settings
    assert v3(ghl, "GET", path).json()["contact"]["dndSettings"] == settings
    seen = ghl.call("GET", path).json()["contact"]["dndSettings"]
    assert seen == {"Email": ACTIVE, "WhatsApp": ACTIVE}
    for refused, key in ((older, "Email"), (too_new, "email")):
        assert refused.status_code == 422
        words = f"dndSettings.property {key} should not exist"
        assert refused.json()["message"] == [words]


def test_v3_finds_channels_in_lower_camel_case(ghl: GhlCaller) -> None:
    """GHL 0."""
    row = ghl.create(email=fresh_email(), dndSettings={"Email": ACTIVE})
    by_id = {"field": "id", "operator": "eq", "value": row["id"]}
    body = {"locationId": ghl.location, "pageLimit": 1, "filters": [by_id]}
    (found,) = v3(ghl, "POST", "/contacts/search", json=body).json()["contacts"]

    assert found["dndSettings"] == {"email": ACTIVE}


def test_v3_spells_success_right_and_keeps_the_older_word_but_on_updates(
    ghl: GhlCaller,
) -> None:
    """GHL 0, GHL 6 (13)."""
    path = f"/contacts/{ghl.create(email=fresh_email())['id']}"
    updated = v3(ghl, "PUT", path, json={"city": "Faro"}).json()
    deleted = v3(ghl, "DELETE", path).json()

    assert updated["succeeded"] is True
    assert "succeded" not in updated
    assert (deleted["succeeded"], deleted["succeded"]) == (True, True)


def test_v3_writes_custom_fields_as_field_value_in_camel_case(ghl: GhlCaller) -> None:
    """GHL 0."""
    fields = ghl.call("GET", f"/locations/{ghl.location}/customFields").json()
    field_id = fields["customFields"][0]["id"]
    path = f"/contacts/{ghl.create(email=fresh_email())['id']}"
    newer = {"customFields": [{"id": field_id, "fieldValue": "Gold"}]}
    written = v3(ghl, "PUT", path, json=newer)

    assert written.json()["contact"]["customFields"] == [
        {"id": field_id, "value": "Gold"}
    ]
    assert ghl.call("PUT", path, json=newer).status_code == 422
    older = {"customFields": [{"id": field_id, "field_value": "Silver"}]}
    assert v3(ghl, "PUT", path, json=older).status_code == 200


def test_v3_shows_a_created_contact_as_any_other(ghl: GhlCaller) -> None:
    """GHL 0."""
    body = {"locationId": ghl.location, "email": fresh_email()}
    created = v3(ghl, "POST", "/contacts/", json=body)

    assert created.status_code == 201
    whole = v3(ghl, "GET", f"/contacts/{created.json()['contact']['id']}").json()
    assert created.json()["contact"] == whole["contact"]


def test_v3_continues_a_businesss_contacts_after_name_and_id(ghl: GhlCaller) -> None:
    """GHL 0."""
    query = {"locationId": ghl.location}
    businesses = ghl.call("GET", "/businesses/", params=query).json()["businesses"]
    business_id = businesses[0]["id"]
    names = ("Ada", "Bo", "Cy")
    rows = [
        ghl.sandbox.put_contact(firstName=name, businessId=business_id)
        for name in names
    ]
    path = f"/contacts/business/{business_id}"
    after = {**query, "startAfter": ["Ada", rows[0]["id"]]}
    page = v3(ghl, "GET", path, params=after).json()

    assert [row["id"] for row in page["contacts"]] == [row["id"] for row in rows[1:]]
    assert page["count"] == len(rows)
    assert ghl.call("GET", path, params=after).status_code == 422


@pytest.mark.parametrize("version", ["2023-02-21", "2021-04-15", "legacy"])
def test_other_versions_answer_like_2021_07_28(ghl: GhlCaller, version: str) -> None:
    """GHL 0."""
    row = ghl.create(email=fresh_email(), dndSettings={"Email": ACTIVE})
    headers = {"Version": version}
    answer = ghl.call("GET", f"/contacts/{row['id']}", headers=headers)

    assert answer.json()["contact"] == ghl.contact(row["id"])
