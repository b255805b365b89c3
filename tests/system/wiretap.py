"""Everything that goes through the broker, as the broker sees it."""

import base64
import contextlib
import re
import threading
from types import TracebackType
from typing import Self
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError

from tests.system.processes import START_SECONDS, until
from tests.valkey import Valkey

BODY = re.compile(r'"body": "([A-Za-z0-9+/=]+)"')
END = "end of the wiretap"


class Wiretap:
    """Listens to the server inside `with`.

    Our own keys are no part of the broker: the row cache holds addresses by design.
    """

    def __init__(self, valkey: Valkey) -> None:
        # Nothing may be said for as long as the processes take to start.
        self._redis: Redis = valkey.client(socket_timeout=None)
        self._heard: list[str] = []
        self._marks: set[str] = set()
        self._is_listening = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_listening.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(RedisError):
            self._redis.echo(END)
        self._thread.join(10)
        self._redis.close()

    @property
    def heard(self) -> list[str]:
        """One command each, of all until now; the bodies of messages stand behind,
        decoded."""
        if self._thread.is_alive():
            self._catch_up()
        return [f"{line} {decoded(line)}" for line in [*self._heard]]

    def messages(self, queue: str) -> list[str]:
        """What was put into a queue."""
        return [line for line in self.heard if line.startswith(f"LPUSH {queue} ")]

    def _catch_up(self) -> None:
        """The server tells of a command after it was run, and we read that later."""
        mark = f"ECHO {uuid4().hex}"
        self._redis.execute_command(*mark.split())
        until(lambda: mark in self._marks, "all is heard", START_SECONDS)

    def _listen(self) -> None:
        with self._redis.monitor() as monitor:
            self._is_listening.set()
            for entry in monitor.listen():
                command = entry["command"]
                if END in command:
                    return
                if command.startswith("ECHO "):
                    self._marks.add(command)
                elif "gm:" not in command and entry["client_type"] != "lua":
                    self._heard.append(command)


def decoded(line: str) -> str:
    return " ".join(
        base64.b64decode(body).decode("utf-8", "replace") for body in BODY.findall(line)
    )
