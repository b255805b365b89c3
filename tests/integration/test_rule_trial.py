"""`ghl-mailjet rules test`: what it supposes, and what it says of that."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.rule_trial import Supposed, try_rules
from pipeline.terminal import console
from tests.conftest import DriverFactory
from tests.driver import Driver
from tests.ruled import imported, ruled
from tests.sandbox import Sandbox
from tests.valkey import Valkey

GREETED = '{ name = "greeted", on = "tagged", do = { send = 1001 } }'
DEMO = '{ name = "demo", on = "click", url_contains = "/demo", tag = "demo" }'
FANS = (
    '{ name = "fans", on = "updated", when = "\'fã\' in contact.tags", '
    'do = { add_tag = "t" } }'
)


@pytest.fixture
def driver(build_driver: DriverFactory, tmp_path: Path, sandbox: Sandbox) -> Driver:
    return ruled(build_driver, tmp_path, sandbox, GREETED, DEMO, FANS, more="")


def test_only_what_is_new_fires_at_the_next_sync(driver: Driver) -> None:
    person = driver.person(tags=["lead"])
    imported(driver)
    driver.sandbox.put_contact(id=person["id"], tags=["lead", "vip"])

    tried = try_rules(driver.kit, person["id"], Supposed())

    found = {t.what: t.is_now for t in tried if t.rule.name == "greeted"}
    assert found == {"lead": False, "vip": True}


def test_what_it_shows_says_why_and_what_to_suppose(
    driver: Driver,
    sandbox: Sandbox,
    valkey: Valkey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(console, "_width", 200)
    person = driver.person(tags=["fã"])
    imported(driver)
    environ = {
        **sandbox.env,
        "REDIS_URL": valkey.url,
        "SYNC_CONNECTIONS_FILE": str(tmp_path / "connections.toml"),
    }

    done = CliRunner().invoke(main, ["rules", "test", person["id"]], env=environ)

    assert done.exit_code == 0, done.output
    (demo,) = (line for line in done.stdout.splitlines() if "│ demo " in line)
    assert "suppose one with --url" in demo
    assert "it has no condition" not in demo
    assert 'contact.tags = ["fã"]' in done.stdout
    assert "Not live" in done.stdout
