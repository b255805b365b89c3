"""Rules as an operator writes them: every problem at once, with what was meant."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import from_env
from pipeline.errors import ConfigError
from pipeline.rule_book import rule_of
from pipeline.settings.rules import SHIPPED
from pipeline.sync.deeds import AddTag, MakeTask
from pipeline.sync.mail_event import EventKind
from pipeline.sync.rules import Rule
from tests.builders import ENVIRON, make_environ

TABLE = {"name": "demo", "on": "click", "task": "Call"}
FILE = """
[connections.acme]
ghl_token_env = "GHL_TOKEN"
ghl_location_id = "loc1"
mailjet_api_key_env = "MAILJET_API_KEY"
mailjet_secret_key_env = "MAILJET_SECRET_KEY"
"""


def of_file(path: Path, rules: str) -> tuple[Rule, ...]:
    file = path / "connections.toml"
    file.write_text(FILE + rules, "utf-8")
    environ = {**ENVIRON, "SYNC_CONNECTIONS_FILE": str(file)}
    return tuple(rule_of(facts) for facts in from_env(environ).connection("acme").rules)


def problems(path: Path, *rules: Any) -> list[str]:
    """What is said about rules, without the line and the connection."""
    with pytest.raises(ConfigError) as caught:
        of_file(path, f"rules = [{', '.join(map(toml, rules))}]")
    told = [line.partition(" [connections.acme] ") for line in caught.value.problems]
    assert {before for before, _, _ in told} == {"connections.toml:7:"}
    return [what for _, _, what in told]


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {toml(v)}' for key, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_without_a_word_no_rule_is_on() -> None:
    assert from_env(make_environ()).connection("default").rules == ()


def test_shipped_rules_are_switched_on_by_name() -> None:
    typed = f" {' , '.join(SHIPPED)} ,"

    rules = from_env(make_environ(SYNC_RULES=typed)).connection("default").rules

    assert [rule_of(facts).name for facts in rules] == list(SHIPPED)


def test_a_list_holds_names_and_tables(tmp_path: Path) -> None:
    demo = {**TABLE, "url_contains": "/demo", "due_days": 2, "assignee": "u1"}
    fans = {"name": "fans", "on": ["open", "click"], "campaign": "N*", "tag": "Fan "}
    written = f"rules = {toml(['tag-openers', demo, fans])}"

    opened, wants_demo, fan = of_file(tmp_path, written)

    assert (opened.name, opened.on) == ("tag-openers", {EventKind.OPEN})
    assert wants_demo.do == (MakeTask("Call", due_days=2, assignee="u1"),)
    assert wants_demo.url_contains == "/demo"
    assert (fan.do, fan.on) == ((AddTag("fan"),), {EventKind.OPEN, EventKind.CLICK})


def test_tables_can_stand_by_themselves(tmp_path: Path) -> None:
    table = '[[connections.acme.rules]]\nname = "{}"\non = "open"\ntag = "t"\n'

    rules = of_file(tmp_path, table.format("a") + table.format("b"))

    assert [rule.name for rule in rules] == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"on": "clik"}, ".on: no trigger; did you mean 'click'?"),
        ({"on": []}, ".on: names no trigger; there is created, updated, tagged, "),
        ({"on": [["open"]]}, ".on: no trigger; "),
        ({"url_contain": "x"}, ".url_contain: no key of a rule; did you mean 'url_"),
        ({"task": "{link}"}, ".task: cannot be filled in; there is url, campaign, "),
        ({"task": "{urll}"}, ".task: cannot be filled in; did you mean 'url'?"),
        ({"task": "{url.port}"}, ".task: cannot be filled in; "),
        ({"task": "{url!r}"}, ".task: cannot be filled in; "),
        ({"task": "{url:>99}"}, ".task: cannot be filled in; "),
        ({"task": "{}"}, ".task: cannot be filled in; "),
        ({"task": "{url"}, ".task: a brace is open"),
        ({"task": "  "}, ".task: is empty"),
        ({"tag": "t"}, ": has tag and task; put all deeds into do = [...]"),
        ({"tag": "t", "task": None}, ".due_days: is about tasks"),
        ({"tag": " ", "task": None, "due_days": None}, ".tag: 1 to 100 characters"),
        (
            {"note": "sumary", "task": None, "due_days": None},
            ".note: Must be one of: summary.",
        ),
        ({"on": "open", "url_contains": "x"}, ".url_contains: is about clicks"),
        ({"name": "Demo"}, ".name: use a-z, 0-9 and -, at most 40"),
        ({"name": None}, ".name: missing"),
        ({"due_days": 366}, ".due_days: Must be greater than or equal to 0 and less"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(
    tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    facts = {**TABLE, "due_days": 1, **change}
    kept = {key: value for key, value in facts.items() if value is not None}

    (found,) = problems(tmp_path, kept)

    assert found.startswith(f"rules[0]{problem}")


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    bad = {"name": "x", "on": "opn", "tags": "t", "due_days": 5}

    found = problems(tmp_path, "tag-opener", bad, 7, TABLE, TABLE)

    assert found == [
        "rules[0]: no rule that ships; did you mean 'tag-openers'?",
        "rules[1].due_days: is about tasks",
        "rules[1].on: no trigger; did you mean 'open'?",
        "rules[1].tags: no key of a rule; did you mean 'tag'?",
        "rules[1]: needs one of tag, task, note and do",
        "rules[2]: neither a name nor a table",
        "rules[4].name: is there twice",
    ]


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        from_env(make_environ(SYNC_RULES="pit-0123456789abcdef,tag-openers"))

    (line,) = caught.value.problems
    assert line.startswith("SYNC_RULES: rule 1: no rule that ships; there is tag-open")
    assert "pit-" not in line


def test_rules_are_a_list(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        of_file(tmp_path, "rules = 5")

    (line,) = caught.value.problems
    assert line.endswith("rules: not a list of rules; see the README")
