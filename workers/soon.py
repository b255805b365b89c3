"""Something that is done soon, in a thread of its own, once for all who asked."""

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Soon:
    """Nobody who asks waits; those who ask while it is being done share the next time.

    The thread starts with the first who asks: Gunicorn forks before that.

    Args:
        do: may fail; whoever asks next has it done again.
        rest_seconds: between two times, for more to come together.
    """

    def __init__(
        self, name: str, do: Callable[[], object], rest_seconds: float
    ) -> None:
        self._name = name
        self._do = do
        self._rest_seconds = rest_seconds
        self._asked = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        self._asked.set()
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._go_on, name=self._name, daemon=True
                    )
                    self._thread.start()

    def _go_on(self) -> None:
        while self._asked.wait():
            self._asked.clear()
            try:
                self._do()
            except Exception as error:
                # Its words may hold an address of ours.
                logger.warning("%s: %s", self._name, type(error).__name__)
            time.sleep(self._rest_seconds)
