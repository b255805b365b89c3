"""Whether two processes run with the same settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config import from_env
from pipeline.settings.digest import digest
from tests.builders import make_environ

FILE = """
[connections.acme]
ghl_token_env = "GHL_TOKEN"
mailjet_api_key_env = "MAILJET_API_KEY"
mailjet_secret_key_env = "MAILJET_SECRET_KEY"
ghl_location_id = "ve9EPM428h8vShlRW1KT"
mailjet_list_id = 12345
fields = ["core", { ghl = "contact.kind", mailjet = "kind", transforms = ["trim"] }]
rules = [
  "campaign-notes",
  { name = "porto", on = ["created", "updated"], when = "contact.city == 'Porto'", \
do = [{ send = 1003, variables = { city = "contact.city" } }, { add_tag = "p" }] },
]
"""
SCRIPT = """
from pipeline.config import from_env
from pipeline.settings.digest import digest
print(digest(from_env()))
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "connections.toml"
    file.write_text(FILE, "utf-8")
    return make_environ(SYNC_CONNECTIONS_FILE=str(file))


def test_every_process_gives_the_same_settings_the_same_digest(
    environ: dict[str, str], tmp_path: Path
) -> None:
    # Python orders the members of sets by a seed of each process's own.
    told = {
        subprocess.check_output(
            [sys.executable, "-c", SCRIPT],
            env={**environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.getcwd()},
            cwd=tmp_path,
            text=True,
        )
        for seed in ("1", "2", "3")
    }

    assert told == {digest(from_env(environ)) + "\n"}


def test_what_a_worker_would_do_otherwise_is_seen_and_a_new_secret_is_not(
    environ: dict[str, str],
) -> None:
    before = digest(from_env(environ))
    file = Path(environ["SYNC_CONNECTIONS_FILE"])

    assert digest(from_env({**environ, "GHL_TOKEN": "t" * 40})) == before
    assert digest(from_env({**environ, "SYNC_DETAILS": "always"})) != before
    file.write_text(FILE.replace("'Porto'", "'Faro'"), "utf-8")
    assert digest(from_env(environ)) != before
