"""`ghl-mailjet init`: what it writes works, and nothing that is there is lost."""

import os
import pty
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline import setup
from pipeline.bootstrap import build
from pipeline.cli import main
from pipeline.config import Settings, from_env
from pipeline.new_connection import templates
from pipeline.rule_trial import Supposed, try_rules
from pipeline.sync_now import sync_now
from tests.sandbox import Sandbox, fresh_email
from tests.valkey import Valkey

OURS = ("GHL_", "MAILJET_", "SYNC_", "REDIS_", "ACME_", "DEFAULT_", "OTHER_")
SECRETS = {"GHL_TOKEN": "pit-1", "MAILJET_API_KEY": "k1", "MAILJET_SECRET_KEY": "s #'1"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no setting of ours in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    return tmp_path


def init(*flags: str) -> Result:
    return CliRunner().invoke(main, ["init", *flags])


def acme(*flags: str) -> Result:
    return init("-c", "acme", "--location", "loc1", *flags)


def read(prefix: str = "ACME", **environ: str) -> Settings:
    """The settings, with secrets filled in."""
    lines = dict(
        line.split("=", 1) for line in Path(".env").read_text("utf-8").splitlines()
    )
    secrets = {f"{prefix}_{name}": value for name, value in SECRETS.items()}
    return from_env({**lines, **secrets, **environ})


def made(template: str, sandbox: Sandbox, valkey: Valkey) -> Settings:
    """What `init` makes of a template, for the two local vendors."""
    env = sandbox.env
    flags = ["--template", template, "-c", "default", "--list", env["MAILJET_LIST_ID"]]
    flags += ["--location", env["GHL_LOCATION_ID"]]
    flags += ["--ghl-base-url", env["GHL_BASE_URL"]]
    init(*flags, "--mailjet-base-url", env["MAILJET_BASE_URL"])
    secrets = {f"DEFAULT_{name}": env[name] for name in SECRETS}
    return read("DEFAULT", REDIS_URL=valkey.url, **secrets)


@pytest.mark.parametrize("template", list(templates()))
def test_what_a_template_makes_can_be_read(folder: Path, template: str) -> None:
    done = acme("--template", template, "--list", "12")

    (connection,) = read().connections
    assert done.exit_code == 0
    assert (connection.name, connection.ghl_location_id) == ("acme", "loc1")
    assert connection.mailjet_list_id == 12
    first, *_ = Path("connections.toml").read_text("utf-8").splitlines()
    assert first == "#:schema ./connections.schema.json"
    assert Path("connections.schema.json").exists()
    assert "ghl-mailjet check\n" in done.stdout


@pytest.mark.parametrize("template", list(templates()))
def test_what_a_template_makes_syncs_a_contact(
    valkey: Valkey, redis: object, sandbox: Sandbox, template: str
) -> None:
    pipeline = build(made(template, sandbox, valkey))
    email = fresh_email()
    ana = sandbox.put_contact(email=email, firstName="Ana", country="PT")

    kit = pipeline.kit("default")
    setup.run(kit)
    outcome = sync_now(kit, ana["id"])

    held = sandbox.subscriber(email)
    pipeline.redis.close()
    assert outcome == "created"
    assert held is not None
    assert held["properties"]["firstname"] == "Ana"
    assert held["properties"]["country"] == "PT"


@pytest.mark.parametrize(
    ("template", "name", "facts"),
    [
        ("core", "newcomers", {}),
        ("newsletter", "interested", {"tags": ["lead"]}),
        ("sales-follow-up", "hot", {"tags": ["lead"]}),
        ("appointments", "prepare", {}),
        ("two-way", "from-mailjet", {"source": "Mailjet"}),
    ],
)
def test_what_a_template_makes_has_a_rule_that_fires(
    valkey: Valkey,
    redis: object,
    sandbox: Sandbox,
    template: str,
    name: str,
    facts: dict[str, object],
) -> None:
    pipeline = build(made(template, sandbox, valkey))
    ana = sandbox.put_contact(email=fresh_email(), **facts)
    start = datetime.now(UTC) + timedelta(days=2)
    sandbox.put_appointment(
        contactId=ana["id"],
        title="Viewing",
        startTime=start.isoformat(),
        endTime=(start + timedelta(hours=1)).isoformat(),
        appointmentStatus="confirmed",
    )
    kit = pipeline.kit("default")
    setup.run(kit)

    tried = try_rules(kit, ana["id"], Supposed(url="https://example.com/pricing"))

    pipeline.redis.close()
    assert [trial.holds for trial in tried if trial.rule.name == name] == [True]


def test_env_keeps_its_lines_and_is_nobody_elses() -> None:
    Path(".env").write_text("# mine\nGHL_RATE=5/10\nACME_GHL_TOKEN=pit-0", "utf-8")

    done = acme()

    assert Path(".env").read_text("utf-8").splitlines() == [
        "# mine",
        "GHL_RATE=5/10",
        "ACME_GHL_TOKEN=pit-0",
        "ACME_MAILJET_API_KEY=",
        "ACME_MAILJET_SECRET_KEY=",
        "SYNC_CONNECTIONS_FILE=connections.toml",
    ]
    assert stat.S_IMODE(Path(".env").stat().st_mode) == 0o600
    assert "fill in ACME_MAILJET_API_KEY, ACME_MAILJET_SECRET_KEY\n" in done.stdout
    assert "pit-0" not in done.output


def test_a_second_connection_is_added_to_what_is_there() -> None:
    acme()
    mine = f"{Path('connections.toml').read_text('utf-8')}# my own remark"
    Path("connections.toml").write_text(mine, "utf-8")

    done = init("-c", "other", "--location", "loc2", "--template", "two-way")

    assert Path("connections.toml").read_text("utf-8").startswith(f"{mine}\n\n")
    others = {f"OTHER_{name}": "x" for name in SECRETS}
    assert [each.name for each in read(**others).connections] == ["acme", "other"]
    assert "ghl-mailjet check -c other\n" in done.stdout
    assert Path(".env").read_text("utf-8").count("SYNC_CONNECTIONS_FILE") == 1


def test_the_file_that_is_named_already_gets_the_connection() -> None:
    Path(".env").write_text("SYNC_CONNECTIONS_FILE=mine.toml\n", "utf-8")

    acme()

    assert not Path("connections.toml").exists()
    assert read().connections[0].name == "acme"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "init needs --connection and --location: nobody can be asked here"),
        (["--location", "loc1", "--yes"], "init needs --connection: nobody can"),
        (["-c", "A b", "--location", "x"], "use a-z, 0-9 and -, at most 40"),
        (["-c", "a", "--location", ""], "Length must be between 1 and 512"),
        (["--template", "cor"], "'cor' is not one of"),
        (["--ghl-base-url", "http://ghl.example"], "must be https"),
        (["-c", "acme", "--location", "loc2"], "a connection 'acme' already"),
    ],
)
def test_what_cannot_be_written_is_one_error(flags: list[str], told: str) -> None:
    acme()
    before = {path: path.read_bytes() for path in Path().iterdir()}

    done = init(*flags)

    assert done.exit_code == 2
    assert told in done.stderr
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


