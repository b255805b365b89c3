"""The rules of a connection, made of what its operator wrote."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.config import Connection
from pipeline.expressions import compile_condition, compile_value
from pipeline.settings.deeds import SUMMARY, TypedDeed
from pipeline.sync.deeds import (
    AddTag,
    CallWebhook,
    Deed,
    JoinList,
    KeepSummary,
    MakeTask,
    RemoveTag,
    ScheduleDraft,
    Send,
    SetProperty,
    WriteNote,
)
from pipeline.sync.expression import Expression
from pipeline.sync.facts import CUSTOM_FIELDS
from pipeline.sync.rules import Rule

DEEDS: Mapping[str, type[Deed]] = {
    "add_tag": AddTag,
    "remove_tag": RemoveTag,
    "task": MakeTask,
    "note": WriteNote,
    "set_property": SetProperty,
    "add_to_list": JoinList,
    "send": Send,
    "draft": ScheduleDraft,
}
"""Key of a deed to what it is; its facts are the fields."""
DATATYPES = {str: "str", int: "int", float: "float", bool: "bool"}
"""Python's type of a value to Mailjet's datatype."""


def rules_of(connection: Connection) -> tuple[Rule, ...]:
    """All of them, in the order in which they are written."""
    return tuple(map(rule_of, connection.rules))


def rule_of(facts: Mapping[str, Any]) -> Rule:
    """One rule of its loaded form; see `config_rules.RuleSchema`."""
    on = facts["on"]
    made: dict[str, Any] = {"do": tuple(_deed_of(deed, on) for deed in facts["do"])}
    if "when" in facts:
        made["when"] = compile_condition(facts["when"], on)
    return Rule(**{**facts, **made})


def _deed_of(deed: TypedDeed, on: frozenset[str]) -> Deed:
    if deed.key == "webhook_env":
        return CallWebhook(deed.facts["variable"], deed.url)
    if deed.key == "note" and deed.facts["text"] == SUMMARY:
        return KeepSummary()
    facts = dict(deed.facts)
    if texts := facts.get("variables"):
        facts["variables"] = {k: compile_value(text, on) for k, text in texts.items()}
    return DEEDS[deed.key](**facts)


def needs_of(rules: Iterable[Rule]) -> dict[str, Any]:
    """What rules need of both vendors, as arguments of a `Layout`."""
    rules = tuple(rules)
    expressions = [one for rule in rules for one in _expressions(rule)]
    joins = {deed.list_id for rule in rules for deed in rule.deeds(JoinList)}
    values = {d.name: d.value for rule in rules for d in rule.deeds(SetProperty)}
    return {
        "rule_lists": tuple(sorted(joins)),
        "rule_properties": tuple((k, DATATYPES[type(v)]) for k, v in values.items()),
        "every_custom_field": any(CUSTOM_FIELDS in e.mentions for e in expressions),
    }


def _expressions(rule: Rule) -> Iterable[Expression]:
    if rule.when is not None:
        yield rule.when
    for deed in rule.deeds(Send):
        yield from deed.variables.values()
