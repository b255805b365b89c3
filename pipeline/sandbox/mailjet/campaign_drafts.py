"""`campaigndraft`: a mail to a list, written here; `campaign_sending` sends it.

Source: dev.mailjet.com, guide "Send marketing campaigns", and the types of Mailjet's
Node client, read 2026-11. Its refusals are published nowhere. A template gives a draft
no content here, since nobody says that it does: `detailcontent` must be written.
"""

from collections.abc import Iterable

from pipeline.sandbox.mailjet.account import Account, now_rfc3339
from pipeline.sandbox.mailjet.drafts import NO_CONTENT, WORDS, Draft
from pipeline.sandbox.mailjet.errors import bad_request, not_found
from pipeline.sandbox.mailjet.reading import (
    address,
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

RECORD = "TCampaignDraft"
REQUIRED = ("Locale", "Sender", "SenderEmail", "Subject")
TEXTS = (*REQUIRED, "EditMode", "ReplyEmail", "SenderName", "Title")
NUMBERS = ("ContactsListID", "SegmentationID", "TemplateID")
TRUTHS = ("IsStarred", "IsTextPartIncluded")
FIELDS = frozenset({*TEXTS, *NUMBERS, *TRUTHS})
FILTERS = {"ContactsList": "ContactsListID", "Segmentation": "SegmentationID"}
"""Filter to the field that it compares."""
SETTABLE = {"-2", "-1", "0"}
"""Statuses that an update may give: deleted, archived, draft."""


@routes("GET", "/v3/REST/campaigndraft")
def list_drafts(account: Account, call: Call) -> Answer:
    """In the order of their ids, deleted ones too; `Status` may be `0,1`."""
    given = filters(call, frozenset({"Status", "Subject", *FILTERS}))
    return page(account, call, _filtered(account, given), lambda row: row)


@routes("POST", "/v3/REST/campaigndraft")
def create_draft(account: Account, call: Call) -> Answer:
    body = payload(call, RECORD, FIELDS)
    for name in (*REQUIRED, "ContactsListID"):
        require(body, name)
    draft = account.drafts.add(_checked(account, body), now_rfc3339())
    return envelope([draft.row], status=201)


@routes("GET", "/v3/REST/campaigndraft/:draft")
def get_draft(account: Account, call: Call) -> Answer:
    return envelope([draft_in_path(account, call).row])


@routes("PUT", "/v3/REST/campaigndraft/:draft")
def update_draft(account: Account, call: Call) -> Answer:
    """Whatever it is, unless a field that must be there is emptied."""
    row = draft_in_path(account, call).row
    body = payload(call, RECORD, FIELDS | {"Status"})
    for name in body.keys() & {*REQUIRED, "ContactsListID"}:
        require(body, name)
    status = str(body.pop("Status", row["Status"]))
    if status != str(row["Status"]) and status not in SETTABLE:
        raise invalid("Status", "it cannot be set")
    changes = {**_checked(account, body), "Status": int(status)}
    if all(row[name] == value for name, value in changes.items()):
        return not_modified()
    row |= {**changes, "ModifiedAt": now_rfc3339()}
    return envelope([row])


@routes("GET", "/v3/REST/campaigndraft/:draft/status")
def get_status(account: Account, call: Call) -> Answer:
    row = draft_in_path(account, call).row
    return envelope([{"Status": WORDS[row["Status"]]}])


@routes("GET", "/v3/REST/campaigndraft/:draft/detailcontent")
def get_content(account: Account, call: Call) -> Answer:
    return envelope([draft_in_path(account, call).content])


@routes("POST", "/v3/REST/campaigndraft/:draft/detailcontent")
def write_content(account: Account, call: Call) -> Answer:
    """What it does not name is emptied."""
    draft = draft_in_path(account, call)
    draft.content = {**NO_CONTENT, **_content(call)}
    return envelope([draft.content], status=201)


@routes("PUT", "/v3/REST/campaigndraft/:draft/detailcontent")
def update_content(account: Account, call: Call) -> Answer:
    """What it does not name is kept."""
    draft = draft_in_path(account, call)
    new = {**draft.content, **_content(call)}
    if new == draft.content:
        return not_modified()
    draft.content = new
    return envelope([new])


def draft_in_path(account: Account, call: Call) -> Draft:
    named = call.params["draft"]
    draft = account.drafts.by_id.get(int(named)) if named.isdecimal() else None
    if draft is None:
        raise not_found()
    return draft


def invalid(name: str, why: str) -> Exception:
    return bad_request(f"MJ08 Property {name} is invalid: {why}")


def _checked(account: Account, body: Row) -> Row:
    """The fields of a body, by their types; what they name must exist."""
    fields: Row = {name: text(body, name) for name in TEXTS if name in body}
    fields |= {name: truth(body[name], name) for name in TRUTHS if name in body}
    for name in NUMBERS:
        if name in body:
            if not str(body[name]).isdecimal():
                raise bad_request(f'Invalid type for property "{name}"')
            fields[name] = int(body[name])
    if "SenderEmail" in fields:
        address(fields["SenderEmail"], "POST")
    known = {
        "ContactsListID": account.lists,
        "SegmentationID": account.drafts.segments,
        "TemplateID": account.outgoing.templates,
    }
    for name, rows in known.items():
        if fields.get(name) and fields[name] not in rows:
            raise invalid(name, "no such object")
    return fields


def _content(call: Call) -> Row:
    body = payload(call, "TCampaignDraftDetailContent", frozenset(NO_CONTENT))
    parts = [name for name in body if name != "Headers"]
    return {**body, **{name: text(body, name) for name in parts}}


def _filtered(account: Account, given: dict[str, str]) -> Iterable[Row]:
    rows: Iterable[Row] = [draft.row for draft in account.drafts.by_id.values()]
    if "Status" in given:
        wanted = given["Status"].split(",")
        rows = [row for row in rows if str(row["Status"]) in wanted]
    if "Subject" in given:
        rows = [row for row in rows if row["Subject"] == given["Subject"]]
    for name in FILTERS.keys() & given.keys():
        rows = [row for row in rows if str(row[FILTERS[name]]) == given[name]]
    return rows
