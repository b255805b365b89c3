"""One request to a vendor: paid for, sent once, ended in time, classified.

Nothing here repeats a request, follows a redirect or keeps a cookie: every request on
the wire has its own token, and `pipeline/retry.py` alone decides what follows.
"""

import copy
import json
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import requests
from urllib3.exceptions import HTTPError

from pipeline.answer import Answer
from pipeline.classify import classify, lost
from pipeline.errors import BadPayload, ConfigError, ReadOnly, Rejected
from pipeline.permit import Call, Permit
from pipeline.transport import connections, never_left
from pipeline.waiting import retry_after_seconds

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
LARGEST_ANSWER_BYTES = 20 * 1024 * 1024
USER_AGENT = f"ghl-mailjet/{version('ghl-mailjet')}"

QueryValue = str | int | bool
OnCall = Callable[[str, str, int | None, float], None]
_NOTHING: Mapping[str, Any] = {}
_FRAMES = frozenset({"content-length", "transfer-encoding"})


class Budget(Protocol):
    """The shared allowance of one key of one vendor."""

    def take(self, permit: Permit) -> None:
        """Wait for one token, or raise BudgetSpent or LeaseLost."""

    def learn(
        self, status: int, headers: Mapping[str, str], retry_after_seconds: float | None
    ) -> None:
        """Adapt to what an answer says about the vendor's limits."""


