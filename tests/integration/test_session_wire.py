"""The session over real sockets, against servers that misbehave."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from pipeline import session as session_module
from pipeline.errors import (
    Ambiguous,
    BadPayload,
    RateLimited,
    Reach,
    VendorDown,
)
from pipeline.permit import Lane, Permit
from pipeline.session import ApiSession
from tests.recorded import Ledgerless

Script = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\n"


@dataclass
class Wire:
    """A server of raw sockets: what it does on each request is a script.

    A connection stays open while its script returns; the last script is repeated.
    """

    scripts: list[Script] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(
                target=self._serve, args=(connection,), daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        while request := _read_request(connection):
            self.requests.append(request)
            script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
            try:
                script(connection)
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()
        for connection in self._open:
            connection.close()


def _read_request(connection: socket.socket) -> bytes:
    """Head and body of one request; empty when the client has closed."""
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += connection.recv(65536)
    except OSError:
        return b""
    return head + b"\r\n\r\n" + body


def answer(status: str, body: bytes = b"", *headers: str) -> Script:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return lambda connection: connection.sendall("\r\n".join(lines).encode() + body)


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def say_and_hang_up(data: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        connection.sendall(data)
        hang_up(connection)

    return script


def reset(connection: socket.socket) -> None:
    linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()


def trickle(start: bytes, piece: bytes, seconds: float = 0.05) -> Script:
    def script(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            time.sleep(seconds)
            connection.sendall(piece)

    return script


@pytest.fixture
def wire() -> Iterator[Wire]:
    server = Wire()
    yield server
    server.close()


def make_session(
    wire: Wire, budget: Ledgerless | None = None, **options: object
) -> ApiSession:
    return ApiSession(
        "ghl",
        f"http://127.0.0.1:{wire.port}",
        budget=budget or Ledgerless(),
        permit=Permit(Lane.BULK),
        read_only=False,
        **options,  # type: ignore[arg-type]
    )


def test_connections_are_reused_empty_answers_included(wire: Wire) -> None:
    wire.scripts = [
        answer("200 OK", b'{"a": 1}'),
        lambda c: c.sendall(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        lambda c: c.sendall(b"HTTP/1.1 204 No Content\r\n\r\n"),
        answer("400 Bad Request", b'{"message": "no"}'),
        lambda c: c.sendall(
            OK + b"Transfer-Encoding: chunked\r\n\r\n"
            b'4\r\n{"a"\r\n4\r\n: 2}\r\n0\r\n\r\n'
        ),
        answer("200 OK", b'{"a": 3}'),
    ]
    session = make_session(wire)

    data = [session.send("GET", "/a").data for _ in range(3)]
    with pytest.raises(Exception, match="400"):
        session.send("GET", "/a")
    data += [session.send("GET", "/a").data for _ in range(2)]

    assert data == [{"a": 1}, None, None, {"a": 2}, {"a": 3}]
    assert (len(wire.requests), wire.connections) == (6, 1)


def test_a_copy_under_another_permit_shares_the_connection(wire: Wire) -> None:
    wire.scripts = [answer("200 OK", b"{}")]
    session = make_session(wire)

    session.send("GET", "/a")
    session.under(Permit(Lane.LIVE)).send("GET", "/a")

    assert wire.connections == 1


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary"])
def test_a_redirect_is_not_followed(wire: Wire, status: str) -> None:
    there = f"Location: http://127.0.0.1:{wire.port}/b"
    wire.scripts = [answer(status, b"", there)]
    session = make_session(wire)

    with pytest.raises(BadPayload) as raised:
        session.send("GET", "/a")

    assert raised.value.reach is Reach.CONNECTION
    assert len(wire.requests) == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("status", ["500 Oops", "503 Busy", "429 Slow down"])
def test_a_failure_is_exactly_one_request(wire: Wire, method: str, status: str) -> None:
    wire.scripts = [answer(status, b"", "Retry-After: 0")]
    budget = Ledgerless()
    session = make_session(wire, budget)

    with pytest.raises((VendorDown, Ambiguous, RateLimited)):
        session.send(method, "/a")

    assert len(wire.requests) == 1
    assert len(budget.taken) == 1


BROKEN = {
    "closed before the answer": hang_up,
    "reset before the answer": reset,
    "closed within the headers": say_and_hang_up(OK + b"X-Tra"),
    "closed within the body": say_and_hang_up(OK + b'Content-Length: 9\r\n\r\n{"a"'),
    "closed within a chunk": say_and_hang_up(
        OK + b'Transfer-Encoding: chunked\r\n\r\nff\r\n{"a"'
    ),
    "not HTTP": say_and_hang_up(b"220 mail.example.com ESMTP\r\n"),
    "not gzip": answer("200 OK", b"abcd", "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_loses_a_read_and_leaves_a_write_in_doubt(
    wire: Wire, script: Script
) -> None:
    wire.scripts = [script]
    session = make_session(wire)

    with pytest.raises(VendorDown):
        session.send("GET", "/a")
    with pytest.raises(Ambiguous):
        session.send("POST", "/a", json={})

    assert len(wire.requests) == 2


def test_a_connection_that_the_server_closed_in_the_meantime_is_replaced(
    wire: Wire,
) -> None:
    first = answer("200 OK", b"{}")
    is_closed = threading.Event()

    def close_after(connection: socket.socket) -> None:
        first(connection)
        hang_up(connection)
        is_closed.set()

    wire.scripts = [close_after]
    session = make_session(wire)

    session.send("POST", "/a", json={})
    assert is_closed.wait(30)
    session.send("POST", "/a", json={})

    assert (len(wire.requests), wire.connections) == (2, 2)


TRICKLES = {
    "status line": trickle(b"HTTP/1.1 200 O", b"K"),
    "headers": trickle(OK, b"X-A: b\r\n"),
    "body": trickle(OK + b"Content-Length: 9999\r\n\r\n", b" "),
    "chunks": trickle(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "silence": trickle(b"", b"", 3600),
}


@pytest.mark.parametrize("script", TRICKLES.values(), ids=TRICKLES.keys())
def test_an_answer_that_trickles_ends_at_its_deadline(
    wire: Wire, script: Script
) -> None:
    wire.scripts = [script]
    session = make_session(wire, timeouts=(1.0, 0.3))
    began = time.monotonic()

    with pytest.raises(VendorDown):
        session.send("GET", "/a")

    # A hundred headers, the most that are read, would take five.
    assert 0.25 < time.monotonic() - began < 4.5


def test_a_silence_within_the_answer_does_not_begin_its_time_anew(wire: Wire) -> None:
    def late_and_silent(connection: socket.socket) -> None:
        time.sleep(1.9)
        connection.sendall(OK)
        time.sleep(3600)

    wire.scripts = [late_and_silent]
    session = make_session(wire, timeouts=(1.0, 2.0))
    began = time.monotonic()

    with pytest.raises(VendorDown):
        session.send("GET", "/a")

    assert time.monotonic() - began < 3.8


def test_a_slow_answer_leaves_its_connection_whole(wire: Wire) -> None:
    def slowly(connection: socket.socket) -> None:
        time.sleep(0.8)
        answer("200 OK", b"{}")(connection)

    wire.scripts = [slowly]
    # What is left of one answer's time is too short for the next.
    session = make_session(wire, timeouts=(1.0, 1.5))

    for _ in range(2):
        session.send("GET", "/a")

    assert wire.connections == 1


def test_a_connection_is_not_used_again_after_its_answer_broke_off(wire: Wire) -> None:
    wire.scripts = [
        lambda c: c.sendall(OK + b'Content-Length: 60\r\n\r\n{"a"'),
        answer("200 OK", b"{}"),
    ]
    session = make_session(wire, timeouts=(1.0, 1.0))

    with pytest.raises(VendorDown):
        session.send("GET", "/a")
    assert session.send("GET", "/a").data == {}

    assert wire.connections == 2


def test_an_answer_above_the_largest_size_says_nothing_about_the_vendor(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "LARGEST_ANSWER_BYTES", 1000)
    bomb = gzip.compress(b" " * 1_000_000)
    wire.scripts = [
        answer("200 OK", b'{"a": 1}'.ljust(1000)),
        answer("200 OK", b'{"a": 1}'.ljust(1001)),
        answer("200 OK", bomb, "Content-Encoding: gzip"),
    ]
    session = make_session(wire)

    assert session.send("GET", "/a").data == {"a": 1}
    with pytest.raises(BadPayload, match="too large") as raised:
        session.send("GET", "/a")
    assert raised.value.reach is Reach.CONTACT
    with pytest.raises(Ambiguous):
        session.send("PUT", "/a", json={})


def test_a_compressed_answer_is_read(wire: Wire) -> None:
    body = gzip.compress(json.dumps({"a": ["b"] * 50_000}).encode())
    wire.scripts = [answer("200 OK", body, "Content-Encoding: gzip")]

    data = make_session(wire).send("GET", "/a").data

    assert data == {"a": ["b"] * 50_000}


def test_a_server_that_is_not_there_has_done_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    gone = Wire.__new__(Wire)
    gone.port = port

    with pytest.raises(VendorDown):
        make_session(gone).send("POST", "/a", json={})


def test_cookies_are_never_kept(wire: Wire) -> None:
    wire.scripts = [answer("200 OK", b"{}", "Set-Cookie: __cf_bm=1; Path=/")]
    session = make_session(wire)

    session.send("GET", "/a")
    session.send("GET", "/a")

    assert b"cookie" not in b"".join(wire.requests).lower()


def test_a_token_is_taken_before_its_request_arrives(wire: Wire) -> None:
    wire.scripts = [answer("200 OK", b"{}")]
    seen_at_take: list[int] = []

    class Watching(Ledgerless):
        def take(self, permit: Permit) -> None:
            seen_at_take.append(len(wire.requests))

    session = make_session(wire, Watching())
    for _ in range(3):
        session.send("GET", "/a")

    assert seen_at_take == [0, 1, 2]


def test_a_rate_limit_counts_even_if_its_body_breaks_off(wire: Wire) -> None:
    wire.scripts = [
        say_and_hang_up(
            b"HTTP/1.1 429 Slow\r\nRetry-After: 4\r\nContent-Length: 99\r\n\r\n{"
        )
    ]
    budget = Ledgerless()

    with pytest.raises(RateLimited) as raised:
        make_session(wire, budget).send("POST", "/a", json={})

    assert raised.value.retry_after_seconds == 4.0
    assert budget.learned[0][2] == 4.0


def test_the_environments_proxy_is_read_once(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.scripts = [answer("200 OK", b"{}")]
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{wire.port}")
    target = Wire.__new__(Wire)
    target.port = 9
    session = make_session(target)
    monkeypatch.delenv("http_proxy")

    session.send("GET", "/a")

    assert wire.requests[0].startswith(b"GET http://127.0.0.1:9/a HTTP/1.1\r\n")


def test_a_no_proxy_rule_is_honoured(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.scripts = [answer("200 OK", b"{}")]
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    make_session(wire).send("GET", "/a")

    assert wire.requests[0].startswith(b"GET /a HTTP/1.1\r\n")
