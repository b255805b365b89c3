"""The sandbox's Mailjet: lists, subscriptions, and the actions that change them."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.sandbox import MailjetCaller, Sandbox, fresh_email


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """With people in GHL, so that Mailjet knows some of them."""
    with Sandbox() as running:
        yield running


# Lists


def test_a_lists_name_is_unique(mailjet: MailjetCaller) -> None:
    """Mailjet 3.4."""
    list_id = mailjet.new_list()
    name = mailjet.rows(f"contactslist/{list_id}")[0]["Name"]
    response = mailjet.call("POST", "contactslist", {"Name": name})

    assert response.status_code == 400
    assert response.json()["ErrorMessage"].startswith("MJ18 ")
    assert len(mailjet.rows("contactslist", Name=name)) == 1


def test_a_list_can_be_renamed_and_deleted_but_is_still_shown(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 3.4, Mailjet 10 (17)."""
    path = f"contactslist/{mailjet.new_list()}"
    name = uuid4().hex

    assert mailjet.call("PUT", path, {"Name": name}).status_code == 200
    assert mailjet.call("PUT", path, {"Name": name}).status_code == 304
    assert mailjet.call("PUT", path, {"IsDeleted": True}).status_code == 200
    row = mailjet.rows(path)[0]
    assert (row["Name"], row["IsDeleted"]) == (name, True)
    shown = mailjet.rows("contactslist", IsDeleted="true", Limit=1000)
    assert name in {row["Name"] for row in shown}


