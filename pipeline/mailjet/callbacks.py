"""`eventcallbackurl`: where Mailjet posts its events to.

Such a URL carries the receiver's password. It stands in no path and no query, and what
Mailjet says of one it refuses is redacted as any of its words: whatever holds an `@`
goes as a whole.
"""

from dataclasses import dataclass, field
from typing import Any

from marshmallow import fields, post_load

from pipeline.mailjet.calls import Calls, only
from pipeline.mailjet.fields import Flag, Id, KnownId, Words
from pipeline.mailjet.schemas import AnswerSchema

RESOURCE = "eventcallbackurl"
GROUPED = 2
"""Events of a second in one post; version 1 makes one post of each."""
DEAD = "dead"


@dataclass(frozen=True)
class Callback:
    """Where Mailjet posts events of one kind to.

    Args:
        event: one of EventKind, or a word that Mailjet added since.
        url: with its password: to be compared, never to be shown.
        version: 1 for one event in a post, 2 for several.
        is_backup: used only while the other one of this event is dead.
        alive: false once Mailjet gave up on it, after 24 hours of failures.
    """

    id: int
    event: str
    url: str = field(repr=False)
    version: int
    is_backup: bool
    alive: bool


class CallbackSchema(AnswerSchema):
    """A row of `eventcallbackurl`."""

    id = KnownId(data_key="ID")
    event = fields.String(data_key="EventType", required=True)
    url = fields.String(data_key="Url", required=True)
    version = Id(data_key="Version")
    is_backup = Flag(data_key="IsBackup")
    status = Words(20, data_key="Status")

    @post_load
    def _callback(self, data: dict[str, Any], **kw: Any) -> Callback:
        alive = data.pop("status").strip().lower() != DEAD
        return Callback(**{**data, "event": data["event"].lower()}, alive=alive)


CALLBACK = CallbackSchema()


class CallbackCalls(Calls):
    """The calls about callbacks."""

    def list_callbacks(self) -> tuple[Callback, ...]:
        """Read all callbacks of the key, those of others included.

        `GET /eventcallbackurl`, Mailjet guides (_event-api.md), read 2026-11.
        """
        return tuple(self.all_of(RESOURCE, CALLBACK))

    def create_callback(self, event: str, url: str) -> Callback:
        """Have events of one kind posted to an address, grouped.

        `POST /eventcallbackurl`, Mailjet guides (_event-api.md), read 2026-11. There is
        room for one of each event, and for one backup.

        Raises:
            Rejected: there is one already, or Mailjet does not like the URL.
        """
        body = {"EventType": event, "Url": url, "Version": GROUPED}
        answer = self.session.send("POST", f"/v3/REST/{RESOURCE}", json=body)
        created: Callback = only(answer, CALLBACK)
        return created

    def replace_callback(self, callback_id: int, url: str) -> None:
        """Have the events of a callback posted to another address.

        `PUT /eventcallbackurl/:id`, Mailjet guides (_event-api.md), read 2026-11: a URL
        that it did not have is what revives a dead one.

        Raises:
            NotFound: there is no such callback.
        """
        self.session.send(
            "PUT",
            f"/v3/REST/{RESOURCE}/:id",
            path={"id": callback_id},
            json={"Url": url, "Status": "alive"},
        )
