"""Mailjet's manner at the door: Basic auth, no rate headers, no trace ids.

The Send API is counted by itself, 500 calls in 10 seconds according to Mailjet's staff
(mailjet-apiv3-nodejs#67), and words its errors differently.
"""

from uuid import uuid4

from pipeline.sandbox.limits import Allowance
from pipeline.sandbox.mailjet.account import Account, named_in
from pipeline.sandbox.mailjet.errors import error
from pipeline.sandbox.mailjet.sending import SEND
from pipeline.sandbox.wire import Answer, Call, Refusal


class MailjetFront:
    """Checks callers; answers go out as the endpoints made them."""

    name = "mailjet"
    failures = {  # noqa: RUF012 - a table that nobody changes
        "500": (500, "Unexpected database error during GET"),
        "429": (429, "Too many requests"),
        "token_revoked": (
            401,
            "API key authentication/authorization failure. You may be unauthorized to"
            " access the API or your API key may be expired. Visit API keys management"
            " section to check your keys.",
        ),
        "scope_missing": (401, "Operation not allowed"),
        "refused": (
            400,
            'Unexpected error during POST: Invalid email address "", reason: '
            '"Invalid domain"',
        ),
    }
    error = staticmethod(error)

    def __init__(
        self, allowance: Allowance, sending: Allowance, account: Account, basic: str
    ) -> None:
        self._allowance = allowance
        self._sending = sending
        self._account = account
        self._basic = basic

    def allowance_of(self, call: Call) -> Allowance:
        return self._sending if _is_sending(call) else self._allowance

    def stop_at_edge(self, call: Call) -> Answer | None:
        return None

    def check(self, call: Call) -> None:
        if call.headers.get("Authorization") != self._basic:
            raise Refusal(error(*self.failures["token_revoked"]))

    def identify(self, call: Call) -> None:
        """Find the contact by the id or address in the path, or else in the body."""
        account = self._account
        named = call.params.get("contact") or named_in(call.body)
        call.contact = account.contact_id(named)
        row = account.contacts.get(call.contact or 0, {})
        call.address = str(row.get("Email", named)).lower()

    def unrouted(self, call: Call, *, known_path: bool) -> Answer:
        if known_path:
            return error(405, "Method not allowed")
        return error(404, "Object not found")

    def dress(self, call: Call, answer: Answer) -> None:
        """No header tells the rate; an error of the Send API has other fields."""
        if _is_sending(call) and isinstance(body := answer.body, dict):
            if "ErrorInfo" not in body:
                return
            code = {"ErrorCode": "mj-0015"} if answer.status == 401 else {}
            answer.body = {
                "ErrorIdentifier": str(uuid4()),
                **code,
                "StatusCode": body["StatusCode"],
                "ErrorMessage": body["ErrorMessage"],
            }


def _is_sending(call: Call) -> bool:
    return call.path.lower().rstrip("/") == SEND
