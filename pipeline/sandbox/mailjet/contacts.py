"""`contact`, its deletion, and `user`.

Source: dev.mailjet.com, Email API reference, Contacts, and guide "Delete contacts",
read 2026-11.
"""

from collections.abc import Iterable

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.errors import bad_request, error, exists, not_found
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

FIELDS = frozenset({"Email", "Name", "IsExcludedFromCampaigns"})
FILTERS = frozenset({"ContactsList", "Email", "IsExcludedFromCampaigns"})


@routes("GET", "/v3/REST/contact")
def list_contacts(account: Account, call: Call) -> Answer:
    """In the order of their ids; people who were deleted show up for 30 days."""
    given = filters(call, FILTERS)
    return page(account, call, _filtered(account, given), lambda row: row)


@routes("POST", "/v3/REST/contact")
def create_contact(account: Account, call: Call) -> Answer:
    """A new contact; not an upsert: a known address is refused."""
    body = payload(call, "TContact", FIELDS)
    email = address(require(body, "Email"), "POST")
    if account.contact_id(email) is not None:
        raise exists("Contact", email, "Email")
    excluded = truth(body.get("IsExcludedFromCampaigns", False), "Is...Campaigns")
    call.contact = account.add_contact(email, text(body, "Name"), excluded)
    return envelope([account.contacts[call.contact]], status=201)


@routes("GET", "/v3/REST/contact/:contact")
def get_contact(account: Account, call: Call) -> Answer:
    return envelope([account.contacts[contact_in_path(account, call)]])


@routes("PUT", "/v3/REST/contact/:contact")
def update_contact(account: Account, call: Call) -> Answer:
    """Name and exclusion; an address cannot be changed."""
    contact_id = contact_in_path(account, call)
    body = payload(call, "TContact", FIELDS)
    email = account.contacts[contact_id]["Email"]
    if str(body.get("Email", email)).lower() != email.lower():
        raise bad_request('Property "Email" cannot be changed')
    changes: Row = {"Name": text(body, "Name")} if "Name" in body else {}
    if (field := "IsExcludedFromCampaigns") in body:
        changes[field] = truth(body[field], field)
    if not account.change_contact(contact_id, changes):
        return not_modified()
    return envelope([account.contacts[contact_id]])


@routes("DELETE", "/v3/REST/contact/:contact")
def refuse_deletion(account: Account, call: Call) -> Answer:
    """401 although the credentials are right; v4 deletes."""
    return error(401, "Operation not allowed")


@routes("DELETE", "/v4/contacts/:contact")
def anonymise_contact(account: Account, call: Call) -> Answer:
    """Forget a person for good; only the numeric id will do."""
    if not call.params["contact"].isdecimal():
        raise bad_request("Invalid contact id")
    if call.contact is None:
        raise not_found()
    account.anonymise(int(call.contact))
    return Answer(200)


@routes("GET", "/v3/REST/user")
def get_user(account: Account, call: Call) -> Answer:
    """The owner of the key: what one asks for to see whether the key is good."""
    user = {
        "ACL": "",
        "CreatedAt": "2024-02-01T09:00:00Z",
        "Email": "owner@lighthouse.example",
        "ID": 900_001,
        "MaxAllowedAPIKeys": 5,
        "Timezone": "UTC",
        "Username": "owner@lighthouse.example",
        "WarnedRatelimitAt": "",
    }
    return envelope([user])


def _filtered(account: Account, given: dict[str, str]) -> Iterable[Row]:
    rows: Iterable[Row] = account.shown()
    if email := given.get("Email"):
        known = account.readable_id(email) if "@" in email else None
        rows = [account.contacts[known]] if known is not None else []
    if "ContactsList" in given:
        members = account.members(given["ContactsList"])
        rows = (row for row in rows if row["ID"] in members)
    if (field := "IsExcludedFromCampaigns") in given:
        wanted = truth(given[field], field)
        rows = (row for row in rows if row[field] is wanted)
    return rows
