"""The sandbox's GHL at the door, in its lists and about its location."""

from collections.abc import Iterator

import pytest

from pipeline.sandbox.ghl.front import AGENCY_TOKEN
from tests.sandbox import GhlCaller, Row, Sandbox, fresh_email


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("--contacts", "250") as running:
        yield running


def test_missing_or_wrong_token_is_401(ghl: GhlCaller) -> None:
    """GHL 0."""
    for token in (None, "Bearer wrong"):
        response = ghl.call("GET", "/contacts/x", headers={"Authorization": token})

        assert response.status_code == 401
        body = response.json()
        assert body["message"] == "Invalid token: access token is invalid"
        assert body["error"] == "Unauthorized"


def test_an_agency_token_is_of_the_wrong_type(ghl: GhlCaller) -> None:
    """GHL 0."""
    headers = {"Authorization": f"Bearer {AGENCY_TOKEN}"}
    response = ghl.call("GET", "/contacts/x", headers=headers)

    assert response.status_code == 401
    assert response.json()["message"] == "Token's user type mismatch!"


def test_a_404_has_no_body_for_who_does_not_say_what_they_accept(
    ghl: GhlCaller,
) -> None:
    """GHL 0."""
    silent = ghl.call("GET", "/nothing/here", headers={"Accept": None})
    polite = ghl.call("GET", "/nothing/here", headers={"Accept": "application/json"})

    assert (silent.status_code, polite.status_code) == (404, 404)
    assert silent.content == b""
    assert polite.json()["message"] == "Cannot GET /nothing/here"


def test_missing_version_is_401_and_a_bogus_one_400(ghl: GhlCaller) -> None:
    """GHL 0."""
    missing = ghl.call("GET", "/contacts/x", headers={"Version": None})
    bogus = ghl.call("GET", "/contacts/x", headers={"Version": "v9"})

    assert missing.status_code == 401
    assert missing.json()["message"] == "version header was not found."
    assert bogus.status_code == 400
    words = "Invalid API version segment 'v9' at position 0"
    assert bogus.json()["message"] == words


def test_pythons_default_agent_is_stopped_at_the_edge(ghl: GhlCaller) -> None:
    """GHL 0, GHL 6 (18)."""
    response = ghl.call(
        "GET", "/contacts/x", headers={"User-Agent": "Python-urllib/3.11"}
    )

    assert response.status_code == 403
    assert "1010" in response.text


def test_another_location_is_403_wherever_it_is_named(ghl: GhlCaller) -> None:
    """GHL 0."""
    other = "anotherLocation00001"
    answers = [
        ghl.listing(locationId=other),
        ghl.search(locationId=other),
        ghl.call("POST", "/contacts/", json={"locationId": other}),
        ghl.call("GET", f"/locations/{other}"),
        ghl.call("GET", f"/locations/{other}/tags"),
        ghl.call("GET", f"/locations/{other}/customFields"),
        ghl.call("GET", "/businesses/", params={"locationId": other}),
    ]

    words = "The token does not have access to this location."
    for response in answers:
        assert response.status_code == 403, response.url
        assert response.json()["message"] == words


def test_every_answer_carries_a_trace_id_of_its_own(ghl: GhlCaller) -> None:
    """GHL 0."""
    answers = [ghl.listing(), ghl.call("GET", "/contacts/x"), ghl.listing(limit=101)]

    assert len({response.json()["traceId"] for response in answers}) == 3


def test_an_unknown_path_is_404(ghl: GhlCaller) -> None:
    assert ghl.call("GET", "/nothing/here").status_code == 404


def test_the_list_runs_from_the_newest_to_the_oldest_contact(ghl: GhlCaller) -> None:
    """GHL 1.1."""
    rows = walk_list(ghl, limit=100)

    added = [row["dateAdded"] for row in rows]
    assert added == sorted(added, reverse=True)
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert set(ids) == {row["id"] for row in ghl.sandbox.contacts()}


def test_the_list_gives_twenty_rows_unless_asked_and_never_over_100(
    ghl: GhlCaller,
) -> None:
    """GHL 1.1, GHL 6 (2)."""
    assert len(ghl.listing().json()["contacts"]) == 20
    assert len(ghl.listing(limit=100).json()["contacts"]) == 100
    refused = ghl.listing(limit=101)
    assert refused.status_code == 422
    assert refused.json()["message"] == ["limit must not be greater than 100"]


def test_one_cursor_alone_gives_page_one_again(ghl: GhlCaller) -> None:
    """GHL 1.1, GHL 6 (1)."""
    first = ghl.listing(limit=5).json()
    meta = first["meta"]
    again = ghl.listing(limit=5, startAfter=meta["startAfter"]).json()
    both = ghl.listing(
        limit=5, startAfter=meta["startAfter"], startAfterId=meta["startAfterId"]
    ).json()

    assert ids_of(again) == ids_of(first)
    assert not set(ids_of(both)) & set(ids_of(first))


def test_list_rows_are_thin_and_their_names_lower_case(ghl: GhlCaller) -> None:
    """GHL 1.1."""
    row = ghl.create(
        firstName="Zoë", lastName="O'Neil", email=fresh_email(), phone="+15550001"
    )
    shown = next(r for r in walk_list(ghl, 100) if r["id"] == row["id"])

    assert shown["firstName"] == "zoë"
    assert shown["firstNameRaw"] == "Zoë"
    assert shown["lastNameRaw"] == "O'Neil"
    assert shown["contactName"] == "zoë o'neil"
    assert not {"phone", "dnd", "dndSettings", "dateUpdated"} & shown.keys()


