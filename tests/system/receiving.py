"""A receiver that runs, and those who post to it."""

import json
import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.bootstrap import Pipeline, build
from pipeline.config import from_env
from tests.builders import ENVIRON
from tests.system.processes import START_SECONDS, Process, Processes, until
from tests.valkey import Valkey, free_port

SECRET = "a-secret-of-this-test"
LOCATION = ENVIRON["GHL_LOCATION_ID"]
KEY = Ed25519PrivateKey.from_private_bytes(b"GHL's key, which is not for sale")
PUBLIC_KEY = b64encode(
    KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
ANSWER_SECONDS = 30.0
"""Longer than any answer takes, on a busy machine too."""
Headers = Mapping[str, str]


def settings(bind: str) -> dict[str, str]:
    """What a receiver needs beside its Redis."""
    return {
        "RECEIVER_BIND": bind,
        "SYNC_WEBHOOK_SECRET": SECRET,
        "GHL_WEBHOOK_PUBLIC_KEY": PUBLIC_KEY,
    }


def signed(body: bytes, key: Ed25519PrivateKey = KEY) -> dict[str, str]:
    """GHL's header."""
    return {"X-GHL-Signature": b64encode(key.sign(body)).decode()}


def ghl_body(kind: str = "ContactUpdate", **fields: Any) -> bytes:
    """An event of GHL's, as new as can be."""
    told = {"type": kind, "locationId": LOCATION, "webhookId": str(uuid4()), **fields}
    return json.dumps({"timestamp": "2026-11-28T10:00:00.000Z", **told}).encode()


def mailjet_body(number: int = 1, event: str = "sent") -> bytes:
    """An event of Mailjet's; another number, another event."""
    told = {"event": event, "time": 1_795_449_600, "MessageID": number}
    return json.dumps({**told, "email": f"person{number}@example.com"}).encode()


@dataclass
class Receiver:
    """A running one, and what an operator sees of it.

    Args:
        process: the one that was started last.
    """

    port: int
    processes: Processes
    process: Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(
        self, path: str, body: bytes, headers: Headers | None = None
    ) -> requests.Response:
        return requests.post(
            f"{self.url}/webhooks/{path}",
            data=body,
            headers=dict(headers or {}),
            timeout=ANSWER_SECONDS,
        )

    def ghl(self, body: bytes) -> int:
        """What GHL is answered."""
        return self.post("ghl", body, signed(body)).status_code

    def mailjet(self, body: bytes, secret: str = SECRET) -> int:
        """What Mailjet is answered."""
        return self.post("mailjet/default", body, basic(secret)).status_code

    def workflow(self, what: str, body: bytes, secret: str = SECRET) -> int:
        """What a workflow is answered."""
        headers = {"X-Webhook-Secret": secret}
        return self.post(f"workflow/default/{what}", body, headers).status_code

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}/{path}", timeout=ANSWER_SECONDS)

    def metrics(self) -> dict[str, float]:
        """`name{labels}` to value."""
        lines = self.get("metrics").text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def is_up(self) -> bool:
        """Whether anybody answers."""
        assert self.process.is_running, self.process.log
        try:
            self.get("health")
        except requests.ConnectionError:
            return False
        return True

    def restart(self) -> None:
        """A new one in the place of one that ended."""
        self.process = self.processes.receiver()
        self.wait()

    def wait(self) -> None:
        until(self.is_up, "the receiver answers", START_SECONDS)

    def answering(self) -> list[int]:
        """The processes that answer: children of the one that was started."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
        return [int(child) for child in children.split()]

    def kill(self) -> None:
        """`kill -9` of all its processes."""
        children = self.answering()
        self.process.kill()
        for child in children:
            os.kill(child, 9)


def basic(password: str, user: str = "mailjet") -> dict[str, str]:
    """The header of basic auth."""
    told = b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {told}"}


@contextmanager
def started(processes: Processes) -> Iterator[Receiver]:
    """A receiver among other processes, which end it."""
    port = int(processes.env["RECEIVER_BIND"].rpartition(":")[2])
    receiver = Receiver(port, processes, processes.receiver())
    receiver.wait()
    yield receiver


@contextmanager
def receiving(valkey: Valkey, **env: str) -> Iterator[tuple[Receiver, Pipeline]]:
    """A receiver and nothing else, and the state as it sees it."""
    bind = settings(f"127.0.0.1:{free_port()}")
    told = {**ENVIRON, "REDIS_URL": valkey.url, **bind, **env}
    pipeline = build(from_env(told))
    with (
        closing(pipeline.redis),
        Processes(told) as processes,
        started(processes) as receiver,
    ):
        yield receiver, pipeline
