from typing import Any

import pytest

from pipeline.errors import BadPayload, NotFound, Reach, Rejected
from pipeline.ghl.client import GhlClient
from pipeline.ghl.records import (
    Business,
    BusinessPage,
    CustomField,
    ListCursor,
    Location,
    Tag,
)
from tests.recorded import RecordedVendor, Recording, recording, sample

LOCATION = "ve9EPM428h8vShlRW1KT"
CONTACT = "ocQHyuzHvysMo5N5VsXc"


def make_client(*answers: Recording) -> tuple[GhlClient, RecordedVendor]:
    vendor = RecordedVendor("ghl", *answers)
    return GhlClient(vendor.session, LOCATION), vendor


def rows(count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": f"id{number}", "dateAdded": 1_000_000 - number, **more}
        for number in range(count)
    ]


def listing(count: int, **meta: Any) -> Recording:
    return recording({"contacts": rows(count), "meta": meta})


def test_the_first_page_is_asked_for_without_a_cursor() -> None:
    client, vendor = make_client(listing(0))

    page = client.list_contacts(None)

    assert (vendor.sent[0].method, vendor.sent[0].path) == ("GET", "/contacts/")
    assert vendor.sent[0].query == {"locationId": LOCATION, "limit": "100"}
    assert page.next is None


def test_the_next_page_is_asked_for_with_both_halves_of_the_cursor() -> None:
    client, vendor = make_client(listing(0))

    client.list_contacts(ListCursor(1793008800000, "aaa5"))

    assert vendor.sent[0].query["startAfter"] == "1793008800000"
    assert vendor.sent[0].query["startAfterId"] == "aaa5"


def test_the_cursor_is_rebuilt_from_the_meta_block() -> None:
    client, _ = make_client(sample("ghl/list_contacts"))

    page = client.list_contacts(None)

    assert page.next == ListCursor(1793008800000, "aaaaaaaaaaaaaaaaaaa5")
    assert page.total == 167623


def test_a_row_that_cannot_be_read_does_not_kill_its_page() -> None:
    client, _ = make_client(sample("ghl/list_contacts"))

    page = client.list_contacts(None)

    assert [contact.id[-1] for contact in page.contacts] == ["1", "2", "5"]
    assert page.bad_rows == (
        "aaaaaaaaaaaaaaaaaaa3",
        "",
        "",
        "aaaaaaaaaaaaaaaaaaa4",
    )


def test_list_rows_prefer_the_names_as_they_were_written() -> None:
    client, _ = make_client(sample("ghl/list_contacts"))

    ada, ben, wang = client.list_contacts(None).contacts

    assert (ada.values["firstName"], ada.values["lastName"]) == ("Ada", "Example")
    assert "firstName" not in ben.values
    assert ben.values["lastName"] == "Example"
    assert (wang.values["firstName"], wang.values["lastName"]) == ("王", "小明")


def test_list_rows_leave_unknown_what_they_do_not_hold() -> None:
    client, _ = make_client(sample("ghl/list_contacts"))

    ada, ben, wang = client.list_contacts(None).contacts

    assert "phone" not in ada.values
    assert ada.values["timezone"] == ""
    assert (ada.dnd, ada.dnd_settings) == (None, None)
    assert (ada.tags, ben.tags, wang.tags) == (("vip",), (), ("lead",))
    assert ada.custom_fields == {}
    assert ben.custom_fields is None
    assert wang.values["phone"] == "493012345678"
    assert (wang.email, wang.email_valid) == ("", False)


def test_a_full_page_without_meta_goes_on_after_its_last_row() -> None:
    client, _ = make_client(recording({"contacts": rows(100)}))

    assert client.list_contacts(None).next == ListCursor(999_901, "id99")


def test_a_short_page_ends_the_listing() -> None:
    client, _ = make_client(listing(99, startAfter=5, startAfterId="id98"))

    assert client.list_contacts(None).next is None


def test_a_short_page_goes_on_when_ghl_says_that_there_is_more() -> None:
    client, _ = make_client(listing(20, startAfter="5", startAfterId="i", nextPage=2))

    assert client.list_contacts(None).next == ListCursor(5, "i")


def test_a_repeated_cursor_stops_the_listing_with_the_reach_of_a_call() -> None:
    client, _ = make_client(listing(100, startAfter=5, startAfterId="x"))

    with pytest.raises(BadPayload, match="repeats") as raised:
        client.list_contacts(ListCursor(5, "x"))

    assert raised.value.reach is Reach.CALL


