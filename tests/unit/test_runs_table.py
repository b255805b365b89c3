"""The table of `ghl-mailjet runs` on narrow terminals."""

import pytest

from pipeline.store.records import Run
from pipeline.terminal import console, show_runs

RUN = Run(
    id="c49dac256b51",
    kind="full",
    state="finished",
    discovered=12_345,
    settled=12_344,
    dead=1,
    started_ms=1_796_000_000_000,
    finished_ms=1_796_000_100_000,
    outcomes={"unchanged": 12_343, "shares an address with an older contact": 1},
)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_nothing_of_a_run_is_cut(columns: int, monkeypatch, capsys) -> None:
    monkeypatch.setattr(console, "_width", columns)

    show_runs([RUN], (1, 5))

    shown = capsys.readouterr().out
    assert "…" not in shown
    assert {"c49dac256b51", "2026-11-30"} <= set(shown.split())
    assert max(map(len, shown.splitlines())) <= columns


def test_eighty_columns_break_no_word(monkeypatch, capsys) -> None:
    monkeypatch.setattr(console, "_width", 80)

    show_runs([RUN], (1, 5))

    words = {"finished", "12,344", "12,345", "unchanged,", "address", "contact"}
    assert words <= set(capsys.readouterr().out.split())
