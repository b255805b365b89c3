"""`campaigndraft` goes out: `send`, `schedule`, `test`.

Source: dev.mailjet.com, guide "Send marketing campaigns", read 2026-11, with its list
of what is looked at before. Mailjet calls such a campaign `mj.nl=` and the draft's id.
A segment is kept and lets everybody through; a date that is past means at once.
"""

import asyncio
import time
from datetime import UTC, datetime

from pipeline.sandbox.mailjet.account import Account, now_rfc3339
from pipeline.sandbox.mailjet.campaign_drafts import draft_in_path, invalid
from pipeline.sandbox.mailjet.drafts import DRAFT, PROGRAMMED, SENT, WORDS, Draft
from pipeline.sandbox.mailjet.errors import bad_request, not_found
from pipeline.sandbox.mailjet.mail_rules import is_list
from pipeline.sandbox.mailjet.reading import address, envelope, payload, require
from pipeline.sandbox.mailjet.sending import post
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Account] = Routes()

NOW = "NOW"
LEAST_RECIPIENTS = 2


@routes("POST", "/v3/REST/campaigndraft/:draft/send")
def send(account: Account, call: Call) -> Answer:
    draft = draft_in_path(account, call)
    _check(account, draft)
    _program(account, draft, NOW)
    return envelope([{"Status": "programmed"}], status=201)


@routes("POST", "/v3/REST/campaigndraft/:draft/schedule")
def schedule(account: Account, call: Call) -> Answer:
    """`Date` is RFC 3339, UTC where it names no zone, or `NOW`."""
    return envelope([_scheduled(account, call)], status=201)


@routes("PUT", "/v3/REST/campaigndraft/:draft/schedule")
def change_schedule(account: Account, call: Call) -> Answer:
    return envelope([_scheduled(account, call)])


@routes("GET", "/v3/REST/campaigndraft/:draft/schedule")
def get_schedule(account: Account, call: Call) -> Answer:
    draft = draft_in_path(account, call)
    if not draft.date:
        raise not_found()
    return envelope([_shown(draft)])


@routes("DELETE", "/v3/REST/campaigndraft/:draft/schedule")
def cancel(account: Account, call: Call) -> Answer:
    """It is a draft again, unless it has left."""
    draft = draft_in_path(account, call)
    if draft.row["Status"] != PROGRAMMED:
        raise not_found()
    draft.row["Status"], draft.date = DRAFT, ""
    return Answer(204)


@routes("POST", "/v3/REST/campaigndraft/:draft/test")
def send_test(account: Account, call: Call) -> Answer:
    """To whom it names, on the list or not; it stays a draft."""
    draft = draft_in_path(account, call)
    body = payload(call, "TCampaignDraftTest", frozenset({"Recipients"}))
    recipients = require(body, "Recipients")
    if not is_list(recipients):
        raise bad_request('Invalid type for property "Recipients"')
    emails = [address(require(each, "Email"), "POST") for each in recipients]
    _check(account, draft)
    campaign = account.mailings.campaign_now(f"mj.nl={draft.id} test")
    for email in emails:
        known = account.contact_id(email)
        contact_id = account.add_contact(email) if known is None else known
        post(account, contact_id, campaign, _said(draft))
    return envelope([{"Status": WORDS[draft.row["Status"]]}], status=201)


def _scheduled(account: Account, call: Call) -> Row:
    draft = draft_in_path(account, call)
    body = payload(call, "TCampaignDraftSchedule", frozenset({"Date"}))
    date = str(require(body, "Date"))
    _seconds_until(date)
    _check(account, draft)
    _program(account, draft, date)
    return _shown(draft)


def _shown(draft: Draft) -> Row:
    return {"Date": draft.date, "Status": WORDS[draft.row["Status"]].lower()}


def _seconds_until(date: str) -> float:
    if date == NOW:
        return 0.0
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        raise invalid("Date", "it is neither RFC 3339 nor NOW") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - time.time())


def _program(account: Account, draft: Draft, date: str) -> None:
    """Let it leave at its date, unless another is given to it before."""
    draft.row["Status"], draft.date = PROGRAMMED, date
    loop = asyncio.get_running_loop()
    loop.call_later(_seconds_until(date), _leave, account, draft, date)


def _leave(account: Account, draft: Draft, date: str) -> None:
    if (draft.row["Status"], draft.date) != (PROGRAMMED, date):
        return
    campaign = account.mailings.campaign_now(f"mj.nl={draft.id}")
    draft.row |= {
        "Status": SENT,
        "CampaignID": campaign.id,
        "DeliveredAt": now_rfc3339(),
        "Used": True,
    }
    for contact_id in _audience(account, draft):
        post(account, contact_id, campaign, _said(draft))


def _said(draft: Draft) -> Row:
    """The draft in the Send API's words."""
    row, content = draft.row, draft.content
    parts = {"HTMLPart": "Html-part", "TextPart": "Text-part"}
    return {
        "From": {"Email": row["SenderEmail"], "Name": row["Sender"]},
        "Subject": row["Subject"],
        **{name: content[part] for name, part in parts.items() if content[part]},
    }


def _audience(account: Account, draft: Draft) -> list[int]:
    """Who is on the list, subscribed, and excluded from nothing."""
    rows = [account.recipients[i] for i in account.on_list(draft.row["ContactsListID"])]
    return [
        row["ContactID"]
        for row in rows
        if not row["IsUnsubscribed"]
        and not account.contacts[row["ContactID"]]["IsExcludedFromCampaigns"]
    ]


def _check(account: Account, draft: Draft) -> None:
    """Whether it may leave."""
    row = draft.row
    if row["Status"] not in {DRAFT, PROGRAMMED}:
        raise invalid("Status", "the campaign is neither a draft nor programmed")
    if not account.outgoing.may_send_from(row["SenderEmail"]):
        raise invalid("SenderEmail", "it is no active sender")
    if len(_audience(account, draft)) < LEAST_RECIPIENTS:
        raise invalid("ContactsList", "it needs more than one active recipient")
    if not draft.has_content:
        raise invalid("DetailContent", "it has neither Html-part nor Text-part")
