"""The JSON Schema for editors says of a file what our own loader says."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from pipeline.config import from_env
from pipeline.errors import ConfigError
from pipeline.new_connection import NewConnection, templates
from pipeline.settings.json_schema import json_schema
from tests.builders import ENVIRON

ROOT = Path(__file__).parent.parent.parent
SCHEMA = json.loads(json.dumps(json_schema()))
TABLE = """
[connections.acme]
ghl_token_env = "GHL_TOKEN"
ghl_location_id = "loc1"
mailjet_api_key_env = "MAILJET_API_KEY"
mailjet_secret_key_env = "MAILJET_SECRET_KEY"
"""
RIGHT = {
    "nothing more": "",
    "numbers and switches": "mailjet_list_id = 5\nnote_bodies = true\nnote_length = 20",
    "rates and lists": 'ghl_rate = "25/10"\ntag_lists = { vip = 5 }',
    "every kind of field": """fields = [
  "core",
  { ghl = "contact.plan", mailjet = "plan", type = "float", empty = "clear" },
  { ghl = "assignedTo", mailjet = "ghl_assigned_to", direction = "<->" },
  { ghl = "city", mailjet = "a", direction = "<->", owner = "newer" },
  { ghl = "state", mailjet = "b", transforms = ["trim", { map = { a = "b" } }] },
]""",
    "tags both ways": """tags = [
  { tag = "vip", list = 678, direction = "<->" }, { tag = "lead", property = "lead" },
]""",
    "businesses": 'businesses = ["*", { id = "b1", list = 5 }]',
    "rules": 'rules = ["tag-openers", { name = "a", on = ["open"], tag = "t" }]',
    "rules with deeds": """live = true
