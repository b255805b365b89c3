"""The sandbox's Mailjet: contacts, pages, and what is refused."""

from typing import Any
from uuid import uuid4

import pytest

from tests.sandbox import MailjetCaller, Row, fresh_email


def test_wrong_keys_are_401(mailjet: MailjetCaller) -> None:
    """Mailjet 1."""
    for auth in (("sandbox-key", "wrong"), ("wrong", "sandbox-secret")):
        assert mailjet.call("GET", "user", auth=auth).status_code == 401
    assert mailjet.rows("user")[0]["ID"]


def test_resource_names_may_be_in_any_case(mailjet: MailjetCaller) -> None:
    """Mailjet 1."""
    for path in ("ContactsList", "CONTACTSLIST", "/v3/rest/contactslist"):
        assert mailjet.call("GET", path).status_code == 200


def test_unknown_paths_are_404_and_unknown_methods_405(mailjet: MailjetCaller) -> None:
    """Mailjet 2."""
    assert mailjet.call("GET", "nothing").status_code == 404
    refused = mailjet.call("DELETE", "listrecipient")
    assert refused.status_code == 405
    assert refused.json()["ErrorMessage"] == "Method not allowed"


# Pages


def test_counts_tell_of_the_page_and_a_page_holds_ten(mailjet: MailjetCaller) -> None:
    """Mailjet 1, Mailjet 1.1, Mailjet 10 (9)."""
    for _ in range(11):
        mailjet.add()
    default = mailjet.call("GET", "contact").json()
    short = mailjet.call("GET", "contact", params={"Limit": 3}).json()
    real = mailjet.call("GET", "contact", params={"countOnly": 1}).json()

    assert default["Count"] == default["Total"] == len(default["Data"]) == 10
    assert short["Count"] == short["Total"] == len(short["Data"]) == 3
    assert real["Count"] == len(mailjet.sandbox.subscribers())


def test_pages_by_offset_give_everybody_once(mailjet: MailjetCaller) -> None:
    """Mailjet 1.1."""
    rows: list[Row] = []
    while page := mailjet.rows("contact", Limit=4, Offset=len(rows)):
        rows += page

    everybody = [row["id"] for row in mailjet.sandbox.subscribers()]
    assert [row["ID"] for row in rows] == everybody


