"""The loop that people write: one `requests.Session`, one call after the other.

Run as a process of its own, so that its CPU is nobody else's:
python -m tests.bench.bare_loop CALLS.json plain|no-environment
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from tests.sandbox import Row

PLAIN, NO_ENVIRONMENT = "plain", "no-environment"
"""A session as it comes reads the proxy settings of the environment at each call."""
OF_THE_CONNECTION = {"host", "connection", "content-length", "transfer-encoding"}
CALL_SECONDS = 30.0
ROOT = Path(__file__).parents[2]


def cpu_seconds(calls: Sequence[Row], urls: dict[str, str], manner: str) -> float:
    """CPU of a process that makes these calls, from the first to the last.

    Args:
        calls: as `Sandbox.exchanges` tells them.
        urls: each vendor's address.
    """
    script = [_request(call, urls) for call in calls]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(script, file)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, file.name, manner],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return float(done.stdout)


def _request(call: Row, urls: dict[str, str]) -> dict[str, Any]:
    """Keywords of `Session.request`."""
    headers = {
        name: value
        for name, value in call["headers"].items()
        if name not in OF_THE_CONNECTION
    }
    return {
        "method": call["method"],
        "url": urls[call["vendor"]] + call["path"],
        "params": call["query"],
        "headers": headers,
        "json": json.loads(call["request"]) if call["request"] else None,
        "timeout": CALL_SECONDS,
    }


def main(path: str, manner: str) -> None:
    script = json.loads(Path(path).read_text("utf-8"))
    with requests.Session() as session:
        session.trust_env = manner == PLAIN
        # The first call opens the connections.
        session.request(**script[0])
        began = time.process_time()
        for call in script:
            response = session.request(**call)
            if response.content:
                response.json()
        print(time.process_time() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
