"""Two ports of one process, from the first call to a clean end."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from aiohttp import web

from pipeline.sandbox import control
from pipeline.sandbox.delivery import deliver
from pipeline.sandbox.ghl.front import TOKEN
from pipeline.sandbox.ghl.location import LOCATION_ID
from pipeline.sandbox.mailjet.front import API_KEY, SECRET_KEY
from pipeline.sandbox.wire import Call, first_values, read_target
from pipeline.sandbox.world import World

HOST = "127.0.0.1"
GRACE_SECONDS = 0.2

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def serve(
    world: World,
    ghl_port: int,
    mailjet_port: int,
    on_ready: Callable[[dict[str, str]], None],
) -> None:
    """Serve both vendors on loopback until SIGINT or SIGTERM.

    Args:
        ghl_port, mailjet_port: 0 takes a free one.
        on_ready: called once both listen, with the environment that leads there.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    ghl = _with_control(world, world.ghl().serve)
    async with (
        world.outbox.opened(),
        _listening(ghl, ghl_port) as ghl_url,
        _listening(world.mailjet().serve, mailjet_port) as mailjet_url,
    ):
        on_ready(
            {
                "GHL_BASE_URL": ghl_url,
                "GHL_TOKEN": TOKEN,
                "GHL_LOCATION_ID": LOCATION_ID,
                "GHL_WEBHOOK_PUBLIC_KEY": world.webhooks.public_key,
                "MAILJET_BASE_URL": mailjet_url,
                "MAILJET_API_KEY": API_KEY,
                "MAILJET_SECRET_KEY": SECRET_KEY,
                "MAILJET_LIST_ID": str(world.list_id),
            }
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


def _with_control(world: World, serve: Handler) -> Handler:
    """GHL's port, with the back door in it."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        path, pairs = read_target(request.raw_path)
        if not path.startswith(control.PREFIX):
            return await serve(request)
        query = first_values(pairs)
        call = Call("control", request.method, path, query, request.headers)
        call.body = await request.content.read()
        return await deliver(request, control.answer(world, call), None)

    return handle
