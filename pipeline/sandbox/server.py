"""Two ports of one process, from the first call to a clean end.

Several locations share them: whose key a caller shows decides which of them answers.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from aiohttp import web

from pipeline.sandbox import control
from pipeline.sandbox.delivery import deliver
from pipeline.sandbox.wire import Call, first_values, read_target
from pipeline.sandbox.world import World

HOST = "127.0.0.1"
GRACE_SECONDS = 0.2

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def serve(
    worlds: Sequence[World],
    ghl_port: int,
    mailjet_port: int,
    on_ready: Callable[[str, str], None],
) -> None:
    """Serve both vendors on loopback until SIGINT or SIGTERM.

    Args:
        ghl_port, mailjet_port: 0 takes a free one.
        on_ready: called once both listen, with the addresses of GHL and Mailjet.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    ghl = _by_key({one.credentials.bearer: one.ghl().serve for one in worlds})
    mailjet = _by_key({one.credentials.basic: one.mailjet().serve for one in worlds})
    async with AsyncExitStack() as opened:
        for world in worlds:
            await opened.enter_async_context(world.outbox.opened())
        ghl = _with_control(worlds, ghl)
        ghl_url = await opened.enter_async_context(_listening(ghl, ghl_port))
        on_ready(
            ghl_url,
            await opened.enter_async_context(_listening(mailjet, mailjet_port)),
        )
        await stop.wait()


@asynccontextmanager
async def _listening(handler: Handler, port: int) -> AsyncIterator[str]:
    """A port that is served, by its address."""
    server = web.Server(cast(Any, handler), access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=GRACE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _by_key(handlers: Mapping[str, Handler]) -> Handler:
    """A port of many by `Authorization`; who shows no key of theirs is the first's to
    refuse."""
    first = next(iter(handlers.values()))

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        key = request.headers.get("Authorization", "")
        return await handlers.get(key, first)(request)

    return handle


def _with_control(worlds: Sequence[World], serve: Handler) -> Handler:
    """GHL's port, with the back door in it."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        path, pairs = read_target(request.raw_path)
        if not path.startswith(control.PREFIX):
            return await serve(request)
        query = first_values(pairs)
        call = Call("control", request.method, path, query, request.headers)
        call.body = await request.content.read()
        return await deliver(request, control.answer(worlds, call), None)

    return handle