def test_deleting_a_list_answers_204_and_takes_its_rows_along(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 1, Mailjet 3.4."""
    list_id, email = mailjet.new_list(), fresh_email()
    action = {"Email": email, "Action": "addforce"}
    mailjet.call("POST", f"contactslist/{list_id}/managecontact", action)
    response = mailjet.call("DELETE", f"contactslist/{list_id}")

    assert response.status_code == 204
    assert response.content == b""
    for method in ("GET", "DELETE"):
        assert mailjet.call(method, f"contactslist/{list_id}").status_code == 404
    assert mailjet.rows("listrecipient", ContactEmail=email) == []
    assert mailjet.rows(f"contact/{email}/getcontactslists") == []
    assert mailjet.sandbox.subscriber(email)


def test_a_lists_count_leaves_out_who_unsubscribed(mailjet: MailjetCaller) -> None:
    """Mailjet 3.4."""
    list_id = mailjet.new_list()
    for action in ("addforce", "addforce", "unsub"):
        path = f"contactslist/{list_id}/managecontact"
        mailjet.call("POST", path, {"Email": fresh_email(), "Action": action})

    assert mailjet.rows(f"contactslist/{list_id}")[0]["SubscriberCount"] == 2


# managecontact


def test_managing_creates_contact_name_and_subscription_at_once(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 3.6."""
    email = fresh_email()
    properties = {"favourite_dish": "ramen"}
    response = mailjet.manage(email, Name="Ana", Properties=properties)

    assert response.status_code == 201
    body = response.json()
    (row,) = body["Data"]
    assert body["Count"] == body["Total"] == 1
    subscriber = mailjet.sandbox.subscriber(email)
    assert subscriber == {
        "id": row["ContactID"],
        "email": email,
        "name": "Ana",
        "properties": properties,
        "excluded": False,
        "lists": {str(mailjet.list_id): {"unsubscribed": False}},
    }
    assert row == {
        "Action": "addnoforce",
        "ContactID": subscriber["id"],
        "Email": email,
        "Name": "Ana",
        "Properties": properties,
    }


def test_managing_a_known_contact_keeps_what_it_does_not_name(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 3.6."""
    email = fresh_email()
    mailjet.manage(email, Name="Ana", Properties={"favourite_dish": "ramen"})
    (row,) = mailjet.manage(email.upper()).json()["Data"]

    assert row["Email"] == email
    assert row["Name"] == "Ana"
    assert row["Properties"] == {"favourite_dish": "ramen"}


@pytest.mark.parametrize(
    ("before", "action", "after"),
    [
        (None, "addforce", False),
        (None, "addnoforce", False),
        (None, "unsub", True),
        (None, "remove", None),
        (False, "addforce", False),
        (False, "addnoforce", False),
        (False, "unsub", True),
        (False, "remove", None),
        (True, "addforce", False),
        (True, "addnoforce", True),
        (True, "unsub", True),
        (True, "remove", None),
    ],
)
def test_each_action_does_to_a_subscription_what_it_says(
    mailjet: MailjetCaller, before: bool | None, action: str, after: bool | None
) -> None:
    """Mailjet 3.6, Mailjet 10 (15)."""
    email = fresh_email()
    state = None if before is None else {"unsubscribed": before}
    lists = {str(mailjet.list_id): state}
    mailjet.sandbox.put_subscriber(email=email, lists=lists)
    response = mailjet.manage(email, action)

    assert response.status_code == 201
    assert mailjet.is_unsubscribed(email) is after


def test_removing_forgets_an_unsubscription(mailjet: MailjetCaller) -> None:
    """Mailjet 3.6."""
    email = fresh_email()
    for action in ("unsub", "remove", "addnoforce"):
        mailjet.manage(email, action)

    assert mailjet.is_unsubscribed(email) is False


def test_wrong_properties_are_named_and_nothing_is_done(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 2."""
    name = f"n{uuid4().hex}"
    mailjet.call("POST", "contactmetadata", {"Name": name, "Datatype": "int"})
    email = fresh_email()
    response = mailjet.manage(email, Properties={"shoe": "9", name: "many"})

    assert response.status_code == 400
    assert response.json() == {
        "ErrorInfo": {
            "Properties": [
                {"shoe": "Property not defined"},
                {name: "Property type does not match definition"},
            ]
        },
        "ErrorMessage": "Object properties invalid",
        "StatusCode": 400,
    }
    assert mailjet.sandbox.subscriber(email) is None


def test_properties_as_a_text_are_silently_ignored(mailjet: MailjetCaller) -> None:
    """Mailjet 10 (7)."""
    email = fresh_email()
    text = json.dumps({"favourite_dish": "ramen"})
    response = mailjet.manage(email, Properties=text)

    assert response.status_code == 201
    subscriber = mailjet.sandbox.subscriber(email)
    assert subscriber is not None
    assert subscriber["properties"] == {}


def test_managing_refuses_what_it_does_not_understand(mailjet: MailjetCaller) -> None:
    """Mailjet 3.6."""
    unknown_list = mailjet.call(
        "POST",
        "contactslist/999/managecontact",
        {"Email": fresh_email(), "Action": "addforce"},
    )

    assert unknown_list.status_code == 404
    assert unknown_list.json()["ErrorMessage"] == "Object not found"
    for email in ("no-at-sign", "two@@example.com", "name@"):
        assert mailjet.manage(email).status_code == 400
    assert mailjet.manage(fresh_email(), "resubscribe").status_code == 400
    assert mailjet.manage(fresh_email(), Shoe=9).status_code == 400
    assert mailjet.manage(fresh_email(), Properties=["x"]).status_code == 400


# managecontactslists and getcontactslists


def test_many_lists_can_be_managed_for_a_known_contact(mailjet: MailjetCaller) -> None:
    """Mailjet 3.5, Mailjet 3.6."""
    contact_id, lists = mailjet.add(), [mailjet.new_list() for _ in range(11)]
    entries = [{"ListID": each, "Action": "addnoforce"} for each in lists]
    entries[0]["Action"] = "unsub"
    path = f"contact/{contact_id}"
    body = {"ContactsLists": entries}
    response = mailjet.call("POST", f"{path}/managecontactslists", body)

    assert response.status_code == 201
    assert len(mailjet.rows(f"{path}/getcontactslists")) == 10
    rows = mailjet.rows(f"{path}/getcontactslists", Limit=100)
    assert {row["ListID"]: row["IsUnsub"] for row in rows} == {
        list_id: list_id == lists[0] for list_id in lists
    }
    assert rows[0].keys() == {"IsActive", "IsUnsub", "ListID", "SubscribedAt"}
    unknown = f"contact/{fresh_email()}/managecontactslists"
    assert mailjet.call("POST", unknown, body).status_code == 404


def test_one_bad_list_is_told_in_an_object_and_nothing_is_done(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 2."""
    path = f"contact/{mailjet.add()}"
    entries = [
        {"ListID": mailjet.list_id, "Action": "addforce"},
        {"ListID": 999, "Action": "addforce"},
    ]
    response = mailjet.call(
        "POST", f"{path}/managecontactslists", {"ContactsLists": entries}
    )

    assert response.status_code == 400
    words = "listID missing or not valid"
    assert response.json()["ErrorMessage"] == {
        "ContactsLists": [{"ListID": "999", "Action": "addforce", "Error": words}]
    }
    assert mailjet.rows(f"{path}/getcontactslists") == []
    for bad in ("all", [{"ListID": mailjet.list_id, "Action": "burn"}]):
        body = {"ContactsLists": bad}
        refused = mailjet.call("POST", f"{path}/managecontactslists", body)
        assert refused.status_code == 400


# The seed


def test_mailjet_knows_some_people_before_the_first_sync(
    mailjet: MailjetCaller,
) -> None:
    seeded = [
        row
        for row in mailjet.sandbox.subscribers()
        if "favourite_dish" in row["properties"] and len(row["email"]) < 40
    ]
    lists = [row["lists"][str(mailjet.list_id)]["unsubscribed"] for row in seeded]

    assert set(lists) == {True, False}
    assert {row["excluded"] for row in seeded} == {True, False}
