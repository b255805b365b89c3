"""The notes of a contact. There is no location-wide read, and no time of an edit."""

from collections.abc import Mapping
from dataclasses import replace

from pipeline.ghl import activity_schemas as schemas
from pipeline.ghl.schemas import DONE, load_rows
from pipeline.session import ApiSession
from pipeline.sync.activity import Listing, Note

NOTES = "/contacts/:contactId/notes"
ONE_NOTE = f"{NOTES}/:noteId"


class NoteCalls:
    """The calls about notes; NotFound means the note or its contact."""

    session: ApiSession

    def list_notes(self, contact_id: str) -> Listing[Note]:
        """Read all notes of a contact.

        `GET /contacts/:contactId/notes`, GHL OpenAPI contacts.json, read 2026-11.

        Raises:
            NotFound: the contact is gone.
            BadPayload: with the reach of a contact; also where its notes are more than
                an answer may hold.
        """
        answer = self.session.send("GET", NOTES, path={"contactId": contact_id})
        rows = answer.load(schemas.NOTE_LIST)["notes"]
        notes, bad_rows = load_rows(schemas.NOTE, rows)
        return Listing(tuple(_of(contact_id, note) for note in notes), bad_rows)

    def get_note(self, contact_id: str, note_id: str) -> Note:
        """Read one note.

        `GET /contacts/:contactId/notes/:id`, GHL OpenAPI contacts.json, read 2026-11.
        """
        answer = self.session.send("GET", ONE_NOTE, path=_path(contact_id, note_id))
        return _of(contact_id, answer.load(schemas.ONE_NOTE)["note"])

    def create_note(self, contact_id: str, body: str) -> Note:
        """Create a note; GHL has no idempotency key.

        `POST /contacts/:contactId/notes`, GHL OpenAPI contacts.json, read 2026-11.

        Raises:
            NotFound: the contact is gone; nothing was created.
            Ambiguous, BadPayload: it may exist now; look before trying again.
        """
        answer = self.session.send(
            "POST", NOTES, path={"contactId": contact_id}, json={"body": body}
        )
        return _of(contact_id, answer.load(schemas.ONE_NOTE)["note"])

    def update_note(self, contact_id: str, note_id: str, body: str) -> Note | None:
        """Replace the text of a note.

        `PUT /contacts/:contactId/notes/:id`, GHL OpenAPI contacts.json, read 2026-11.

        Returns:
            The note as GHL has it now, None where the answer does not repeat it.
        """
        answer = self.session.send(
            "PUT", ONE_NOTE, path=_path(contact_id, note_id), json={"body": body}
        )
        note: Note | None = answer.load(schemas.UPDATED_NOTE)["note"]
        return None if note is None else _of(contact_id, note)

    def delete_note(self, contact_id: str, note_id: str) -> None:
        """Delete a note.

        `DELETE /contacts/:contactId/notes/:id`, GHL OpenAPI contacts.json, read
        2026-11.
        """
        answer = self.session.send("DELETE", ONE_NOTE, path=_path(contact_id, note_id))
        answer.load(DONE)


def _of(contact_id: str, note: Note) -> Note:
    """The note as that contact's, which it was read from, whatever the row says."""
    return replace(note, contact_id=contact_id)


def _path(contact_id: str, note_id: str) -> Mapping[str, str]:
    return {"contactId": contact_id, "noteId": note_id}