def test_the_lists_meta_names_total_cursor_and_a_useless_url(ghl: GhlCaller) -> None:
    """GHL 1.1."""
    body = ghl.listing(limit=100).json()
    meta = body["meta"]

    assert "count" not in body
    assert meta["total"] == len(ghl.sandbox.contacts())
    assert meta["startAfterId"] == body["contacts"][-1]["id"]
    assert isinstance(meta["startAfter"], int)
    assert meta["nextPageUrl"].startswith("http://localhost:5058/contacts/?")
    assert (meta["currentPage"], meta["nextPage"], meta["prevPage"]) == (1, 2, None)


def test_the_last_page_names_no_next_one(ghl: GhlCaller) -> None:
    """GHL 1.1."""
    meta = ghl.listing(limit=100).json()["meta"]
    while meta["nextPage"]:
        meta = ghl.listing(limit=100, **cursor_of(meta)).json()["meta"]

    assert meta["nextPageUrl"] is None
    assert ghl.listing(limit=100, **cursor_of(meta)).json()["contacts"] == []


def test_the_list_finds_by_words(ghl: GhlCaller) -> None:
    """GHL 1.1."""
    email = fresh_email()
    row = ghl.create(email=email)

    assert ids_of(ghl.listing(query=email).json()) == [row["id"]]


def test_the_list_refuses_parameters_that_it_does_not_know(ghl: GhlCaller) -> None:
    """GHL 1.1."""
    response = ghl.listing(sortBy="date_updated")

    assert response.status_code == 422
    assert response.json()["message"] == ["property sortBy should not exist"]


@pytest.mark.parametrize("limit", ["0", "ten", "-5"])
def test_a_limit_is_a_positive_number(ghl: GhlCaller, limit: str) -> None:
    assert ghl.listing(limit=limit).status_code == 422


def test_a_listing_needs_the_location(ghl: GhlCaller) -> None:
    """GHL 1.1."""
    for path in ("/contacts/", "/contacts/business/x", "/businesses/"):
        assert ghl.call("GET", path).status_code == 422


def test_a_businesss_contacts_come_by_offset_with_a_count_of_all(
    ghl: GhlCaller,
) -> None:
    """GHL 1.4."""
    business = ghl.call("GET", "/businesses/", params={"locationId": ghl.location})
    business_id = business.json()["businesses"][0]["id"]
    for _ in range(30):
        ghl.sandbox.put_contact(firstName="Member", businessId=business_id)
    members = {
        row["id"]
        for row in ghl.sandbox.contacts()
        if row.get("businessId") == business_id
    }
    path = f"/contacts/business/{business_id}"
    default = ghl.call("GET", path, params={"locationId": ghl.location}).json()
    pages = [
        ghl.call(
            "GET",
            path,
            params={"locationId": ghl.location, "limit": "10", "skip": str(skip)},
        ).json()
        for skip in range(0, len(members), 10)
    ]

    assert len(default["contacts"]) == 25
    assert default["count"] == len(members)
    assert [i for page in pages for i in ids_of(page)].count(ids_of(default)[0]) == 1
    assert {i for page in pages for i in ids_of(page)} == members


def test_a_business_page_never_holds_over_100_and_a_bad_id_is_400(
    ghl: GhlCaller,
) -> None:
    """GHL 1.4, GHL 1.9."""
    query = {"locationId": ghl.location, "limit": "101"}
    listing = ghl.call("GET", "/businesses/", params={"locationId": ghl.location})
    business_id = listing.json()["businesses"][0]["id"]
    large = ghl.call("GET", f"/contacts/business/{business_id}", params=query)
    bad = ghl.call("GET", "/contacts/business/nope", params={**query, "limit": 1})

    assert large.status_code == 422
    assert bad.status_code == 400


def test_only_some_contacts_have_a_business(ghl: GhlCaller) -> None:
    with_business = {bool(row.get("businessId")) for row in ghl.sandbox.contacts()}

    assert with_business == {True, False}


def test_the_location_tells_its_zone_and_its_policy_on_duplicates(
    ghl: GhlCaller,
) -> None:
    """GHL 1.9."""
    location = ghl.call("GET", f"/locations/{ghl.location}").json()["location"]

    assert location["id"] == ghl.location
    assert location["timezone"] == "Europe/Lisbon"
    assert location["settings"]["allowDuplicateContact"] is False


def test_the_location_lists_its_tags_and_custom_fields_whole(ghl: GhlCaller) -> None:
    """GHL 1.8, GHL 1.9."""
    base = f"/locations/{ghl.location}"
    tags = ghl.call("GET", f"{base}/tags").json()["tags"]
    fields = ghl.call("GET", f"{base}/customFields").json()["customFields"]
    none = ghl.call("GET", f"{base}/customFields", params={"model": "opportunity"})

    assert {"id", "name", "locationId"} == tags[0].keys()
    assert {"vip", "VIP"} <= {tag["name"] for tag in tags}
    assert fields[0]["fieldKey"] == "contact.membership_level"
    assert none.json()["customFields"] == []
    bad = ghl.call("GET", f"{base}/customFields", params={"model": "shoe"})
    assert bad.status_code == 422


def walk_list(ghl: GhlCaller, limit: int) -> list[Row]:
    """The whole list, page by page."""
    body = ghl.listing(limit=limit).json()
    rows: list[Row] = body["contacts"]
    while body["meta"]["nextPage"]:
        body = ghl.listing(limit=limit, **cursor_of(body["meta"])).json()
        rows += body["contacts"]
    return rows


def cursor_of(meta: Row) -> Row:
    return {key: meta[key] for key in ("startAfter", "startAfterId")}


def ids_of(body: Row) -> list[str]:
    return [row["id"] for row in body["contacts"]]
