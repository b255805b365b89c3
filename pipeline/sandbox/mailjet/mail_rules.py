"""What the Send API takes for a message, and what it says of one that it does not.

Source: dev.mailjet.com, guide "Send API v3.1" and its table of errors; words and
`ErrorRelatedTo` as reported in the issues and tests of Mailjet's own clients (java#103,
nodejs#155, "Template id doesn't exist", "is an invalid email address"), read 2026-11.
Which code an unknown property has is published nowhere: mj-0005 here.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any
from uuid import uuid4

from pipeline.sandbox.mailjet.outgoing import Outgoing
from pipeline.sandbox.mailjet.reading import is_address
from pipeline.sandbox.wire import Row

MOST = 50
"""Messages of a call, its recipients, and the items of a list or object within."""
RECIPIENTS = ("To", "Cc", "Bcc")


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_object(value: Any) -> bool:
    return isinstance(value, dict)


def is_list(value: Any) -> bool:
    return isinstance(value, list) and all(is_object(each) for each in value)


TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(RECIPIENTS, ("array of emails", is_list)),
    **dict.fromkeys(
        ("From", "Sender", "ReplyTo", "TemplateErrorReporting"), ("emailIn", is_object)
    ),
    **dict.fromkeys(
        ("TemplateLanguage", "TemplateErrorDeliver", "DeduplicateCampaign"),
        ("bool", is_truth),
    ),
    **dict.fromkeys(("TemplateID", "Priority"), ("int64", is_integer)),
    **dict.fromkeys(("Variables", "Headers"), ("object", is_object)),
    **dict.fromkeys(("Attachments", "InlinedAttachments"), ("array", is_list)),
    **dict.fromkeys(
        (
            *("Subject", "TextPart", "HTMLPart", "CustomCampaign", "CustomID"),
            *("EventPayload", "MonitoringCategory", "TrackClicks", "TrackOpens"),
            "URLTags",
        ),
        ("string", is_text),
    ),
}
"""Property of a message to Mailjet's name of its type, and whether a value is one."""
ALLOWED: dict[str, Collection[Any]] = {
    "Priority": range(4),
    "TrackClicks": ("account_default", "disabled", "enabled"),
    "TrackOpens": ("account_default", "disabled", "enabled"),
}
LENGTHS = {"Subject": 255, "URLTags": 256}
COUNTED = ("Attachments", "InlinedAttachments", "Headers", "Variables")
FORBIDDEN_HEADERS = frozenset(
    (
        *("from", "sender", "subject", "to", "cc", "bcc", "return-path"),
        *("delivered-to", "dkim-signature", "domainkey-status", "received-spf"),
        *("authentication-results", "received", "x-mailjet-prio", "x-mailjet-debug"),
        *("user-agent", "x-mailer", "x-mj-customid", "x-mj-eventpayload", "x-mj-vars"),
        *("x-mj-templateerrordeliver", "x-mj-templateerrorreporting"),
        *("x-mj-templatelanguage", "x-mailjet-trackopen", "x-mailjet-trackclick"),
        *("x-mj-templateid", "x-mj-workflowid", "x-feedback-id", "list-id", "date"),
        *("x-mailjet-segmentation", "x-mj-mid", "x-mj-errormessage", "message-id"),
        *("x-csa-complaints", "x-mailjet-campaign", "x-mj-statisticscontactslistid"),
    )
)


def problem(code: str, words: str, *related: str, status: int = 400) -> Row:
    """One error of a message or of a call."""
    return {
        "ErrorIdentifier": str(uuid4()),
        "ErrorCode": code,
        "StatusCode": status,
        "ErrorMessage": words,
        "ErrorRelatedTo": list(related),
    }


def mismatch(expected: str, *related: str) -> Row:
    return problem("mj-0004", f'Type mismatch. Expected type "{expected}".', *related)


def missing(*related: str) -> Row:
    return problem("mj-0003", "Missing mandatory property.", *related)


def unknown(name: str) -> Row:
    return problem("mj-0005", f'Unknown property "{name}".', name)


def empty_array(name: str) -> Row:
    return problem("mj-0007", "The array must not be empty.", name)


