"""The sandbox's Mailjet: which properties there are, and everybody's values of them."""

from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.sandbox import MailjetCaller


def put_values(
    mailjet: MailjetCaller, contact_id: int, **values: Any
) -> requests.Response:
    data = [{"Name": name, "Value": value} for name, value in values.items()]
    return mailjet.call("PUT", f"contactdata/{contact_id}", {"Data": data})


def test_property_names_come_back_lower_case_and_exist_once(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 3.2."""
    name = f"Age{uuid4().hex}"
    assert mailjet.new_property(Name=name, Datatype="int") == name.lower()

    again = mailjet.call("POST", "contactmetadata", {"Name": name, "Datatype": "int"})
    assert again.status_code == 400
    row = mailjet.rows(f"contactmetadata/{name}")[0]
    assert (row["Datatype"], row["NameSpace"]) == ("int", "static")


def test_a_property_can_change_its_type_and_be_deleted(mailjet: MailjetCaller) -> None:
    """Mailjet 3.2."""
    name, contact_id = mailjet.new_property(), mailjet.add()
    put_values(mailjet, contact_id, **{name: "x"})
    path = f"contactmetadata/{name}"

    assert mailjet.call("PUT", path, {"Datatype": "int"}).status_code == 200
    assert mailjet.call("PUT", path, {"Datatype": "int"}).status_code == 304
    assert mailjet.call("PUT", path, {"NameSpace": "historic"}).status_code == 400
    assert mailjet.call("DELETE", path).status_code == 204
    assert mailjet.call("GET", path).status_code == 404
    assert mailjet.rows(f"contactdata/{contact_id}")[0]["Data"] == []


def test_values_are_pairs_and_a_put_keeps_what_it_does_not_name(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 3.2."""
    a, b, contact_id = mailjet.new_property(), mailjet.new_property(), mailjet.add()
    put_values(mailjet, contact_id, **{a: "1", b: "2"})
    changed = put_values(mailjet, contact_id, **{a: "3"})
    same = put_values(mailjet, contact_id, **{a: "3"})
    put_values(mailjet, contact_id, **{b: None})

    assert changed.status_code == 200
    assert same.status_code == 304
    assert mailjet.rows(f"contactdata/{contact_id}") == [
        {
            "ContactID": contact_id,
            "Data": [{"Name": a, "Value": "3"}],
            "ID": contact_id,
        }
    ]


def test_values_may_be_posted_for_the_contact_that_the_body_names(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 3.2."""
    name, contact_id = mailjet.new_property(), mailjet.add()
    body = {"ContactID": contact_id, "Data": [{"Name": name.upper(), "Value": "x"}]}
    answers = [mailjet.call("POST", "contactdata", body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    (row,) = answers[0].json()["Data"]
    assert row == mailjet.rows(f"contactdata/{contact_id}")[0]
    assert row["Data"] == [{"Name": name, "Value": "x"}]
    nobody = mailjet.call("POST", "contactdata", {**body, "ContactID": 999})
    assert nobody.status_code == 404
    assert mailjet.call("POST", "contactdata", {"Data": []}).status_code == 400


def test_an_undefined_property_is_an_invalid_key(mailjet: MailjetCaller) -> None:
    """Mailjet 3.2."""
    contact_id, historic = mailjet.add(), mailjet.new_property(NameSpace="historic")
    response = put_values(mailjet, contact_id, shoe_size="9")

    assert response.status_code == 400
    assert response.json()["ErrorMessage"] == 'Invalid key name: "shoe_size"'
    assert put_values(mailjet, contact_id, **{historic: "x"}).status_code == 400
    flat = {"Data": {"shoe_size": 9}}
    refused = mailjet.call("PUT", f"contactdata/{contact_id}", flat)
    assert refused.json()["ErrorMessage"] == 'Invalid key name: "shoe_size"'


@pytest.mark.parametrize(
    ("datatype", "given", "kept"),
    [
        ("str", "żółw 🐢", "żółw 🐢"),
        ("int", 7, 7),
        ("int", "7", 7),
        ("float", 1.5, 1.5),
        ("bool", "true", True),
        ("bool", False, False),
        ("datetime", "2018-01-01T00:00:00", "2018-01-01T00:00:00Z"),
        ("datetime", "2018-01-01T02:00:00.123+02:00", "2018-01-01T00:00:00Z"),
        ("datetime", 1514764800, "2018-01-01T00:00:00Z"),
    ],
)
def test_values_are_kept_by_their_type(
    mailjet: MailjetCaller, datatype: str, given: Any, kept: Any
) -> None:
    """Mailjet 1, Mailjet 3.2."""
    name, contact_id = mailjet.new_property(Datatype=datatype), mailjet.add()
    response = put_values(mailjet, contact_id, **{name: given})

    assert response.status_code == 200, response.text
    (pair,) = mailjet.rows(f"contactdata/{contact_id}")[0]["Data"]
    assert pair == {"Name": name, "Value": kept}
    assert type(pair["Value"]) is type(kept)


def test_everybodys_values_come_in_pages(mailjet: MailjetCaller) -> None:
    """Mailjet 3.2."""
    name, contact_id = mailjet.new_property(), mailjet.add()
    put_values(mailjet, contact_id, **{name: "here"})
    rows = mailjet.rows("contactdata", Limit=1000, Fields=name)

    assert len(rows) == len(mailjet.sandbox.subscribers())
    assert [row["ContactID"] for row in rows if row["Data"]] == [contact_id]
    email = mailjet.rows(f"contact/{contact_id}")[0]["Email"]
    assert len(mailjet.rows("contactdata", ContactEmail=email)) == 1
    members = mailjet.rows("contactdata", ContactsList=mailjet.list_id, Limit=1000)
    assert contact_id not in {row["ContactID"] for row in members}


def test_mailjet_may_cut_long_values(mailjet: MailjetCaller) -> None:
    """Mailjet 3.2."""
    name, contact_id = mailjet.new_property(), mailjet.add()
    mailjet.sandbox.settings(values_rewritten=3)
    try:
        put_values(mailjet, contact_id, **{name: "żółwik"})
    finally:
        mailjet.sandbox.settings(values_rewritten=None)

    assert mailjet.rows(f"contactdata/{contact_id}")[0]["Data"][0]["Value"] == "żół"


def test_properties_can_be_listed_by_type_and_namespace(mailjet: MailjetCaller) -> None:
    """Mailjet 3.2."""
    name = mailjet.new_property(Datatype="float", NameSpace="historic")

    def names(**query: str) -> set[str]:
        rows = mailjet.rows("contactmetadata", Limit=1000, **query)
        return {row["Name"] for row in rows}

    assert name in names(DataType="float", Namespace="historic")
    assert name not in names(DataType="int") | names(Namespace="static")


def test_a_property_refuses_other_names_types_and_values(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 3.2."""
    name, contact_id = mailjet.new_property(Datatype="int"), mailjet.add()
    path = f"contactmetadata/{name}"

    assert mailjet.call("PUT", path, {"Name": "other"}).status_code == 400
    assert mailjet.call("PUT", path, {"Datatype": "colour"}).status_code == 400
    for value in ("many", 1.5, True, [1]):
        assert put_values(mailjet, contact_id, **{name: value}).status_code == 400
