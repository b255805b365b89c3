"""`contactmetadata` (which properties there are) and `contactdata` (their values).

Source: dev.mailjet.com, Email API reference, Contact properties, read 2026-11.
"""

from collections.abc import Iterable
from typing import Any

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.errors import bad_request, exists, not_found
from pipeline.sandbox.mailjet.reading import (
    contact_in_path,
    envelope,
    filters,
    not_modified,
    page,
    payload,
    require,
)
from pipeline.sandbox.mailjet.times import read_time
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Account] = Routes()

DATATYPES = frozenset({"str", "int", "float", "datetime", "bool"})
NAMESPACES = frozenset({"static", "historic"})
METADATA = frozenset({"Name", "Datatype", "NameSpace"})


@routes("GET", "/v3/REST/contactmetadata")
def list_properties(account: Account, call: Call) -> Answer:
    given = filters(call, frozenset({"DataType", "Namespace"}))
    rows = [
        row
        for row in account.properties.values()
        if given.get("DataType", row["Datatype"]) == row["Datatype"]
        and given.get("Namespace", row["NameSpace"]) == row["NameSpace"]
    ]
    return page(account, call, rows, lambda row: row)


@routes("POST", "/v3/REST/contactmetadata")
def create_property(account: Account, call: Call) -> Answer:
    """A new property; its name comes back in lower case."""
    body = payload(call, "TContactMetaData", METADATA)
    name = str(require(body, "Name"))
    if name.lower() in account.properties:
        raise exists("ContactMetaData", name, "Name")
    datatype = _one_of(DATATYPES, body, "Datatype", "str")
    known = NAMESPACES if account.settings.historic_namespace else {"static"}
    namespace = _one_of(frozenset(known), body, "NameSpace", "static")
    return envelope([account.add_property(name, datatype, namespace)], status=201)


@routes("GET", "/v3/REST/contactmetadata/:property")
def get_property(account: Account, call: Call) -> Answer:
    return envelope([_property(account, call)])


@routes("PUT", "/v3/REST/contactmetadata/:property")
def update_property(account: Account, call: Call) -> Answer:
    """Another type; the namespace stays what it was."""
    row = _property(account, call)
    body = payload(call, "TContactMetaData", METADATA)
    if body.get("NameSpace", row["NameSpace"]) != row["NameSpace"]:
        raise bad_request('Property "NameSpace" cannot be changed')
    if str(body.get("Name", row["Name"])).lower() != row["Name"]:
        raise bad_request('Property "Name" cannot be changed')
    datatype = _one_of(DATATYPES, body, "Datatype", row["Datatype"])
    if datatype == row["Datatype"]:
        return not_modified()
    row["Datatype"] = datatype
    return envelope([row])


@routes("DELETE", "/v3/REST/contactmetadata/:property")
def delete_property(account: Account, call: Call) -> Answer:
    """Gone, with every contact's value of it."""
    account.remove_property(_property(account, call)["Name"])
    return Answer(204)


@routes("GET", "/v3/REST/contactdata")
def list_values(account: Account, call: Call) -> Answer:
    """Everybody's values, in the order of the contacts' ids."""
    given = filters(call, frozenset({"ContactEmail", "ContactsList", "Fields"}))
    ids: Iterable[int] = account.contacts
    if email := given.get("ContactEmail"):
        ids = [i for i in [account.contact_id(email)] if i is not None]
    if "ContactsList" in given:
        members = account.members(given["ContactsList"])
        ids = (contact_id for contact_id in ids if contact_id in members)
    names = set(given["Fields"].lower().split(",")) if "Fields" in given else None
    return page(account, call, ids, lambda i: _values(account, i, names))


@routes("GET", "/v3/REST/contactdata/:contact")
def get_values(account: Account, call: Call) -> Answer:
    return envelope([_values(account, contact_in_path(account, call))])


@routes("PUT", "/v3/REST/contactdata/:contact")
def update_values(account: Account, call: Call) -> Answer:
    """Set some values; `Data` is a list of Name and Value, never a plain object."""
    contact_id = contact_in_path(account, call)
    body = payload(call, "TContactData", frozenset({"Data"}))
    return _written(account, contact_id, body, status=200)


@routes("POST", "/v3/REST/contactdata")
def create_values(account: Account, call: Call) -> Answer:
    """The same, for the contact that the body names."""
    body = payload(call, "TContactData", frozenset({"ContactID", "Data"}))
    contact_id = account.contact_id(str(require(body, "ContactID")))
    if contact_id is None:
        raise not_found()
    return _written(account, contact_id, body, status=201)


def _written(account: Account, contact_id: int, body: Row, *, status: int) -> Answer:
    pairs = body.get("Data")
    if not isinstance(pairs, list):
        raise _invalid_key(next(iter(pairs), "") if isinstance(pairs, dict) else "")
    values = {}
    for pair in pairs:
        name = str(pair.get("Name", "")) if isinstance(pair, dict) else ""
        if _static(account, name) is None:
            raise _invalid_key(name)
        values[name.lower()] = pair.get("Value")
    typed, problems = typed_values(account, values)
    if problems:
        raise bad_request("Object properties invalid", {"Properties": problems})
    if not account.set_values(contact_id, typed) and status == 200:
        return not_modified()
    return envelope([_values(account, contact_id)], status=status)


def typed_values(account: Account, values: Row) -> tuple[Row, list[Row]]:
    """Read property values as their types say.

    Returns:
        values by lower-case name, and Mailjet's list of what is wrong.
    """
    typed: Row = {}
    problems: list[Row] = []
    for name, value in values.items():
        row = _static(account, name)
        if row is None:
            problems.append({name: "Property not defined"})
            continue
        try:
            typed[row["Name"]] = _typed(row["Datatype"], value)
        except (TypeError, ValueError):
            problems.append({name: "Property type does not match definition"})
    limit = account.settings.values_rewritten
    cut = {n: v[:limit] if isinstance(v, str) else v for n, v in typed.items()}
    return cut, problems


def _typed(datatype: str, value: Any) -> Any:
    """One value; a number or truth may come as a text, a time as Unix seconds."""
    if value is None:
        return None
    match datatype:
        case "int" if not isinstance(value, bool | float):
            return int(value)
        case "float" if not isinstance(value, bool):
            return float(value)
        case "bool" if str(value).lower() in {"true", "false"}:
            return str(value).lower() == "true"
        case "datetime" if not isinstance(value, bool):
            return read_time(value)
        case "str" if isinstance(value, str):
            return value
    raise ValueError(datatype)


def _static(account: Account, name: str) -> Row | None:
    row = account.properties.get(name.lower())
    return row if row and row["NameSpace"] == "static" else None


def _property(account: Account, call: Call) -> Row:
    named = call.params["property"].lower()
    for row in account.properties.values():
        if named in (row["Name"], str(row["ID"])):
            return row
    raise not_found()


def _values(account: Account, contact_id: int, names: set[str] | None = None) -> Row:
    values = account.values[contact_id].items()
    data = [{"Name": n, "Value": v} for n, v in values if names is None or n in names]
    return {"ContactID": contact_id, "Data": data, "ID": contact_id}


def _one_of(allowed: frozenset[str], body: Row, field: str, default: str) -> str:
    value = str(body.get(field, default)).lower()
    if value not in allowed:
        raise bad_request(f'Invalid value for property "{field}"')
    return value


def _invalid_key(name: str) -> Exception:
    return bad_request(f'Invalid key name: "{name}"')
