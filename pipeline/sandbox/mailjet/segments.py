"""`contactfilter`: a segment of any list. Its expression is kept, not understood.

Source: dev.mailjet.com, guide "Segmentation", and the types of Mailjet's Node client,
read 2026-11.
"""

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.errors import bad_request, not_found
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

RECORD = "TContactFilter"
FIELDS = frozenset({"Description", "Expression", "Name"})
STATUSES = frozenset({"unused", "used", "deleted"})


@routes("GET", "/v3/REST/contactfilter")
def list_segments(account: Account, call: Call) -> Answer:
    """Deleted ones show on request."""
    given = filters(call, frozenset({"ShowDeleted", "Status"}))
    shows_deleted = truth(given.get("ShowDeleted", False), "ShowDeleted")
    rows = [
        row
        for row in account.drafts.segments.values()
        if (shows_deleted or row["Status"] != "deleted")
        and given.get("Status", row["Status"]) == row["Status"]
    ]
    return page(account, call, rows, lambda row: row)


@routes("POST", "/v3/REST/contactfilter")
def create_segment(account: Account, call: Call) -> Answer:
    body = payload(call, RECORD, FIELDS)
    require(body, "Name")
    require(body, "Expression")
    row = account.drafts.add_segment({name: text(body, name) for name in body})
    return envelope([row], status=201)


@routes("GET", "/v3/REST/contactfilter/:segment")
def get_segment(account: Account, call: Call) -> Answer:
    return envelope([_row(account, call)])


@routes("PUT", "/v3/REST/contactfilter/:segment")
def update_segment(account: Account, call: Call) -> Answer:
    row = _row(account, call)
    body = payload(call, RECORD, FIELDS | {"Status"})
    changes = {name: text(body, name) for name in body}
    if changes.get("Status", "used") not in STATUSES:
        raise bad_request('Invalid value for property "Status"')
    if all(row[name] == value for name, value in changes.items()):
        return not_modified()
    row |= changes
    return envelope([row])


@routes("DELETE", "/v3/REST/contactfilter/:segment")
def delete_segment(account: Account, call: Call) -> Answer:
    _row(account, call)["Status"] = "deleted"
    return Answer(204)


def _row(account: Account, call: Call) -> Row:
    named = call.params["segment"]
    row = account.drafts.segments.get(int(named)) if named.isdecimal() else None
    if row is None:
        raise not_found()
    return row
