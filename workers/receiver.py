"""HTTP in: webhooks of both vendors, health, metrics and the status page.

Verify, keep in the inbox, ring, 200: everything else is a worker's. What was not kept
is answered 503, and the vendor sends it again. How it is run: `workers/gunicorn.py`.
"""

import hmac
import json
import logging
import os
import secrets
import sys
import threading
import time
from collections import Counter

from flask import Blueprint, Flask, Response, abort, request
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException

from pipeline.bootstrap import Pipeline, build
from pipeline.config import Settings
from pipeline.errors import ConfigError
from pipeline.ghl.webhooks import WebhookKeys, verify
from pipeline.permit import Lane
from pipeline.store.inbox import RING_SECONDS, Entry, Inbox, InboxFull, Source
from workers.celery import app as celery_app
from workers.celery import settings
from workers.exporter import CONTENT_TYPE, Exporter
from workers.posted import parsed, read_body
from workers.soon import Soon
from workers.status_page.access import from_environment
from workers.status_page.routes import status_page
from workers.watch import Watch

logger = logging.getLogger(__name__)

REDIS_SECONDS = 0.8
"""A vendor hears within two seconds that nothing was kept, and probes within one."""
REST_SECONDS = 0.05
MAILJET_USER = "mailjet"
WORKFLOW_HEADER = "X-Webhook-Secret"
WORKFLOW_ROUTE = (
    "/webhooks/workflow/<connection>/<any(contact,dnd,task,note,appointment):what>"
)
NOBODYS_SECRET = secrets.token_urlsafe(32)
"""Compared with where there is none: the answer takes as long."""


class Tally:
    """Counts answers, and soon adds them to those in Redis."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._counted: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._soon = Soon("tally", self._add, REST_SECONDS)

    def count(self, name: str) -> None:
        with self._lock:
            self._counted[name] += 1
        self._soon.ask()

    def _add(self) -> None:
        with self._lock:
            counted, self._counted = self._counted, Counter()
        try:
            self._inbox.count_received(counted)
        except RedisError:
            with self._lock:
                self._counted += counted
            raise


class Receiver:
    """What is behind the routes."""

    def __init__(self, pipeline: Pipeline, config: Settings) -> None:
        self._pipeline = pipeline
        self._inbox = pipeline.inbox
        self._exporter = Exporter(pipeline)
        self._keys = WebhookKeys.load(
            config.ghl_webhook_public_key,
            config.ghl_webhook_legacy_key if config.webhook_legacy else None,
        )
        self._bell = Soon("bell", self._ring, REST_SECONDS)

    def mailjet(self, connection: str) -> Response:
        """Events of mails; the password is part of the URL that Mailjet calls."""
        told = request.authorization
        if told is None or told.type != "basic":
            abort(401)
        user_and_password = f"{told.username}:{told.password}"
        expected = f"{MAILJET_USER}:{self._secret(connection)}"
        if not _are_equal(user_and_password, expected):
            abort(401)
        body = read_body()
        parsed(body)
        return self._keep(Entry(Source.MAILJET, connection, _now_ms(), body))

    def ghl(self) -> Response:
        """Events of a Marketplace app, of whichever location."""
        body = read_body()
        if not verify(body, request.headers, self._keys):
            abort(401)
        told = parsed(body)
        fields = told if isinstance(told, dict) else {}
        place = _word(fields.get("locationId"))
        delivery = _word(fields.get("webhookId"))
        entry = Entry(Source.GHL, place, _now_ms(), body, delivery=delivery)
        return self._keep(entry)

    def workflow(self, connection: str, what: str) -> Response:
        """What a workflow of GHL's sends; it can send a header, and signs nothing."""
        told = request.headers.get(WORKFLOW_HEADER, "")
        if not _are_equal(told, self._secret(connection)):
            abort(401)
        body = read_body()
        parsed(body)
        entry = Entry(Source.WORKFLOW, connection, _now_ms(), body, what=what)
        return self._keep(entry)

    def _secret(self, connection: str) -> str:
        kit = self._pipeline.kits.get(connection)
        return (kit.connection.webhook_secret if kit else "") or NOBODYS_SECRET

    def _keep(self, entry: Entry) -> Response:
        try:
            is_new = self._inbox.put(entry)
        except (RedisError, InboxFull):
            abort(503)
        if is_new:
            self._bell.ask()
        return _answer(200, "ok")

    def _ring(self) -> None:
        """Without a broker this is soon given up: Beat's tick rings for what is due."""
        if self._inbox.claim_ring():
            celery_app.send_task(
                "event.apply", queue=Lane.CONSENT, expires=RING_SECONDS
            )

    def health(self) -> Response:
        """Whether an event would be kept now, and whether anybody would handle it."""
        processes = self._pipeline.processes
        try:
            self._inbox.probe()
            told = {
                "beat_tick_age_seconds": processes.tick_age_seconds(),
                "workers": len(processes.workers()),
                "inbox_waiting": self._inbox.waiting(),
            }
        except (RedisError, InboxFull):
            abort(503)
        return _answer(200, "ok", **told)

    def metrics(self) -> Response:
        """For Prometheus."""
        try:
            return Response(self._exporter.text(), content_type=CONTENT_TYPE)
        except RedisError:
            abort(503)