def test_a_full_page_without_any_cursor_is_no_end() -> None:
    page = {"contacts": rows(100, dateAdded=None)}
    client, _ = make_client(recording(page))

    with pytest.raises(BadPayload, match="no cursor"):
        client.list_contacts(None)


@pytest.mark.parametrize("body", [[], {}, {"contacts": {}}, "null", {"contacts": None}])
def test_a_page_that_is_no_page_is_a_bad_payload_of_that_call(body: object) -> None:
    client, _ = make_client(recording(body))

    with pytest.raises(BadPayload, match="not as documented") as raised:
        client.list_contacts(None)

    assert raised.value.reach is Reach.CALL


@pytest.mark.parametrize(
    ("skip", "on_page", "count", "following"),
    [
        (0, 25, 60, 25),
        (25, 25, 60, 50),
        (50, 10, 60, None),
        (0, 100, 100, 100),
        (0, 25, 25, 25),
        (0, 24, 24, None),
        (100, 0, 0, None),
        (0, 100, None, 100),
        (30, 30, 60, None),
    ],
)
def test_a_companys_contacts_are_paged_to_the_end_whatever_count_means(
    skip: int, on_page: int, count: int | None, following: int | None
) -> None:
    client, vendor = make_client(recording({"contacts": rows(on_page), "count": count}))

    page = client.business_contacts("63771dcac1116f0e21de8e12", skip)

    assert page.next == following
    assert vendor.sent[0].path == "/contacts/business/63771dcac1116f0e21de8e12"
    assert vendor.sent[0].query == {
        "locationId": LOCATION,
        "limit": "100",
        "skip": str(skip),
    }


def test_a_companys_rows_become_contacts() -> None:
    client, _ = make_client(sample("ghl/business_contacts"))

    page = client.business_contacts("63771dcac1116f0e21de8e12", 0)

    assert page.contacts[3].email == "person3@example.org"
    assert page.total == 60


def test_a_search_sends_its_whole_query_and_never_a_page() -> None:
    client, vendor = make_client(sample("ghl/search_contacts"))
    opted_out = {"field": "dnd", "operator": "eq", "value": True}

    client.search_contacts(filters=[opted_out], search_after=[1, "a"], page_limit=2)

    assert (vendor.sent[0].method, vendor.sent[0].path) == ("POST", "/contacts/search")
    assert vendor.sent[0].body == {
        "locationId": LOCATION,
        "pageLimit": 2,
        "filters": [opted_out],
        "sort": [{"field": "dateAdded", "direction": "desc"}],
        "searchAfter": [1, "a"],
    }


def test_a_search_starts_without_a_cursor() -> None:
    client, vendor = make_client(sample("ghl/search_contacts"))

    client.search_contacts()

    assert "searchAfter" not in vendor.sent[0].body
    assert vendor.sent[0].body["pageLimit"] == 500


def test_search_rows_are_whole_contacts() -> None:
    client, _ = make_client(sample("ghl/search_contacts"))

    page = client.search_contacts(page_limit=2)
    ada, nobody = page.contacts

    assert ada.values["address1"] == "Lindenweg 4"
    assert ada.values["dateOfBirth"] == "1990-12-10"
    assert ada.dnd is True
    assert ada.dnd_settings == {"email": {"status": "active"}}
    assert ada.custom_fields == {"F1": 3}
    assert ada.date_updated_ms == 1793354400000
    assert (nobody.email, nobody.email_valid, nobody.dnd) == (
        "no address",
        False,
        False,
    )
    assert page.next == [1793354300000, "bbbbbbbbbbbbbbbbbbb2"]
    assert page.total == 120


@pytest.mark.parametrize(
    ("on_page", "total", "following"),
    [
        (3, None, ["c"]),
        (2, None, None),
        (2, 2, None),
        (2, 50, ["c"]),
        (0, 50, None),
    ],
)
def test_a_search_ends_when_all_is_read_and_not_because_a_page_was_capped(
    on_page: int, total: int | None, following: list[str] | None
) -> None:
    found = {"contacts": rows(on_page, searchAfter=["c"]), "total": total}
    client, _ = make_client(recording(found))

    assert client.search_contacts(page_limit=3).next == following


