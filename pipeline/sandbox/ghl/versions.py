"""What `Version: v3` spells otherwise; the endpoints know 2021-07-28 only.

Source: HighLevel's OpenAPI files of both versions (`apps/contacts.json` and
`apps/v3/contacts-v3.json`), read 2026-11.
"""

from typing import Any

from pipeline.sandbox.ghl.errors import unprocessable
from pipeline.sandbox.wire import Answer, Call, Row

CHANNELS = {
    "Call": "call",
    "Email": "email",
    "SMS": "sms",
    "WhatsApp": "whatsApp",
    "GMB": "gmb",
    "FB": "fb",
}
OLD_CHANNELS = {new: old for old, new in CHANNELS.items()}
ABSENT = frozenset({("GET", "/contacts/")})


def is_v3(call: Call) -> bool:
    return call.headers.get("Version") == "v3"


def is_absent(call: Call) -> bool:
    """Whether v3 has no such endpoint any more."""
    return is_v3(call) and (call.method, call.route) in ABSENT


def older(call: Call, body: Row) -> Row:
    """A body in the spelling of 2021-07-28, whatever version the caller speaks."""
    if not is_v3(call):
        return body
    body = dict(body)
    if isinstance(settings := body.get("dndSettings"), dict):
        if strangers := sorted(settings.keys() & CHANNELS.keys()):
            words = "should not exist"
            raise unprocessable(
                [f"dndSettings.property {s} {words}" for s in strangers]
            )
        body["dndSettings"] = {OLD_CHANNELS.get(k, k): v for k, v in settings.items()}
    if isinstance(fields := body.get("customFields"), list):
        body["customFields"] = [_older_field(each) for each in fields]
    return body


def respell(call: Call, answer: Answer) -> None:
    """Put an answer into the spelling of the version that was asked for."""
    body = answer.body
    if not is_v3(call) or not isinstance(body, dict):
        return
    if "succeded" in body:
        body["succeeded"] = body["succeded"]
        if (call.method, call.route) == ("PUT", "/contacts/:contactId"):
            del body["succeded"]
    if isinstance(body.get("contact"), dict):
        body["contact"] = _newer_contact(body["contact"])
    if isinstance(body.get("contacts"), list):
        body["contacts"] = [_newer_contact(row) for row in body["contacts"]]


def _older_field(field: Any) -> Any:
    if isinstance(field, dict) and "fieldValue" in field:
        rest = {key: value for key, value in field.items() if key != "fieldValue"}
        return {**rest, "field_value": field["fieldValue"]}
    return field


def _newer_contact(row: Row) -> Row:
    settings = row.get("dndSettings")
    if not isinstance(settings, dict):
        return row
    return {
        **row,
        "dndSettings": {CHANNELS.get(name, name): v for name, v in settings.items()},
    }