def create_app(
    pipeline: Pipeline, config: Settings, page: Blueprint | None = None
) -> Flask:
    """The WSGI application; connects to nothing yet.

    Args:
        page: the status page, where there is to be one.
    """
    flask = Flask("receiver", static_folder=None)
    # Its redirects would repeat what was asked for.
    flask.url_map.merge_slashes = False
    receiver, tally = Receiver(pipeline, config), Tally(pipeline.inbox)
    for path, view, method in (
        ("/webhooks/mailjet/<connection>", receiver.mailjet, "POST"),
        ("/webhooks/ghl", receiver.ghl, "POST"),
        (WORKFLOW_ROUTE, receiver.workflow, "POST"),
        ("/health", receiver.health, "GET"),
        ("/metrics", receiver.metrics, "GET"),
    ):
        flask.add_url_rule(
            path,
            view.__name__,
            view,
            methods=[method],
            provide_automatic_options=False,
        )
    if page is not None:
        flask.register_blueprint(page)
    flask.register_error_handler(HTTPException, _refuse)
    flask.register_error_handler(Exception, _break)

    @flask.after_request
    def _count(response: Response) -> Response:
        source = request.endpoint if request.endpoint in set(Source) else "other"
        is_page = page is not None and request.blueprint == page.name
        if request.endpoint not in ("health", "metrics") and not is_page:
            tally.count(f"{source}:{response.status_code // 100}xx")
        return response

    return flask


def _word(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 100 else ""


def _are_equal(told: str, expected: str) -> bool:
    return hmac.compare_digest(told.encode(), expected.encode())


def _now_ms() -> int:
    return round(time.time() * 1000)


def _answer(code: int, status: str, **told: object) -> Response:
    text = json.dumps({"status": status, **told})
    return Response(f"{text}\n", code, content_type="application/json")


def _refuse(error: HTTPException) -> Response:
    """A word for each status; what was sent is not repeated."""
    code = error.code or 500
    answer = _answer(code, error.name.lower())
    if code == 401 and request.endpoint == Source.MAILJET:
        answer.headers["WWW-Authenticate"] = 'Basic realm="mailjet"'
    if code == 405:
        answer.headers["Allow"] = dict(error.get_headers()).get("Allow", "")
    return answer


def _break(error: Exception) -> Response:
    # Its words, and a traceback, may hold what was sent.
    logger.error("%s: %s", request.endpoint, type(error).__name__)
    return _answer(500, "internal server error")


def _own_app() -> Flask:
    pipeline = build(settings(), redis_retries=0, redis_seconds=REDIS_SECONDS)
    try:
        access = from_environment(os.environ)
        page = status_page(pipeline, access, os.environ.get("FLOWER_URL", ""))
        flask = create_app(pipeline, settings(), page)
    except ConfigError as error:
        sys.exit("The settings cannot be used:\n  " + "\n  ".join(error.problems))
    flask.extensions["watch"] = Watch(pipeline)
    return flask


app = _own_app()
