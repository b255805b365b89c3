"""`contacthistorydata`: dated texts of historic properties; Mailjet calls it legacy.

Source: fields and filters of Mailjet's OpenAPI file (mailjet-mcp-server) and of its Go
client, read 2026-11. Its refusals are published nowhere.
"""

from collections.abc import Iterable

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.errors import bad_request, not_found
from pipeline.sandbox.mailjet.reading import (
    envelope,
    filters,
    page,
    payload,
    require,
    text,
    truth,
)
from pipeline.sandbox.mailjet.times import time_filter
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Account] = Routes()

FIELDS = frozenset({"ContactID", "ContactALT", "Name", "Data"})
FILTERS = frozenset({"Contact", "Name", "Last", "MinCreatedAt", "MaxCreatedAt"})


@routes("GET", "/v3/REST/contacthistorydata")
def list_entries(account: Account, call: Call) -> Answer:
    """In the order of their ids."""
    given = filters(call, FILTERS)
    return page(account, call, _filtered(account, given), lambda row: row)


@routes("POST", "/v3/REST/contacthistorydata")
def create_entry(account: Account, call: Call) -> Answer:
    """A new entry of a property that must exist and be historic."""
    body = payload(call, "TContactHistoryData", FIELDS)
    named = str(body.get("ContactID") or require(body, "ContactALT"))
    call.contact = account.contact_id(named)
    if call.contact is None:
        words = f'alternate key value "{named}" could not be resolved to an ID'
        raise bad_request(f'Property "Contact", {words}')
    name = str(require(body, "Name"))
    row = account.properties.get(name.lower(), {})
    offered = account.settings.historic_namespace
    if row.get("NameSpace") != "historic" or not offered:
        raise bad_request(f'Invalid key name: "{name}"')
    require(body, "Data")
    entry = account.history.add(int(call.contact), name, text(body, "Data"))
    return envelope([entry], status=201)


@routes("GET", "/v3/REST/contacthistorydata/:entry")
def get_entry(account: Account, call: Call) -> Answer:
    return envelope([_entry(account, call)])


@routes("DELETE", "/v3/REST/contacthistorydata/:entry")
def delete_entry(account: Account, call: Call) -> Answer:
    account.history.remove(_entry(account, call)["ID"])
    return Answer(204)


def _entry(account: Account, call: Call) -> Row:
    named = call.params["entry"]
    row = account.history.rows.get(int(named)) if named.isdecimal() else None
    if row is None:
        raise not_found()
    call.contact = row["ContactID"]
    return row


def _filtered(account: Account, given: dict[str, str]) -> Iterable[Row]:
    rows: Iterable[Row] = account.history.rows.values()
    if "Contact" in given:
        rows = account.history.of(account.contact_id(given["Contact"]) or 0)
    if "Name" in given:
        rows = (row for row in rows if row["Name"] == given["Name"].lower())
    if "MinCreatedAt" in given:
        low = time_filter(given, "MinCreatedAt")
        rows = (row for row in rows if row["CreatedAt"] >= low)
    if "MaxCreatedAt" in given:
        high = time_filter(given, "MaxCreatedAt")
        rows = (row for row in rows if row["CreatedAt"] < high)
    if truth(given.get("Last", False), "Last"):
        return {(row["ContactID"], row["Name"]): row for row in rows}.values()
    return rows
