"""How an answer leaves: whole, or spoiled by a fault, or not at all."""

import asyncio
import json
import socket
import struct
from typing import Any

from aiohttp import web

from pipeline.sandbox.faults import Fault
from pipeline.sandbox.wire import Answer

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


async def deliver(
    request: web.BaseRequest, answer: Answer, fault: Fault | None
) -> web.StreamResponse:
    """Send the answer in the way that the fault allows."""
    body = _encode(answer)
    match fault.kind if fault else "":
        case "no_answer_before" | "no_answer_after":
            _hang_up(request, reset=False)
        case "reset" | "reset_after":
            _hang_up(request, reset=True)
        case "slow" if fault:
            await asyncio.sleep(fault.seconds)
        case "trickle" if fault:
            return await _trickle(request, answer, body, fault.seconds)
        case "truncated":
            body = body[: len(body) // 2]
        case "wrong_type":
            body = b"[" + body + b"]"
        case "empty":
            body = b""
    return web.Response(body=body, **_head(answer))


def _encode(answer: Answer) -> bytes:
    if isinstance(answer.body, bytes):
        return answer.body
    if answer.body is None:
        return b""
    text = json.dumps(answer.body, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair travels escaped, as JavaScript sends it.
        return json.dumps(answer.body).encode()


def _head(answer: Answer) -> dict[str, Any]:
    headers = {"Content-Type": "application/json; charset=utf-8", **answer.headers}
    return {"status": answer.status, "reason": answer.reason, "headers": headers}


async def _trickle(
    request: web.BaseRequest, answer: Answer, body: bytes, seconds: float
) -> web.StreamResponse:
    response = web.StreamResponse(**_head(answer))
    response.content_length = len(body)
    await response.prepare(request)
    for byte in body:
        await response.write(bytes([byte]))
        await asyncio.sleep(seconds / len(body))
    return response


def _hang_up(request: web.BaseRequest, *, reset: bool) -> None:
    transport = request.transport
    if transport is None:
        return
    if reset:
        link = transport.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
