"""Celery's events, which Flower listens to, sent some at a time."""

from typing import Any

from celery.bootsteps import StartStopStep
from vine import promise

INTERVAL_SECONDS = 0.25


class EventsTogether(StartStopStep):
    """Publishes at intervals, or when there are 24, not at each turn of the loop.

    Each contact has three events, and a message costs more than what is in it.
    """

    requires = ("celery.worker.consumer:Events",)

    def include_if(self, parent: Any) -> bool:
        """Celery buffers events only beside its own loop."""
        return parent.hub is not None

    def start(self, parent: Any) -> None:
        """Begin; called for each connection, whose end ends its timers."""
        events = parent.event_dispatcher
        # The loop asks for the next message when something wakes it: without this a
        # worker that had no free slot would rest until the timer.
        woken = promise()
        events.on_send_buffered = lambda: parent.hub.call_soon(woken)
        parent.timer.call_repeatedly(INTERVAL_SECONDS, events.flush)

    def stop(self, parent: Any) -> None:
        """The loop has ended: what still runs tells its end by itself."""
        # There is none where the first connection has failed.
        if events := parent.event_dispatcher:
            events.on_send_buffered = events.flush
            events.flush()
