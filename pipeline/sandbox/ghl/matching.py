"""Who already has an address or a phone: the upsert and the search for duplicates.

Source: HighLevel's OpenAPI file for contacts ("Upsert Contact", "Get Duplicate
Contact"), read 2026-11; what an upsert silently drops is told in
GoHighLevel/highlevel-api-docs#37, #313 and #337.
"""

from pipeline.sandbox.ghl import rows
from pipeline.sandbox.ghl.contacts import blank
from pipeline.sandbox.ghl.errors import unprocessable
from pipeline.sandbox.ghl.location import Location
from pipeline.sandbox.ghl.writing import CREATE_FIELDS, payload, written
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Location] = Routes()

UPSERT_FIELDS = CREATE_FIELDS | {"createNewIfDuplicateAllowed"}


@routes("GET", "/contacts/search/duplicate")
def find_duplicate(location: Location, call: Call) -> Answer:
    """The contact with this `email`, else with this `number`; null if there is none."""
    if not call.query.get("locationId"):
        raise unprocessable(["locationId should not be empty"])
    location.require(call.query["locationId"])
    email, number = call.query.get("email"), call.query.get("number")
    row = _by_email(location, email) or _by_phone(location, number)
    return Answer(200, {"contact": rows.whole(row) if row else None})


@routes("POST", "/contacts/upsert")
def upsert_contact(location: Location, call: Call) -> Answer:
    """Update who has the address, else who has the phone, else create.

    A phone that belongs to a third contact is dropped without a word. An address that
    was an additional one becomes the first, and the first one before it is lost.
    """
    body = payload(call, UPSERT_FIELDS)
    if not body.get("locationId"):
        raise unprocessable(["locationId should not be empty"])
    location.require(body["locationId"])
    wants_new = body.pop("createNewIfDuplicateAllowed", False)
    old = None
    if not (wants_new and location.settings.allow_duplicates):
        by_phone = _by_phone(location, body.get("phone"))
        old = _by_email(location, body.get("email")) or by_phone
        if old and by_phone and by_phone["id"] != old["id"]:
            del body["phone"]
    row = written(location, old or blank(location), body)
    if others := row.get("additionalEmails"):
        first = row["email"].lower()
        left = [other for other in others if other["email"].lower() != first]
        row["additionalEmails"] = left
    row = location.save(row)
    call.contact = row["id"]
    return Answer(200, {"new": old is None, "contact": rows.whole(row)})


def _by_email(location: Location, email: str | None) -> Row | None:
    if not email:
        return None
    known = location.book.rows
    if contact_id := next(location.book.emails.ids(email.lower()), None):
        return known[contact_id]
    for row in known.values():
        additional = (e["email"].lower() for e in row.get("additionalEmails", ()))
        if email.lower() in additional:
            return row
    return None


def _by_phone(location: Location, phone: str | None) -> Row | None:
    contact_id = next(location.book.phones.ids(phone), None)
    return location.book.rows[contact_id] if contact_id else None
