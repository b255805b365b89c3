"""The routes of the status page."""

import logging
from collections.abc import Mapping

from flask import Blueprint, Response, abort, redirect, render_template, request
from flask import url_for as address_of
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from pipeline import replaying, runs, why
from pipeline.alert_conditions import conditions
from pipeline.bootstrap import Kit, Pipeline
from pipeline.errors import ConfigError
from pipeline.replaying import Wanted
from workers.status_page import views
from workers.status_page.access import Access, guarded

logger = logging.getLogger(__name__)

NAME = "status_page"
MOST_FORM_BYTES = 16 * 1024
SAID = {
    "started": "A full resync has started.",
    "joined": "A full resync is under way already.",
    "refused": "No resync: set the connection up first, or wait for the run of a "
    "business to end.",
    "paused": "The connection is paused; consent goes on.",
    "resumed": "The connection goes on.",
    "replayed": "Dead letters that wait again: ",
    "no-id": "That is no contact id. Addresses are not looked up here.",
}
"""What a page says after a button was pressed, by the word in its address."""


class StatusPage:
    """What is behind the routes."""

    def __init__(self, pipeline: Pipeline, access: Access, flower_url: str) -> None:
        self._pipeline = pipeline
        self._access = access
        self._flower_url = flower_url

    def connections(self) -> str:
        """All connections and their health."""
        kits = self._pipeline.kits.values()
        cards = [views.card(self._pipeline, kit) for kit in kits]
        processes = self._pipeline.processes
        return self._page(
            "connections.html",
            cards=cards,
            alerts=list(conditions(self._pipeline, kits)),
            workers=processes.workers(),
            beat_age=processes.tick_age_seconds(),
            inbox=self._pipeline.inbox.counts(),
        )

    def connection(self, name: str) -> str:
        """One connection."""
        kit = self._kit(name)
        cause, age = request.args.get("cause", ""), request.args.get("age", "")
        return self._page(
            "connection.html",
            **views.live(self._pipeline, kit),
            **views.letters(kit, cause, age),
            runs=views.finished(kit),
            drift=views.drift(kit),
        )

    def live(self, name: str) -> str:
        """What moves on it, to be put in place of what was."""
        moving = views.live(self._pipeline, self._kit(name))
        return render_template("live.html", **moving)

    def contact(self, name: str, contact_id: str) -> str:
        """Where one contact stands, and its timeline."""
        kit = self._kit(name)
        if not views.CONTACT_ID.fullmatch(contact_id):
            abort(404)
        told = why.explain(self._pipeline, kit, contact_id)
        flower = views.in_flower(self._flower_url, contact_id)
        return self._page("contact.html", name=name, told=told, flower=flower)

    def find(self, name: str) -> AnyResponse:
        """The page of the contact whose id was typed."""
        self._kit(name)
        contact_id = request.form.get("contact", "").strip()
        if not views.CONTACT_ID.fullmatch(contact_id):
            return self._back(name, "no-id")
        there = address_of(f"{NAME}.contact", name=name, contact_id=contact_id)
        return redirect(there, 303)

    def resync(self, name: str) -> AnyResponse:
        """Start a full resync, or join it."""
        try:
            started = runs.start_run(self._kit(name))
        except ConfigError:
            return self._back(name, "refused")
        return self._back(name, "joined" if started.joined else "started")

    def pause(self, name: str) -> AnyResponse:
        """Let everything but consent wait."""
        self._kit(name).operator_pause.begin()
        return self._back(name, "paused")

    def resume(self, name: str) -> AnyResponse:
        """Let it go on."""
        self._kit(name).operator_pause.end()
        return self._back(name, "resumed")

    def replay(self, name: str) -> AnyResponse:
        """Try a contact's dead letter again, or all that the filter shows."""
        kit, form = self._kit(name), request.form
        wanted = views.wanted(form.get("cause", ""), form.get("age", ""))
        if contact := form.get("contact"):
            wanted = Wanted({contact})
        replayed = replaying.replay(kit, replaying.letters(kit, wanted))
        if contact and views.CONTACT_ID.fullmatch(contact):
            there = address_of(f"{NAME}.contact", name=name, contact_id=contact)
            return redirect(f"{there}?said=replayed&count={replayed}", 303)
        return self._back(name, "replayed", str(replayed))

    def let_in(self) -> AnyResponse | None:
        """Before each request: who asks, and whether it was meant."""
        request.max_content_length = MOST_FORM_BYTES
        if not self._access.admits(request):
            abort(401)
        if request.method == "POST" and not self._access.meant(request):
            abort(403)
        return None

    def _kit(self, name: str) -> Kit:
        return self._pipeline.kits.get(name) or abort(404)

    def _page(self, template: str, **told: object) -> str:
        names = list(self._pipeline.kits)
        return render_template(
            template,
            **told,
            token=self._access.token(),
            said=_said(request.args),
            names=names,
            flower_url=self._flower_url,
        )

    def _back(self, name: str, said: str, count: str = "") -> AnyResponse:
        there = address_of(f"{NAME}.connection", name=name, said=said)
        return redirect(f"{there}&count={count}" if count else there, 303)


def _said(args: Mapping[str, str]) -> str:
    """What a page says at its top, of nobody's making but ours."""
    said, count = SAID.get(args.get("said", ""), ""), args.get("count", "")
    return f"{said}{count}" if count.isdecimal() and len(count) < 10 else said


def status_page(pipeline: Pipeline, access: Access, flower_url: str = "") -> Blueprint:
    """The page, to be registered with the receiver."""
    page = StatusPage(pipeline, access, flower_url)
    blueprint = Blueprint(
        NAME,
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/static",
    )
    for path, view in (
        ("/", page.connections),
        ("/connections/<name>", page.connection),
        ("/connections/<name>/live", page.live),
        ("/connections/<name>/contacts/<contact_id>", page.contact),
    ):
        blueprint.add_url_rule(path, view.__name__, view, methods=["GET"])
    for press in (page.find, page.resync, page.pause, page.resume, page.replay):
        path = f"/connections/<name>/{press.__name__}"
        blueprint.add_url_rule(path, press.__name__, press, methods=["POST"])
    blueprint.before_request(page.let_in)
    blueprint.after_request(guarded)
    blueprint.register_error_handler(HTTPException, _refuse)
    blueprint.register_error_handler(RedisError, _away)
    blueprint.register_error_handler(Exception, _break)
    return blueprint


def _refuse(error: HTTPException) -> Response:
    """A short page; what was asked for is not repeated."""
    code = error.code or 500
    hint = {
        401: "User and password are those of STATUS_PAGE_AUTH.",
        403: "The form was open for too long, or is not from here: load the page anew.",
        404: "There is no such page, connection or contact id.",
    }.get(code, "")
    text = render_template("message.html", title=error.name, hint=hint, names=[])
    response = Response(text, code, content_type="text/html; charset=utf-8")
    if code == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="status", charset="UTF-8"'
    return response


def _away(error: RedisError) -> Response:
    hint = "Redis does not answer. Contacts wait, and none is lost."
    text = render_template("message.html", title="Redis is away", hint=hint, names=[])
    return Response(text, 503, content_type="text/html; charset=utf-8")


def _break(error: Exception) -> Response:
    # Its words, and a traceback, may hold what was sent.
    logger.error("%s: %s", request.endpoint, type(error).__name__)
    text = render_template("message.html", title="Our own mistake", hint="", names=[])
    return Response(text, 500, content_type="text/html; charset=utf-8")
