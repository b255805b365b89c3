"""`POST /v3.1/send`: up to 50 messages in a call, each taken or refused by itself.

Source: dev.mailjet.com, guide "Send API v3.1", read 2026-11. A call in which something
failed is 400 although the rest of it was sent; it is 403, as a test of Mailjet's Go
client has it, where all of it failed and only because of senders. What is wrong at the
root of a call is told in the shape of mailjet-apiv3-java#103. `AdvanceErrorHandling`
changes nothing here: templates and senders are looked at before the answer.
"""

import json

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.happenings import Happening, happen
from pipeline.sandbox.mailjet.mail_rules import (
    MOST,
    RECIPIENTS,
    empty_array,
    is_list,
    is_object,
    is_truth,
    mismatch,
    missing,
    problem,
    problems,
    too_many,
    unknown,
)
from pipeline.sandbox.mailjet.mails import Campaign, Message
from pipeline.sandbox.wire import Answer, Call, Refusal, Routes, Row

routes: Routes[Account] = Routes()

SEND = "/v3.1/send"
HREF = "https://api.mailjet.com/v3/REST/message/{}"
ROOT = {
    "Messages": ("Messages", is_list),
    "SandboxMode": ("bool", is_truth),
    "AdvanceErrorHandling": ("bool", is_truth),
    "Globals": ("object", is_object),
}
"""Property of a call to the name of its type, and whether a value is one."""
DUPLICATE = "duplicate in campaign"


@routes("POST", SEND)
def send(account: Account, call: Call) -> Answer:
    """Answers come in the order of the messages; `Globals` holds for all of them."""
    body = _body(call)
    shared = body.get("Globals", {})
    messages = [{**shared, **message} for message in body["Messages"]]
    if sum(_recipients(message) for message in messages) > MOST:
        words = f"Total number of recipients exceeded. Max allowed - {MOST}."
        raise Refusal(Answer(400, problem("send-0015", words, "To", "Cc", "Bcc")))
    if len(messages) > MOST:
        raise _at_root([too_many("Messages")])
    is_rehearsal = body.get("SandboxMode", False)
    told = [_answer(account, message, is_rehearsal) for message in messages]
    errors = [error for each in told for error in each.get("Errors", ())]
    if not errors:
        return Answer(200, {"Messages": told})
    has_sent = any(each["Status"] == "success" for each in told)
    is_forbidden = not has_sent and all(e["StatusCode"] == 403 for e in errors)
    return Answer(403 if is_forbidden else 400, {"Messages": told})


def _body(call: Call) -> Row:
    """The call's JSON, whose `Messages` are a list of objects, however many."""
    try:
        body = json.loads(call.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        words = "Malformed JSON, please review the syntax and properties types."
        error = problem("mj-0002", words)
        del error["ErrorRelatedTo"]
        raise Refusal(Answer(400, error))
    wrong = [unknown(name) for name in body if name not in ROOT]
    for name, (expected, fits) in ROOT.items():
        if name in body and not fits(body[name]):
            wrong.append(mismatch(expected, name))
    if body.get("Messages") is None:
        wrong.append(missing("Messages"))
    elif body["Messages"] == []:
        wrong.append(empty_array("Messages"))
    if wrong:
        raise _at_root(wrong)
    return body


def _at_root(wrong: list[Row]) -> Refusal:
    return Refusal(Answer(400, {"Errors": wrong, "Messages": []}))


def _recipients(message: Row) -> int:
    lists = (message.get(name) for name in RECIPIENTS)
    return sum(len(each) for each in lists if isinstance(each, list))


def _answer(account: Account, message: Row, is_rehearsal: bool) -> Row:
    """What the call says of one message, which is sent unless something is wrong."""
    if wrong := problems(message, account.outgoing):
        return {"Status": "error", "Errors": wrong}
    told: Row = {"Status": "success", "CustomID": message.get("CustomID", "")}
    for name in RECIPIENTS:
        emails = [each["Email"] for each in message.get(name, ())]
        told[name] = [
            _receipt(email, "", 0) if is_rehearsal else _sent(account, message, email)
            for email in emails
        ]
    return told


def _sent(account: Account, said: Row, email: str) -> Row:
    """One recipient's copy goes out; an unknown address becomes a contact."""
    contact_id = account.contact_id(email)
    if contact_id is None:
        contact_id = account.add_contact(email)
    campaign = account.mailings.campaign_now(said.get("CustomCampaign", ""))
    message = post(account, contact_id, campaign, said)
    return _receipt(email, message.guid, message.id)


def post(account: Account, contact_id: int, campaign: Campaign, said: Row) -> Message:
    """Send a mail, and tell of it, or of its being blocked.

    Args:
        said: the mail as the Send API takes it.
    """
    mails, consent = account.mailings.mails, account.consent(contact_id)
    is_first_only = said.get("DeduplicateCampaign", False)
    is_blocked = is_first_only and mails.has_reached(contact_id, campaign)
    message = mails.add(contact_id, campaign, said=said, consent=consent)
    happening = Happening(
        event="blocked" if is_blocked else "sent",
        error=DUPLICATE if is_blocked else "",
        contact=contact_id,
        message_id=message.id,
    )
    account.tell(happen(account, happening))
    return message


def _receipt(email: str, guid: str, message_id: int) -> Row:
    return {
        "Email": email,
        "MessageUUID": guid,
        "MessageID": message_id,
        "MessageHref": HREF.format(message_id),
    }
