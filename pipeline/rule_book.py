"""The rules of a connection, made of what its operator wrote."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.config import Connection
from pipeline.sync.deeds import (
    AddTag,
    Deed,
    JoinList,
    KeepSummary,
    MakeTask,
    Send,
    SetProperty,
)
from pipeline.sync.expression import Expression
from pipeline.sync.facts import CUSTOM_FIELDS
from pipeline.sync.rules import Rule

DATATYPES = {str: "str", int: "int", float: "float", bool: "bool"}
"""Python's type of a value to Mailjet's datatype."""
SHORT_FORM = ("tag", "task", "due_days", "assignee", "note")
"""Keys of a rule that name its one deed."""


def rules_of(connection: Connection) -> tuple[Rule, ...]:
    """All of them, in the order in which they are written."""
    return tuple(map(rule_of, connection.rules))


def rule_of(facts: Mapping[str, Any]) -> Rule:
    """One rule of its loaded form; see `config_rules.RuleSchema`."""
    rest = {name: value for name, value in facts.items() if name not in SHORT_FORM}
    return Rule(**{"do": (_short_form(facts),), **rest})


def _short_form(facts: Mapping[str, Any]) -> Deed:
    if "tag" in facts:
        return AddTag(facts["tag"])
    if "note" in facts:
        return KeepSummary()
    wanted = {k: facts[k] for k in ("due_days", "assignee") if k in facts}
    return MakeTask(facts["task"], **wanted)


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
