"""The product's own processes, typed as an operator types them."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

BIN = Path(sys.executable).parent
OURS = (
    *("GHL_", "MAILJET_", "SYNC_", "REDIS_", "FLOWER_", "CELERY_", "RECEIVER_"),
    *("STATUS_PAGE_", "WORKER_"),
)
START_SECONDS = 60.0
STOP_SECONDS = 60.0
RUN_SECONDS = 120.0
POLL_SECONDS = 0.05


def until(condition: Callable[[], object], what: str, seconds: float) -> None:
    """Return as soon as the condition holds.

    Raises:
        AssertionError: it does not after so many seconds.
    """
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"not within {seconds:.0f} s: {what}"
        time.sleep(POLL_SECONDS)


class Process:
    """A process that runs; what it says goes into its own log."""

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]], log: Path) -> None:
        self._start = start
        self._popen = start()
        self._log = log

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def name(self) -> str:
        return self._log.stem

    @property
    def log(self) -> str:
        """All it said until now, on both of its outputs."""
        return self._log.read_text("utf-8", "replace")

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    def wait_for(self, text: str, seconds: float = START_SECONDS) -> None:
        """Return once it has said so."""
        until(
            lambda: text in self.log or not self.is_running, f"{text!r} said", seconds
        )
        assert text in self.log, f"ended without {text!r}:\n{self.log}"

    def wait(self, seconds: float) -> int:
        """Let it end by itself; its exit status."""
        return self._popen.wait(seconds)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._popen.send_signal(signal.SIGINT)

    def supervise(self) -> None:
        """Start it again if it has ended, as a supervisor does."""
        if not self.is_running:
            self._popen = self._start()

    def kill(self) -> None:
        """`kill -9`: no goodbye to anybody."""
        self._popen.kill()
        self._popen.wait()

    def terminate(self) -> None:
        """Ask it to end."""
        if self.is_running:
            self._popen.terminate()

    def wait_or_kill(self) -> int:
        """Let it end, and insist if it does not; its exit status."""
        try:
            return self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._popen.returncode

    def end(self) -> int:
        """Ask it to end and see to it; its exit status."""
        self.terminate()
        return self.wait_or_kill()


class Processes:
    """Starts processes inside `with` and ends those, and no others, afterwards.

    They run in an empty folder, so that no `.env` of ours is read, and see none of our
    variables but these.

    Args:
        env: the settings, as in `.env`.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="processes-")
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(OURS)},
            **env,
        }
        self._started: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._started:
            process.terminate()
        for process in self._started:
            process.wait_or_kill()
        self._folder.cleanup()

    def worker(self, *options: str) -> Process:
        """`celery -A workers worker`."""
        return self.start("worker", *self._celery("worker", *options))

    def beat(self, *options: str) -> Process:
        """`celery -A workers beat`."""
        return self.start("beat", *self._celery("beat", *options))

    def flower(self, *options: str) -> Process:
        """`celery -A workers flower`."""
        return self.start("flower", *self._celery("flower", *options))

    def receiver(self) -> Process:
        """Gunicorn with our settings, where `RECEIVER_BIND` says."""
        told = ("-c", "python:workers.gunicorn", "workers.receiver:app")
        return self.start("receiver", sys.executable, "-m", "gunicorn", *told)

    def start(self, name: str, *command: str) -> Process:
        """Start anything of ours, in a session of its own."""
        log = Path(self._folder.name, f"{len(self._started)}-{name}.log")

        def start() -> subprocess.Popen[bytes]:
            with log.open("ab") as output:
                return subprocess.Popen(
                    command,
                    cwd=self._folder.name,
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

        process = Process(start, log)
        self._started.append(process)
        return process

    def celery(self, *words: str) -> str:
        """`celery -A workers WORDS`, run to its good end; what it said."""
        done = self._run(*self._celery(*words))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def call(self, task: str, arguments: str = "{}") -> str:
        """Enqueue a task as the README says; its id."""
        return self.celery("call", task, "--kwargs", arguments).strip()

    def command(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """`ghl-mailjet WORDS`, run to its end, under settings of its own as well."""
        return self._run(str(BIN / "ghl-mailjet"), *words, **env)

    def logs(self) -> str:
        """What all of them said, by the end of each."""
        return "\n".join(
            f"--- {process.name}\n{process.log[-3000:]}" for process in self._started
        )

    def full_logs(self) -> list[str]:
        """All that each of them said."""
        return [process.log for process in self._started]

    def _celery(self, *words: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "celery", "-A", "workers", *words)

    def _run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self._folder.name,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
