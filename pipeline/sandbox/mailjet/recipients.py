"""`listrecipient`: one row for each contact on each list, with its subscription.

Source: dev.mailjet.com, Email API reference, Subscriptions, read 2026-11.
"""

from collections.abc import Iterable
from functools import partial

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.errors import bad_request, not_found
from pipeline.sandbox.mailjet.reading import (
    envelope,
    filters,
    not_modified,
    page,
    payload,
    require,
    truth,
)
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Account] = Routes()

FIELDS = frozenset({"ContactID", "ContactAlt", "ListID", "ListAlt", "IsUnsubscribed"})
FILTERS = frozenset(
    {
        "Active",
        "Contact",
        "ContactEmail",
        "ContactsList",
        "IsExcludedFromCampaigns",
        "Unsub",
    }
)


@routes("GET", "/v3/REST/listrecipient")
def list_recipients(account: Account, call: Call) -> Answer:
    given = filters(call, FILTERS)
    return page(account, call, _filtered(account, given), partial(_shown, account))


@routes("POST", "/v3/REST/listrecipient")
def create_recipient(account: Account, call: Call) -> Answer:
    """Put a contact on a list; a second row for the pair is refused."""
    body = payload(call, "TListRecipient", FIELDS)
    contact_id, list_id = _contact(account, body), _list(account, body)
    call.contact = contact_id
    if account.recipient_id(contact_id, list_id) is not None:
        raise bad_request("MJ18 A duplicate ListRecipient already exists.")
    unsubscribed = truth(body.get("IsUnsubscribed", False), "IsUnsubscribed")
    row = account.add_recipient(contact_id, list_id, unsubscribed)
    return envelope([_shown(account, row)], status=201)


@routes("GET", "/v3/REST/listrecipient/:recipient")
def get_recipient(account: Account, call: Call) -> Answer:
    return envelope([_shown(account, _row(account, call))])


@routes("PUT", "/v3/REST/listrecipient/:recipient")
def update_recipient(account: Account, call: Call) -> Answer:
    """Unsubscribe, or subscribe again."""
    row = _row(account, call)
    body = payload(call, "TListRecipient", frozenset({"IsUnsubscribed"}))
    unsubscribed = truth(require(body, "IsUnsubscribed"), "IsUnsubscribed")
    if not account.change_recipient(row["ID"], unsubscribed):
        return not_modified()
    return envelope([_shown(account, row)])


@routes("DELETE", "/v3/REST/listrecipient/:recipient")
def delete_recipient(account: Account, call: Call) -> Answer:
    account.remove_recipient(_row(account, call)["ID"])
    return Answer(204)


def _row(account: Account, call: Call) -> Row:
    named = call.params["recipient"]
    row = account.recipients.get(int(named)) if named.isdecimal() else None
    if row is None:
        raise not_found()
    call.contact = row["ContactID"]
    return row


def _shown(account: Account, row: Row) -> Row:
    return {**row, "ListName": account.lists[row["ListID"]]["Name"]}


def _contact(account: Account, body: Row) -> int:
    named = str(body.get("ContactID") or require(body, "ContactAlt"))
    contact_id = account.contact_id(named)
    if contact_id is None:
        raise _unresolved("Contact", named)
    return contact_id


def _list(account: Account, body: Row) -> int:
    named = str(body.get("ListID") or require(body, "ListAlt"))
    for row in account.lists.values():
        if named in (str(row["ID"]), row["Address"]):
            return int(row["ID"])
    raise _unresolved("List", named)


def _unresolved(field: str, value: str) -> Exception:
    words = f'alternate key value "{value}" could not be resolved to an ID'
    return bad_request(f'Property "{field}", {words}')


def _filtered(account: Account, given: dict[str, str]) -> Iterable[Row]:
    rows: Iterable[Row] = account.recipients.values()
    named = given.get("Contact") or given.get("ContactEmail")
    if named is not None:
        contact_id = account.contact_id(named) or 0
        rows = (account.recipients[i] for i in account.on_lists(contact_id))
        if "ContactsList" in given:
            rows = (row for row in rows if str(row["ListID"]) == given["ContactsList"])
    elif "ContactsList" in given:
        members = account.on_list(given["ContactsList"])
        rows = (account.recipients[i] for i in members)
    for name, field in (("Unsub", "IsUnsubscribed"), ("Active", "IsActive")):
        if name in given:
            rows = _where(rows, field, truth(given[name], name))
    if (field := "IsExcludedFromCampaigns") in given:
        wanted, contacts = truth(given[field], field), account.contacts
        rows = (row for row in rows if contacts[row["ContactID"]][field] is wanted)
    return rows


def _where(rows: Iterable[Row], field: str, wanted: bool) -> Iterable[Row]:
    return (row for row in rows if row[field] is wanted)
