"""The Celery shell: all that talks to the broker, nothing that knows a vendor field.

`celery -A workers worker|beat|flower` finds the app in `workers/celery.py`.

Flower reads `FLOWER_*` from the environment, so its safe defaults are set here, where
every process of ours begins: a password, the loopback address, no buttons that act, and
a memory wherever it was given a file. What the operator sets wins.
"""

import os
import secrets
import sys

from dotenv import load_dotenv

load_dotenv(".env")

SAVED_EVERY_MS = "60000"
"""Flower's own 0 saves at a good end alone: a kill would cost it everything."""


def _flower_defaults() -> None:
    # An empty line of .env is no setting: Flower would listen on all interfaces.
    for name, default in (("ADDRESS", "127.0.0.1"), ("READ_ONLY", "true")):
        os.environ[f"FLOWER_{name}"] = os.environ.get(f"FLOWER_{name}") or default
    if os.environ.get("FLOWER_DB"):
        os.environ.setdefault("FLOWER_PERSISTENT", "true")
        os.environ.setdefault("FLOWER_STATE_SAVE_INTERVAL", SAVED_EVERY_MS)
    else:
        os.environ.pop("FLOWER_DB", None)
    if "flower" in sys.argv and not (
        os.environ.get("FLOWER_BASIC_AUTH") or os.environ.get("FLOWER_AUTH")
    ):
        password = secrets.token_urlsafe(12)
        os.environ["FLOWER_BASIC_AUTH"] = f"operator:{password}"
        # Logging is not set up yet.
        print(
            f"Flower: user operator, password {password} for this start; "
            "set FLOWER_BASIC_AUTH=user:password to keep one",
            file=sys.stderr,
        )


_flower_defaults()
