"""Imports point down, the domain stays pure, and no file grows without end.

A rule is a function from sources to violations, so that it can be shown to find one.
"""

import ast
import sys
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("pipeline", "workers")
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "pipeline.errors",
        "pipeline.config",
        "pipeline.settings",
        "pipeline.expressions",
        "pipeline.expression_problems",
        "pipeline.expression_variables",
        "pipeline.meters",
        "pipeline.metrics",
        "pipeline.permit",
        "pipeline.retry",
        "pipeline.wording",
    ),
    ("pipeline.sync",),
    (
        "pipeline.ghl",
        "pipeline.mailjet",
        "pipeline.store",
        "pipeline.session",
        "pipeline.transport",
        "pipeline.classify",
        "pipeline.waiting",
        "pipeline.webhook_call",
        "pipeline.redaction",
        "pipeline.answer",
        "pipeline.html_text",
        "pipeline.time_zone",
        "pipeline.mapping_book",
        "pipeline.rule_book",
        "pipeline.policy_book",
        "pipeline.vendors",
    ),
    ("pipeline.bootstrap",),
    (
        "pipeline.runs",
        "pipeline.past_runs",
        "pipeline.run_cost",
        "pipeline.run_facts",
        "pipeline.forecast",
        "pipeline.location_facts",
        "pipeline.discovery",
        "pipeline.sweeps",
        "pipeline.subscribers",
        "pipeline.feed",
        "pipeline.feedback",
        "pipeline.polls",
        "pipeline.consent_report",
        "pipeline.opting_in",
        "pipeline.person",
        "pipeline.erasing",
        "pipeline.sync_now",
        "pipeline.preferences",
        "pipeline.paging",
        "pipeline.dispatch",
        "pipeline.alert_conditions",
        "pipeline.alerting",
        "pipeline.work",
        "pipeline.synced_meters",
        "pipeline.sending",
        "pipeline.calling",
        "pipeline.last_look",
        "pipeline.drafting",
        "pipeline.inbox",
        "pipeline.setup",
        "pipeline.callbacks",
        "pipeline.offers",
        "pipeline.properties",
        "pipeline.custom_fields",
        "pipeline.field_report",
        "pipeline.check",
        "pipeline.check_ghl",
        "pipeline.check_rules",
        "pipeline.findings",
        "pipeline.probes",
        "pipeline.overview",
        "pipeline.replaying",
        "pipeline.why",
        "pipeline.planning",
        "pipeline.rule_trial",
    ),
    (
        "pipeline.cli",
        "pipeline.commands",
        "pipeline.command_line",
        "pipeline.new_connection",
        "pipeline.__main__",
        "pipeline.demo",
        "pipeline.demo_contact",
        "pipeline.terminal",
        "workers",
    ),
)
"""Lowest first; a module may import its own layer and what is below."""
FORBIDDEN_NAMES = frozenset({"utils", "helpers", "common", "base", "manager", "core"})
IMPURE = frozenset(
    [
        *("time", "os", "random", "secrets", "socket", "ssl", "http", "urllib", "io"),
        *("threading", "subprocess", "asyncio", "logging", "uuid", "tempfile"),
        *("pathlib", "shutil", "signal", "select", "multiprocessing", "sched"),
    ]
)
MAX_LINES = 300

Sources = dict[str, str]
"""Module name to source text."""


def read_sources(*packages: str) -> Sources:
    paths = (path for name in packages for path in (ROOT / name).rglob("*.py"))
    return {module_name(path): path.read_text("utf-8") for path in sorted(paths)}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def import_lines(module: str, source: str) -> tuple[tuple[str, str | None], ...]:
    """What is imported from where, wherever in the file; None for the whole module."""
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = node.module or ""
            if node.level:
                above = module.split(".")[: -node.level]
                package = ".".join([*above, *filter(None, [node.module])])
            found += [(package, alias.name) for alias in node.names]
    return tuple(found)


def imports(module: str, source: str, known: Collection[str]) -> Iterator[str]:
    """Every module imported; `from a import b` means `a.b` where that is a module."""
    for package, name in import_lines(module, source):
        inner = f"{package}.{name}"
        yield inner if name and inner in known else package