@pytest.mark.parametrize("text", ["connections = 5\n", "connections = {}\n", "no toml"])
def test_a_file_that_cannot_hold_the_table_stays_as_it_is(text: str) -> None:
    Path("connections.toml").write_text(text, "utf-8")

    done = acme()

    assert done.exit_code == 2
    assert done.stderr.startswith("connections.toml: ")
    assert Path("connections.toml").read_text("utf-8") == text
    assert not Path(".env").exists()


def test_at_a_terminal_it_asks_and_shows_no_secret() -> None:
    ours, theirs = pty.openpty()
    answers = ["newsletter", "Acme", "acme", "loc1", "12", *SECRETS.values()]
    asking = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "init"],
        **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
        start_new_session=True,
    )
    os.close(theirs)
    told = b""
    for answer in answers:
        told += until_asked(ours, told)
        os.write(ours, f"{answer}\n".encode())
    told += rest(ours)

    assert asking.wait(timeout=30) == 0
    os.close(ours)
    (connection,) = from_env().connections
    assert connection.ghl_token == "pit-1"
    assert connection.mailjet_secret_key == "s #'1"
    assert not connection.core_fields
    assert "use a-z, 0-9 and -" in told.decode()
    assert "s #'1" not in told.decode()


def until_asked(terminal: int, told: bytes) -> bytes:
    """What is said until a question stands there."""
    said = b""
    while not said.rstrip(b" ").endswith(b":"):
        said += os.read(terminal, 4096)
    return said


def rest(terminal: int) -> bytes:
    """What is said until the end; Linux tells of that as an error."""
    said = b""
    try:
        while more := os.read(terminal, 4096):
            said += more
    except OSError:
        pass
    return said
