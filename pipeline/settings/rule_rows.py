"""Rules beside the mapping of their connection and the variables of the environment."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pipeline.settings.deeds import VARIABLE, TypedDeed, written
from pipeline.settings.lines import Path
from pipeline.settings.mapping import CORE, CORE_PROPERTIES, Row
from pipeline.settings.rows import LIST
from pipeline.settings.urls import webhook_problem


def rule_problems(
    data: Mapping[str, Any], rows: Mapping[Path, Row]
) -> Iterator[tuple[Path, str]]:
    """Where rules and the mapping are after the same thing.

    Args:
        data: of a connection as loaded; what could not be loaded is absent.
    """
    columns = {row["column"] for row in rows.values()}
    if CORE in (data.get("fields") or ()):
        columns |= {*CORE_PROPERTIES}
    kinds: dict[str, type] = {}
    for path, deed in _deeds_of(data.get("rules") or ()):
        if deed.key == "set_property":
            name, kind = deed.facts["name"], type(deed.facts["value"])
            if name in columns:
                yield path, "is written by the mapping; choose another name"
            elif kinds.setdefault(name, kind) is not kind:
                yield path, "is set to a value of another type by another rule"
        if deed.key == "add_to_list":
            if deed.facts["list_id"] == data.get("mailjet_list_id"):
                yield path, "is the list that is kept; everybody is on it"
            elif f"{LIST}{deed.facts['list_id']}" in columns:
                yield path, "is kept by the mapping, which would take them off again"
        mark = data.get("confirmation_tag")
        if deed.key == "remove_tag" and deed.facts["tag"] == mark:
            yield path, "is the mark of ours (confirmation_tag)"


def webhook_problems(
    rules: object, environ: Mapping[str, str]
) -> Iterator[tuple[Path, str]]:
    """What is wrong with variables that hold addresses; their value is not told.

    Args:
        rules: as they were typed.
    """
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        do = rule.get("do") if isinstance(rule, dict) else None
        for place, deed in written(do):
            variable = deed.get("webhook_env") if isinstance(deed, dict) else None
            # What is typed here by mistake may be the address itself.
            if not isinstance(variable, str) or not re.match(VARIABLE, variable):
                continue
            url = environ.get(variable)
            wrong = webhook_problem(url) if url else "is not set; put it in .env"
            if wrong:
                yield ("rules", index, *place, "webhook_env"), f"{variable} {wrong}"


def with_urls(
    rules: tuple[Mapping[str, Any], ...], environ: Mapping[str, str]
) -> tuple[Mapping[str, Any], ...]:
    """Rules as loaded, with the addresses of their webhooks."""
    return tuple(
        {**rule, "do": tuple(_with_url(deed, environ) for deed in rule["do"])}
        for rule in rules
    )


def _with_url(deed: TypedDeed, environ: Mapping[str, str]) -> TypedDeed:
    if deed.key != "webhook_env":
        return deed
    return replace(deed, url=environ.get(deed.facts["variable"], ""))


def _deeds_of(rules: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Path, TypedDeed]]:
    """Every deed, and where its key stands."""
    for index, rule in enumerate(rules):
        for deed in rule["do"]:
            yield ("rules", index, *deed.place, deed.key), deed
