"""Dashboard and alerts ask for what there is, and lead to what is to be done."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.metrics import PREFIX, TABLE

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules" / "ghl-mailjet.yml"
FIRED = DEPLOY / "prometheus" / "tests" / "ghl-mailjet.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "ghl-mailjet.json"
SELECTED = re.compile(rf"({PREFIX}\w+)(?:\{{(.*?)\}})?")
GROUPED = re.compile(r"\b(?:by|on) \(([\w, ]*)\)")
OF_HISTOGRAMS = ("_bucket", "_count", "_sum")


@cache
def alerts() -> tuple[dict[str, Any], ...]:
    loaded = yaml.safe_load(RULES.read_text("utf-8"))
    return tuple(rule for group in loaded["groups"] for rule in group["rules"])


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text("utf-8"))
    return loaded


def queries() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    for variable in dashboard()["templating"]["list"]:
        yield variable["definition"]


def problems(query: str) -> list[str]:
    """What a query asks for that no row of the table has."""
    rows = {row.full_name: row for row in TABLE}
    found, known = [], {"le"} & set(re.findall(r"\ble\b", query))
    for name, selectors in SELECTED.findall(query):
        base = name
        for end in OF_HISTOGRAMS:
            stem = name.removesuffix(end)
            if stem in rows and rows[stem].buckets:
                base = stem
        row = rows.get(base)
        if row is None or (base == name and row.buckets):
            found.append(f"no metric {name}")
            continue
        known |= set(row.labels)
        asked = re.findall(r"(\w+)(?:=~|!~|!=|=)", selectors)
        found += [f"{name} has no label {one}" for one in set(asked) - set(row.labels)]
    grouped = {
        one.strip() for told in GROUPED.findall(query) for one in told.split(",")
    }
    return [*found, *(f"nothing has a label {one}" for one in grouped - known - {""})]


@pytest.mark.parametrize("query", sorted(set(queries())))
def test_a_query_asks_for_metrics_and_labels_that_exist(query: str) -> None:
    assert problems(query) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("max(ghl_mailjet_nothing)", ["no metric ghl_mailjet_nothing"]),
        (
            "ghl_mailjet_change_lag_seconds",
            ["no metric ghl_mailjet_change_lag_seconds"],
        ),
        ('ghl_mailjet_paused{lane="x"}', ["ghl_mailjet_paused has no label lane"]),
        ("max by (lane) (ghl_mailjet_paused)", ["nothing has a label lane"]),
    ],
)
def test_a_query_for_what_does_not_exist_is_found(query: str, said: list[str]) -> None:
    assert problems(query) == said


def test_every_metric_is_shown_or_watched() -> None:
    text = "\n".join(queries())

    assert [row.full_name for row in TABLE if row.full_name not in text] == []


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_leads_to_the_runbook(
    rule: dict[str, Any],
) -> None:
    path, _, anchor = rule["annotations"]["runbook_url"].partition("#")

    runbook = (DEPLOY.parent / path).read_text("utf-8")
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", runbook, re.M)
    }
    assert anchor in anchors
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_is_tested_as_it_fires_and_as_it_does_not(
    rule: dict[str, Any],
) -> None:
    tests = yaml.safe_load(FIRED.read_text("utf-8"))["tests"]
    ends = {
        bool(one["exp_alerts"])
        for test in tests
        for one in test["alert_rule_test"]
        if one["alertname"] == rule["alert"]
    }

    assert ends == {True, False}


def test_the_panels_of_the_dashboard_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_compose_mounts_where_grafana_is_told_to_look() -> None:
    provider = DEPLOY / "grafana" / "provisioning" / "dashboards" / "ghl-mailjet.yaml"
    source = DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml"
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    path = yaml.safe_load(provider.read_text())["providers"][0]["options"]["path"]
    uid = yaml.safe_load(source.read_text())["datasources"][0]["uid"]

    assert f"./grafana/dashboards:{path}:ro" in compose["grafana"]["volumes"]
    used = {
        target["datasource"]["uid"]
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    }
    assert used == {uid}
