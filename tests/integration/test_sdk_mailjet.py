"""Mailjet's own client against the sandbox: what it does is what Mailjet expects.

It knows nothing of ours, and takes only mailjet.com and loopback for a host.
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from mailjet_rest import Client
from mailjet_rest.errors import (
    ApiError,
    ApiRateLimitError,
    DoesNotExistError,
    MailjetAuthError,
    ValidationError,
)

from tests.sandbox import MailjetCaller, Row, Sandbox, fresh_email


def client_of(sandbox: Sandbox, **options: Any) -> Client:
    env = sandbox.env
    auth = (env["MAILJET_API_KEY"], env["MAILJET_SECRET_KEY"])
    return Client(auth=auth, api_url=env["MAILJET_BASE_URL"], **options)


@pytest.fixture
def sdk(sandbox: Sandbox) -> Iterator[Client]:
    sandbox.clear_faults()
    with client_of(sandbox) as client:
        yield client


def one(response: Any) -> Row:
    """The only row of an answer."""
    (row,) = response.json()["Data"]
    return dict(row)


def test_it_creates_reads_and_updates_a_contact(sdk: Client, sandbox: Sandbox) -> None:
    """Mailjet 3.1."""
    email = fresh_email()
    made = sdk.contact.create(data={"Email": email, "Name": "Ada"})
    contact_id = one(made)["ID"]
    changes = {"Name": "Ada E.", "IsExcludedFromCampaigns": True}
    updated = sdk.contact.update(id=contact_id, data=changes)
    same = sdk.contact.update(id=contact_id, data=changes)

    assert [made.status_code, updated.status_code] == [201, 200]
    assert (same.status_code, same.content) == (304, b"")
    for named in (contact_id, email):
        assert one(sdk.contact.get(id=named))["Name"] == "Ada E."
    subscriber = sandbox.subscriber(email)
    assert subscriber is not None
    assert (subscriber["name"], subscriber["excluded"]) == ("Ada E.", True)
    filters = {"IsExcludedFromCampaigns": "true", "Limit": 1000}
    listed = sdk.contact.get(filters=filters).json()["Data"]
    assert contact_id in {row["ID"] for row in listed}


def test_it_manages_a_contact_in_one_call(sdk: Client, mailjet: MailjetCaller) -> None:
    """Mailjet 3.6."""
    email, name = fresh_email(), mailjet.new_property()
    data = {
        "Email": email,
        "Name": "Ada",
        "Action": "addnoforce",
        "Properties": {name: "x"},
    }
    managed = sdk.contactslist_managecontact.create(id=mailjet.list_id, data=data)
    contact_id = one(managed)["ContactID"]
    lists = {"ContactsLists": [{"ListID": mailjet.list_id, "Action": "unsub"}]}
    sdk.contact_managecontactslists.create(id=contact_id, data=lists)
    sdk.contactslist_managecontact.create(id=mailjet.list_id, data=data)

    assert managed.status_code == 201
    assert mailjet.is_unsubscribed(email) is True
    membership = one(sdk.contact_getcontactslists.get(id=contact_id))
    assert (membership["ListID"], membership["IsUnsub"]) == (mailjet.list_id, True)
    filters = {"ContactsList": mailjet.list_id, "Unsub": "true", "Limit": 1000}
    rows = sdk.listrecipient.get(filters=filters).json()["Data"]
    assert contact_id in {row["ContactID"] for row in rows}


def test_it_makes_lists_and_moves_people_on_and_off(
    sdk: Client, mailjet: MailjetCaller
) -> None:
    """Mailjet 3.4, 3.5."""
    name, contact_id = uuid4().hex, mailjet.add()
    list_id = one(sdk.contactslist.create(data={"Name": name}))["ID"]
    pair = {"ContactID": contact_id, "ListID": list_id}
    row = one(sdk.listrecipient.create(data=pair))
    with pytest.raises(ValidationError):
        sdk.listrecipient.create(data=pair)
    sdk.listrecipient.update(id=row["ID"], data={"IsUnsubscribed": "true"})

    assert one(sdk.contactslist.get(id=list_id))["Name"] == name
    assert one(sdk.listrecipient.get(id=row["ID"]))["IsUnsubscribed"] is True
    assert sdk.listrecipient.delete(id=row["ID"]).status_code == 204
    assert sdk.contactslist.delete(id=list_id).status_code == 204
    with pytest.raises(DoesNotExistError):
        sdk.contactslist.get(id=list_id)


def test_it_defines_properties_and_sets_values(
    sdk: Client, mailjet: MailjetCaller
) -> None:
    """Mailjet 3.2."""
    name, contact_id = f"Age{uuid4().hex}", mailjet.add()
    definition = {"Name": name, "Datatype": "int", "NameSpace": "static"}
    defined = one(sdk.contactmetadata.create(data=definition))
    data = {"Data": [{"Name": name, "Value": "30"}]}
    sdk.contactdata.update(id=contact_id, data=data)

    assert defined["Name"] == name.lower()
    values = one(sdk.contactdata.get(id=contact_id))["Data"]
    assert values == [{"Name": name.lower(), "Value": 30}]
    undefined = {"Data": [{"Name": "shoe", "Value": "9"}]}
    with pytest.raises(ValidationError):
        sdk.contactdata.update(id=contact_id, data=undefined)
    assert sdk.contactmetadata.delete(id=defined["ID"]).status_code == 204
    assert one(sdk.contactdata.get(id=contact_id))["Data"] == []


def test_its_pager_reads_everybody_once(sdk: Client, sandbox: Sandbox) -> None:
    """Mailjet 1.1."""
    for _ in range(7):
        sandbox.put_subscriber(email=fresh_email())
    streamed = [row["ID"] for row in sdk.contact.stream(filters={"Limit": 3})]

    assert streamed == [row["id"] for row in sandbox.subscribers()]


def test_it_sorts_by_a_parameter_with_a_space_in_it(
    sdk: Client, sandbox: Sandbox
) -> None:
    """Mailjet 1.1."""
    for _ in range(3):
        sandbox.put_subscriber(email=fresh_email())
    filters = {"Sort": "ID DESC", "Limit": 3}
    rows = sdk.contact.get(filters=filters).json()["Data"]

    newest = [row["id"] for row in sandbox.subscribers()][-3:]
    assert [row["ID"] for row in rows] == newest[::-1]


def test_it_maps_refusals_to_its_own_errors(sdk: Client, sandbox: Sandbox) -> None:
    """Mailjet 2, 10 (4)."""
    email = fresh_email()
    contact_id = one(sdk.contact.create(data={"Email": email}))["ID"]
    with pytest.raises(ValidationError, match="MJ18"):
        sdk.contact.create(data={"Email": email})
    with pytest.raises(MailjetAuthError):
        sdk.contact.delete(id=contact_id)
    with pytest.raises(DoesNotExistError):
        sdk.contact.get(id=999_999_999)
    sandbox.add_fault("429", vendor="mailjet", retry_after=1, times=1)
    with pytest.raises(ApiRateLimitError):
        sdk.contact.get(id=contact_id)
    sandbox.add_fault("502", vendor="mailjet", times=1)
    with pytest.raises(ApiError):
        sdk.contact.get(id=contact_id)
    sandbox.add_fault("token_revoked", vendor="mailjet", times=1)
    with pytest.raises(MailjetAuthError):
        sdk.user.get()

    assert one(sdk.user.get())["ID"]
