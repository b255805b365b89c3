"""The sandbox's Mailjet: who is on which list, row by row."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.sandbox import MailjetCaller, Row, Sandbox, fresh_email


@pytest.fixture(scope="module")
def mailjet() -> Iterator[MailjetCaller]:
    with Sandbox() as sandbox:
        caller = MailjetCaller(sandbox)
        yield caller
        caller.close()


def new_list(mailjet: MailjetCaller) -> int:
    response = mailjet.call("POST", "contactslist", {"Name": uuid4().hex})
    assert response.status_code == 201, response.text
    return int(response.json()["Data"][0]["ID"])


def is_unsubscribed(mailjet: MailjetCaller, email: str) -> bool | None:
    """On the seeded list; None when the contact is not on it."""
    subscriber = mailjet.sandbox.subscriber(email)
    assert subscriber is not None
    row: dict[str, bool] | None = subscriber["lists"].get(str(mailjet.list_id))
    return row["unsubscribed"] if row else None


def test_a_pair_of_contact_and_list_has_one_row(mailjet: MailjetCaller) -> None:
    contact_id = mailjet.add()
    body = {"ContactID": contact_id, "ListID": mailjet.list_id}
    created = mailjet.call("POST", "listrecipient", body)
    again = mailjet.call("POST", "listrecipient", body)

    assert created.status_code == 201
    row = created.json()["Data"][0]
    assert (row["IsUnsubscribed"], row["UnsubscribedAt"]) == (False, "")
    assert row["ListName"] == "Newsletter"
    assert again.status_code == 400
    assert "duplicate ListRecipient" in again.json()["ErrorMessage"]


def test_a_row_may_name_contact_and_list_by_their_other_keys(
    mailjet: MailjetCaller,
) -> None:
    email = fresh_email()
    address = mailjet.rows(f"contactslist/{mailjet.list_id}")[0]["Address"]
    body = {"ContactAlt": email, "ListAlt": address, "IsUnsubscribed": True}
    unknown = mailjet.call("POST", "listrecipient", body)
    mailjet.add(Email=email)
    known = mailjet.call("POST", "listrecipient", body)

    assert unknown.status_code == 400
    words = f'Property "Contact", alternate key value "{email}" could not be resolved'
    assert unknown.json()["ErrorMessage"] == f"{words} to an ID"
    assert known.status_code == 201
    assert is_unsubscribed(mailjet, email) is True


def test_a_row_can_be_unsubscribed_and_deleted_by_its_id(
    mailjet: MailjetCaller,
) -> None:
    email = fresh_email()
    mailjet.manage(email)
    row_id = mailjet.rows("listrecipient", ContactEmail=email)[0]["ID"]
    path = f"listrecipient/{row_id}"

    assert mailjet.call("PUT", path, {"IsUnsubscribed": True}).status_code == 200
    assert mailjet.call("PUT", path, {"IsUnsubscribed": True}).status_code == 304
    assert mailjet.rows(path)[0]["UnsubscribedAt"]
    assert is_unsubscribed(mailjet, email) is True
    assert mailjet.call("DELETE", path).status_code == 204
    assert is_unsubscribed(mailjet, email) is None
    assert mailjet.call("GET", path).status_code == 404


def test_rows_can_be_listed_by_list_contact_and_state(mailjet: MailjetCaller) -> None:
    list_id = new_list(mailjet)
    on, off, out = (mailjet.add(), mailjet.add(), mailjet.add())
    mailjet.call("PUT", f"contact/{out}", {"IsExcludedFromCampaigns": True})
    for contact_id, unsubscribed in ((on, False), (off, True), (out, False)):
        row = {"ContactID": contact_id, "ListID": list_id}
        body = {**row, "IsUnsubscribed": unsubscribed}
        mailjet.call("POST", "listrecipient", body)

    def contacts(**query: Any) -> list[int]:
        rows: list[Row] = mailjet.rows("listrecipient", Limit=1000, **query)
        return [row["ContactID"] for row in rows]

    assert contacts(ContactsList=list_id) == [on, off, out]
    assert contacts(ContactsList=list_id, Unsub="true") == [off]
    assert contacts(ContactsList=list_id, Unsub="false") == [on, out]
    assert contacts(ContactsList=list_id, IsExcludedFromCampaigns="true") == [out]
    assert contacts(ContactsList=list_id, Active="true") == [on, off, out]
    assert contacts(Contact=off) == [off]
    assert contacts(Contact=off, ContactsList=mailjet.list_id) == []
    assert contacts(ContactsList=999_999) == []
