"""Every quirk in `sandbox_quirks.md` has a test that names its section, and back."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
SECTION = re.compile(r"(?:GHL|Mailjet) \d+(?:\.\d+)?")
ROW = re.compile(r"\| (?P<section>(?:GHL|Mailjet) [\d.]+) \| .+ \| `(?P<test>\w+)` \|")


class Quirk(NamedTuple):
    section: str
    test: str


def quirks() -> list[Quirk]:
    lines = (HERE / "sandbox_quirks.md").read_text("utf-8").splitlines()
    rows = [line for line in lines if line.startswith(("| GHL", "| Mailjet"))]
    found = [match for row in rows if (match := ROW.fullmatch(row))]
    assert len(found) == len(rows), "a row has not three columns"
    return [Quirk(match["section"], match["test"]) for match in found]


def sections() -> dict[str, set[str]]:
    """Test to the sections that its docstring names."""
    return {
        node.name: set(SECTION.findall(ast.get_docstring(node) or ""))
        for path in HERE.glob("test_sandbox_*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


SECTIONS = sections()
QUIRKS = quirks()


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: "-".join(quirk))
def test_the_test_of_a_quirk_exists_and_names_its_section(quirk: Quirk) -> None:
    assert quirk.section in SECTIONS.get(quirk.test, set())


def test_every_section_that_a_test_names_is_in_the_table() -> None:
    listed = set(QUIRKS)
    named = {Quirk(s, test) for test, found in SECTIONS.items() for s in found}

    assert len(listed) > 100
    assert named - listed == set()
