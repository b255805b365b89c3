"""Brings events to the addresses that listen.

Source: dev.mailjet.com, guide "Event API", read 2026-11: every answer but 200 is tried
again each 30 seconds; 24 hours after the first failure the address is suspended and its
backup takes over. Version 2 groups events, one post a second and address.
"""

import json
from dataclasses import dataclass
from time import monotonic

from pipeline.sandbox.mailjet.callbacks import Callbacks
from pipeline.sandbox.outbox import Outbox, Parcel, pause
from pipeline.sandbox.settings import Settings
from pipeline.sandbox.wire import Row

GROUPED = 2
SECONDS_BETWEEN_GROUPS = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that travel together."""

    parcel: Parcel
    events: list[Row]

    def add(self, event: Row) -> None:
        self.parcel.kinds.append(event["event"])
        self.events.append(event)


class Courier:
    """One for an API key."""

    def __init__(
        self, callbacks: Callbacks, settings: Settings, outbox: Outbox
    ) -> None:
        self._callbacks = callbacks
        self._settings = settings
        self._outbox = outbox
        self._open: dict[str, Batch] = {}
        self._posted_at: dict[str, float] = {}

    def send(self, event: Row) -> None:
        """Bring an event to who listens; if nobody does, nobody is told of it ever."""
        callback = self._callbacks.listening(event["event"])
        if callback is None:
            return
        url: str = callback["Url"]
        if callback["Version"] != GROUPED:
            batch = Batch(Parcel("mailjet", url, []), [])
            batch.add(event)
            self._outbox.send(batch.parcel, self._carry(batch, event))
        elif (waiting := self._open.get(url)) is not None:
            waiting.add(event)
        else:
            batch = Batch(Parcel("mailjet", url, []), [])
            batch.add(event)
            self._open[url] = batch
            self._outbox.send(batch.parcel, self._group(batch))
            if batch.parcel.status == "refused":
                del self._open[url]

    async def _group(self, batch: Batch) -> None:
        url = batch.parcel.url
        wait = self._posted_at.get(url, 0.0) + SECONDS_BETWEEN_GROUPS - monotonic()
        await pause(lambda: wait)
        self._posted_at[url] = monotonic()
        del self._open[url]
        await self._carry(batch, batch.events)

    async def _carry(self, batch: Batch, content: Row | list[Row]) -> None:
        parcel, url, settings = batch.parcel, batch.parcel.url, self._settings
        parcel.body = json.dumps(content).encode()
        while await self._outbox.post(parcel) != 200:
            self._callbacks.failed(url, settings.callback_gives_up_seconds)
            if self._callbacks.is_alive(url):
                await pause(lambda: settings.callback_retry_seconds)
            if not self._callbacks.is_alive(url):
                parcel.status = "given up"
                for event in batch.events:
                    self.send(event)
                return
        self._callbacks.took(url)
        parcel.status = "delivered"