def test_a_repeated_search_cursor_stops_the_search() -> None:
    found = {"contacts": rows(3, searchAfter=[5, "c"])}
    client, _ = make_client(recording(found))

    with pytest.raises(BadPayload, match="repeats"):
        client.search_contacts(search_after=(5, "c"), page_limit=3)


def test_a_search_that_begins_with_the_cursors_own_row_ends_with_it_alone() -> None:
    found = {"contacts": rows(1, searchAfter=[5, "c"]), "total": 120}
    client, _ = make_client(recording(found))

    assert client.search_contacts(search_after=(5, "c"), page_limit=3).next is None


@pytest.mark.parametrize(
    ("email", "is_valid"),
    [
        (f"{'a' * 64}@example.com", True),
        (f"{'a' * 65}@example.com", False),
        (f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.com", True),
        (f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.{'f' * 9}.com", False),
    ],
)
def test_an_address_that_mail_has_no_room_for_is_none(
    email: str, *, is_valid: bool
) -> None:
    client, _ = make_client(recording({"contact": {"id": CONTACT, "email": email}}))

    assert client.get_contact(CONTACT).email_valid is is_valid


def test_a_contact_is_read_in_full() -> None:
    client, vendor = make_client(sample("ghl/get_contact"))

    contact = client.get_contact(CONTACT)

    assert vendor.sent[0].path == f"/contacts/{CONTACT}"
    assert contact.id == CONTACT
    assert (contact.email, contact.email_valid) == ("ada@example.com", True)
    assert contact.tags == ("vip", "newsletter")
    assert contact.dnd is False
    assert contact.dnd_settings is not None
    assert contact.dnd_settings["Email"] == {
        "status": "permanent",
        "message": "Updated by 'Sam' at 2026-10-02T08:11:00.000Z",
        "code": "103",
    }
    assert contact.business_id == "63771dcac1116f0e21de8e12"
    assert contact.date_added_ms == 1625203106704
    assert contact.date_updated_ms == 1790928660120


def test_the_values_of_a_contact_are_text_under_ghls_own_names() -> None:
    client, _ = make_client(sample("ghl/get_contact"))

    values = client.get_contact(CONTACT).values

    assert values == {
        "id": CONTACT,
        "locationId": LOCATION,
        "name": "Ada Example",
        "firstName": "Ada",
        "lastName": "Example",
        "phone": "+493012345678",
        "companyName": "",
        "address1": "Lindenweg 4",
        "city": "Berlin",
        "state": "",
        "country": "DE",
        "postalCode": "10115",
        "timezone": "Europe/Berlin",
        "website": "",
        "source": "web form",
        "type": "lead",
        "assignedTo": "dYQ4yc1kqZ2b8kZt0Q7x",
        "dateOfBirth": "1990-12-10",
    }


@pytest.mark.parametrize(
    "broken",
    [
        {"email": ["ada@example.com"]},
        {"dnd": "perhaps"},
        {"dnd": 2},
        {"dndSettings": ["Email"]},
        {"tags": "vip"},
        {"id": ""},
        {"id": 7},
    ],
)
def test_a_contact_whose_consent_or_identity_is_unreadable_is_refused(
    broken: dict[str, object],
) -> None:
    client, _ = make_client(recording({"contact": {"id": CONTACT, **broken}}))

    with pytest.raises(BadPayload, match=f"contact.{next(iter(broken))}") as raised:
        client.get_contact(CONTACT)

    assert raised.value.reach is Reach.CONTACT


def test_null_consent_is_unknown_and_never_a_permission() -> None:
    body = {"contact": {"id": CONTACT, "dnd": None, "dndSettings": None}}
    client, _ = make_client(recording(body))

    contact = client.get_contact(CONTACT)

    assert (contact.dnd, contact.dnd_settings) == (None, None)


def test_a_contact_that_is_gone_is_not_found() -> None:
    client, _ = make_client(sample("ghl/400_contact_not_found"))

    with pytest.raises(NotFound):
        client.get_contact(CONTACT)


def test_creating_a_contact_adds_the_location() -> None:
    client, vendor = make_client(sample("ghl/create_contact"))

    contact = client.create_contact({"firstName": "Ben", "email": "ben@example.org"})

    assert (vendor.sent[0].method, vendor.sent[0].path) == ("POST", "/contacts/")
    assert vendor.sent[0].body == {
        "firstName": "Ben",
        "email": "ben@example.org",
        "locationId": LOCATION,
    }
    assert contact.id == "Mq7hmgR2mFq0kTtUPbzD"


def test_creating_a_duplicate_names_the_contact_that_exists() -> None:
    client, _ = make_client(sample("ghl/400_duplicate"))

    with pytest.raises(Rejected) as raised:
        client.create_contact({"email": "ada@example.com"})

    assert raised.value.duplicate_of == "Mq7hmgR2mFq0kTtUPbzD"


def test_updating_a_contact_sends_what_changes_and_nothing_else() -> None:
    client, vendor = make_client(sample("ghl/update_contact"))
    settings = {"Email": {"status": "active", "message": "unsubscribed", "code": ""}}

    contact = client.update_contact(CONTACT, {"dndSettings": settings})

    assert (vendor.sent[0].method, vendor.sent[0].path) == (
        "PUT",
        f"/contacts/{CONTACT}",
    )
    assert vendor.sent[0].body == {"dndSettings": settings}
    assert contact is not None
    assert contact.id == CONTACT


def test_an_update_is_done_even_if_the_answer_does_not_repeat_the_contact() -> None:
    client, _ = make_client(sample("ghl/update_contact_without_contact"))

    assert client.update_contact(CONTACT, {"city": "Berlin"}) is None


def test_a_2xx_that_says_it_did_not_succeed_is_no_success() -> None:
    client, _ = make_client(recording({"succeded": False}))

    with pytest.raises(BadPayload, match="succeded"):
        client.delete_contact(CONTACT)


@pytest.mark.parametrize(
    "field", ["tags", "locationId", "gender", "companyName", "additionalEmails"]
)
def test_an_update_that_ghl_would_refuse_or_misuse_is_not_sent(field: str) -> None:
    client, vendor = make_client()

    with pytest.raises(Rejected, match=f"not sent: {field}"):
        client.update_contact(CONTACT, {field: "Ada"})

    assert vendor.sent == []
    assert vendor.budget.taken == []


def test_deleting_a_contact_addresses_it() -> None:
    client, vendor = make_client(sample("ghl/delete_contact"))

    client.delete_contact(CONTACT)

    assert (vendor.sent[0].method, vendor.sent[0].path) == (
        "DELETE",
        f"/contacts/{CONTACT}",
    )


def test_tags_are_added_and_removed_by_their_own_calls() -> None:
    client, vendor = make_client(sample("ghl/add_tags"), sample("ghl/add_tags"))

    added = client.add_tags(CONTACT, ["newsletter"])
    client.remove_tags(CONTACT, ["lead"])

    assert added == ("vip", "newsletter")
    assert [(sent.method, sent.path, sent.body) for sent in vendor.sent] == [
        ("POST", f"/contacts/{CONTACT}/tags", {"tags": ["newsletter"]}),
        ("DELETE", f"/contacts/{CONTACT}/tags", {"tags": ["lead"]}),
    ]


def test_companies_are_paged_until_a_page_is_empty() -> None:
    client, vendor = make_client(
        sample("ghl/list_businesses"), recording({"businesses": []})
    )

    first = client.list_businesses(0)
    last = client.list_businesses(1)

    example = Business("63771dcac1116f0e21de8e12", "Example Ltd")
    assert first == BusinessPage((example,), 1)
    assert last == BusinessPage((), None)
    assert vendor.sent[1].query == {
        "locationId": LOCATION,
        "limit": "100",
        "skip": "1",
    }


def test_the_location_tells_its_time_zone_and_whether_duplicates_are_allowed() -> None:
    client, vendor = make_client(sample("ghl/get_location"))

    assert client.get_location() == Location(
        LOCATION, "Example Clinic", "Europe/Berlin", False
    )
    assert vendor.sent[0].path == f"/locations/{LOCATION}"


def test_the_tag_dictionary_keeps_its_spelling() -> None:
    client, vendor = make_client(sample("ghl/list_tags"))

    assert client.list_tags() == (Tag("t1", "VIP"),)
    assert vendor.sent[0].path == f"/locations/{LOCATION}/tags"


def test_custom_fields_of_contacts_are_listed() -> None:
    client, vendor = make_client(sample("ghl/list_custom_fields"))

    assert client.list_custom_fields() == (
        CustomField("3sv6UEo51C9Bmpo1cKTq", "Pincode", "contact.pincode", "TEXT"),
    )
    assert vendor.sent[0].query == {"model": "contact"}
