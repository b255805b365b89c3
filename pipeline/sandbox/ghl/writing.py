"""What GHL lets a caller write. Its whitelist is strict: one unknown key, no write.

Source: `CreateContactDto` and `UpdateContactDto` of HighLevel's OpenAPI file for
contacts, read 2026-11. The texts are those of the validator that GHL is built on.
"""

import json
import re
from typing import Any

from pipeline.sandbox.ghl.errors import bad_request, unprocessable
from pipeline.sandbox.ghl.location import Location
from pipeline.sandbox.ghl.times import birthday
from pipeline.sandbox.ghl.versions import older
from pipeline.sandbox.wire import Call, Row

TEXT_FIELDS = frozenset(
    {
        "firstName",
        "lastName",
        "name",
        "email",
        "phone",
        "address1",
        "city",
        "state",
        "postalCode",
        "website",
        "timezone",
        "source",
        "country",
        "assignedTo",
    }
)
UPDATE_FIELDS = TEXT_FIELDS | {
    "dnd",
    "dndSettings",
    "inboundDndSettings",
    "tags",
    "customFields",
    "dateOfBirth",
}
CREATE_FIELDS = UPDATE_FIELDS | {"locationId", "gender", "companyName"}
CREATE_TEXT_FIELDS = TEXT_FIELDS | {"locationId", "gender", "companyName"}
CHANNELS = frozenset({"Call", "Email", "SMS", "WhatsApp", "GMB", "FB", "RCS"})
DND_KEYS = frozenset({"status", "message", "code"})
DND_STATUSES = ("active", "inactive", "permanent")
CUSTOM_FIELD_KEYS = frozenset({"id", "key", "field_value"})
EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


def payload(call: Call, allowed: frozenset[str]) -> Row:
    """Read a JSON object that has none but the allowed keys."""
    try:
        body = json.loads(call.body)
    except ValueError:
        raise bad_request("Unexpected token in JSON at position 0") from None
    if not isinstance(body, dict):
        raise unprocessable(["body must be an object"])
    strangers = [f"property {key} should not exist" for key in body.keys() - allowed]
    if strangers:
        raise unprocessable(sorted(strangers))
    return older(call, body)


def tags_of(body: Row) -> list[str]:
    """The tags of a body; GHL keeps them in lower case."""
    tags = body.get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise unprocessable(["each value in tags must be a string"])
    return list(dict.fromkeys(tag.strip().lower() for tag in tags if tag.strip()))


def written(location: Location, row: Row, body: Row) -> Row:
    """Lay a checked body over a row: what is absent stays, the rest is replaced whole.

    `dndSettings` is replaced whole too. Whether the real GHL merges its channels is not
    documented; who reads, changes and writes the whole object is right either way.
    """
    if problems := _problems(body):
        raise unprocessable(problems)
    changes = {key: body[key] for key in body.keys() - {"name", "customFields"}}
    changes.pop("gender", None)
    if "name" in body and "firstName" not in body:
        first, _, last = (body["name"] or "").partition(" ")
        changes |= {"firstName": first, "lastName": last}
    if body.get("dateOfBirth"):
        changes["dateOfBirth"] = birthday(body["dateOfBirth"])
    if "tags" in body:
        changes["tags"] = tags_of(body)
    if "customFields" in body:
        changes["customFields"] = _custom_fields(location, row, body["customFields"])
    return {**row, **changes}


def _problems(body: Row) -> list[str]:
    """What is wrong with the values, in GHL's words."""
    problems = [
        f"{key} must be a string"
        for key in CREATE_TEXT_FIELDS & body.keys()
        if not isinstance(body[key], str | None)
    ]
    email = body.get("email")
    if isinstance(email, str) and email and not EMAIL.fullmatch(email):
        problems.append("email must be an email")
    if not isinstance(body.get("dnd", False), bool):
        problems.append("dnd must be a boolean value")
    if "dateOfBirth" in body and not _is_date(body["dateOfBirth"]):
        problems.append("dateOfBirth must be a valid date")
    problems += _dnd_problems("dndSettings", body.get("dndSettings", {}), CHANNELS)
    inbound = body.get("inboundDndSettings", {})
    problems += _dnd_problems("inboundDndSettings", inbound, frozenset({"all"}))
    return sorted(problems)


def _dnd_problems(name: str, settings: Any, channels: frozenset[str]) -> list[str]:
    if not isinstance(settings, dict):
        return [f"{name} must be an object"]
    problems = []
    for channel, entry in settings.items():
        path = f"{name}.{channel}"
        if channel not in channels:
            problems.append(f"{name}.property {channel} should not exist")
        elif not isinstance(entry, dict):
            problems.append(f"{path} must be an object")
        else:
            if entry.get("status") not in DND_STATUSES:
                allowed = ", ".join(DND_STATUSES)
                words = f"must be one of the following values: {allowed}"
                problems.append(f"{path}.status {words}")
            for stranger in entry.keys() - DND_KEYS:
                problems.append(f"{path}.property {stranger} should not exist")
    return problems


def _custom_fields(location: Location, row: Row, written: Any) -> list[Row]:
    """Merge values by field id; they are written as `field_value`, read as `value`."""
    if not isinstance(written, list) or not all(isinstance(e, dict) for e in written):
        raise unprocessable(["customFields must be an array"])
    ids_by_key = {f["fieldKey"]: f["id"] for f in location.custom_fields.values()}
    values = {entry["id"]: entry["value"] for entry in row.get("customFields", ())}
    for entry in written:
        if strangers := sorted(entry.keys() - CUSTOM_FIELD_KEYS):
            path = "customFields.property"
            raise unprocessable([f"{path} {key} should not exist" for key in strangers])
        key = str(entry.get("key", "")).removeprefix("contact.")
        field_id = entry.get("id") or ids_by_key.get(f"contact.{key}")
        if field_id in location.custom_fields:
            values[field_id] = entry.get("field_value")
    return [{"id": key, "value": value} for key, value in values.items()]


def _is_date(value: Any) -> bool:
    if value is None:
        return True
    try:
        birthday(value)
    except (TypeError, ValueError):
        return False
    return True
