"""The sandbox's Mailjet: which properties there are, and everybody's values of them."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.sandbox import MailjetCaller, Sandbox


@pytest.fixture(scope="module")
def mailjet() -> Iterator[MailjetCaller]:
    with Sandbox() as sandbox:
        caller = MailjetCaller(sandbox)
        yield caller
        caller.close()


def new_property(mailjet: MailjetCaller, **fields: str) -> str:
    """A property with a new name; its name."""
    body = {"Name": f"p{uuid4().hex}", "Datatype": "str", **fields}
    response = mailjet.call("POST", "contactmetadata", body)
    assert response.status_code == 201, response.text
    return str(response.json()["Data"][0]["Name"])


def put_values(
    mailjet: MailjetCaller, contact_id: int, **values: Any
) -> requests.Response:
    data = [{"Name": name, "Value": value} for name, value in values.items()]
    return mailjet.call("PUT", f"contactdata/{contact_id}", {"Data": data})


def test_property_names_come_back_lower_case_and_exist_once(
    mailjet: MailjetCaller,
) -> None:
    name = f"Age{uuid4().hex}"
    assert new_property(mailjet, Name=name, Datatype="int") == name.lower()

    again = mailjet.call("POST", "contactmetadata", {"Name": name, "Datatype": "int"})
    assert again.status_code == 400
    row = mailjet.rows(f"contactmetadata/{name}")[0]
    assert (row["Datatype"], row["NameSpace"]) == ("int", "static")


def test_a_property_can_change_its_type_and_be_deleted(mailjet: MailjetCaller) -> None:
    name, contact_id = new_property(mailjet), mailjet.add()
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
    a, b, contact_id = new_property(mailjet), new_property(mailjet), mailjet.add()
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


def test_an_undefined_property_is_an_invalid_key(mailjet: MailjetCaller) -> None:
    contact_id, historic = mailjet.add(), new_property(mailjet, NameSpace="historic")
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
    name, contact_id = new_property(mailjet, Datatype=datatype), mailjet.add()
    response = put_values(mailjet, contact_id, **{name: given})

    assert response.status_code == 200, response.text
    (pair,) = mailjet.rows(f"contactdata/{contact_id}")[0]["Data"]
    assert pair == {"Name": name, "Value": kept}
    assert type(pair["Value"]) is type(kept)


def test_everybodys_values_come_in_pages(mailjet: MailjetCaller) -> None:
    name, contact_id = new_property(mailjet), mailjet.add()
    put_values(mailjet, contact_id, **{name: "here"})
    rows = mailjet.rows("contactdata", Limit=1000, Fields=name)

    assert len(rows) == len(mailjet.sandbox.subscribers())
    assert [row["ContactID"] for row in rows if row["Data"]] == [contact_id]
    email = mailjet.rows(f"contact/{contact_id}")[0]["Email"]
    assert len(mailjet.rows("contactdata", ContactEmail=email)) == 1
    members = mailjet.rows("contactdata", ContactsList=mailjet.list_id, Limit=1000)
    assert contact_id not in {row["ContactID"] for row in members}


def test_mailjet_may_cut_long_values(mailjet: MailjetCaller) -> None:
    name, contact_id = new_property(mailjet), mailjet.add()
    mailjet.sandbox.settings(values_rewritten=3)
    try:
        put_values(mailjet, contact_id, **{name: "żółwik"})
    finally:
        mailjet.sandbox.settings(values_rewritten=None)

    assert mailjet.rows(f"contactdata/{contact_id}")[0]["Data"][0]["Value"] == "żół"


def test_properties_can_be_listed_by_type_and_namespace(mailjet: MailjetCaller) -> None:
    name = new_property(mailjet, Datatype="float", NameSpace="historic")

    def names(**query: str) -> set[str]:
        rows = mailjet.rows("contactmetadata", Limit=1000, **query)
        return {row["Name"] for row in rows}

    assert name in names(DataType="float", Namespace="historic")
    assert name not in names(DataType="int") | names(Namespace="static")


def test_a_property_refuses_other_names_types_and_values(
    mailjet: MailjetCaller,
) -> None:
    name, contact_id = new_property(mailjet, Datatype="int"), mailjet.add()
    path = f"contactmetadata/{name}"

    assert mailjet.call("PUT", path, {"Name": "other"}).status_code == 400
    assert mailjet.call("PUT", path, {"Datatype": "colour"}).status_code == 400
    for value in ("many", 1.5, True, [1]):
        assert put_values(mailjet, contact_id, **{name: value}).status_code == 400
