"""What people type is documented, and what is documented exists."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from pipeline.cli import main
from pipeline.config import (
    CONNECTION_VARIABLES,
    CONNECTIONS_FILE_VARIABLE,
    PROCESS_VARIABLES,
)
from pipeline.metrics import TABLE
from pipeline.permit import Lane
from pipeline.store.state import CONNECTION_KEYS, PREFIX, PROCESS_KEYS
from pipeline.sync.history import HISTORIC
from pipeline.sync.mapping import Layout
from tests.builders import ENVIRON
from tests.integration import test_identity, test_identity_origins

ROOT = Path(__file__).parent.parent
VARIABLES = (
    *PROCESS_VARIABLES.values(),
    *CONNECTION_VARIABLES.values(),
    CONNECTIONS_FILE_VARIABLE,
)
SERVERS = (
    *("FLOWER_", "RECEIVER_", "STATUS_PAGE_", "WORKER_"),
    *("REDIS_PASSWORD", "GRAFANA_"),
)
"""Variables that Flower, Gunicorn, the status page, a worker's start and compose.yaml
read."""
KEY_MAKERS = {"process_key": PROCESS_KEYS, "connection_key": CONNECTION_KEYS}
TASK_NAMES = "from workers.celery import app; app.loader.import_default_modules(); "
TASK_NAMES += "print(*[name for name in app.tasks if not name.startswith('celery.')])"


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def is_mentioned(word: str, document: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", document) is not None


def commands(group: click.Group, path: str = "") -> Iterator[str]:
    """`sync`, `runs`, `runs list`, ...: every command that can be typed."""
    for name, command in group.commands.items():
        yield f"{path}{name}"
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


@cache
def task_names() -> tuple[str, ...]:
    """Celery's registry, read in a process of its own: importing needs settings."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GHL_", "MAILJET_", "SYNC_", "REDIS_", "FLOWER_"))
    }
    done = subprocess.run(
        [sys.executable, "-c", TASK_NAMES],
        env={**environ, **ENVIRON},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return tuple(done.stdout.split())


def code_lines(document: str) -> Iterator[str]:
    """The lines of all code blocks, without prompts and comments."""
    for block in re.findall(r"^ *```[^\n]*\n(.*?)^ *```", document, re.M | re.S):
        for line in block.splitlines():
            yield line.strip().removeprefix("$ ").partition(" #")[0].strip()


def unknown_commands(document: str) -> list[str]:
    """Code lines that start with `make` or `ghl-mailjet` and name nothing of ours."""
    known = set(commands(main))
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.M))
    found = []
    for line in code_lines(document):
        match line.split():
            case ["make", *words]:
                wanted = [word for word in words if "=" not in word]
                if not set(wanted) <= targets:
                    found.append(line)
            case ["ghl-mailjet", *words]:
                wanted = [word for word in words if not word.startswith("-")][:1]
                if not (set(wanted) <= known and known_options(words)):
                    found.append(line)
    return found


def known_options(words: list[str]) -> bool:
    """Whether the command has every option that the line gives it."""
    command: click.Command = main
    rest = list(words)
    while rest and isinstance(command, click.Group) and rest[0] in command.commands:
        command = command.commands[rest.pop(0)]
    options = {"-h", "--help", "--version"}
    options |= {name for option in command.params for name in option.opts}
    return {word.partition("=")[0] for word in rest if word.startswith("-")} <= options


def store_sources() -> dict[str, ast.Module]:
    paths = [p for name in ("pipeline", "workers") for p in (ROOT / name).rglob("*.py")]
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8"))
        for path in paths
        if path.name != "state.py" and "sandbox" not in path.parts
    }


