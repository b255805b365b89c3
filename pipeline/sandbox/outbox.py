"""What the vendors post to others: to this machine only, told under `deliveries`.

Nothing of it counts as a call to a vendor.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from time import monotonic
from urllib.parse import urlsplit

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)

from pipeline.sandbox.wire import Row

REMEMBERED_PARCELS = 20_000
TIMEOUT_SECONDS = 10.0
TICK_SECONDS = 0.05


@dataclass(slots=True)
class Parcel:
    """One body on its way to one address.

    Args:
        kinds: of each event in it.
        status: `waiting`, `delivered`, `given up`, or `refused` (not on this machine).
        answer: the HTTP status of the newest attempt; None without an answer.
    """

    vendor: str
    url: str
    kinds: list[str]
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: str = "waiting"
    attempts: int = 0
    answer: int | None = None

    def as_row(self) -> Row:
        parts = urlsplit(self.url)
        return {
            "vendor": self.vendor,
            "kind": ",".join(self.kinds),
            "url": parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
            "status": self.status,
            "attempts": self.attempts,
            "answer": self.answer,
        }


class Outbox:
    """Every parcel, and the tasks that carry them."""

    def __init__(self) -> None:
        self.parcels: deque[Parcel] = deque(maxlen=REMEMBERED_PARCELS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: ClientSession | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Carry parcels; at the end whatever still waits is dropped."""
        connector = TCPConnector(force_close=True)
        # No total: that would count the wait for one of the connections too.
        timeout = ClientTimeout(
            total=None, sock_connect=TIMEOUT_SECONDS, sock_read=TIMEOUT_SECONDS
        )
        session = ClientSession(
            connector=connector, cookie_jar=DummyCookieJar(), timeout=timeout
        )
        async with session as self._session:
            try:
                yield
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def send(self, parcel: Parcel, journey: Coroutine[None, None, None]) -> None:
        """Start a parcel's journey, unless it leads off this machine."""
        self.parcels.append(parcel)
        if not is_on_this_machine(parcel.url):
            parcel.status = "refused"
            journey.close()
            return
        task = asyncio.get_running_loop().create_task(journey)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def post(self, parcel: Parcel) -> int | None:
        """Try once.

        Returns:
            the HTTP status, None without an answer.
        """
        assert self._session is not None  # noqa: S101 - journeys begin when it is open
        parcel.attempts += 1
        headers = {"Content-Type": "application/json", **parcel.headers}
        try:
            async with self._session.post(
                parcel.url, data=parcel.body, headers=headers, allow_redirects=False
            ) as response:
                parcel.answer = response.status
        except (ClientError, TimeoutError, OSError):
            parcel.answer = None
        return parcel.answer


async def pause(seconds: Callable[[], float]) -> None:
    """Wait for as long as it says, also when that changes meanwhile."""
    since = monotonic()
    while (left := since + seconds() - monotonic()) > 0:
        await asyncio.sleep(min(left, TICK_SECONDS))


def is_on_this_machine(url: str) -> bool:
    """Whether it is an HTTP address of the loopback."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        is_here = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
    return is_here and parts.scheme in {"http", "https"}
