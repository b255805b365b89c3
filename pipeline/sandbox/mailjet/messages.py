"""`message`: the mails that went out, each with what became of it.

Source: Mailjet's OpenAPI file (mailjet-mcp-server) and the types of its Node client,
read 2026-11. Neither end of `FromTS` and `ToTS` is included, as in the feeds; how soon
a mail is listed is published nowhere: the setting `message_lag_seconds`.
"""

import time
from collections.abc import Iterable

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.errors import not_found
from pipeline.sandbox.mailjet.mailings import STATES
from pipeline.sandbox.mailjet.mails import Message
from pipeline.sandbox.mailjet.reading import envelope, filters, page, truth
from pipeline.sandbox.mailjet.times import read_time, time_filter
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Account] = Routes()

SHOWN = {"ShowContactAlt", "ShowCustomID", "ShowSubject"}
FILTERS = frozenset({"Campaign", "Contact", "CustomID", "FromTS", "ToTS", *SHOWN})


@routes("GET", "/v3/REST/message")
def list_messages(account: Account, call: Call) -> Answer:
    """In the order in which they were sent; the newest may be missing yet."""
    given = filters(call, FILTERS)
    listed_before = time.monotonic() - account.settings.message_lag_seconds
    found = (each for each in _filtered(account, given) if each.made <= listed_before)
    return page(account, call, found, lambda each: _shown(account, each, given))


@routes("GET", "/v3/REST/message/:message")
def get_message(account: Account, call: Call) -> Answer:
    """By its id, from the moment on at which the Send API told it."""
    given, named = filters(call, frozenset(SHOWN)), call.params["message"]
    message = account.mailings.message(int(named) if named.isdecimal() else None)
    if message is None:
        raise not_found()
    call.contact = message.contact_id
    return envelope([_shown(account, message, given)])


def _filtered(account: Account, given: dict[str, str]) -> Iterable[Message]:
    mails = account.mailings.mails
    found: Iterable[Message] = mails.by_id.values()
    if "CustomID" in given:
        found = mails.called(given["CustomID"])
    elif "Contact" in given:
        found = mails.to(account.contact_id(given["Contact"]) or 0)
    if "Contact" in given:
        found = (each for each in found if str(each.contact_id) == given["Contact"])
    if "Campaign" in given:
        found = (each for each in found if str(each.campaign.id) == given["Campaign"])
    if "FromTS" in given:
        after = time_filter(given, "FromTS")
        found = (each for each in found if read_time(each.arrived) > after)
    if "ToTS" in given:
        before = time_filter(given, "ToTS")
        found = (each for each in found if read_time(each.arrived) < before)
    return found


def _shown(account: Account, message: Message, given: dict[str, str]) -> Row:
    said = message.said
    wanted = {name for name in SHOWN if truth(given.get(name, False), name)}
    address = account.contacts.get(message.contact_id, {}).get("Email", "")
    return {
        "ArrivedAt": read_time(message.arrived),
        "AttachmentCount": len(said.get("Attachments", ())),
        "AttemptCount": 0,
        "CampaignID": message.campaign.id,
        "ContactAlt": address if "ShowContactAlt" in wanted else "",
        "ContactID": message.contact_id,
        "CustomID": said.get("CustomID", "") if "ShowCustomID" in wanted else "",
        "Delay": 0,
        "DestinationID": 1,
        "FilterTime": 0,
        "ID": message.id,
        "IsClickTracked": said.get("TrackClicks") != "disabled",
        "IsHTMLPartIncluded": "HTMLPart" in said or "TemplateID" in said,
        "IsOpenTracked": said.get("TrackOpens") != "disabled",
        "IsTextPartIncluded": "TextPart" in said or "TemplateID" in said,
        "IsUnsubTracked": False,
        "MessageSize": sum(
            len(said.get(part, "")) for part in ("HTMLPart", "TextPart")
        ),
        "SenderID": 1,
        "SpamassRules": "",
        "SpamassassinScore": 0,
        "StateID": STATES.index(message.error) + 1 if message.error else 0,
        "StatePermanent": message.permanent,
        "Status": message.status,
        "Subject": said.get("Subject", "") if "ShowSubject" in wanted else "",
        "UUID": message.guid,
    }
