"""Gunicorn's settings: `gunicorn -c python:workers.gunicorn workers.receiver:app`.

It listens on this machine alone: `/health` and `/metrics` ask for no login. What makes
it public is a proxy with TLS that passes `/webhooks/` on, and that takes in a slow
client's request before it troubles us.
"""

import os
import socket
import struct
import sys
from typing import Any

from gunicorn import util
from gunicorn.glogging import Logger
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import ThreadWorker

from workers.heap import one_heap

STALLED_SECONDS = 5
"""Who sends nothing for so long in mid-request frees its thread."""
STALLED = struct.pack("@ll", STALLED_SECONDS, 0)


class TerseLogger(Logger):  # type: ignore[misc]
    """Tells what kind of error it was; its words may hold what somebody sent."""

    def exception(self, msg: str, *args: object, **kwargs: object) -> None:
        error = sys.exc_info()[1]
        # A client that stalls is nothing to tell of: there may be thousands.
        if not isinstance(error, BlockingIOError):
            self.error("%s while answering", type(error).__name__)


class ReceiverWorker(ThreadWorker):  # type: ignore[misc]
    """Gunicorn's threads, for clients that mean no good."""

    def handle(self, conn: Any) -> object:
        """One request, in a thread of the pool."""
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, STALLED)
        kept = super().handle(conn)
        if kept is False:
            # Gunicorn would wait here for the client to go, in the thread that accepts.
            conn.close(graceful=True)
            conn.close = _is_closed
        return kept

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> None:
        """Say no without repeating what was sent; neither is it logged."""
        status, reason = 400, "Bad Request"
        if isinstance(exc, LimitRequestLine):
            status, reason = 414, "URI Too Long"
        elif isinstance(exc, LimitRequestHeaders):
            status, reason = 431, "Request Header Fields Too Large"
        elif not isinstance(exc, ParseException):
            status, reason = 500, "Internal Server Error"
            self.log.exception("")
        try:
            util.write_error(client, status, reason, "")
        except OSError:
            self.log.debug("The client has gone.")


def _is_closed(graceful: bool = False) -> None:
    """What is closed need not be closed again."""


def post_fork(server: object, worker: object) -> None:
    one_heap()


def post_worker_init(worker: Any) -> None:
    """No thread outlives a fork, so this one begins after it."""
    worker.wsgi.extensions["watch"].start()


bind = os.environ.get("RECEIVER_BIND") or "127.0.0.1:8080"
worker_class = ReceiverWorker
logger_class = TerseLogger
workers = 1
threads = 16
# Settings that cannot be used end it, instead of every process that it forks.
preload_app = True
keepalive = 5
timeout = 30
graceful_timeout = 20
accesslog = None
control_socket_disable = True
limit_request_line = 2048
limit_request_fields = 50
