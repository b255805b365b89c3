"""One contact and its tags."""

from collections.abc import Callable

from pipeline.sandbox.ghl import rows
from pipeline.sandbox.ghl.errors import duplicate, unprocessable
from pipeline.sandbox.ghl.location import Location
from pipeline.sandbox.ghl.times import now_iso
from pipeline.sandbox.ghl.versions import is_v3
from pipeline.sandbox.ghl.writing import (
    CREATE_FIELDS,
    UPDATE_FIELDS,
    payload,
    tags_of,
    written,
)
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Location] = Routes()


@routes("GET", "/contacts/:contactId")
def get_contact(location: Location, call: Call) -> Answer:
    """The whole contact."""
    row = location.contact(call.params["contactId"])
    return Answer(200, {"contact": rows.whole(row)})


@routes("POST", "/contacts/")
def create_contact(location: Location, call: Call) -> Answer:
    """A new contact, or 400 with the id of the one who has the address already."""
    body = payload(call, CREATE_FIELDS)
    if not body.get("locationId"):
        raise unprocessable(["locationId should not be empty"])
    location.require(body["locationId"])
    row = written(location, blank(location), body)
    _refuse_duplicate(location, row)
    row = location.save(row)
    call.contact = row["id"]
    shown = rows.whole(row) if is_v3(call) else rows.created(row)
    return Answer(201, {"contact": shown})


@routes("PUT", "/contacts/:contactId")
def update_contact(location: Location, call: Call) -> Answer:
    """A partial update; GHL spells its answer `succeded`."""
    old = location.contact(call.params["contactId"])
    body = payload(call, UPDATE_FIELDS)
    row = written(location, old, body)
    moved = {key for key in ("email", "phone") if row.get(key) != old.get(key)}
    _refuse_duplicate(location, {key: row.get(key) for key in {*moved, "id"}})
    row = location.save(row)
    return Answer(200, {"succeded": True, "contact": rows.whole(row)})


@routes("DELETE", "/contacts/:contactId")
def delete_contact(location: Location, call: Call) -> Answer:
    location.contact(call.params["contactId"])
    location.delete(call.params["contactId"])
    return Answer(200, {"succeded": True})


@routes("POST", "/contacts/:contactId/tags")
def add_tags(location: Location, call: Call) -> Answer:
    """Add tags; the answer is the full list, in lower case."""
    tags = _change_tags(location, call, lambda old, given: [*old, *given])
    return Answer(201, {"tags": tags})


@routes("DELETE", "/contacts/:contactId/tags")
def remove_tags(location: Location, call: Call) -> Answer:
    """Remove tags; a DELETE that carries a JSON body."""
    tags = _change_tags(
        location, call, lambda old, given: [tag for tag in old if tag not in given]
    )
    return Answer(200, {"tags": tags})


def blank(location: Location) -> Row:
    """A contact of whom nothing is known yet."""
    return {
        "id": location.new_id(),
        "type": "lead",
        "dnd": False,
        "dndSettings": {},
        "tags": [],
        "customFields": [],
        "dateAdded": now_iso(),
        "locationId": location.id,
    }


def _change_tags(
    location: Location, call: Call, change: Callable[[list[str], list[str]], list[str]]
) -> list[str]:
    row = location.contact(call.params["contactId"])
    given = tags_of(payload(call, frozenset({"tags"})))
    tags = list(dict.fromkeys(change(row.get("tags", []), given)))
    edited = location.settings.tags_bump_date_updated
    location.save({**row, "tags": tags}, edited=edited)
    return tags


def _refuse_duplicate(location: Location, row: Row) -> None:
    """Raise when another contact has this e-mail or phone, unless that is allowed."""
    if location.settings.allow_duplicates:
        return
    same = {
        "email": location.book.emails.ids(str(row.get("email") or "").lower()),
        "phone": location.book.phones.ids(row.get("phone")),
    }
    for field, ids in same.items():
        for contact_id in ids:
            if contact_id != row["id"]:
                other = location.book.rows[contact_id]
                raise duplicate(contact_id, rows.full_name(other).lower(), field)
