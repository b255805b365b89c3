"""Who may see the status page, and how nobody makes them press its buttons."""

import hmac
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Request, Response
from itsdangerous import BadSignature, URLSafeTimedSerializer

from pipeline.errors import ConfigError

VARIABLE = "STATUS_PAGE_AUTH"
USER = "operator"
SHORTEST_PASSWORD = 8
TOKEN_SECONDS = 12 * 3600
SAME_SITE = frozenset({"same-origin", "none"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Nothing from elsewhere, nothing inline, in nobody's frame, in no cache."""


@dataclass(frozen=True)
class Access:
    """A user and password, and the tokens of forms that follow from them.

    Whoever starts several receivers with one password has tokens that all of them take.
    """

    user: str
    password: str = field(repr=False)

    def admits(self, request: Request) -> bool:
        """Whether the request brings user and password."""
        told = request.authorization
        if told is None or told.type != "basic":
            return False
        given = f"{told.username}:{told.password}".encode()
        return hmac.compare_digest(given, f"{self.user}:{self.password}".encode())

    def token(self) -> str:
        """What each form carries: a browser sends passwords along by itself, and
        another site's page can have it post, but cannot read this."""
        return self._serializer.dumps(USER)

    def meant(self, request: Request) -> bool:
        """Whether a form of ours was sent, and no other site's."""
        if request.headers.get("Sec-Fetch-Site", "none") not in SAME_SITE:
            return False
        try:
            self._serializer.loads(request.form.get("token", ""), TOKEN_SECONDS)
        except BadSignature:
            return False
        return True

    @property
    def _serializer(self) -> URLSafeTimedSerializer:
        secret = f"{self.user}:{self.password}"
        return URLSafeTimedSerializer(secret, salt="the status page's forms")


def from_environment(environ: Mapping[str, str]) -> Access:
    """What `STATUS_PAGE_AUTH` says; without it a password for this start, printed.

    Raises:
        ConfigError: it is no user and password, or the password is short.
    """
    told = environ.get(VARIABLE, "")
    if not told:
        password = secrets.token_urlsafe(12)
        # Logging is not set up yet.
        print(
            f"Status page: user {USER}, password {password} for this start; "
            f"set {VARIABLE}=user:password to keep one",
            file=sys.stderr,
        )
        return Access(USER, password)
    user, _, password = told.partition(":")
    if not user or len(password) < SHORTEST_PASSWORD:
        least = f"user:password, of at least {SHORTEST_PASSWORD} characters"
        raise ConfigError([f"{VARIABLE}: write {least}"])
    return Access(user, password)


def guarded(response: Response) -> Response:
    """The response with the headers that every page has."""
    response.headers.update(HEADERS)
    return response
