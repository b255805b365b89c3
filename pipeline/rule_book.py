"""The rules of a connection, made of what its operator wrote."""

from collections.abc import Mapping
from typing import Any

from pipeline.config import Connection
from pipeline.sync.deeds import AddTag, Deed, KeepSummary, MakeTask
from pipeline.sync.rules import Rule

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
