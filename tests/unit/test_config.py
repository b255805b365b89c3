"""Settings: every problem at once, by name, and never a secret."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import (
    CONNECTION_VARIABLES,
    PROCESS_VARIABLES,
    Connection,
    Rate,
    Schedule,
    from_env,
)
from pipeline.errors import ConfigError
from pipeline.settings.schema import SECRET_FIELDS
from tests.builders import ENVIRON, make_environ

VARIABLES = (*PROCESS_VARIABLES.values(), *CONNECTION_VARIABLES.values())
CHECKED_VARIABLES = {
    "REDIS_URL": "http://host",
    "SYNC_REDIS_URL": "host:6379",
    "SYNC_MODE": "write",
    "SYNC_DETAILS": "never",
    "SYNC_OPTOUT_SCOPE": "world",
    "SYNC_CHANGES_INTERVAL_SECONDS": "4",
    "SYNC_OPTOUTS_INTERVAL_SECONDS": "29",
    "SYNC_BULK_HOURS": "1",
    "GHL_BASE_URL": "ftp://host",
    "GHL_RATE": "100",
    "GHL_DAILY": "0",
    "MAILJET_BASE_URL": "http://mailjet.example",
    "MAILJET_LIST_ID": "ten",
    "MAILJET_RATE": "1/10",
    "MAILJET_SEND_RATE": "500",
    "SYNC_TAG_LISTS": "vip=abc",
    "SYNC_EXCLUDE_OPTED_OUT": "perhaps",
    "SYNC_DELETIONS": "burn",
    "SYNC_CREATE_CONTACTS": "sometimes",
    "SYNC_NOTE_BODIES": "perhaps",
    "SYNC_NOTE_EXCERPT": "perhaps",
    "SYNC_NOTE_LENGTH": "19",
    "SYNC_NOTES_SWEEP_DAYS": "0",
    "SYNC_TASK_DUE_DAYS": "-1",
    "SYNC_WEBHOOK_SECRET": "too-short",
    "SYNC_SOFT_BOUNCES": "0",
    "SYNC_RULES": "tag-opener",
    "SYNC_LIVE": "perhaps",
    "SYNC_SENDS_PER_DAY": "0",
    "SYNC_QUIET_HOURS": "0-24",
    "SYNC_FEEDBACK_INTERVAL_SECONDS": "29",
    "SYNC_REPORT_HOUR": "24",
    "SYNC_WEBHOOK_LEGACY": "perhaps",
}
CONNECTIONS = """
[connections.acme]
ghl_token_env = "ACME_TOKEN"
ghl_location_id = "loc-acme"
mailjet_api_key_env = "ACME_KEY"
mailjet_secret_key_env = "ACME_SECRET"
webhook_secret_env = "ACME_WEBHOOK"
"""
ACME = {
    "ACME_TOKEN": "t0",
    "ACME_KEY": "k0",
    "ACME_SECRET": "s0",
    "ACME_WEBHOOK": "w0-0123456789abc",
}


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        from_env(environ)
    return caught.value.problems


def lists_of(connection: Connection) -> dict[str, str]:
    return {row["ghl"]: row["column"] for row in connection.rows}


def connections_file(path: Path, text: str) -> dict[str, str]:
    file = path / "connections.toml"
    file.write_text(text, "utf-8")
    return {**ACME, "SYNC_CONNECTIONS_FILE": str(file)}


def test_four_variables_are_enough_and_the_rest_has_defaults() -> None:
    environ = make_environ()

    read = from_env(environ)

    [connection] = read.connections
    assert connection.name == "default"
    assert connection.ghl_token == "pit-token"
    assert connection.mailjet_list_id is None
    assert connection.ghl_base_url == "https://services.leadconnectorhq.com"
    assert connection.ghl_rate == Rate(100, 10.0)
    assert connection.ghl_daily == 200_000
    assert connection.exclude_opted_out is True
    assert connection.deletions == "unsubscribe"
    assert connection.create_contacts is False
    assert connection.note_bodies is connection.note_excerpt is False
    assert connection.note_length == 500
    assert connection.notes_sweep_days == 7
    assert connection.task_due_days == 1
    assert connection.notes_tag == connection.task_assignee == ""
    assert read.redis_url == read.state_redis_url == "redis://127.0.0.1:6379/0"
    assert connection.schedule == Schedule(60, 300, 300, (1, 5), 6)
    assert read.read_only is False
    assert read.optout_scope_account is True
    assert connection.webhook_secret == ""
    assert connection.soft_bounces == 5
    assert connection.mailjet_send_rate == Rate(500, 10.0)
    assert connection.live is False
    assert connection.sends_per_day == 2
    assert connection.quiet_hours == (21, 8)
    assert read.ghl_webhook_public_key == read.ghl_webhook_legacy_key == ""
    assert read.webhook_legacy is False


@pytest.mark.parametrize(
    ("typed", "hours"),
    [("none", None), ("22-7", (22, 7)), ("0-8", (0, 8)), ("12-14", (12, 14))],
)
def test_quiet_hours_are_hours_or_none(
    typed: str, hours: tuple[int, int] | None
) -> None:
    environ = make_environ(SYNC_QUIET_HOURS=typed, SYNC_LIVE="true")

    [connection] = from_env(environ).connections

    assert connection.quiet_hours == hours
    assert connection.live is True


@pytest.mark.parametrize("typed", ["21", "21-21", "0-24", "25-8", "never"])
def test_quiet_hours_that_are_none_are_refused(typed: str) -> None:
    (found,) = problems(make_environ(SYNC_QUIET_HOURS=typed))

    assert found.startswith("SYNC_QUIET_HOURS: ")


def test_every_missing_variable_is_named_with_where_to_find_it() -> None:
    environ: dict[str, str] = {}

    found = problems(environ)

    assert {line.partition(":")[0] for line in found} == set(ENVIRON)
    assert all("missing; " in line and ".env" in line for line in found)


def test_every_wrong_variable_is_reported_at_once_by_its_own_name() -> None:
    environ = make_environ(**CHECKED_VARIABLES)

    found = problems(environ)

    assert {line.partition(":")[0] for line in found} == set(CHECKED_VARIABLES)
    assert len(found) == len(CHECKED_VARIABLES)


def test_missing_and_wrong_are_reported_together() -> None:
    environ = {"GHL_RATE": "fast", "SYNC_MODE": "write"}

    found = problems(environ)

    assert {line.partition(":")[0] for line in found} == {
        "GHL_RATE",
        "SYNC_MODE",
        *ENVIRON,
    }


@given(
    broken=st.sets(st.sampled_from(sorted(CHECKED_VARIABLES)), min_size=1),
    marker=st.from_regex(r"[a-z0-9]{12}", fullmatch=True),
    shapes=st.lists(
        st.sampled_from(["{}", "redis://:{}@h:1/0", "{}/{}", "https://{}@h", "{}=1"]),
        min_size=len(VARIABLES),
        max_size=len(VARIABLES),
    ),
)
@settings(max_examples=60, deadline=None)
def test_no_secret_is_ever_in_a_message(
    broken: set[str], marker: str, shapes: list[str]
) -> None:
    environ = {
        variable: shape.format(f"{marker}x{index}x", f"{marker}y")
        for index, (variable, shape) in enumerate(zip(VARIABLES, shapes, strict=True))
    }
    environ |= {name: CHECKED_VARIABLES[name] for name in broken}

    found = problems(environ)

    assert marker not in "\n".join(found)


@given(marker=st.from_regex(r"[A-Za-z0-9]{12}", fullmatch=True))
@settings(max_examples=50, deadline=None)
def test_no_secret_is_in_the_printed_settings(marker: str) -> None:
    environ = make_environ(
        GHL_TOKEN=f"pit-{marker}",
        MAILJET_API_KEY=marker,
        MAILJET_SECRET_KEY=f"{marker}-secret",
        REDIS_URL=f"redis://:{marker}@host:6379/0",
        SYNC_REDIS_URL=f"rediss://user:{marker}@host:6379/1",
        SYNC_WEBHOOK_SECRET=f"{marker}-webhook",
    )

    read = from_env(environ)

    assert marker not in repr(read)
    assert marker not in str(read.connections)
    assert marker not in f"{read.connection('default')}"


@pytest.mark.parametrize("variable", ["GHL_BASE_URL", "MAILJET_BASE_URL"])
@pytest.mark.parametrize(
    "host", ["api.example", "192.168.0.1", "127.0.0.1.evil.example", "localhost.evil"]
)
def test_plain_http_is_refused_off_this_machine(variable: str, host: str) -> None:
    environ = make_environ(**{variable: f"http://{host}"})

    found = problems(environ)

    assert len(found) == 1
    assert found[0].startswith(f"{variable}: must be https")


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:1", "[::1]:9"])
def test_plain_http_is_for_loopback(host: str) -> None:
    environ = make_environ(GHL_BASE_URL=f"http://{host}/ghl/")

    read = from_env(environ)

    assert read.connections[0].ghl_base_url == f"http://{host}/ghl"


@pytest.mark.parametrize(
    "url", ["https://user@host", "https://user:pw@host", "https://h?a=1", "https://h#f"]
)
def test_a_base_address_holds_host_and_path_only(url: str) -> None:
    environ = make_environ(GHL_BASE_URL=url)

    found = problems(environ)

    assert found == ("GHL_BASE_URL: must hold host and path only, no user or query",)


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("GHL_BASE_URL", "https://[::1"),
        ("GHL_BASE_URL", "https://:password@host"),
        ("GHL_BASE_URL", "https://host:password"),
        ("GHL_BASE_URL", "https://"),
        ("MAILJET_BASE_URL", "https://password@"),
        ("REDIS_URL", "redis://["),
        ("REDIS_URL", "redis://:password\u2100@host"),
        ("REDIS_URL", "redis://host:password"),
        ("SYNC_REDIS_URL", "redis://host:6379/password"),
    ],
)
def test_an_address_that_cannot_be_read_is_a_problem_of_its_variable(
    variable: str, url: str
) -> None:
    environ = make_environ(**{variable: url})

    [found] = problems(environ)

    assert found.startswith(f"{variable}: ")
    assert "password" not in found


@pytest.mark.parametrize("variable", sorted(ENVIRON))
@pytest.mark.parametrize("nothing", ["", "  "])
def test_an_empty_variable_is_one_that_is_not_set(variable: str, nothing: str) -> None:
    environ = make_environ(**{variable: nothing})

    found = problems(environ)

    assert len(found) == 1
    assert found[0].startswith(f"{variable}: missing; ")


def test_the_environment_wins_over_the_dotenv_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    lines = {**ENVIRON, "GHL_DAILY": "7", "SYNC_MODE": "read-only", "GHL_RATE": ""}
    file.write_text("\n".join(f"{k}={v}" for k, v in lines.items()), "utf-8")
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("SYNC_CONNECTIONS_FILE", raising=False)
    monkeypatch.setenv("GHL_DAILY", "8")

    read = from_env(dotenv_path=str(file))

    [connection] = read.connections
    assert connection.ghl_daily == 8
    assert read.read_only is True
    assert connection.ghl_token == "pit-token"
    assert connection.ghl_rate == Rate(100, 10.0)


def test_an_empty_variable_of_the_environment_does_not_hide_the_dotenv_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("\n".join(f"{k}={v}" for k, v in ENVIRON.items()), "utf-8")
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("SYNC_CONNECTIONS_FILE", raising=False)
    monkeypatch.setenv("GHL_TOKEN", "")

    read = from_env(dotenv_path=str(file))

    assert read.connection("default").ghl_token == "pit-token"


def test_the_dotenv_file_need_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in ENVIRON.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("SYNC_CONNECTIONS_FILE", raising=False)

    read = from_env(dotenv_path=str(tmp_path / "none"))

    assert read.connection("default").ghl_token == "pit-token"


@given(
    calls=st.integers(2, 10_000),
    window=st.floats(1, 3600, allow_nan=False).map(lambda seconds: round(seconds, 2)),
)
@settings(max_examples=50, deadline=None)
def test_a_rate_is_calls_in_a_window(calls: int, window: float) -> None:
    environ = make_environ(GHL_RATE=f"{calls}/{window}", MAILJET_RATE=f"{calls}/10")

    [connection] = from_env(environ).connections

    assert connection.ghl_rate == Rate(calls, window)
    assert connection.ghl_rate.per_second == pytest.approx(calls / window)
    assert connection.mailjet_rate == Rate(calls, 10.0)


@pytest.mark.parametrize(
    "rate",
    ["100", "100/", "/10", "1/10", "100/0", "100/-1", "100/3601", "9/nan", "a/b"],
)
def test_a_rate_that_is_none_is_refused(rate: str) -> None:
    environ = make_environ(GHL_RATE=rate)

    found = problems(environ)

    assert len(found) == 1
    assert found[0].startswith("GHL_RATE: ")


@pytest.mark.parametrize(
    ("typed", "hours"), [("1-5", (1, 5)), ("22-4", (22, 4)), (" 0-24 ", (0, 24))]
)
def test_hours_are_a_pair(typed: str, hours: tuple[int, int]) -> None:
    environ = make_environ(SYNC_BULK_HOURS=typed)

    read = from_env(environ)

    assert read.connections[0].schedule.bulk_hours == hours


@pytest.mark.parametrize(
    "typed",
    [
        *("1", "5-5", "1-25", "-1-5", "a-b", "1-5-9", "1.5-3"),
        *("24-0", "0-0", "24-24"),
    ],
)
def test_hours_that_are_none_are_refused(typed: str) -> None:
    environ = make_environ(SYNC_BULK_HOURS=typed)

    found = problems(environ)

    assert len(found) == 1
    assert found[0].startswith("SYNC_BULK_HOURS: ")


@pytest.mark.parametrize(
    ("typed", "words"), [("a, b ,,c", ("a", "b", "c")), ("*", ("*",)), (" , ", ())]
)
def test_words_are_separated_by_commas(typed: str, words: tuple[str, ...]) -> None:
    environ = make_environ(GHL_BUSINESS_IDS=typed)

    [connection] = from_env(environ).connections

    assert connection.ghl_business_ids == words


def test_tag_lists_are_lower_cased_tags_with_numbers() -> None:
    environ = make_environ(SYNC_TAG_LISTS="VIP = 123, hot lead=456,")

    [connection] = from_env(environ).connections

    assert lists_of(connection) == {"tag:vip": "list:123", "tag:hot lead": "list:456"}


def test_the_confirmation_tag_is_lower_cased_as_ghl_keeps_its_tags() -> None:
    environ = make_environ(SYNC_CONFIRMATION_TAG=" In Mailjet ")

    [connection] = from_env(environ).connections

    assert connection.confirmation_tag == "in mailjet"


@pytest.mark.parametrize("typed", ["vip", "vip=", "vip=x", "vip=1.5"])
def test_a_tag_list_without_a_number_is_refused(typed: str) -> None:
    environ = make_environ(SYNC_TAG_LISTS=typed)

    found = problems(environ)

    assert len(found) == 1
    assert found[0].startswith("SYNC_TAG_LISTS: ")


@pytest.mark.parametrize("typed", ["=5", "vip=0", "vip=-1", "vip=1,VIP=2", "vip=10"])
def test_a_tag_list_needs_a_tag_and_a_list_of_its_own(typed: str) -> None:
    environ = make_environ(SYNC_TAG_LISTS=typed, MAILJET_LIST_ID="10")

    found = problems(environ)

    assert len(found) == 1
    assert found[0].startswith("SYNC_TAG_LISTS: ")


def test_a_connection_nobody_configured_is_refused_with_those_that_exist() -> None:
    read = from_env(make_environ())

    with pytest.raises(ConfigError) as caught:
        read.connection("acme")

    assert caught.value.problems == (
        "connection 'acme': unknown; configured are: default",
    )


def test_the_connections_file_names_the_variables_of_its_secrets(
    tmp_path: Path,
) -> None:
    more = CONNECTIONS + (
        'ghl_business_ids = ["b1", "b2"]\ntag_lists = {VIP = 5}\nghl_rate = "25/10"\n'
    )
    environ = connections_file(tmp_path, more + CONNECTIONS.replace("acme", "b-2"))

    read = from_env(environ)

    assert [connection.name for connection in read.connections] == ["acme", "b-2"]
    acme = read.connection("acme")
    assert (acme.ghl_token, acme.mailjet_api_key) == ("t0", "k0")
    assert acme.mailjet_secret_key == "s0"
    assert acme.webhook_secret == "w0-0123456789abc"
    assert acme.ghl_location_id == "loc-acme"
    assert acme.ghl_business_ids == ("b1", "b2")
    assert lists_of(acme) == {"tag:vip": "list:5"}
    assert acme.ghl_rate == Rate(25, 10.0)


@pytest.mark.parametrize("field", SECRET_FIELDS)
def test_a_secret_written_into_the_connections_file_is_refused(
    tmp_path: Path, field: str
) -> None:
    text = CONNECTIONS.replace(f"{field}_env", field).replace("ACME_", "SECRET0")
    environ = {**connections_file(tmp_path, text), **dict.fromkeys(ACME, "x")}
    environ |= {"SECRET0TOKEN": "x", "SECRET0KEY": "x", "SECRET0SECRET": "x"}
    environ |= {"SECRET0WEBHOOK": "x" * 16}

    found = problems(environ)

    assert len(found) == 1
    assert re.match(rf"connections.toml:[3-8]: .connections.acme. {field}: ", found[0])
    assert f"name the variable in {field}_env" in found[0]
    assert "SECRET0" not in found[0]


def test_a_secret_typed_where_its_variables_name_belongs_is_not_echoed(
    tmp_path: Path,
) -> None:
    secrets = ("pit-1f2e-secret", "0123456789abcdef", "ABCDEF0123456789-", "w0-abc")
    text = CONNECTIONS
    for name, secret in zip(ACME, secrets, strict=True):
        text = text.replace(name, secret)

    found = problems(connections_file(tmp_path, text))

    assert [line.rpartition("] ")[2].partition(":")[0] for line in found] == [
        f"{field}_env" for field in SECRET_FIELDS
    ]
    assert not [secret for secret in secrets if secret in "\n".join(found)]


@pytest.mark.parametrize("number", ["inf", "nan", "1.5", "true", "[1]", '"x"', "0"])
def test_a_tag_list_of_the_connections_file_is_a_whole_number(
    tmp_path: Path, number: str
) -> None:
    text = CONNECTIONS + f"tag_lists = {{vip = {number}}}\n"

    found = problems(connections_file(tmp_path, text))

    assert len(found) == 1
    assert found[0].startswith("connections.toml:8: [connections.acme] tag_lists: ")


def test_all_problems_of_the_connections_file_are_reported_at_once(
    tmp_path: Path,
) -> None:
    text = """
    [connections.acme]
    ghl_token_env = "NOT_SET"
    mailjet_api_key_env = "ACME_KEY"
    mailjet_secret_key_env = "ACME_SECRET"
    ghl_location_id = "loc-acme"
    ghl_raet = "100/10"
    ghl_daily = "many"
    [connections."Bad Name"]
    ghl_token_env = "ACME_TOKEN"
    [connections]
    odd = 5
    """
    environ = {**connections_file(tmp_path, text), "SYNC_MODE": "write"}

    found = problems(environ)

    bad = "connections.toml:9: [connections.Bad Name] "
    assert {line.rpartition("] ")[2].partition(":")[0] for line in found} >= {
        "SYNC_MODE",
        "is not a table",
    }
    assert [line for line in found if "[connections.acme]" in line] == [
        "connections.toml:3: [connections.acme] ghl_token_env: NOT_SET is not set; "
        "put it in .env",
        "connections.toml:7: [connections.acme] ghl_raet: no key of a connection; "
        "did you mean 'ghl_rate'?",
        "connections.toml:8: [connections.acme] ghl_daily: not a whole number",
    ]
    assert {
        line.removeprefix(bad).partition(":")[0]
        for line in found
        if line.startswith(bad)
    } == {"name", "ghl_location_id", "mailjet_api_key_env", "mailjet_secret_key_env"}


@pytest.mark.parametrize(
    "text", ["", "connections = 5", "[connections]", "not toml", "[other]\na = 1"]
)
def test_a_connections_file_without_connections_is_one_problem(
    tmp_path: Path, text: str
) -> None:
    environ = connections_file(tmp_path, text)

    found = problems(environ)

    assert len(found) == 1
    assert found[0].startswith("connections.toml:")


def test_a_connections_file_that_is_missing_is_one_problem(tmp_path: Path) -> None:
    environ = {"SYNC_CONNECTIONS_FILE": str(tmp_path / "none.toml")}

    found = problems(environ)

    assert len(found) == 1
    assert found[0].startswith("SYNC_CONNECTIONS_FILE: none.toml: ")


@pytest.mark.parametrize(
    ("variable", "field", "least", "most"),
    [
        ("SYNC_NOTE_LENGTH", "note_length", 20, 10_000),
        ("SYNC_NOTES_SWEEP_DAYS", "notes_sweep_days", 1, 365),
        ("SYNC_TASK_DUE_DAYS", "task_due_days", 0, 365),
        ("SYNC_SOFT_BOUNCES", "soft_bounces", 1, 20),
    ],
)
def test_numbers_of_a_connection_have_both_ends(
    variable: str, field: str, least: int, most: int
) -> None:
    for value in (least, most):
        read = from_env(make_environ(**{variable: str(value)}))
        assert getattr(read.connection("default"), field) == value
    for wrong in (str(least - 1), str(most + 1), "some", "1.5"):
        (line,) = problems(make_environ(**{variable: wrong}))
        assert line.startswith(f"{variable}: ")


def test_the_tag_of_notes_is_as_ghl_keeps_it_and_a_user_id_as_it_is() -> None:
    environ = make_environ(
        SYNC_NOTES_TAG=" VIP Customer ",
        SYNC_TASK_ASSIGNEE="aBcD1234",
        SYNC_NOTE_BODIES="true",
        SYNC_NOTE_EXCERPT="yes",
    )

    connection = from_env(environ).connection("default")

    assert connection.notes_tag == "vip customer"
    assert connection.task_assignee == "aBcD1234"
    assert connection.note_bodies is connection.note_excerpt is True


def test_each_connection_has_its_own_way_with_notes_and_tasks(tmp_path: Path) -> None:
    text = f"{CONNECTIONS}note_length = 80\nnotes_tag = 'VIP'\ntask_due_days = 3\n"

    connection = from_env(connections_file(tmp_path, text)).connection("acme")

    assert connection.note_length == 80
    assert connection.notes_tag == "vip"
    assert connection.task_due_days == 3
    assert connection.note_excerpt is False


@pytest.mark.parametrize(
    "secret", ["fifteen-letters", "sixteen letters!", "sixteen-letters:", "x" * 257]
)
def test_a_webhook_secret_that_no_url_could_carry_is_refused(secret: str) -> None:
    (line,) = problems(make_environ(SYNC_WEBHOOK_SECRET=secret))

    assert line.startswith("SYNC_WEBHOOK_SECRET: use ")
    assert secret not in line


def test_a_connection_of_the_file_can_do_without_webhooks(tmp_path: Path) -> None:
    text = CONNECTIONS.replace('webhook_secret_env = "ACME_WEBHOOK"\n', "")

    connection = from_env(connections_file(tmp_path, text)).connection("acme")

    assert connection.webhook_secret == ""


@pytest.mark.parametrize(
    ("variable", "field", "least", "most"),
    [
        ("SYNC_FEEDBACK_INTERVAL_SECONDS", "feedback_interval_seconds", 30, 86_400),
        ("SYNC_REPORT_HOUR", "report_hour", 0, 23),
    ],
)
def test_numbers_of_the_schedule_have_both_ends(
    variable: str, field: str, least: int, most: int
) -> None:
    for value in (least, most):
        read = from_env(make_environ(**{variable: str(value)}))
        assert getattr(read.connections[0].schedule, field) == value
    for wrong in (str(least - 1), str(most + 1), "some", "1.5"):
        (line,) = problems(make_environ(**{variable: wrong}))
        assert line.startswith(f"{variable}: ")
