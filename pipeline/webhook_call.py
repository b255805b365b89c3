"""Calls of the operator's own webhooks, as Standard Webhooks describes them.

https://www.standardwebhooks.com, specification 1.0: three headers name the delivery and
its time and sign both with the body, so that whoever is called can tell ours from
others' and a repeat from news. Nothing but ids leaves here.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import requests

from pipeline.errors import Rejected, VendorDown
from pipeline.session import USER_AGENT
from pipeline.transport import connections

VENDOR, ROUTE = "webhook", "POST"
TIMEOUTS = (5.0, 10.0)
"""Seconds to connect, and for the whole answer."""
LATER = frozenset({408, 425, 429})
"""Statuses below 500 that another try may change."""


class WebhookCaller:
    """Posts to one connection's webhooks.

    Args:
        secret: what signs; "" signs nothing. Libraries for receivers take it as base64.
    """

    def __init__(self, secret: str, http: requests.Session | None = None) -> None:
        self._key = secret.encode()
        self._http = http or connections()

    def post(
        self, url: str, delivery: str, body: Mapping[str, object], at_s: int
    ) -> None:
        """Post once; nothing is repeated, and no redirection followed.

        Args:
            delivery: the same in every repeat.
            at_s: of this try, seconds since 1970 UTC.

        Raises:
            VendorDown: no answer, or one that another try may change.
            Rejected: any other answer but a success; `status` is its.
        """
        text = json.dumps(body, separators=(",", ":"))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "webhook-id": delivery,
            "webhook-timestamp": str(at_s),
        }
        if self._key:
            headers["webhook-signature"] = sign(self._key, delivery, at_s, text)
        status = self._status(url, text.encode(), headers)
        if status in LATER or status >= 500:
            raise VendorDown(VENDOR, ROUTE, status)
        if not 200 <= status < 300:
            raise Rejected(VENDOR, ROUTE, status)

    def _status(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        # Not by the session, which would look for credentials in the environment.
        request: Any = requests.Request("POST", url, data=body, headers=headers)
        environment: dict[str, Any] = dict(
            self._http.merge_environment_settings(url, {}, True, None, None)
        )
        try:
            response = self._http.get_adapter(url).send(
                request.prepare(), timeout=TIMEOUTS, **environment
            )
        except requests.RequestException as error:
            # Its text holds the URL, which may hold a secret.
            raise VendorDown(VENDOR, ROUTE, None, type(error).__name__) from None
        status: int = response.status_code
        # What else it says is of no interest, however long it is.
        response.close()
        return status


def sign(key: bytes, delivery: str, at_s: int, body: str) -> str:
    """The header `webhook-signature`."""
    signed = f"{delivery}.{at_s}.{body}".encode()
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
