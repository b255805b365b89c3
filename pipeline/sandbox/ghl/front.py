"""GHL's manner at the door: edge, credentials, version, rate headers, trace ids."""

from uuid import uuid4

from pipeline.sandbox.ghl.errors import error
from pipeline.sandbox.ghl.versions import is_absent, respell
from pipeline.sandbox.limits import Allowance
from pipeline.sandbox.wire import Answer, Call, Refusal

AGENCY_TOKEN = "pit-sandbox-agency"  # noqa: S105 - opens nothing but this sandbox
VERSIONS = frozenset({"v3", "2023-02-21", "2021-07-28", "2021-04-15", "legacy"})


class GhlFront:
    """Checks callers and dresses answers."""

    name = "ghl"
    failures = {  # noqa: RUF012 - a table that nobody changes
        "500": (500, "Internal server error"),
        "429": (429, "Too Many Requests"),
        "token_revoked": (401, "Invalid token: access token is invalid"),
        "scope_missing": (401, "The token is not authorized for this scope."),
        "user_type": (401, "Token's user type mismatch!"),
        "refused": (422, "email must be an email"),
    }
    error = staticmethod(error)

    def __init__(self, allowance: Allowance, bearer: str) -> None:
        self._allowance = allowance
        self._bearer = bearer

    def allowance_of(self, call: Call) -> Allowance:
        return self._allowance

    def stop_at_edge(self, call: Call) -> Answer | None:
        """GHL's proxy turns Python's default agent away before the API sees it."""
        if call.headers.get("User-Agent", "").startswith("Python-urllib"):
            return Answer(403, b"error code: 1010", {"Content-Type": "text/plain"})
        return None

    def check(self, call: Call) -> None:
        if call.headers.get("Authorization") == f"Bearer {AGENCY_TOKEN}":
            raise Refusal(error(*self.failures["user_type"]))
        if call.headers.get("Authorization") != self._bearer:
            raise Refusal(error(*self.failures["token_revoked"]))
        version = call.headers.get("Version")
        if version is None:
            raise Refusal(error(401, "version header was not found."))
        if version not in VERSIONS:
            words = f"Invalid API version segment '{version}' at position 0"
            raise Refusal(error(400, words))
        if is_absent(call):
            raise Refusal(self.unrouted(call, known_path=True))

    def identify(self, call: Call) -> None:
        call.contact = call.params.get("contactId")

    def unrouted(self, call: Call, *, known_path: bool) -> Answer:
        """404; without a body for who does not say what they accept (reported)."""
        if "Accept" not in call.headers:
            return Answer(404)
        return error(404, f"Cannot {call.method} {call.path}")

    def dress(self, call: Call, answer: Answer) -> None:
        """Add the trace id and the rate headers, which even refusals carry."""
        respell(call, answer)
        if isinstance(answer.body, dict):
            answer.body["traceId"] = str(uuid4())
        rate = self._allowance.rate
        if rate is not None:
            answer.headers |= {
                "X-RateLimit-Max": str(rate.calls),
                "X-RateLimit-Remaining": str(self._allowance.remaining),
                "X-RateLimit-Interval-Milliseconds": str(round(rate.seconds * 1000)),
                "X-RateLimit-Limit-Daily": str(self._allowance.daily),
                "X-RateLimit-Daily-Remaining": str(self._allowance.remaining_today),
            }