class ApiSession:
    """Sends requests to one vendor with one credential, on one budget.

    Safe to share between threads; `under` gives each contact's work its own permit.

    Args:
        vendor: `ghl` or `mailjet`, as errors and metrics call it.
        headers: sent with every request beside `Accept` and `User-Agent`.
        auth: user and password for HTTP Basic.
        read_only: writes raise ReadOnly.
        http: whose connections to share; None makes its own. The environment's proxy
            and CA settings are read here, once: requests alone would read them at every
            call, for 40 % of the CPU time of a call.
        on_call: told vendor, `METHOD template`, status (None without an answer) and
            seconds of each request; the wait for the token does not count.
        timeouts: seconds to connect and seconds for the whole answer.

    Raises:
        ConfigError: a credential holds what no header can, such as a line break.
    """

    def __init__(
        self,
        vendor: str,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        budget: Budget,
        permit: Permit,
        read_only: bool,
        http: requests.Session | None = None,
        on_call: OnCall | None = None,
        timeouts: tuple[float, float] = (CONNECT_SECONDS, ANSWER_SECONDS),
    ) -> None:
        self.vendor = vendor
        self.permit = permit
        self._base_url = _prepared(base_url)
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": USER_AGENT,
            **(headers or {}),
        }
        if auth is not None:
            secret = b64encode(":".join(auth).encode()).decode()
            self._headers["Authorization"] = f"Basic {secret}"
        _must_be_sendable(vendor, self._headers)
        self._budget = budget
        self._read_only = read_only
        self._on_call = on_call
        self._guard: Callable[[], None] = _unguarded
        self._timeouts = timeouts
        http = http or connections()
        self._adapter = http.get_adapter(self._base_url)
        self._environment: dict[str, Any] = dict(
            http.merge_environment_settings(self._base_url, {}, True, None, None)
        )

    def under(self, permit: Permit) -> "ApiSession":
        """The same session on behalf of `permit`; shares connections and budget."""
        other = copy.copy(self)
        other.permit = permit
        return other

    def telling(self, on_call: OnCall) -> "ApiSession":
        """The same session, which tells of its requests; shares all the rest."""
        other = copy.copy(self)
        other._on_call = on_call
        return other

    def guarded(self, guard: Callable[[], None]) -> "ApiSession":
        """The same session, which asks last of all before each request.

        Args:
            guard: raises where the request must not leave any more.
        """
        other = copy.copy(self)
        other._guard = guard
        return other

    def send(
        self,
        method: str,
        route: str,
        *,
        path: Mapping[str, str | int] = _NOTHING,
        query: Mapping[str, QueryValue] | None = None,
        json: object = None,
        headers: Mapping[str, str] = _NOTHING,
        writes: bool | None = None,
        parts: str = "",
    ) -> Answer:
        """Send exactly one request.

        Args:
            route: path template, such as `/contacts/:contactId`.
            path: what fills the template, not yet encoded.
            headers: of this request alone; they replace the session's own.
            writes: whether it changes something; None means any method but GET does.
            parts: as `classify` takes it.

        Raises:
            ReadOnly: it would write; no token was taken.
            BudgetSpent, LeaseLost: no token; nothing was sent.
            VendorDown: no connection, or no whole answer to a read.
            Ambiguous: no whole answer to a write, which may have been carried out.
            BadPayload: the answer to a read is too large; it will be so again.
            VendorError: what `classify` says about the answer.
        """
        label = f"{method} {route}"
        writes = method != "GET" if writes is None else writes
        if writes and self._read_only:
            raise ReadOnly(f"{self.vendor}: {label}: SYNC_MODE is read-only")
        url = self._url(label, route, path, query)
        request = self._prepare(method, url, headers, json)
        self._budget.take(self.permit)
        self._guard()
        began = time.perf_counter()
        response = None
        try:
            response = self._open(request, label, writes)
            body = _read(response)
        finally:
            status = None if response is None else response.status_code
            if writes or status is None or status >= 300:
                self.permit.told.append(Call(self.vendor, label, status))
            if self._on_call is not None:
                self._on_call(self.vendor, label, status, time.perf_counter() - began)
        return self._judge(response, body, label, writes, parts)

    def _url(
        self,
        label: str,
        route: str,
        path: Mapping[str, str | int],
        query: Mapping[str, QueryValue] | None,
    ) -> str:
        segments = []
        for segment in route.split("/"):
            if segment.startswith(":"):
                value = str(path[segment[1:]])
                if value in {"", ".", ".."}:
                    # It would address another resource: DELETE /contacts/ or worse.
                    detail = f"not sent: no usable {segment[1:]}"
                    raise Rejected(self.vendor, label, None, detail)
                # Mailjet was seen to refuse an encoded @ (mailjet-apiv3-nodejs#300).
                segment = quote(value, safe="@")
            segments.append(segment)
        url = self._base_url + "/".join(segments)
        if not query:
            return url
        words = {
            key: str(value).lower() if isinstance(value, bool) else value
            for key, value in query.items()
        }
        return f"{url}?{urlencode(words, quote_via=quote)}"

    def _prepare(
        self, method: str, url: str, own: Mapping[str, str], payload: object
    ) -> Any:
        """What `PreparedRequest.prepare` would make of it: URL and headers of the
        session were prepared with it, and what is added here is sound."""
        request: Any = requests.PreparedRequest()
        request.method, request.url = method, url
        request.headers = {**self._headers, **own}
        if payload is not None:
            request.body = json.dumps(payload, separators=(",", ":")).encode()
            request.headers["Content-Type"] = "application/json"
        if method != "GET":
            request.headers["Content-Length"] = str(len(request.body or b""))
        return request

    def _open(
        self, request: requests.PreparedRequest, label: str, writes: bool
    ) -> requests.Response:
        try:
            return self._adapter.send(
                request, timeout=self._timeouts, **self._environment
            )
        except requests.RequestException as error:
            # Its text holds the URL, which may hold an e-mail address: the name of its
            # class is all that goes on.
            raise lost(
                self.vendor,
                label,
                type(error).__name__,
                writes=writes and not never_left(error),
            ) from None

    def _judge(
        self,
        response: requests.Response,
        body: bytes | None,
        label: str,
        writes: bool,
        parts: str,
    ) -> Answer:
        status, headers = response.status_code, response.headers
        self._budget.learn(status, headers, retry_after_seconds(headers))
        if body is None:
            if status != 429:
                raise lost(self.vendor, label, "the answer broke off", writes=writes)
            body = b""
        if len(body) > LARGEST_ANSWER_BYTES and 200 <= status < 300:
            detail = "the answer is too large"
            if writes:
                raise lost(self.vendor, label, detail, writes=True)
            raise BadPayload(self.vendor, label, status, detail)
        data = classify(
            self.vendor, label, status, headers, body, writes=writes, parts=parts
        )
        self.permit.answered.add(self.vendor)
        return Answer(self.vendor, label, status, data, headers)


def _unguarded() -> None:
    """Nothing stands in the way."""


def _prepared(base_url: str) -> str:
    """The address as it is sent, such as a host's name without letters beyond ASCII."""
    request = requests.PreparedRequest()
    request.prepare_url(base_url, None)
    return str(request.url).rstrip("/")


def _must_be_sendable(vendor: str, headers: Mapping[str, str]) -> None:
    """Refuse now what requests would refuse later, quoting the token as it does."""
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()) or value != value.strip():
            problem = "holds a character that cannot be sent; copy the key anew"
            raise ConfigError([f"{vendor}: {name} {problem}"])


def _read(response: requests.Response) -> bytes | None:
    """The whole body, None if it breaks off or lasts too long; a large one is cut."""
    try:
        body: bytes | None = response.raw.read(
            LARGEST_ANSWER_BYTES + 1, decode_content=True
        )
    except HTTPError:
        body = None
    if body is None or len(body) > LARGEST_ANSWER_BYTES:
        response.close()
        return body
    # Without a length an answer lasts until the connection ends, and an empty one may
    # have been cut within its headers.
    framed = _FRAMES.intersection(map(str.lower, response.headers))
    if not body and not framed and response.status_code not in {204, 304}:
        return None
    return body
