"""`-c`: which connection a command is about."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.cli import main
from tests.builders import ENVIRON
from tests.valkey import Valkey

TABLE = """
[connections.{}]
ghl_token_env = "GHL_TOKEN"
ghl_location_id = "loc1"
mailjet_api_key_env = "MAILJET_API_KEY"
mailjet_secret_key_env = "MAILJET_SECRET_KEY"
"""


@pytest.fixture(autouse=True)
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey: Valkey) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("REDIS_URL", valkey.url)
    monkeypatch.setenv("SYNC_CONNECTIONS_FILE", "connections.toml")


def status(names: list[str], *flags: str) -> Result:
    Path("connections.toml").write_text("".join(map(TABLE.format, names)), "utf-8")
    return CliRunner().invoke(main, ["status", "--json", *flags])


@pytest.mark.parametrize(
    ("names", "flags", "chosen"),
    [
        (["acme"], [], "acme"),
        (["acme", "default"], [], "default"),
        (["acme", "other"], ["-c", "other"], "other"),
    ],
)
def test_one_connection_goes_without_saying(
    names: list[str], flags: list[str], chosen: str
) -> None:
    done = status(names, *flags)

    assert json.loads(done.stdout)["connection"] == chosen


def test_of_several_connections_one_is_to_be_named() -> None:
    done = status(["acme", "other"])

    assert done.exit_code == 2
    assert done.stderr == "which connection? -c NAME; there is acme, other\n"


def test_runs_pass_the_connection_on() -> None:
    status(["acme", "other"])

    listed = CliRunner().invoke(main, ["runs", "-c", "acme"])
    paused = CliRunner().invoke(main, ["runs", "-c", "acme", "pause"])
    unnamed = CliRunner().invoke(main, ["runs"])

    assert (listed.exit_code, unnamed.exit_code) == (0, 2)
    assert paused.stderr.startswith("No run is under way.")


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (["acme"], "ghl-mailjet campaigns\n"),
        (["acme", "other"], "ghl-mailjet campaigns -c acme\n"),
    ],
)
def test_what_to_do_next_is_about_the_same_connection(
    names: list[str], advice: str
) -> None:
    status(names)

    done = CliRunner().invoke(main, ["campaigns", "-c", "acme", "--retry", "spring"])

    assert done.exit_code == 1
    assert done.stderr.endswith(advice)
