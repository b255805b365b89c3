"""Mailjet's Send API, and what tells afterwards whether it took a mail."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from pipeline.errors import BadPayload, Reach
from pipeline.mailjet.calls import LIMIT, Calls, records_of
from pipeline.mailjet.fields import LONGEST_WORD, Id, Words, rfc3339
from pipeline.mailjet.records import Sent
from pipeline.mailjet.schemas import AnswerSchema
from pipeline.session import QueryValue

MOST = 50
"""Messages of a call; and recipients, of which each message here has one."""
MOST_LISTED = 100_000
"""Mails of others that are looked through for one."""
A_DAY_MS = 86_400_000
SUCCESS, ERROR = "success", "error"
BAD_REQUEST = 400
CODE = re.compile(r"[a-z]{2,8}-\d{4}")
FIELD = re.compile(r"[A-Za-z][\w.\[\]-]{0,60}", re.ASCII)
"""What names a field; whatever else is said may hold an address."""


class ErrorSchema(AnswerSchema):
    """An entry of `Errors`; its words quote the address."""

    code = Words(LONGEST_WORD, data_key="ErrorCode")
    status = Id(data_key="StatusCode")
    related = fields.Raw(data_key="ErrorRelatedTo", load_default=None)

    @post_load
    def _names(self, data: dict[str, Any], **kw: Any) -> dict[str, Any]:
        related = data["related"] if isinstance(data["related"], list) else ()
        return {**data, "related": [one for one in related if isinstance(one, str)]}


class SentSchema(AnswerSchema):
    """An entry of `Messages`."""

    status = fields.String(
        data_key="Status", required=True, validate=validate.OneOf([SUCCESS, ERROR])
    )
    custom_id = fields.String(data_key="CustomID", load_default="", allow_none=True)
    errors = fields.List(
        fields.Nested(ErrorSchema), data_key="Errors", load_default=list
    )

    @post_load
    def _sent(self, data: dict[str, Any], **kw: Any) -> Sent:
        custom_id = data["custom_id"] or ""
        if data["status"] == SUCCESS:
            return Sent(custom_id)
        if not data["errors"]:
            raise ValidationError("Missing.", "Errors")
        errors = data["errors"]
        code = errors[0]["code"]
        return Sent(
            custom_id,
            code if CODE.fullmatch(code) else "refused",
            max(error["status"] for error in errors) or BAD_REQUEST,
            tuple(name for name in errors[0]["related"] if FIELD.fullmatch(name)),
        )


class AnswerOfSendSchema(AnswerSchema):
    """The answer of `send`."""

    messages = fields.List(
        fields.Nested(SentSchema), data_key="Messages", required=True
    )


class MessageSchema(AnswerSchema):
    """A row of `message`."""

    id = fields.Integer(data_key="ID", required=True)
    custom_id = fields.String(data_key="CustomID", load_default="", allow_none=True)


ANSWER_OF_SEND = AnswerOfSendSchema()
MESSAGE = MessageSchema()


def template_mail(custom_id: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A mail of a template, in Mailjet's words.

    Args:
        custom_id: by which it is found again.
        wanted: `email`, `name`, `template_id`, `variables` and `campaign`; `once` lets
            Mailjet block a second one to the person; `sender` and `subject`, where they
            are not "", replace the template's own.
    """
    to = {"Email": wanted["email"]}
    if wanted.get("name"):
        to["Name"] = wanted["name"]
    mail: dict[str, Any] = {
        "To": [to],
        "TemplateID": wanted["template_id"],
        # Else the variables are not looked at.
        "TemplateLanguage": True,
        "Variables": dict(wanted.get("variables", {})),
        "CustomCampaign": wanted["campaign"],
        "CustomID": custom_id,
    }
    if wanted.get("once"):
        mail["DeduplicateCampaign"] = True
    if wanted.get("sender"):
        mail["From"] = {"Email": wanted["sender"]}
    if wanted.get("subject"):
        mail["Subject"] = wanted["subject"]
    return mail


class SendingCalls(Calls):
    """Calls that send mails, and find out about them."""

    def send(
        self, messages: Sequence[Mapping[str, Any]], *, sandbox: bool
    ) -> tuple[Sent, ...]:
        """Send up to 50 messages; each is taken or refused by itself.

        `POST /v3.1/send`, Mailjet guides (_send-api.md), read 2026-11. A call in which
        something failed is a 400 although the rest of it was sent.

        Args:
            messages: in Mailjet's words, each with one recipient and a `CustomID`.
            sandbox: only check them.

        Returns:
            What became of each, in their order.

        Raises:
            Rejected: nothing was sent; `code` is Mailjet's.
            Ambiguous, BadPayload: any of them may have been sent.
        """
        if len(messages) > MOST:
            raise ValueError(f"{len(messages)} messages in a call of {MOST}")
        answer = self.session.send(
            "POST",
            "/v3.1/send",
            json={"Messages": list(messages), "SandboxMode": sandbox},
            parts="Messages",
        )
        sent: list[Sent] = answer.load(ANSWER_OF_SEND, reach=Reach.CALL)["messages"]
        named = [message["CustomID"] for message in messages]
        told = [one.custom_id or name for one, name in zip(sent, named, strict=False)]
        if len(sent) != len(messages) or told != named:
            detail = "not of the messages that were sent"
            raise BadPayload(
                "mailjet", answer.route, answer.status, detail, reach=Reach.CALL
            )
        return tuple(sent)

    def find_messages(self, custom_id: str, since_ms: int) -> tuple[int, ...]:
        """Read which mails went out under a CustomID: their ids, none where none did.

        `GET /message`, Mailjet's OpenAPI (mailjet-mcp-server), read 2026-11. How soon a
        mail is listed is published nowhere. Without a time only mails of the current
        day are listed (guides, _statistics.md of 2018), and other filters were seen to
        be left out without a word (mailjet-apiv3-php#201): then all are looked at.

        Args:
            since_ms: none was sent before, milliseconds since 1970 UTC.

        Raises:
            BadPayload: it cannot be told.
        """
        query: dict[str, QueryValue] = {
            "CustomID": custom_id,
            "ShowCustomID": True,
            # Clocks differ, and the first second is left out.
            "FromTS": rfc3339(max(since_ms - A_DAY_MS, A_DAY_MS)),
            "Limit": LIMIT,
        }
        offset, before = 0, None
        while offset < MOST_LISTED:
            answer = self.session.send(
                "GET", "/v3/REST/message", query={**query, "Offset": offset}
            )
            rows = records_of(answer, MESSAGE)
            shown = {row["id"]: row["custom_id"] for row in rows}
            ours = [id_ for id_, named in shown.items() if named == custom_id]
            # Where no mail's CustomID is shown, the filter alone tells.
            alone = not offset and len(shown) == 1 and not any(shown.values())
            if ours or alone or not rows:
                return tuple(ours or shown)
            if rows == before or not all(shown.values()):
                break
            offset, before = offset + len(rows), rows
        detail = "mails of others where one was asked for"
        raise BadPayload(
            "mailjet", answer.route, answer.status, detail, reach=Reach.CALL
        )
