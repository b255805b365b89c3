"""A short `make bench`: the way from the wire to `RESULTS.md`, without its figures."""

from itertools import combinations, product
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import utilisation
from tests.bench.report import Section, Size
from tests.bench.results import put


def test_a_resync_is_measured_and_drawn(tmp_path: Path) -> None:
    section = utilisation.measure(Size.SMOKE, tmp_path)

    (row,) = section.rows
    assert dict(zip(section.head, row, strict=True))["429"] == "0"
    assert "| fixed | 2 | 4 | 2 | 200/2 |" in str(section)
    (plot,) = section.plots.values()
    assert plot.parent == tmp_path
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_cells_hold_every_pair_of_levels() -> None:
    cells = [
        (c.window, c.latency_ms, c.slots, c.processes) for c in utilisation.PAIRWISE
    ]

    for first, second in combinations(range(4), 2):
        held = {(cell[first], cell[second]) for cell in cells}
        levels = utilisation.LEVELS
        assert held == set(product(levels[first], levels[second]))


def section(figure: str) -> Section:
    return Section("Flat", "How flat.", ("figure", ""), ((figure, "ok"),))


def test_a_part_replaces_its_own_size_only(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    put(results, "first", "flat", Size.STANDARD, section("old"))
    put(results, "second", "cost", Size.STANDARD, section("other part"))
    put(results, "third", "flat", Size.FULL, section("other size"))

    put(results, "fourth", "flat", Size.STANDARD, section("new"))

    told = results.read_text("utf-8")
    figures = ("| new |", "| other size |", "| other part |")
    places = [told.index(figure) for figure in figures]
    assert places == sorted(places)
    assert "| old |" not in told
    assert told.count("## Flat") == 3
    assert "`fourth`" in told
    assert "`third`" not in told


def test_a_part_that_fails_says_so_and_loses_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "RESULTS.md"
    monkeypatch.setitem(bench.MODULES, "flat", "no_such_module")
    put(results, "first", "cost", Size.SMOKE, section("other part"))

    assert not bench.run(["flat"], Size.SMOKE, results)

    told = results.read_text("utf-8")
    assert "## Flat (smoke)" in told
    assert "| flat | ModuleNotFoundError: " in told
    assert "| other part |" in told