sends_per_day = 50
quiet_hours = "none"
rules = [
  { name = "a", on = "created", existing = true, when = "contact.city == 'a'", do = [
    { add_tag = "t" }, { remove_tag = "u" }, { note = "{when}" },
    { task = "Call {when}", due_days = 1, assignee = "u1" },
    { set_property = "level", value = 5.5 }, { add_to_list = 7, campaign = "c" },
    { send = 8, variables = { city = "contact.city" }, transactional = true },
    { draft = 9, sender = "a@b.org", subject = "s", segment = 4, at_hour = 0 },
    { webhook_env = "GHL_TOKEN_HOOK" },
  ] },
  { name = "b", on = ["task_due", "open"], hours_before = 720, do = { add_tag = "t" } },
]""",
    "a schedule": "schedule = { bulk_hours = '22-3', report_hour = 0 }",
}
WRONG = {
    "an unknown key": "ghl_raet = '100/10'",
    "a secret": 'ghl_token = "pit-0123"',
    "a name": 'name = "acme"',
    "a list of no number": 'mailjet_list_id = "five"',
    "a length that is too short": "note_length = 1",
    "a rate without a window": 'ghl_rate = "100"',
    "an address of no site": 'ghl_base_url = "ftp://x"',
    "fields that are no list": 'fields = "core"',
    "another default mapping": 'fields = ["all"]',
    "a field of nobody": 'fields = [{ ghl = "first", mailjet = "a" }]',
    "a field without property": 'fields = [{ ghl = "city" }]',
    "a property in capitals": 'fields = [{ ghl = "city", mailjet = "City" }]',
    "a property of ours": 'fields = [{ ghl = "city", mailjet = "ghl_tags" }]',
    "a historic property": 'fields = [{ ghl = "city", mailjet = "note" }]',
    "a type of nobody": 'fields = [{ ghl = "city", mailjet = "a", type = "text" }]',
    "no direction": 'fields = [{ ghl = "city", mailjet = "a", direction = "<" }]',
    "no transform": 'fields = [{ ghl = "city", mailjet = "a", transforms = ["up"] }]',
    "a transform without its argument": (
        'fields = [{ ghl = "city", mailjet = "a", transforms = ["join"] }]'
    ),
    "two transforms in one": (
        'fields = [{ ghl = "city", mailjet = "a", '
        'transforms = [{ join = ",", default = "a" }] }]'
    ),
    "a field's unknown key": 'fields = [{ ghl = "city", mailjet = "a", typ = "str" }]',
    "a tag without a target": 'tags = [{ tag = "vip" }]',
    "a tag with two targets": 'tags = [{ tag = "vip", list = 5, property = "vip" }]',
    "a tag list of no number": 'tag_lists = { vip = "x" }',
    "a business without id": "businesses = [{ list = 5 }]",
    "a rule of nobody": 'rules = ["tag-opener"]',
    "a rule that does nothing": 'rules = [{ name = "a", on = "open" }]',
    "a rule that does two things": (
        'rules = [{ name = "a", on = "open", tag = "t", note = "summary" }]'
    ),
    "a rule that does two deeds in one": (
        'rules = [{ name = "a", on = "open", do = { add_tag = "t", send = 5 } }]'
    ),
    "a rule that does a tag and more": (
        'rules = [{ name = "a", on = "open", tag = "t", do = { send = 5 } }]'
    ),
    "a deed of nobody": 'rules = [{ name = "a", on = "open", do = { tag = "t" } }]',
    "no deed": 'rules = [{ name = "a", on = "open", do = [] }]',
    "a deed's unknown key": (
        'rules = [{ name = "a", on = "open", do = { send = 5, due_days = 1 } }]'
    ),
    "a draft from nobody": (
        'rules = [{ name = "a", on = "open", do = { draft = 5, subject = "s" } }]'
    ),
    "a template of no number": (
        'rules = [{ name = "a", on = "open", do = { send = "welcome" } }]'
    ),
    "a template's variable with a space": (
        'rules = [{ name = "a", on = "open", '
        'do = { send = 5, variables = { "a b" = "now" } } }]'
    ),
    "a property without a value": (
        'rules = [{ name = "a", on = "open", do = { set_property = "a" } }]'
    ),
    "a property of ours, set": (
        'rules = [{ name = "a", on = "open", '
        'do = { set_property = "ghl_a", value = 1 } }]'
    ),
    "an address where its variable is": (
        'rules = [{ name = "a", on = "open", do = { webhook_env = "https://x" } }]'
    ),
    "a condition that is too long": (
        f'rules = [{{ name = "a", on = "open", tag = "t", when = "{"1" * 1001}" }}]'
    ),
    "a rule a month too early": (
        'rules = [{ name = "a", on = "task_due", hours_before = 721, tag = "t" }]'
    ),
    "quiet hours of no hours": 'quiet_hours = "night"',
    "more mails than a day holds": "sends_per_day = 51",
    "a rule of no event": 'rules = [{ name = "a", on = "opened", tag = "t" }]',
    "an hour that is none": "schedule = { report_hour = 24 }",
    "an unknown key of a schedule": "schedule = { bulk_hour = '1-5' }",
    "a table of another kind": "[other]\na = 1",
}


def refused_by_the_schema(text: str) -> list[str]:
    file: dict[str, Any] = tomllib.loads(text)
    return [error.message for error in Draft7Validator(SCHEMA).iter_errors(file)]


def refused_by_us(path: Path, text: str) -> list[str]:
    file = path / "connections.toml"
    file.write_text(text, "utf-8")
    environ = {**ENVIRON, "SYNC_CONNECTIONS_FILE": str(file)}
    environ |= dict.fromkeys(new("core").variables.values(), "x")
    environ["GHL_TOKEN_HOOK"] = "https://example.com"
    try:
        from_env(environ)
    except ConfigError as error:
        return list(error.problems)
    return []


def new(template: str) -> NewConnection:
    return NewConnection("acme", template, {"ghl_location_id": "loc1"})


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("template", list(templates()))
def test_every_template_is_right(tmp_path: Path, template: str) -> None:
    text = new(template).table

    assert refused_by_the_schema(text) == refused_by_us(tmp_path, text) == []


@pytest.mark.parametrize("typed", RIGHT)
def test_what_is_right_is_right_for_both(tmp_path: Path, typed: str) -> None:
    text = TABLE + RIGHT[typed]

    assert refused_by_the_schema(text) == refused_by_us(tmp_path, text) == []


@pytest.mark.parametrize("typed", WRONG)
def test_what_is_wrong_is_refused_by_both(tmp_path: Path, typed: str) -> None:
    text = f"{TABLE}{WRONG[typed]}\n"

    assert refused_by_the_schema(text)
    assert refused_by_us(tmp_path, text)


@pytest.mark.parametrize("line", TABLE.strip().splitlines()[1:])
def test_what_a_connection_needs_is_needed_by_both(tmp_path: Path, line: str) -> None:
    text = TABLE.replace(line, "")

    assert refused_by_the_schema(text)
    assert refused_by_us(tmp_path, text)


@pytest.mark.parametrize("text", ["", "[connections]", TABLE.replace("acme", '"A b"')])
def test_a_file_needs_a_connection_with_a_name(tmp_path: Path, text: str) -> None:
    assert refused_by_the_schema(text)
    assert refused_by_us(tmp_path, text)


def test_the_example_of_the_readme_is_right(tmp_path: Path) -> None:
    example = readme().partition("```toml\n")[2].partition("```")[0]

    assert refused_by_the_schema(example) == refused_by_us(tmp_path, example) == []


def test_the_mistakes_of_the_readme_are_told_as_it_says(tmp_path: Path) -> None:
    example = readme().partition("```toml\n")[2].partition("```")[0]
    told = [line for line in readme().splitlines() if line.startswith("connections.t")]

    mistaken = example.replace('ghl = "city"', 'ghl = "ctiy"').replace("678", "12345")

    assert refused_by_us(tmp_path, mistaken) == told


def test_the_readme_tells_of_every_template() -> None:
    told = re.findall(r"^\| `([a-z-]+)` \|", readme().partition("```")[0], re.M)

    assert set(told) == set(templates())


def readme() -> str:
    """What the README says of connections.toml."""
    text = (ROOT / "README.md").read_text("utf-8")
    return text.partition("\n## connections.toml")[2].partition("\n## ")[0]


def test_every_key_of_a_connection_tells_what_it_is() -> None:
    (connection,) = SCHEMA["properties"]["connections"]["patternProperties"].values()

    assert len(connection["properties"]) > 25
    assert [
        key
        for key, form in connection["properties"].items()
        if not form.get("description")
    ] == []