def test_limit_zero_is_the_maximum_and_forgets_the_offset(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 1.1."""
    everybody = [row["id"] for row in mailjet.sandbox.subscribers()]

    for offset in (0, 5):
        rows = mailjet.rows("contact", Limit=0, Offset=offset)
        assert [row["ID"] for row in rows] == everybody[:1000]


def test_of_a_repeated_filter_the_first_counts(mailjet: MailjetCaller) -> None:
    """Mailjet 1.1."""
    first, second = mailjet.add(), mailjet.add()
    emails = [mailjet.rows(f"contact/{i}")[0]["Email"] for i in (first, second)]
    query = [("Email", email) for email in emails]
    response = mailjet.call("GET", "contact", params=query)

    assert [row["ID"] for row in response.json()["Data"]] == [first]


def test_a_listing_can_be_sorted_both_ways(mailjet: MailjetCaller) -> None:
    """Mailjet 1.1."""
    for _ in range(12):
        mailjet.add()
    up = mailjet.rows("contact", Sort="Email", Limit=1000)
    down = mailjet.call("GET", "contact?Sort=Email+DESC&Limit=5&Offset=2")

    emails = [row["Email"] for row in up]
    assert emails == sorted(emails)
    shown = [row["Email"] for row in down.json()["Data"]]
    assert shown == emails[::-1][2:7]


@pytest.mark.parametrize("sort", ["Shoe", "IsExcludedFromCampaigns", "Email sideways"])
def test_not_every_property_sorts(mailjet: MailjetCaller, sort: str) -> None:
    """Mailjet 1.1."""
    mailjet.add()

    assert mailjet.call("GET", "contact", params={"Sort": sort}).status_code == 400


# Contacts


def test_a_contact_is_created_with_201_and_json_types(mailjet: MailjetCaller) -> None:
    """Mailjet 1."""
    body = {"Email": fresh_email(), "Name": "Ana", "IsExcludedFromCampaigns": "true"}
    response = mailjet.call("POST", "contact", body)

    assert response.status_code == 201
    row = response.json()["Data"][0]
    assert isinstance(row["ID"], int)
    assert row["IsExcludedFromCampaigns"] is True
    assert row["UnsubscribedAt"] == ""
    assert row["CreatedAt"].endswith("Z")


def test_creating_a_known_address_is_mj18_in_any_case(mailjet: MailjetCaller) -> None:
    """Mailjet 3.1."""
    email = fresh_email()
    mailjet.add(Email=email)
    response = mailjet.call("POST", "contact", {"Email": email.upper()})

    assert response.status_code == 400
    words = f'MJ18 A Contact resource with value "{email.upper()}" for Email'
    assert response.json() == {
        "ErrorInfo": "",
        "ErrorMessage": f"{words} already exists.",
        "StatusCode": 400,
    }


def test_the_reason_phrase_repeats_the_message_with_the_address(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 2, Mailjet 10 (12)."""
    email = fresh_email()
    mailjet.add(Email=email)
    response = mailjet.call("POST", "contact", {"Email": email})

    assert response.reason == response.json()["ErrorMessage"]
    assert email in response.reason


def test_a_contact_is_found_by_id_and_by_address(mailjet: MailjetCaller) -> None:
    """Mailjet 1.2, Mailjet 2."""
    email = f"a+b'{uuid4().hex}@example.com"
    contact_id = mailjet.add(Email=email)
    paths = (
        str(contact_id),
        email,
        email.upper(),
        email.replace("+", "%2B"),
        email.replace("@", "%40"),
    )

    for path in paths:
        assert mailjet.rows(f"contact/{path}")[0]["ID"] == contact_id
    assert mailjet.call("GET", "contact/999").status_code == 404
    assert mailjet.call("GET", f"contact/{fresh_email()}").status_code == 404
    broken = mailjet.call("GET", "contact/nobody")
    assert broken.status_code == 400
    assert 'reason: "No @ character in mail"' in broken.json()["ErrorMessage"]


def test_a_raw_plus_in_a_query_is_a_space(mailjet: MailjetCaller) -> None:
    """Mailjet 1.2, Mailjet 3.1."""
    email = f"a+{uuid4().hex}@example.com"
    mailjet.add(Email=email)

    assert mailjet.call("GET", f"contact?Email={email}").json()["Data"] == []
    assert len(mailjet.rows("contact", Email=email.upper())) == 1


def test_a_put_changes_what_it_names_and_304_says_nothing_did(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 1, Mailjet 10 (3)."""
    path = f"contact/{mailjet.add(Name='Old')}"
    changed = mailjet.call("PUT", path, {"IsExcludedFromCampaigns": True})
    same = mailjet.call("PUT", path, {"Name": "Old", "IsExcludedFromCampaigns": True})

    assert changed.status_code == 200
    row = changed.json()["Data"][0]
    assert (row["Name"], row["IsExcludedFromCampaigns"]) == ("Old", True)
    assert row["ExclusionFromCampaignsUpdatedAt"]
    assert same.status_code == 304
    assert same.content == b""


def test_an_address_cannot_be_changed(mailjet: MailjetCaller) -> None:
    """Mailjet 3.1, Mailjet 10 (5)."""
    contact_id = mailjet.add()
    before = mailjet.rows(f"contact/{contact_id}")
    body = {"Email": fresh_email(), "Name": "New"}
    response = mailjet.call("PUT", f"contact/{contact_id}", body)

    assert response.status_code == 400
    assert mailjet.rows(f"contact/{contact_id}") == before


def test_one_unknown_field_refuses_the_body(mailjet: MailjetCaller) -> None:
    """Mailjet 2, Mailjet 10 (10)."""
    email = fresh_email()
    body = {"Email": email, "Contacts": []}
    response = mailjet.call("POST", "contact", body)

    assert response.status_code == 400
    words = 'Invalid json input: object ""->"TContact" has no property "Contacts"'
    assert response.json()["ErrorMessage"] == words
    assert mailjet.sandbox.subscriber(email) is None


def test_the_excluded_and_the_members_of_a_list_can_be_listed(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 3.1."""
    excluded = mailjet.add(IsExcludedFromCampaigns=True)
    member = mailjet.manage(fresh_email()).json()["Data"][0]["ContactID"]

    def ids(**query: Any) -> set[int]:
        return {row["ID"] for row in mailjet.rows("contact", Limit=1000, **query)}

    assert excluded in ids(IsExcludedFromCampaigns="true")
    assert excluded not in ids(IsExcludedFromCampaigns="false")
    assert member in ids(ContactsList=mailjet.list_id)
    assert excluded not in ids(ContactsList=mailjet.list_id)
    assert mailjet.call("GET", "contact", params={"Shoe": 1}).status_code == 400


def test_v3_does_not_delete_and_its_401_is_not_about_keys(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 3.1, Mailjet 10 (4)."""
    contact_id = mailjet.add()
    response = mailjet.call("DELETE", f"contact/{contact_id}")

    assert response.status_code == 401
    assert response.json()["ErrorMessage"] == "Operation not allowed"
    assert mailjet.rows(f"contact/{contact_id}")


def test_v4_anonymises_and_the_address_may_come_again(mailjet: MailjetCaller) -> None:
    """Mailjet 3.8."""
    email = fresh_email()
    contact_id = mailjet.manage(email).json()["Data"][0]["ContactID"]
    response = mailjet.call("DELETE", f"/v4/contacts/{contact_id}")

    assert response.status_code == 200
    row = mailjet.rows(f"contact/{contact_id}")[0]
    assert row["Name"] == "Anonymized"
    assert row["Email"].startswith("\\x")
    assert row["Email"].endswith("@domain.invalid")
    assert mailjet.rows("listrecipient", Contact=contact_id) == []
    assert mailjet.call("GET", f"contact/{email}").status_code == 404
    assert mailjet.add(Email=email) != contact_id
    for path in ("/v4/contacts/999", f"/v4/contact/{contact_id}"):
        assert mailjet.call("DELETE", path).status_code == 404


def test_the_anonymised_row_is_shown_until_it_is_purged(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 3.8, Mailjet 10 (13)."""
    contact_id = mailjet.add()
    mailjet.call("DELETE", f"/v4/contacts/{contact_id}")

    def is_listed() -> bool:
        rows = mailjet.rows("contact", Sort="ID DESC", Limit=1000)
        return contact_id in {row["ID"] for row in rows}

    assert is_listed()
    mailjet.sandbox.settings(anonymised_days=0)
    try:
        assert not is_listed()
        path = f"contact/{contact_id}"
        assert mailjet.call("GET", path).status_code == 404
    finally:
        mailjet.sandbox.settings(anonymised_days=30)


@pytest.mark.parametrize(
    "body", [[], {}, {"Email": "a@example.com", "Name": 5}, {"Email": "nobody"}]
)
def test_a_body_that_is_not_understood_is_400(
    mailjet: MailjetCaller, body: Any
) -> None:
    """Mailjet 10 (10)."""
    assert mailjet.call("POST", "contact", body).status_code == 400


def test_malformed_json_and_paging_are_400(mailjet: MailjetCaller) -> None:
    """Mailjet 2."""
    assert mailjet.call("POST", "contact", data=b"{").status_code == 400
    assert mailjet.call("GET", "contact", params={"Offset": "x"}).status_code == 400
    query = {"IsExcludedFromCampaigns": "maybe"}
    assert mailjet.call("GET", "contact", params=query).status_code == 400
