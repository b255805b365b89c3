"""The sandbox's `contacthistorydata` (Mailjet 3.3), as Mailjet documents it."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.sandbox import MailjetCaller, Row, Sandbox


@pytest.fixture(scope="module")
def mailjet() -> Iterator[MailjetCaller]:
    with Sandbox("--contacts", "0") as sandbox:
        caller = MailjetCaller(sandbox)
        yield caller
        caller.close()


@pytest.fixture
def name(mailjet: MailjetCaller) -> str:
    """A new historic property."""
    body = {"Name": f"h{uuid4().hex}", "Datatype": "str", "NameSpace": "historic"}
    return str(mailjet.call("POST", "contactmetadata", body).json()["Data"][0]["Name"])


def post(mailjet: MailjetCaller, **body: Any) -> requests.Response:
    return mailjet.call("POST", "contacthistorydata", body)


def rows(mailjet: MailjetCaller, **query: Any) -> list[Row]:
    return mailjet.rows("contacthistorydata", Limit=1000, **query)


def test_entries_are_kept_side_by_side(mailjet: MailjetCaller, name: str) -> None:
    """Mailjet 3.3."""
    contact_id = mailjet.add()
    first = post(mailjet, ContactID=contact_id, Name=name.upper(), Data="{broken")
    email = mailjet.rows(f"contact/{contact_id}")[0]["Email"]
    second = post(mailjet, ContactALT=email, Name=name, Data="two 🐢")

    assert (first.status_code, second.status_code) == (201, 201)
    both = rows(mailjet, Contact=contact_id)
    assert both == first.json()["Data"] + second.json()["Data"]
    assert set(both[0]) == {"ContactID", "CreatedAt", "Data", "ID", "Name"}
    assert [row["Data"] for row in both] == ["{broken", "two 🐢"]
    assert both[0]["Name"] == name
    assert rows(mailjet, Contact=email) == both
    entry = f"contacthistorydata/{both[0]['ID']}"
    assert mailjet.rows(entry) == [both[0]]
    assert mailjet.call("DELETE", entry).status_code == 204
    assert mailjet.call("GET", entry).status_code == 404
    assert rows(mailjet, Contact=contact_id) == both[1:]


def test_an_entry_needs_a_contact_a_historic_property_and_a_text(
    mailjet: MailjetCaller, name: str
) -> None:
    """Mailjet 3.3."""
    contact_id = mailjet.add()
    whole = {"ContactID": contact_id, "Name": name, "Data": "x"}

    for wrong in (
        {"ContactID": 999_999_999},
        {"Name": "undefined"},
        {"Name": "favourite_dish"},
        {"Data": 5},
        {"Data": ""},
        {"CreatedAt": "2026-10-01T08:00:00Z"},
    ):
        assert post(mailjet, **{**whole, **wrong}).status_code == 400, wrong
    assert rows(mailjet, Contact=contact_id) == []


def test_entries_are_filtered_by_time_name_and_being_last(
    mailjet: MailjetCaller, name: str
) -> None:
    """Mailjet 3.3."""
    sandbox, contact_id, other = mailjet.sandbox, mailjet.add(), mailjet.add()
    early, late = "2026-10-01T08:00:00Z", "2026-10-01T08:00:01Z"
    for owner, at in ((contact_id, early), (other, early), (contact_id, late)):
        sandbox.put_history(owner, name, at, created_at=at)

    def found(**query: Any) -> list[tuple[int, str]]:
        found = rows(mailjet, Name=name, **query)
        return [(row["ContactID"], row["CreatedAt"]) for row in found]

    assert len(found()) == 3
    assert found(MinCreatedAt=late) == [(contact_id, late)]
    assert found(MaxCreatedAt=late) == [(contact_id, early), (other, early)]
    assert found(MinCreatedAt=1_790_841_601) == [(contact_id, late)]
    assert found(Last="true") == [(contact_id, late), (other, early)]
    refused = mailjet.call("GET", "contacthistorydata", params={"MinCreatedAt": "x"})
    assert refused.status_code == 400
    assert len(mailjet.rows("contacthistorydata", Name=name, Limit=2)) == 2
    assert len(mailjet.rows("contacthistorydata", Name=name, Limit=2, Offset=2)) == 1


def test_an_account_may_have_no_historic_namespace(
    mailjet: MailjetCaller, name: str
) -> None:
    """Mailjet 3.3."""
    contact_id = mailjet.add()
    body = {"Name": f"h{uuid4().hex}", "Datatype": "str"}
    mailjet.sandbox.settings(historic_namespace=False)
    try:
        historic = {**body, "NameSpace": "historic"}
        refused = mailjet.call("POST", "contactmetadata", historic)
        static = mailjet.call("POST", "contactmetadata", body)
        entry = post(mailjet, ContactID=contact_id, Name=name, Data="x")
    finally:
        mailjet.sandbox.settings(historic_namespace=True)

    assert refused.status_code == 400
    assert "NameSpace" in refused.json()["ErrorMessage"]
    assert static.status_code == 201
    assert entry.status_code == 400


def test_a_forgotten_person_leaves_no_entries(
    mailjet: MailjetCaller, name: str
) -> None:
    contact_id = mailjet.add()
    post(mailjet, ContactID=contact_id, Name=name, Data="x")

    assert mailjet.call("DELETE", f"/v4/contacts/{contact_id}").status_code == 200

    assert rows(mailjet, Name=name) == []


def test_the_back_door_shows_and_deletes_entries(
    mailjet: MailjetCaller, name: str
) -> None:
    sandbox, contact_id = mailjet.sandbox, mailjet.add()
    entry = sandbox.put_history(contact_id, name, "x")

    assert entry in sandbox.history()
    sandbox.delete_history(entry["ID"])
    assert entry not in sandbox.history()
