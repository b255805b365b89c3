"""`eventcallbackurl`: one address for each kind of event, and one for its backup.

Source: dev.mailjet.com, guide "Event API", and the filters of Mailjet's OpenAPI file,
read 2026-11. What it says of a second address is published nowhere.
"""

from typing import Any

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.callbacks import API_KEY_ID
from pipeline.sandbox.mailjet.errors import bad_request, not_found
from pipeline.sandbox.mailjet.mailings import COUNTS
from pipeline.sandbox.mailjet.reading import (
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

RECORD = "TEventCallbackUrl"
FIELDS = frozenset({"EventType", "IsBackup", "Status", "Url", "Version"})
FILTERS = frozenset({"APIKey", "Backup", "EventType", "Status", "Version"})
DEFAULTS: Row = {"IsBackup": False, "Status": "alive", "Version": 1}


@routes("GET", "/v3/REST/eventcallbackurl")
def list_urls(account: Account, call: Call) -> Answer:
    given = filters(call, FILTERS)
    rows = [row for row in account.callbacks.rows.values() if _fits(row, given)]
    return page(account, call, rows, lambda row: row)


@routes("POST", "/v3/REST/eventcallbackurl")
def create_url(account: Account, call: Call) -> Answer:
    """A new address; a second one for the pair of kind and backup is refused."""
    body = payload(call, RECORD, FIELDS)
    for field in ("EventType", "Url"):
        require(body, field)
    fields = DEFAULTS | _checked(body)
    _refuse_pair(account, fields, own_id=None)
    return envelope([account.callbacks.add(fields)], status=201)


@routes("GET", "/v3/REST/eventcallbackurl/:url")
def get_url(account: Account, call: Call) -> Answer:
    return envelope([_row(account, call)])


@routes("PUT", "/v3/REST/eventcallbackurl/:url")
def update_url(account: Account, call: Call) -> Answer:
    """A new address revives a dead one; its Status alone does not."""
    row = _row(account, call)
    changes = _checked(payload(call, RECORD, FIELDS))
    if changes.get("Url", row["Url"]) != row["Url"]:
        changes.setdefault("Status", "alive")
    elif row["Status"] == "dead":
        changes.pop("Status", None)
    _refuse_pair(account, row | changes, own_id=row["ID"])
    if all(row[field] == value for field, value in changes.items()):
        return not_modified()
    row |= changes
    return envelope([row])


@routes("DELETE", "/v3/REST/eventcallbackurl/:url")
def delete_url(account: Account, call: Call) -> Answer:
    account.callbacks.remove(_row(account, call)["ID"])
    return Answer(204)


def _row(account: Account, call: Call) -> Row:
    """By id, or by the pair that is unique, such as `open|false`."""
    named = call.params["url"]
    if named.isdecimal():
        row = account.callbacks.rows.get(int(named))
    else:
        event, _, backup = named.partition("|")
        row = account.callbacks.find(event, backup=truth(backup, "IsBackup"))
    if row is None:
        raise not_found()
    return row


def _fits(row: Row, given: dict[str, str]) -> bool:
    return (
        given.get("APIKey", str(API_KEY_ID)) == str(API_KEY_ID)
        and truth(given.get("Backup", row["IsBackup"]), "Backup") == row["IsBackup"]
        and all(
            given.get(field, str(row[field])) == str(row[field])
            for field in ("EventType", "Status", "Version")
        )
    )


def _checked(body: Row) -> Row:
    allowed: dict[str, tuple[Any, ...]] = {
        "EventType": tuple(COUNTS),
        "Status": ("alive", "dead"),
        "Version": (1, 2, "1", "2"),
    }
    for field, values in allowed.items():
        if field in body and body[field] not in values:
            raise bad_request(f'Invalid value for property "{field}"')
    checked = dict(body)
    if "Url" in body and not text(body, "Url").startswith(("http://", "https://")):
        raise bad_request('Invalid value for property "Url"')
    if "IsBackup" in body:
        checked["IsBackup"] = truth(body["IsBackup"], "IsBackup")
    if "Version" in body:
        checked["Version"] = int(body["Version"])
    return checked


def _refuse_pair(account: Account, fields: Row, *, own_id: int | None) -> None:
    same = account.callbacks.find(fields["EventType"], backup=fields["IsBackup"])
    if same is not None and same["ID"] != own_id:
        raise bad_request("MJ18 A duplicate EventCallbackUrl already exists.")
