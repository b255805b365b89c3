"""What rules for `updated` ask, and which fields of a contact they are about."""

from hashlib import blake2b

from pipeline.sync.facts import CHANGED_FIELDS, CONTACT
from pipeline.sync.rules import Rule


def question(rule: Rule) -> str:
    """A rule and its condition: one that was edited was never asked."""
    text = rule.when.text if rule.when else ""
    return f"{rule.name}:{blake2b(text.encode(), digest_size=4).hexdigest()}"


def is_of_each_change(rule: Rule) -> bool:
    return rule.when is None or CHANGED_FIELDS in rule.when.mentions


def fields_of(rule: Rule) -> set[str]:
    """Names of fields that the rule is about; "" is every field."""
    if is_of_each_change(rule):
        return {""}
    mentions = rule.when.mentions if rule.when else ()
    return {one.removeprefix(CONTACT) for one in mentions if one.startswith(CONTACT)}


def about(rule: Rule, changed: set[str]) -> set[str]:
    """Those of the changed fields that the rule is about."""
    own = fields_of(rule)
    return {n for n in changed if n in own or n.partition(".")[0] in own}