def edges(sources: Sources) -> Iterator[tuple[str, str]]:
    for module, source in sources.items():
        for imported in sorted(set(imports(module, source, sources))):
            yield module, imported


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def layer(module: str) -> int | None:
    for number, packages in enumerate(LAYERS):
        if any(is_within(module, package) for package in packages):
            return number
    return None


def is_ours(module: str) -> bool:
    return any(is_within(module, package) for package in PACKAGES)


def is_sandbox(module: str) -> bool:
    return is_within(module, "pipeline.sandbox")


def without_a_layer(sources: Sources) -> list[str]:
    return [
        module
        for module in sources
        if layer(module) is None and not is_sandbox(module) and module != "pipeline"
    ]


def pointing_up(sources: Sources) -> list[str]:
    found = []
    for module, imported in edges(sources):
        own, other = layer(module), layer(imported)
        if own is not None and other is not None and other > own:
            found.append(f"{module} imports {imported}")
    return found


def in_a_circle(sources: Sources) -> list[str]:
    """Modules that import themselves by way of others."""
    graph: dict[str, set[str]] = {module: set() for module in sources}
    for module, imported in edges(sources):
        if imported in graph and imported != module:
            graph[module].add(imported)
    reached: dict[str, set[str]] = {module: set() for module in graph}
    for module in graph:
        waiting = [*graph[module]]
        while waiting:
            following = waiting.pop()
            if following not in reached[module]:
                reached[module].add(following)
                waiting += graph[following]
    return sorted(module for module in graph if module in reached[module])


def importing(sources: Sources, within: str, *forbidden: str) -> list[str]:
    return [
        f"{module} imports {imported}"
        for module, imported in edges(sources)
        if is_within(module, within)
        and any(is_within(imported, package) for package in forbidden)
    ]


def impure_domain(sources: Sources) -> list[str]:
    """What the domain imports beyond the pure part of the standard library."""
    found = []
    for module, imported in edges(sources):
        if not is_within(module, "pipeline.sync"):
            continue
        top = imported.partition(".")[0]
        pure = top in sys.stdlib_module_names and top not in IMPURE
        ours = is_within(imported, "pipeline.sync") or imported == "pipeline.errors"
        if not (pure or ours):
            found.append(f"{module} imports {imported}")
    return found


def reading_the_clock_or_the_world(sources: Sources) -> list[str]:
    """`now()`, `today()`, `open()` and the like in the domain."""
    forbidden = {"now", "utcnow", "today", "open", "input", "print", "__import__"}
    return [
        f"{module} calls {name}()"
        for module, source in sources.items()
        if is_within(module, "pipeline.sync")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and (name := called(node)) in forbidden
    ]


