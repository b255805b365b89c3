"""Whether one process of ours does its work, asked from beside it.

For supervisors, which ask often: nothing heavy is imported here, and nobody waits long.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http.client import HTTPConnection, HTTPException

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from pipeline.config import Settings
from pipeline.store.processes import Processes

REDIS_SECONDS = 0.5
HTTP_SECONDS = 1.2
"""The receiver says within 0.8 s that Redis does not answer."""
ANYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound
LOOPBACK = "127.0.0.1"


class Process(StrEnum):
    """Those that run for long."""

    WORKER = "worker"
    BEAT = "beat"
    RECEIVER = "receiver"
    FLOWER = "flower"


@dataclass(frozen=True)
class Answer:
    """What a supervisor hears.

    Args:
        healthy: it does its work.
        alive: starting it again would not help; true of whatever is healthy.
        why: one line.
    """

    healthy: bool
    alive: bool
    why: str


def probe(
    process: Process, settings: Settings, environ: Mapping[str, str], node: str
) -> Answer:
    """Ask one process of this host.

    Args:
        environ: where `RECEIVER_BIND` and `FLOWER_*` are looked for.
        node: Celery's node name of the worker; without `@`, the part before it.
    """
    try:
        match process:
            case Process.WORKER:
                return _worker(_processes(settings), _full(node))
            case Process.BEAT:
                return _beat(_processes(settings))
            case Process.RECEIVER:
                return _receiver(environ)
            case Process.FLOWER:
                return _flower(settings, environ)
    except RedisError as error:
        why = f"Redis does not answer ({type(error).__name__})"
        return Answer(healthy=False, alive=True, why=why)


def _worker(processes: Processes, node: str) -> Answer:
    found = [worker for worker in processes.workers() if worker.name == node]
    if not found:
        return _dead(f"no heartbeat of worker {node}")
    slots = max(worker.slots for worker in found)
    if not slots:
        why = f"worker {node} finishes what it holds, and ends"
        return Answer(healthy=False, alive=True, why=why)
    return _well(f"worker {node} is alive, with {slots} slots")


def _beat(processes: Processes) -> Answer:
    host = socket.gethostname()
    if not processes.beat_rings(host):
        return _dead(f"Beat on {host} does not ring")
    return _well(f"Beat on {host} rings")


def _receiver(environ: Mapping[str, str]) -> Answer:
    host, _, port = (environ.get("RECEIVER_BIND") or f"{LOOPBACK}:8080").rpartition(":")
    try:
        status = _status(host, int(port), "/health")
    except (OSError, HTTPException, ValueError) as error:
        return _dead(f"the receiver does not answer ({type(error).__name__})")
    if status != 200:
        why = f"the receiver answers {status}: it could keep no event"
        return Answer(healthy=False, alive=True, why=why)
    return _well("the receiver keeps events")


def _flower(settings: Settings, environ: Mapping[str, str]) -> Answer:
    prefix = environ.get("FLOWER_URL_PREFIX", "").strip("/")
    path = f"/{prefix}/healthcheck" if prefix else "/healthcheck"
    try:
        port = int(environ.get("FLOWER_PORT") or 5555)
        status = _status(environ.get("FLOWER_ADDRESS", ""), port, path)
    except (OSError, HTTPException, ValueError) as error:
        return _dead(f"Flower does not answer ({type(error).__name__})")
    # Versions differ in whether this page asks for the login.
    if status not in (200, 401):
        return _dead(f"Flower answers {status}")
    _client(settings.redis_url).ping()
    return _well("Flower answers, and so does Redis")


def _status(host: str, port: int, path: str) -> int:
    host = host.strip("[]")
    server = HTTPConnection(
        LOOPBACK if host in ANYWHERE else host, port, timeout=HTTP_SECONDS
    )
    try:
        server.request("GET", path)
        return server.getresponse().status
    finally:
        server.close()


def _full(node: str) -> str:
    return node if "@" in node else f"{node}@{socket.gethostname()}"


def _processes(settings: Settings) -> Processes:
    return Processes(_client(settings.state_redis_url))


def _client(url: str) -> "Redis":
    return Redis.from_url(
        url,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def _well(why: str) -> Answer:
    return Answer(healthy=True, alive=True, why=why)


def _dead(why: str) -> Answer:
    return Answer(healthy=False, alive=False, why=why)
