"""The notes of a contact: neither paged nor dated by their last change.

Source: `NotesDTO`, `UpdateNoteDTO` and `GetNoteSchema` of HighLevel's OpenAPI file for
contacts, read 2026-11. What it says of a note that is missing is published nowhere; the
words are those that it has for a contact.
"""

from pipeline.sandbox.ghl.errors import bad_request, unprocessable
from pipeline.sandbox.ghl.location import Location
from pipeline.sandbox.ghl.times import now_iso
from pipeline.sandbox.ghl.writing import payload
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Location] = Routes()

TEXT_FIELDS = ("body", "userId", "title", "color")
FIELDS = frozenset({*TEXT_FIELDS, "pinned"})


@routes("GET", "/contacts/:contactId/notes")
def list_notes(location: Location, call: Call) -> Answer:
    """All of them at once."""
    contact_id = location.contact(call.params["contactId"])["id"]
    return Answer(200, {"notes": location.activities.notes.of(contact_id)})


@routes("POST", "/contacts/:contactId/notes")
def create_note(location: Location, call: Call) -> Answer:
    contact_id = location.contact(call.params["contactId"])["id"]
    body = _checked(call, required=True)
    row = new_note(location, {**body, "contactId": contact_id})
    return Answer(201, {"note": location.activities.notes.put(row)})


@routes("GET", "/contacts/:contactId/notes/:noteId")
def get_note(location: Location, call: Call) -> Answer:
    return Answer(200, {"note": _note(location, call)})


@routes("PUT", "/contacts/:contactId/notes/:noteId")
def update_note(location: Location, call: Call) -> Answer:
    """A partial update, which leaves no trace of its time."""
    row = {**_note(location, call), **_checked(call, required=False)}
    return Answer(200, {"note": location.activities.notes.put(row)})


@routes("DELETE", "/contacts/:contactId/notes/:noteId")
def delete_note(location: Location, call: Call) -> Answer:
    location.activities.notes.remove(_note(location, call)["id"])
    return Answer(200, {"succeded": True})


def new_note(location: Location, fields: Row) -> Row:
    """A whole row of some fields, not yet kept."""
    born = {"id": location.new_id(), "dateAdded": now_iso(), "userId": None}
    return {**born, "body": "", **fields}


def _note(location: Location, call: Call) -> Row:
    contact_id = location.contact(call.params["contactId"])["id"]
    note_id = call.params["noteId"]
    row = location.activities.notes.rows.get(note_id)
    if row is None or row["contactId"] != contact_id:
        raise bad_request(f"Note not found for id:{note_id}")
    return row


def _checked(call: Call, *, required: bool) -> Row:
    body = payload(call, FIELDS)
    problems = [
        f"{key} must be a string"
        for key in TEXT_FIELDS
        if key in body and not isinstance(body[key], str)
    ]
    if body.get("body", None if required else "kept") in (None, ""):
        problems.append("body should not be empty")
    if not isinstance(body.get("pinned", False), bool):
        problems.append("pinned must be a boolean value")
    if problems:
        raise unprocessable(sorted(problems))
    return body
