"""Rules as the README tells of them, and as the templates ship them."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.config import from_env
from pipeline.expression_variables import ALWAYS, VARIABLES
from pipeline.expressions import compile_condition
from pipeline.new_connection import NewConnection, templates
from pipeline.rule_book import rules_of
from pipeline.settings.deeds import DEEDS
from pipeline.settings.rules import SHIPPED, TRIGGERS
from pipeline.sync.deeds import AddTag, Deed, MakeTask, SetProperty
from pipeline.sync.rules import Rule
from tests.builders import ENVIRON
from tests.unit.test_config_deeds import connection

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
RULES = README.partition("\n## Rules")[2].partition("\n## ")[0]
PRICES = "https://example.com/pricing"


def table(head: str) -> dict[str, str]:
    """First column to the others of the table that begins so."""
    rows = RULES.partition(f"\n| {head}")[2].partition("\n\n")[0].splitlines()[2:]
    return {first: rest for _, first, rest in (row.split("|", 2) for row in rows)}


def names(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def test_every_trigger_is_told_with_its_variables() -> None:
    told = {
        trigger: names(rest.rpartition("|")[0].rpartition("|")[2])
        for first, rest in table("`on`").items()
        for trigger in names(first)
    }

    assert told == {trigger: set(VARIABLES[trigger]) for trigger in TRIGGERS}


def test_every_variable_of_every_rule_is_told() -> None:
    assert set().union(*map(names, table("variables of every rule"))) == set(ALWAYS)


def test_every_deed_is_told_with_its_keys() -> None:
    keys = {key: set(schema().typed_keys()) - {key} for key, schema in DEEDS.items()}

    told = {
        key: names(rest.rpartition("|")[0].rpartition("|")[2])
        for first, rest in table("deed").items()
        for key in names(first)
    }
    assert told == keys


def test_every_rule_that_ships_is_told() -> None:
    assert set().union(*map(names, table("rule that ships"))) == set(SHIPPED)


@pytest.mark.parametrize("typed", table("condition"))
def test_every_condition_that_is_shown_can_be_asked(typed: str) -> None:
    (text,) = names(typed)
    triggers = [t for t in TRIGGERS if any(v in text for v in VARIABLES[t])]

    assert compile_condition(text, triggers[:1] or ["created"]).mentions


def test_the_rules_that_are_shown_can_be_read(tmp_path: Path) -> None:
    example = RULES.partition("[connections.acme]\n")[2].partition("```")[0]

    read = connection(tmp_path, example)

    assert read.live
    assert len(rules_of(read)) == 6


def rules_of_template(
    path: Path, template: str, *, examples: bool = False
) -> list[Rule]:
    """Its rules; with examples those too that stand in a remark."""
    new = NewConnection("acme", template, {"ghl_location_id": "loc1"})
    text = re.sub(r"^  # (?=\{ name)", "  ", new.table, flags=re.M)
    file = path / "connections.toml"
    file.write_text(text if examples else new.table, "utf-8")
    environ = {**ENVIRON, "SYNC_CONNECTIONS_FILE": str(file)}
    environ |= dict.fromkeys(new.variables.values(), "x")
    return list(rules_of(from_env(environ).connection("acme")))


OF_TEMPLATES: Mapping[str, tuple[str, Deed, Mapping[str, object], bool]] = {
    "core": ("newcomers", AddTag("new"), {}, True),
    "newsletter": (
        "interested",
        SetProperty("interested", True),
        {"contact.tags": ["lead"]},
        False,
    ),
    "sales-follow-up": (
        "hot",
        AddTag("hot"),
        {"contact.tags": ["lead"], "event.url": PRICES},
        False,
    ),
    "appointments": ("prepare", MakeTask("Prepare: {what}"), {}, True),
    "two-way": (
        "from-mailjet",
        AddTag("from-mailjet"),
        {"contact.source": "Mailjet"},
        False,
    ),
}
"""Rule of each, what it does, facts for which it does that, and whether for others."""
OTHERS = {
    "contact.tags": ["customer"],
    "contact.source": "form",
    "event.url": PRICES,
}


@pytest.mark.parametrize("template", list(templates()))
def test_each_template_has_a_rule_that_works_as_it_is(
    tmp_path: Path, template: str
) -> None:
    name, deed, facts, is_always = OF_TEMPLATES[template]

    (rule,) = [r for r in rules_of_template(tmp_path, template) if r.name == name]

    assert rule.do == (deed,)
    assert rule.when is None if is_always else rule.when is not None
    if rule.when is not None:
        assert rule.when(facts) is True
        assert rule.when(OTHERS) is False


@pytest.mark.parametrize("template", list(templates()))
def test_each_template_shows_a_rule_that_sends(tmp_path: Path, template: str) -> None:
    works = {rule.name for rule in rules_of_template(tmp_path, template)}

    (sends,) = [
        rule
        for rule in rules_of_template(tmp_path, template, examples=True)
        if rule.name not in works
    ]

    assert sends.do
