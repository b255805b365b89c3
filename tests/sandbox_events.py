"""The sandbox's back door to events, and a receiver of what it posts."""

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, NamedTuple, Self

Row = dict[str, Any]

WAIT_SECONDS = 30.0
POLL_SECONDS = 0.02


class EventControl:
    """What happens to mails, and who is told of what."""

    _get: Callable[..., Any]
    _ask: Callable[..., Any]

    def mail_event(
        self, kind: str, contact: int | str, *, deliver: bool = True, **fields: Any
    ) -> Row:
        """Let something happen to a mail, as its recipient or their server would.

        Args:
            kind: `sent`, `open`, `click`, `bounce`, `blocked`, `spam` or `unsub`.
            contact: ContactID or address.
            deliver: whether the webhook is sent, or lost on its way.
            fields: `list_id`, `url`, `hard_bounce`, `error`, `message_id`,
                `campaign_id`, `customcampaign`, `campaign_started` and `time` (both
                Unix seconds).

        Returns:
            the event, as Mailjet sends it.
        """
        body = {"event": kind, "contact": contact, "deliver": deliver, **fields}
        event: Row = self._ask("POST", "mailjet/events", body)
        return event

    def callbacks(self) -> list[Row]:
        """All rows of Mailjet's `eventcallbackurl`, raw."""
        rows: list[Row] = self._get("mailjet/callbacks")
        return rows

    def forget_callbacks(self) -> None:
        """Take all of them away."""
        self._ask("DELETE", "mailjet/callbacks")

    def send_webhooks_to(self, url: str) -> None:
        """Let GHL post every change to this address, as to a Marketplace app's."""
        self._ask("POST", "ghl/webhooks", {"url": url})

    def stop_webhooks(self) -> None:
        """No more; what waits for another attempt is given up."""
        self._ask("DELETE", "ghl/webhooks")

    def deliveries(self) -> list[Row]:
        """What was posted to others or waits for it, oldest first.

        Each has `vendor`, `kind` (GHL's type, or Mailjet's events joined by commas),
        `url` (without credentials), `status` (`waiting`, `delivered`, `given up` or
        `refused`), `attempts` and `answer` (the newest HTTP status or None).
        """
        rows: list[Row] = self._get("deliveries")
        return rows


class Received(NamedTuple):
    """One POST; names of `headers` are in lower case, `at` in monotonic seconds."""

    at: float
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Listens on a free port of this machine and keeps what is posted to it.

    Args:
        statuses: of the first answers; after them all are 200.
    """

    def __init__(self, *statuses: int) -> None:
        self.received: list[Received] = []
        left = list(statuses)
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                at = time.monotonic()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): text for name, text in self.headers.items()}
                # Before the answer: whoever has that may look at once.
                received.append(Received(at, headers, body))
                self.send_response(left.pop(0) if left else 200)
                # Whoever follows a redirection finds a 200 there.
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(POLL_SECONDS,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for(self, posts: int) -> list[Received]:
        """The first so many POSTs, once they are here."""
        wait_until(lambda: len(self.received) >= posts)
        return self.received[:posts]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it is still not so.
    """
    end = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(POLL_SECONDS)
