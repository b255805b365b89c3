"""What every command gives as JSON, what it shows in a pipe, and on a terminal."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.sync.orders import State
from tests.conftest import DriverFactory
from tests.driver import Driver
from tests.orders import READY, make_order, settle_orders
from tests.ruled import ruled
from tests.sandbox import Sandbox
from tests.test_docs import commands
from tests.unit.test_help import GHL_MAILJET, WITHOUT_JSON
from tests.valkey import free_port

README = Path(__file__).parents[2] / "README.md"
TAG_VIP = '{ name = "vip", on = "tagged", when = "true", do = { add_tag = "hot" } }'
TYPED = {
    "setup": "setup",
    "check": "check",
    "fields": "fields",
    "plan": "plan {ana} --out plan.bin",
    "apply": "apply plan.bin",
    "rules test": "rules test {ana}",
    "resync --forecast": "resync --forecast",
    "resync": "resync",
    "runs": "runs",
    "runs list": "runs list",
    "runs pause": "runs pause",
    "runs resume": "runs resume",
    "runs cancel": "runs cancel",
    "status": "status",
    "sync": "sync {ana}",
    "pause": "pause",
    "resume": "resume",
    "why": "why {ana}",
    "dead-letters": "dead-letters",
    "replay": "replay --all",
    "consent": "consent {out}",
    "consent-report": "consent-report",
    "optouts": "optouts",
    "campaigns": "campaigns",
    "campaigns --contact": "campaigns --contact {out}",
    "campaigns --retry": "campaigns --retry welcome",
    "inbox": "inbox",
    "inbox --replay": "inbox --replay all",
    "health": "health worker",
    "alert-test": "alert-test",
    "erase": "erase {ana} --yes --certificate {form}.json",
}
"""What the README tells of, as it is typed, in an order in which it can be."""
EXIT_CODES = {name: int(name in ("health", "alert-test")) for name in TYPED}
"""No worker runs here, and nobody is there to be alerted."""
LETTER = {"reason": "mailjet: no", "lane": "live", "attempts": 6, "at_ms": 1}


@pytest.fixture
def driver(
    build_driver: DriverFactory,
    tmp_path: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> Driver:
    """Set up; commands that are typed are about it."""
    driver = ruled(build_driver, tmp_path, sandbox, TAG_VIP)
    monkeypatch.chdir(tmp_path)
    redis_url = driver.pipeline.settings.redis_url
    for name, value in {**sandbox.env, "REDIS_URL": redis_url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SYNC_CONNECTIONS_FILE", "connections.toml")
    nobody = f"http://127.0.0.1:{free_port()}/"
    monkeypatch.setenv("SYNC_ALERT_WEBHOOK_URL", nobody)
    monkeypatch.setenv("TERM", "xterm-256color")
    return driver


@pytest.fixture
def people(driver: Driver) -> Mapping[str, str]:
    """Ana, who was never synced, and somebody of whom there is something to tell."""
    ana, out, lost = driver.person(), driver.person(dnd=True), driver.person()
    driver.sync(out["id"])
    settle_orders(driver.ledger, out["id"], [make_order(out["id"])], [READY])
    batch = driver.kit.orders.take(9)
    order_ids = [make_order(out["id"]).id]
    driver.kit.orders.finish(batch.token, State.FAILED, order_ids, "send-0010")
    letter = json.dumps({**LETTER, "cause": "Rejected"})
    driver.ledger.bury(driver.take(lost["id"]), letter, "Rejected")
    return {"ana": ana["id"], "out": out["id"]}


def shapes() -> dict[str, tuple[str, set[str]]]:
    """Command to what it gives, `list` or `object`, and the keys of that."""
    section = README.read_text("utf-8").partition("### As JSON")[2].partition("\n#")[0]
    rows = re.findall(r"^\| (`.+?) \| (list|object) \| (.*?) \|$", section, re.M)
    return {
        name: (kind, set(re.findall("`(.+?)`", keys)))
        for names, kind, keys in rows
        for name in re.findall("`(.+?)`", names)
    }


def type_all(people: Mapping[str, str], form: str, *more: str) -> dict[str, Result]:
    """Every command in a pipe; a result for each."""
    words = {name: typed.format(**people, form=form) for name, typed in TYPED.items()}
    run = CliRunner().invoke
    return {name: run(main, [*typed.split(), *more]) for name, typed in words.items()}


def shape(told: Any) -> tuple[str, set[str]]:
    return ("list", set(told[0])) if isinstance(told, list) else ("object", set(told))


def test_json_has_the_shape_that_the_readme_tells(people):
    ended = type_all(people, "json", "--json")

    told = {name: shape(json.loads(done.stdout)) for name, done in ended.items()}
    assert {n: done.exit_code for n, done in ended.items()} == EXIT_CODES
    assert told == shapes()


def test_in_a_pipe_there_are_no_colours_and_no_progress(people):
    ended = type_all(people, "text")

    assert {n: done.exit_code for n, done in ended.items()} == EXIT_CODES
    told = {n: done.stderr for n, done in ended.items() if done.stderr}
    assert set(told) == {n for n, code in EXIT_CODES.items() if code}
    assert [n for n, done in ended.items() if "\x1b" in done.output] == []


def test_every_command_that_has_json_is_among_those_typed() -> None:
    with_json = {name for name in commands(main) if name not in WITHOUT_JSON}

    assert {name.partition(" --")[0] for name in TYPED} == with_json


def on_terminal(*words: str, **env: str) -> tuple[str, str]:
    """What a command says into a pipe and, on stderr, to a terminal."""
    ours, theirs = os.openpty()
    with open(ours, "rb", closefd=True, buffering=0) as screen:
        done = subprocess.run(
            [GHL_MAILJET, *words],
            env={**os.environ, **env},
            stdout=subprocess.PIPE if "--json" in words else theirs,
            stderr=theirs,
            check=True,
            timeout=60,
        )
        os.set_blocking(ours, False)
        shown = screen.read() or b""
        os.close(theirs)
    return (done.stdout or b"").decode(), shown.decode()


@pytest.mark.usefixtures("people")
def test_on_a_terminal_progress_is_beside_the_result() -> None:
    told, shown = on_terminal("consent-report", "--json")

    assert json.loads(told)["contacts"] == 3
    assert "contacts" in shown
    assert "3/3" in shown


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(
    ("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)], ids=["", "NO_COLOR"]
)
def test_on_a_terminal_there_are_colours_unless_they_are_unwanted(
    env: Mapping[str, str], coloured: bool
) -> None:
    _, shown = on_terminal("check", **env)

    assert "Redis answers" in shown
    assert bool(re.search(r"\x1b\[3\dm", shown)) is coloured