def key_names(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """The maker and the name of every key made; None where it cannot be read off.

    A method that passes its own parameter on to a maker is a maker itself.
    """
    makers = {name: name for name in KEY_MAKERS}
    passing: set[ast.Call] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        parameters = {argument.arg for argument in node.args.args}
        for call in ast.walk(node):
            if (
                isinstance(call, ast.Call)
                and called(call) in KEY_MAKERS
                and isinstance(call.args[-1], ast.Name)
                and call.args[-1].id in parameters
            ):
                makers[node.name] = called(call)
                passing.add(call)
    looped = {
        target.id: generator.iter
        for node in ast.walk(tree)
        if isinstance(node, ast.ListComp)
        for generator in node.generators
        if isinstance(target := generator.target, ast.Name)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and called(node) in makers
            and node not in passing
        ):
            for name in constants(node.args[-1], looped):
                yield makers[called(node)], name


def constants(node: ast.expr, looped: dict[str, ast.expr]) -> Iterator[str | None]:
    match node:
        case ast.Constant(value=str(name)):
            yield name
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
            yield f"{start}*"
        case ast.Name(id=name) if name in looped:
            yield from constants(looped[name], {})
        case ast.Tuple(elts=items):
            for item in items:
                yield from constants(item, {})
        case _:
            yield None


def called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


@pytest.mark.parametrize("document", [".env.example", "README.md"])
@pytest.mark.parametrize("variable", VARIABLES)
def test_every_setting_is_documented(variable: str, document: str) -> None:
    assert is_mentioned(variable, text(document))


def test_every_line_of_the_example_is_a_setting() -> None:
    named = set(re.findall(r"^([A-Z_]+)=", text(".env.example"), re.M))

    assert {n for n in named if not n.startswith(SERVERS)} == set(VARIABLES)


@pytest.mark.parametrize("command", list(commands(main)))
def test_every_command_is_in_the_readme(command: str) -> None:
    typed = rf"(?:ghl-mailjet |`){re.escape(command)}(?![\w-])"

    assert re.search(typed, text("README.md"))


def test_every_metric_is_in_the_readme_as_its_row_says() -> None:
    told = re.findall(r"^\| `(ghl_mailjet_\w+)` \| (.*?) \| (.*?) \|", _metrics(), re.M)

    labels = {row.full_name: ", ".join(f"`{x}`" for x in row.labels) for row in TABLE}
    assert {name: by for name, _, by in told} == labels
    assert {name: unit for name, unit, _ in told} == {
        row.full_name: row.unit for row in TABLE
    }


def _metrics() -> str:
    return text("README.md").partition("## Metrics")[2].partition("\n## ")[0]


@pytest.mark.parametrize("lane", list(Lane))
def test_every_queue_is_in_the_readme(lane: Lane) -> None:
    assert f"`{lane}`" in text("README.md")


def test_every_task_is_in_the_readme() -> None:
    names = task_names()

    missing = [name for name in names if not is_mentioned(name, text("README.md"))]

    assert len(names) >= 7
    assert missing == []


def test_reading_the_tasks_leaves_no_setting_behind() -> None:
    before = dict(os.environ), "workers.celery" in sys.modules

    task_names()

    assert (dict(os.environ), "workers.celery" in sys.modules) == before


def test_every_command_line_of_the_readme_can_be_typed() -> None:
    document = text("README.md")

    lines = list(code_lines(document))

    assert [line for line in lines if line.startswith(("make", "ghl-mailjet"))]
    assert unknown_commands(document) == []


@pytest.mark.parametrize(
    "line",
    [
        "make nothing",
        "ghl-mailjet nothing",
        "$ ghl-mailjet snyc abc",
        "ghl-mailjet resync --wach",
    ],
)
def test_a_planted_command_that_does_not_exist_is_found(line: str) -> None:
    assert len(unknown_commands(f"Text\n```sh\n{line}  # why\n```\n")) == 1


def test_commands_that_exist_are_not_complained_of() -> None:
    block = "```\nmake\nmake demo KEEP=1\nghl-mailjet -h\n"
    block += "ghl-mailjet runs list --json\nghl-mailjet sync abc -c acme\n```"

    assert unknown_commands(block) == []


def test_every_key_in_redis_is_in_the_table_and_every_row_of_it_is_used() -> None:
    made = {
        (maker, name)
        for tree in store_sources().values()
        for maker, name in key_names(tree)
    }
    scripts = sorted((ROOT / "pipeline/store").glob("ledger*.lua"))
    ledger = "".join(path.read_text("utf-8") for path in scripts)
    made |= {("connection_key", name) for name in re.findall(r"key\('(.+?)'\)", ledger)}

    declared = {
        (maker, key.name) for maker, keys in KEY_MAKERS.items() for key in keys
    } - {("process_key", "bucket:*")}
    assert made == declared


def test_nobody_writes_a_key_by_hand() -> None:
    by_hand = [
        f"{path}:{node.lineno}"
        for path, tree in store_sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith(PREFIX)
        and node.value != f"{PREFIX}*"
    ]

    assert by_hand == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("connection_key(c, 'new')", [("connection_key", "new")]),
        ("process_key(f'new:{x}')", [("process_key", "new:*")]),
        ("connection_key(c, anything)", [("connection_key", None)]),
        (
            "def _key(self, name):\n  return connection_key(c, name)\n_key('new')",
            [("connection_key", "new")],
        ),
        (
            "[connection_key(c, name) for name in ('a', 'b')]",
            [("connection_key", "a"), ("connection_key", "b")],
        ),
    ],
)
def test_a_planted_key_is_found(
    source: str, found: list[tuple[str, str | None]]
) -> None:
    assert list(key_names(ast.parse(source))) == found


def test_every_test_that_the_readme_names_exists() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    named = set(re.findall(r"`(test_\w+)`", text("README.md")))
    defined = {name for source in sources for name in re.findall(r"def (\w+)", source)}
    assert named - defined == set()


def test_every_identity_of_the_readme_is_a_test_with_that_outcome() -> None:
    told = re.findall(r"^\| (.+?) \| .+? \| `(.+?)` \|$", _who_is_who(), re.M)
    rows = {**test_identity.table.rows, **test_identity_origins.table.rows}
    assert dict(told) == {name: row.outcome for name, row in rows.items()}
    assert len(told) == len(rows)


def _who_is_who() -> str:
    return text("README.md").partition("### Who is who")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", [*Layout(note_excerpt=True).datatypes, *HISTORIC])
def test_every_property_is_told_with_what_is_carried(name: str) -> None:
    assert f"`{name}`" in _what_is_carried()


def test_the_table_of_what_is_carried_is_what_the_pipeline_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.carriers"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    told = [line for line in _what_is_carried().splitlines() if line.startswith("|")]
    assert told == done.stdout.splitlines()


def _what_is_carried() -> str:
    return text("README.md").partition("## What is carried")[2].partition("\n## ")[0]
