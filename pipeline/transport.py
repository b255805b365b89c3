"""Connections whose answers end in time.

The read timeout of requests is the longest silence: a server that sends one byte every
nine seconds, in its headers or in its body, would hold a thread for ever. Threads of a
worker cannot be stopped, so here the read timeout is the time for the whole answer.
"""

import io
import logging
import socket
import time
from collections.abc import Mapping
from http.client import HTTPResponse
from ssl import SSLCertVerificationError
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError

# urllib3 logs paths at DEBUG and, for odd headers, at WARNING; Mailjet's may hold an
# e-mail address.
logging.getLogger("urllib3").setLevel(logging.ERROR)

IDLE_CONNECTIONS = 100


def connections() -> requests.Session:
    """A holder of kept-alive connections that repeats nothing by itself.

    Several sessions may share it, from several threads.
    """
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(
            scheme, TimedAdapter(max_retries=0, pool_maxsize=IDLE_CONNECTIONS)
        )
    return session


class TimedAdapter(HTTPAdapter):
    """requests' adapter over connections that limit the whole answer."""

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._pools: dict[object, Any] = {}

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: Any,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> Any:
        """The pool for an origin; requests works out which one at each call."""
        origin = str(request.url).split("/", 3)[:3]
        key = (*origin, verify, cert, *(proxies or {}).items())
        pool: Any = self._pools.get(key)
        # One of many may have been closed to make room.
        if pool is None or pool.pool is None:
            pool = super().get_connection_with_tls_context(
                request, verify, proxies=dict(proxies or {}), cert=cert
            )
            # SOCKS pools bring a class of their own, which must stay.
            pool.ConnectionCls = _TIMED.get(pool.ConnectionCls, pool.ConnectionCls)
            self._pools[key] = pool
        return pool

    def request_url(
        self, request: requests.PreparedRequest, proxies: Mapping[str, str] | None
    ) -> str:
        if proxies:
            return super().request_url(request, dict(proxies))
        return "/" + str(request.url).split("/", 3)[3]

    def build_response(
        self, req: requests.PreparedRequest, resp: Any
    ) -> requests.Response:
        """Status, headers and body; of the rest, such as cookies, nothing is kept."""
        response = requests.Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        response.request = req
        return response


class _TimedStream(io.RawIOBase):
    """What the socket sends, until the time that it was given at first is over."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = time.monotonic() + (sock.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kw: Any) -> None:
        super().__init__(sock, *args, **kw)
        self.fp = io.BufferedReader(_TimedStream(self.fp.detach(), sock))


class _TimedConnection(HTTPConnection):
    response_class = _TimedResponse


class _TimedTlsConnection(HTTPSConnection):
    response_class = _TimedResponse


_TIMED: Mapping[type, type] = {
    HTTPConnection: _TimedConnection,
    HTTPSConnection: _TimedTlsConnection,
}


def never_left(error: requests.RequestException) -> bool:
    """Whether the vendor cannot have seen the request."""
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    cause = reason.args[0] if isinstance(reason, HTTPError) and reason.args else None
    return isinstance(reason, NewConnectionError) or isinstance(
        cause, SSLCertVerificationError
    )
