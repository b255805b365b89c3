"""`contacthistorydata`: the dated texts of historic properties.

Mailjet calls them legacy; an account may not offer the namespace at all, which shows
when such a property is created.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from marshmallow import fields, post_load

from pipeline.errors import BadPayload
from pipeline.mailjet.calls import Calls, only
from pipeline.mailjet.fields import EntryText, Time, rfc3339
from pipeline.mailjet.schemas import AnswerSchema
from pipeline.session import QueryValue
from pipeline.sync.activity import HistoryEntry

RESOURCE = "contacthistorydata"


@dataclass(frozen=True)
class HistoryPage:
    """As SubscriberPage; `bad_rows` holds ids of entries."""

    entries: tuple[HistoryEntry, ...]
    next_offset: int | None
    bad_rows: tuple[str, ...] = ()


class EntrySchema(AnswerSchema):
    """A row of `contacthistorydata`."""

    id = fields.Integer(data_key="ID", required=True)
    contact_id = fields.Integer(data_key="ContactID", required=True)
    name = fields.String(data_key="Name", required=True)
    data = EntryText(data_key="Data", required=True)
    created_ms = Time(data_key="CreatedAt")

    @post_load
    def _entry(self, data: dict[str, Any], **kw: Any) -> HistoryEntry:
        return HistoryEntry(**{**data, "name": data["name"].lower()})


ENTRY = EntrySchema()


class HistoryCalls(Calls):
    """The calls about history entries."""

    def list_history(
        self,
        offset: int,
        *,
        name: str | None = None,
        contact_id: int | None = None,
        created_from_ms: int | None = None,
    ) -> HistoryPage:
        """Read one page of up to 1,000 entries.

        `GET /contacthistorydata`, Mailjet's OpenAPI (mailjet-mcp-server) and Go client,
        read 2026-11.

        Args:
            name: only of this property; None reads those of all.
            contact_id: only this contact's; None reads the whole account's.
            created_from_ms: only entries of this second or later.
        """
        query: dict[str, QueryValue] = {}
        if name is not None:
            query["Name"] = name
        if contact_id is not None:
            query["Contact"] = contact_id
        if created_from_ms is not None:
            query["MinCreatedAt"] = rfc3339(created_from_ms)
        found, following, bad = self.page(RESOURCE, offset, ENTRY, query)
        return HistoryPage(tuple(found), following, bad)

    def contact_history(self, contact_id: int, name: str) -> Iterator[HistoryEntry]:
        """Read all entries of a contact and a property.

        Raises:
            BadPayload: with the reach of a contact; also when a page comes again.
        """
        offset: int | None = 0
        seen: set[int] = set()
        while offset is not None:
            page = self.list_history(offset, name=name, contact_id=contact_id)
            ids = {entry.id for entry in page.entries}
            if ids and ids <= seen:
                detail = "one page comes again and again"
                raise BadPayload("mailjet", f"GET /v3/REST/{RESOURCE}", None, detail)
            seen |= ids
            yield from page.entries
            offset = page.next_offset

    def create_history(self, contact_id: int, name: str, data: str) -> HistoryEntry:
        """Add an entry; Mailjet sets its time and has no idempotency key.

        `POST /contacthistorydata`, Mailjet's OpenAPI (mailjet-mcp-server) and Go
        client, read 2026-11.

        Args:
            name: of a property of the namespace `historic`, defined before.

        Raises:
            Rejected: the contact or the property is unknown, or the text is refused.
            Ambiguous, BadPayload: it may exist now; look before trying again.
        """
        body = {"ContactID": contact_id, "Name": name, "Data": data}
        answer = self.session.send("POST", f"/v3/REST/{RESOURCE}", json=body)
        created: HistoryEntry = only(answer, ENTRY)
        return created
