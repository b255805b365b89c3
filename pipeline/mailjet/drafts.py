"""Campaigns written for Mailjet to send to a list, or to a segment of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from marshmallow import fields, post_load

from pipeline.errors import BadPayload, Reach
from pipeline.mailjet import schemas
from pipeline.mailjet.calls import Calls, only
from pipeline.mailjet.fields import Id
from pipeline.mailjet.records import Draft
from pipeline.session import QueryValue

LOCALE = "en_US"
PARTS = ("Html-part", "Text-part", "MJMLContent")
NOW = "NOW"
DRAFT_STATUS = 0
WORDS = {
    "deleted": -2,
    "archived": -1,
    "draft": DRAFT_STATUS,
    "programmed": 1,
    "sent": 2,
}
STATUSES = {**WORDS, **{str(number): number for number in range(-3, 5)}}


class Status(fields.Field[int]):
    """A number in Mailjet's guides, a text in its OpenAPI; None for any other."""

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> Any:
        told = str(value).strip().lower()
        return STATUSES.get(told)


class DraftSchema(schemas.AnswerSchema):
    """A row of `campaigndraft`."""

    id = fields.Integer(data_key="ID", required=True)
    title = fields.String(data_key="Title", load_default="", allow_none=True)
    status = Status(data_key="Status")
    list_id = Id(data_key="ContactsListID")

    @post_load
    def _draft(self, data: dict[str, Any], **kw: Any) -> Draft:
        return Draft(**{**data, "title": data["title"] or ""})


class ContentSchema(schemas.AnswerSchema):
    """The content of a template; its headers are the campaign's own."""

    html = fields.String(data_key=PARTS[0], load_default="", allow_none=True)
    text = fields.String(data_key=PARTS[1], load_default="", allow_none=True)
    mjml = fields.Raw(data_key=PARTS[2], load_default="", allow_none=True)

    @post_load
    def _content(self, data: dict[str, Any], **kw: Any) -> dict[str, Any]:
        values = (data["html"], data["text"], data["mjml"])
        return {name: v for name, v in zip(PARTS, values, strict=True) if v}


DRAFT = DraftSchema()
CONTENT = ContentSchema()


class DraftCalls(Calls):
    """Calls about campaigns that are not sent yet.

    All are in Mailjet guides (_newsletter.md), and `template` in its OpenAPI
    (mailjet-mcp-server), read 2026-11.
    """

    def find_draft(self, title: str, list_id: int) -> Draft | None:
        """Find the newest campaign for a list by its title, among its last 1,000.

        `GET /campaigndraft`. Deleted ones stay listed.
        """
        query: dict[str, QueryValue] = {"ContactsList": list_id, "Sort": "ID DESC"}
        found, _, bad_rows = self.page("campaigndraft", 0, DRAFT, query)
        named = [
            draft
            for draft in found
            if draft.title == title and draft.list_id in (0, list_id)
        ]
        newest = max(named, key=lambda draft: draft.id, default=None)
        if bad_rows or (newest and newest.status is None):
            route, detail = "GET /v3/REST/campaigndraft", "rows that cannot be read"
            raise BadPayload("mailjet", route, 200, detail, reach=Reach.CALL)
        return newest

    def create_draft(
        self, title: str, *, list_id: int, segment_id: int, sender: str, subject: str
    ) -> Draft:
        """Make a campaign without content; `POST /campaigndraft`.

        Args:
            segment_id: 0 is the whole list.
            sender: an address that the account may send from.

        Raises:
            Rejected: the list, the segment or the sender is refused.
        """
        body: dict[str, Any] = {
            "Title": title,
            "Locale": LOCALE,
            "Sender": sender,
            "SenderEmail": sender,
            "Subject": subject,
            "ContactsListID": list_id,
        }
        if segment_id:
            body["SegmentationID"] = segment_id
        answer = self.session.send("POST", "/v3/REST/campaigndraft", json=body)
        draft: Draft = only(answer, DRAFT)
        # Whatever else it says, such as nothing in Mailjet's sample: it is new.
        return replace(draft, status=DRAFT_STATUS)

    def template_content(self, template_id: int) -> Mapping[str, Any]:
        """Read what a template holds; `GET /template/:templateId/detailcontent`.

        Raises:
            NotFound: there is no such template.
        """
        answer = self.session.send(
            "GET",
            "/v3/REST/template/:templateId/detailcontent",
            path={"templateId": template_id},
        )
        content: Mapping[str, Any] = only(answer, CONTENT)
        return content

    def write_content(self, draft_id: int, content: Mapping[str, Any]) -> None:
        """Give a campaign its content; `POST /campaigndraft/:draftId/detailcontent`."""
        self.session.send(
            "POST",
            "/v3/REST/campaigndraft/:draftId/detailcontent",
            path={"draftId": draft_id},
            json=dict(content),
        )

    def schedule_draft(self, draft_id: int, at_ms: int, now_ms: int) -> None:
        """Let a campaign leave at a time; `POST /campaigndraft/:draftId/schedule`.

        Raises:
            Rejected: as documented, it needs content, an active sender, more than one
                active recipient, and a time that is not "too close".
        """
        moment = datetime.fromtimestamp(at_ms // 1000, UTC).isoformat()
        self.session.send(
            "POST",
            "/v3/REST/campaigndraft/:draftId/schedule",
            path={"draftId": draft_id},
            json={"Date": moment if at_ms > now_ms else NOW},
        )