def too_many(*related: str) -> Row:
    words = f"Too many items in the array. Max allowed - {MOST}."
    return problem("mj-0008", words, *related)


def problems(message: Row, outgoing: Outgoing) -> list[Row]:
    """All that is wrong with a message, what it says first; then whether it may go."""
    found = [*_of_form(message)]
    return found or [*_of_addresses(message), *_of_content(message, outgoing)]


def _of_form(message: Row) -> Iterator[Row]:
    for name, value in message.items():
        if name not in TYPES:
            yield unknown(name)
            continue
        expected, fits = TYPES[name]
        if value is None:
            yield missing(name)
        elif not fits(value):
            yield mismatch(expected, f"Messages.{name}")
        elif name in ALLOWED and value not in ALLOWED[name]:
            yield problem("mj-0005", f'"{value}" is not an allowed value.', name)
        elif len(str(value)) > LENGTHS.get(name, len(str(value))):
            most = f"Max allowed - {LENGTHS[name]} characters."
            yield problem("mj-0006", f"The value is too long. {most}", name)
        elif name in COUNTED and len(value) > MOST:
            yield too_many(name)


def _of_addresses(message: Row) -> Iterator[Row]:
    if "To" not in message:
        yield missing("To")
    elif not message["To"]:
        yield empty_array("To")
    if "From" not in message and "TemplateID" not in message:
        yield missing("From")
    for name in ("From", "Sender", "ReplyTo", "TemplateErrorReporting"):
        if name in message:
            yield from _of_address(message[name], name)
    for name in RECIPIENTS:
        for number, each in enumerate(message.get(name, ())):
            yield from _of_address(each, f"{name}[{number}]")


def _of_address(who: Row, place: str) -> Iterator[Row]:
    for name in who.keys() - {"Email", "Name"}:
        yield unknown(f"{place}.{name}")
    email = who.get("Email")
    if not is_text(who.get("Name", "")):
        yield mismatch("string", f"{place}.Name")
    if email is None:
        yield missing(f"{place}.Email")
    elif not is_text(email):
        yield mismatch("string", f"{place}.Email")
    elif not email:
        yield problem("mj-0012", "The value must not be empty.", f"{place}.Email")
    elif not is_address(email):
        words = f'"{email}" is an invalid email address.'
        yield problem("mj-0013", words, f"{place}.Email")


def _of_content(message: Row, outgoing: Outgoing) -> Iterator[Row]:
    template_id, sender = message.get("TemplateID"), message.get("From", {})
    parts = ("HTMLPart", "TextPart")
    if template_id is None and not any(message.get(part) for part in parts):
        words = 'At least "HTMLPart", "TextPart" or "TemplateID" must be provided.'
        yield problem("send-0003", words, *parts)
    if template_id is not None and template_id not in outgoing.templates:
        words = f'Template id "{template_id}" doesn\'t exist for your account.'
        yield problem("send-0010", words, "TemplateID")
    elif template_id is not None and message.get("HTMLPart"):
        words = "The template has an HTML part too."
        yield problem("send-0004", words, "HTMLPart", "TemplateID")
    email = sender.get("Email")
    if is_text(email) and is_address(email) and not outgoing.may_send_from(email):
        words = f'"{email}" is not an authorized sender email address for your account.'
        yield problem("send-0008", words, "From", status=403)
    if "Sender" in message:
        words = "The API key has no permission to use a Sender."
        yield problem("send-0006", words, "SenderID", status=403)
    for name in message.get("Headers", {}):
        if name.lower() in FORBIDDEN_HEADERS:
            words = f'The header "{name}" has a property of its own.'
            yield problem("send-0011", words, f'Headers["{name}"]')
    if message.get("DeduplicateCampaign") and not message.get("CustomCampaign"):
        words = "CustomCampaign is mandatory for DeduplicateCampaign."
        yield problem("send-0012", words, "CustomCampaign", "DeduplicateCampaign")
    said = {"TemplateErrorReporting", "TemplateErrorDeliver"} & message.keys()
    if said and "TemplateLanguage" not in message:
        words = "TemplateLanguage is mandatory for the management of its errors."
        yield problem("send-0016", words, "TemplateLanguage")
