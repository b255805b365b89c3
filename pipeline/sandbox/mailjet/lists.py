"""`contactslist` and the actions that put people on lists.

Source: dev.mailjet.com, Email API reference, Contact lists and Bulk contact
management, read 2026-11.
"""

from typing import Any

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.errors import bad_request, exists, not_found
from pipeline.sandbox.mailjet.properties import typed_values
from pipeline.sandbox.mailjet.reading import (
    address,
    contact_in_path,
    envelope,
    filters,
    not_modified,
    page,
    payload,
    require,
    text,
    truth,
)
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Account] = Routes()

ACTIONS = frozenset({"addforce", "addnoforce", "remove", "unsub"})
FIELDS = frozenset({"Name", "IsDeleted"})


@routes("GET", "/v3/REST/contactslist")
def list_lists(account: Account, call: Call) -> Answer:
    given = filters(call, frozenset({"Name", "Address", "IsDeleted", "ExcludeID"}))
    rows = [
        row
        for row in account.lists.values()
        if given.get("Name", row["Name"]) == row["Name"]
        and given.get("Address", row["Address"]) == row["Address"]
        and given.get("ExcludeID") != str(row["ID"])
        and truth(given.get("IsDeleted", row["IsDeleted"]), "IsDeleted")
        == row["IsDeleted"]
    ]
    return page(account, call, rows, lambda row: _shown(account, row))


@routes("POST", "/v3/REST/contactslist")
def create_list(account: Account, call: Call) -> Answer:
    """A new list; its name must be a new one."""
    body = payload(call, "TContactsList", FIELDS)
    require(body, "Name")
    _refuse_name(account, text(body, "Name"), None)
    list_id = account.add_list(text(body, "Name"))
    return envelope([_shown(account, account.lists[list_id])], status=201)


@routes("GET", "/v3/REST/contactslist/:list")
def get_list(account: Account, call: Call) -> Answer:
    return envelope([_shown(account, _list(account, call))])


@routes("PUT", "/v3/REST/contactslist/:list")
def update_list(account: Account, call: Call) -> Answer:
    """Rename or delete; a deleted list is still shown."""
    row = _list(account, call)
    body = payload(call, "TContactsList", FIELDS)
    changes: Row = {"Name": text(body, "Name")} if "Name" in body else {}
    if "IsDeleted" in body:
        changes["IsDeleted"] = truth(body["IsDeleted"], "IsDeleted")
    _refuse_name(account, changes.get("Name", ""), row["ID"])
    if all(row[key] == value for key, value in changes.items()):
        return not_modified()
    row |= changes
    return envelope([_shown(account, row)])


@routes("DELETE", "/v3/REST/contactslist/:list")
def delete_list(account: Account, call: Call) -> Answer:
    """Gone with its subscriptions; the contacts stay."""
    account.remove_list(_list(account, call)["ID"])
    return Answer(204)


@routes("POST", "/v3/REST/contactslist/:list/managecontact")
def manage_contact(account: Account, call: Call) -> Answer:
    """The upsert: contact, name, properties and list state in one call."""
    list_id = _list(account, call)["ID"]
    allowed = frozenset({"Email", "Name", "Action", "Properties"})
    body = payload(call, "TManageContact", allowed)
    email = address(require(body, "Email"), "POST")
    action = _action(body)
    properties = body.get("Properties") or {}
    if isinstance(properties, str):
        # Reported: a JSON text here answers 201 and saves no property.
        properties = {}
    if not isinstance(properties, dict):
        raise bad_request("Object properties invalid")
    values, problems = typed_values(account, properties)
    if problems:
        raise bad_request("Object properties invalid", {"Properties": problems})
    contact_id = account.contact_id(email)
    if contact_id is None:
        contact_id = account.add_contact(email)
    if "Name" in body:
        account.change_contact(contact_id, {"Name": text(body, "Name")})
    account.set_values(contact_id, values)
    account.act(action, contact_id, list_id)
    call.contact = contact_id
    shown = {
        "Action": action,
        "ContactID": contact_id,
        "Email": account.contacts[contact_id]["Email"],
        "Name": account.contacts[contact_id]["Name"],
        "Properties": account.values[contact_id],
    }
    return envelope([shown], status=201)


@routes("POST", "/v3/REST/contact/:contact/managecontactslists")
def manage_contacts_lists(account: Account, call: Call) -> Answer:
    """Many lists for one known contact; one bad entry and nothing is done."""
    contact_id = contact_in_path(account, call)
    body = payload(call, "TManageContactsLists", frozenset({"ContactsLists"}))
    entries = require(body, "ContactsLists")
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise bad_request("Invalid json input: ContactsLists is not an array")
    problems = [p for p in (_problem(account, e) for e in entries) if p]
    if problems:
        raise bad_request({"ContactsLists": problems})
    for entry in entries:
        account.act(entry["Action"], contact_id, int(entry["ListID"]))
    return envelope([{"ContactsLists": entries}], status=201)


@routes("GET", "/v3/REST/contact/:contact/getcontactslists")
def get_contacts_lists(account: Account, call: Call) -> Answer:
    """All lists of one contact, ten a page like everything else."""
    contact_id = contact_in_path(account, call)
    ids = account.on_lists(contact_id)
    return page(account, call, ids, lambda i: _membership(account.recipients[i]))


def _list(account: Account, call: Call) -> Row:
    named = call.params["list"]
    row = account.lists.get(int(named)) if named.isdecimal() else None
    if row is None:
        raise not_found()
    return row


def _shown(account: Account, row: Row) -> Row:
    recipients = (account.recipients[i] for i in account.on_list(row["ID"]))
    return {**row, "SubscriberCount": sum(not r["IsUnsubscribed"] for r in recipients)}


def _refuse_name(account: Account, name: str, own_id: int | None) -> None:
    for row in account.lists.values():
        if row["Name"] == name and row["ID"] != own_id:
            raise exists("ContactsList", name, "Name")


def _action(body: Row) -> str:
    action = body.get("Action")
    if action not in ACTIONS:
        raise bad_request('Invalid value for property "Action"')
    return str(action)


def _problem(account: Account, entry: Row) -> Row | None:
    named: Any = entry.get("ListID", "")
    shown = {"ListID": str(named), "Action": str(entry.get("Action", ""))}
    if not str(named).isdecimal() or int(named) not in account.lists:
        return {**shown, "Error": "listID missing or not valid"}
    if entry.get("Action") not in ACTIONS:
        return {**shown, "Error": "action missing or not valid"}
    return None


def _membership(row: Row) -> Row:
    return {
        "IsActive": row["IsActive"],
        "IsUnsub": row["IsUnsubscribed"],
        "ListID": row["ListID"],
        "SubscribedAt": row["SubscribedAt"],
    }