def called(node: ast.Call) -> str:
    """The last name of what is called; empty when it has none."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def sandbox_not_apart(sources: Sources) -> list[str]:
    """It imports nothing of ours, and only the command line imports it."""
    allowed = {"pipeline.cli", "pipeline.demo"}
    return [
        f"{module} imports {imported}"
        for module, imported in edges(sources)
        if (is_sandbox(module) and is_ours(imported) and not is_sandbox(imported))
        or (not is_sandbox(module) and is_sandbox(imported) and module not in allowed)
    ]


def forbidden_names(sources: Sources) -> list[str]:
    return [m for m in sources if FORBIDDEN_NAMES & set(m.split("."))]


def too_long(sources: Sources, *, limit: int) -> list[str]:
    return [
        f"{module}: {lines} lines"
        for module, source in sources.items()
        if (lines := len(source.splitlines())) > limit
    ]


SOURCES = read_sources(*PACKAGES)


def test_every_module_has_a_layer() -> None:
    assert len(SOURCES) > 40
    assert without_a_layer(SOURCES) == []


def test_imports_point_down() -> None:
    assert pointing_up(SOURCES) == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert in_a_circle(SOURCES) == []


def test_the_pipeline_never_imports_celery_and_knows_no_shell() -> None:
    assert importing(SOURCES, "pipeline", "celery", "kombu", "workers") == []


def test_the_domain_imports_only_pure_standard_library_and_errors() -> None:
    assert impure_domain(SOURCES) == []


def test_the_domain_reads_no_clock_and_opens_nothing() -> None:
    assert reading_the_clock_or_the_world(SOURCES) == []


def test_the_vendors_never_import_each_other() -> None:
    assert importing(SOURCES, "pipeline.ghl", "pipeline.mailjet") == []
    assert importing(SOURCES, "pipeline.mailjet", "pipeline.ghl") == []


def test_the_sandbox_stands_apart() -> None:
    assert sandbox_not_apart(SOURCES) == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert forbidden_names(SOURCES) == []


def test_no_file_has_more_than_300_lines() -> None:
    assert too_long(SOURCES, limit=MAX_LINES) == []


def test_all_python_files_parse() -> None:
    paths = [
        path
        for folder in (*PACKAGES, "tests", "deploy")
        for path in (ROOT / folder).rglob("*.py")
    ]

    trees = [ast.parse(path.read_text("utf-8"), str(path)) for path in paths]

    assert len(trees) > len(SOURCES)


PLANTED: dict[str, tuple[str, str]] = {
    "up": ("pipeline.store.bucket", "from pipeline.bootstrap import Kit"),
    "up as a module": ("pipeline.sync.diff", "from pipeline import session"),
    "up from bootstrap": ("pipeline.bootstrap", "import pipeline.runs"),
    "up inside a function": (
        "pipeline.errors",
        "def f():\n    from pipeline import cli",
    ),
    "up by dots": ("pipeline.sync.diff", "from ..store import state"),
}


@pytest.mark.parametrize("where", PLANTED)
def test_a_planted_import_that_points_up_is_found(where: str) -> None:
    module, line = PLANTED[where]

    found = pointing_up({**SOURCES, module: line})

    assert len(found) == 1
    assert found[0].startswith(f"{module} imports pipeline.")


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "import os.path",
        "from random import random",
        "import requests",
        "from pipeline.config import Rate",
        "from pipeline import permit",
        "from urllib.request import urlopen",
    ],
)
def test_a_planted_impurity_of_the_domain_is_found(line: str) -> None:
    found = impure_domain({**SOURCES, "pipeline.sync.planted": line})

    assert len(found) == 1


@pytest.mark.parametrize(
    "line", ["datetime.now(UTC)", "date.today()", "open('x')", "datetime.utcnow()"]
)
def test_a_planted_look_at_the_clock_is_found(line: str) -> None:
    found = reading_the_clock_or_the_world({"pipeline.sync.planted": line})

    assert len(found) == 1


def test_planted_celery_is_found() -> None:
    planted = {**SOURCES, "pipeline.work": "from celery.utils import log"}

    assert importing(planted, "pipeline", "celery", "kombu") == [
        "pipeline.work imports celery.utils"
    ]


def test_a_planted_look_at_the_other_vendor_is_found() -> None:
    line = "from pipeline.mailjet.client import MailjetClient"
    planted = {**SOURCES, "pipeline.ghl.client": line}

    found = importing(planted, "pipeline.ghl", "pipeline.mailjet")

    assert found == ["pipeline.ghl.client imports pipeline.mailjet.client"]


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("pipeline.sandbox.server", "from pipeline.errors import VendorError"),
        ("pipeline.discovery", "from pipeline.sandbox import world"),
    ],
)
def test_a_planted_bridge_to_the_sandbox_is_found(module: str, line: str) -> None:
    found = sandbox_not_apart({**SOURCES, module: line})

    assert len(found) == 1


def test_a_planted_circle_a_long_file_a_bad_name_and_a_stray_module_are_found() -> None:
    planted = {
        "pipeline.utils": "",
        "pipeline.sync.a": "from pipeline.sync import b",
        "pipeline.sync.b": "import pipeline.sync.a",
        "pipeline.sync.long": "x = 1\n" * (MAX_LINES + 1),
    }

    assert in_a_circle(planted) == ["pipeline.sync.a", "pipeline.sync.b"]
    assert too_long(planted, limit=MAX_LINES) == ["pipeline.sync.long: 301 lines"]
    assert forbidden_names(planted) == ["pipeline.utils"]
    assert without_a_layer(planted) == ["pipeline.utils"]
