"""One vendor's port: every call passes here, in this order.

Arrive (it counts against the allowance at once), be refused at the edge, be refused
with 429, meet a fault, show credentials, reach the endpoint, wait out the latency.
"""

import asyncio
import time
from typing import Generic, Protocol

from aiohttp import web

from pipeline.sandbox.calls import CallLog
from pipeline.sandbox.delivery import deliver
from pipeline.sandbox.faults import INSTEAD, SPOILED, Fault, Faults
from pipeline.sandbox.limits import Allowance
from pipeline.sandbox.settings import Settings
from pipeline.sandbox.wire import (
    Answer,
    Call,
    Refusal,
    Route,
    Routes,
    State,
    first_values,
    read_target,
)

BAD_GATEWAY_PAGE = b"<html><head><title>502 Bad Gateway</title></head></html>\n"
UNAVAILABLE = b"upstream connect error or disconnect/reset before headers"


class Front(Protocol):
    """A vendor's manner at the door; its endpoints know nothing of it."""

    name: str
    failures: dict[str, tuple[int, str]]
    """Fault kind to the status and words that this vendor has for it."""

    def allowance_of(self, call: Call) -> Allowance: ...

    def stop_at_edge(self, call: Call) -> Answer | None: ...

    def check(self, call: Call) -> None: ...

    def identify(self, call: Call) -> None: ...

    def unrouted(self, call: Call, *, known_path: bool) -> Answer: ...

    def error(self, status: int, message: str) -> Answer: ...

    def dress(self, call: Call, answer: Answer) -> None: ...


class Gateway(Generic[State]):
    """Serves one vendor.

    Args:
        state: what its endpoints work on.
    """

    def __init__(
        self,
        front: Front,
        routes: Routes[State],
        state: State,
        *,
        settings: Settings,
        faults: Faults,
        log: CallLog,
    ) -> None:
        self.front = front
        self.routes = routes
        self._state = state
        self._settings = settings
        self._faults = faults
        self._log = log

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        arrival = time.monotonic()
        path, pairs = read_target(request.raw_path)
        front, query = self.front, first_values(pairs)
        call = Call(front.name, request.method, path, query, request.headers)
        call.repeated = pairs
        route, call.params, known_path = self.routes.find(request.method, path)
        call.route = route.template if route else call.route
        entry = self._log.arrive(arrival, front.name, call.method, call.route)
        if (answer := front.stop_at_edge(call)) is None:
            wait = front.allowance_of(call).arrive(arrival)
            # `request.read` would stop at 1 MiB, and a note may be larger.
            call.body = await request.content.read()
            front.identify(call)
            answer, fault = self._answer(call, wait, route, known_path)
            front.dress(call, answer)
        else:
            fault = None
        entry.contact = call.contact
        if self._settings.keep_exchanges:
            self._log.keep(call, answer)
        if self._settings.latency_ms:
            await asyncio.sleep(self._settings.latency_ms / 1000)
        if not fault or not fault.kind.startswith(("no_answer", "reset")):
            entry.status = answer.status
        return await deliver(request, answer, fault)

    def _answer(
        self,
        call: Call,
        wait: float | None,
        route: Route[State] | None,
        known_path: bool,
    ) -> tuple[Answer, Fault | None]:
        if wait is not None:
            return self._too_many(wait), None
        if fault := self._faults.strike(call, INSTEAD):
            return self._failure(fault), fault
        try:
            self.front.check(call)
            if route is None:
                return self.front.unrouted(call, known_path=known_path), None
            answer = route.endpoint(self._state, call)
        except Refusal as refusal:
            answer = refusal.answer
        fault = self._faults.strike(call, SPOILED)
        if fault and fault.kind == "refused_after":
            answer = self._failure(fault)
        return answer, fault

    def _too_many(self, wait: float) -> Answer:
        answer = self.front.error(*self.front.failures["429"])
        if self._settings.retry_after:
            answer.headers["Retry-After"] = str(int(wait) + 1)
        return answer

    def _failure(self, fault: Fault) -> Answer:
        if fault.kind == "502":
            return Answer(502, BAD_GATEWAY_PAGE, {"Content-Type": "text/html"})
        if fault.kind == "503":
            return Answer(503, UNAVAILABLE, {"Content-Type": "text/plain"})
        kind = fault.kind.removesuffix("_after")
        if kind not in self.front.failures:
            return Answer(500)  # never sent: the connection ends instead
        status, words = self.front.failures[kind]
        answer = self.front.error(status, fault.message or words)
        if fault.retry_after is not None:
            answer.headers["Retry-After"] = str(fault.retry_after)
        return answer
