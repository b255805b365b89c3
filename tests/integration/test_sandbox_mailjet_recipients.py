"""The sandbox's Mailjet: who is on which list, row by row."""

from typing import Any

from tests.sandbox import MailjetCaller, Row, fresh_email


def test_a_pair_of_contact_and_list_has_one_row(mailjet: MailjetCaller) -> None:
    """Mailjet 3.5."""
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
    """Mailjet 3.5."""
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
    assert mailjet.is_unsubscribed(email) is True


def test_a_row_can_be_unsubscribed_and_deleted_by_its_id(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 3.5."""
    email = fresh_email()
    mailjet.manage(email)
    row_id = mailjet.rows("listrecipient", ContactEmail=email)[0]["ID"]
    path = f"listrecipient/{row_id}"

    assert mailjet.call("PUT", path, {"IsUnsubscribed": True}).status_code == 200
    assert mailjet.call("PUT", path, {"IsUnsubscribed": True}).status_code == 304
    assert mailjet.rows(path)[0]["UnsubscribedAt"]
    assert mailjet.is_unsubscribed(email) is True
    assert mailjet.call("DELETE", path).status_code == 204
    assert mailjet.is_unsubscribed(email) is None
    assert mailjet.call("GET", path).status_code == 404


def test_rows_can_be_listed_by_list_contact_and_state(mailjet: MailjetCaller) -> None:
    """Mailjet 3.5."""
    list_id = mailjet.new_list()
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
