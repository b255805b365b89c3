"""What a benchmark's part tells, and how it stands in `RESULTS.md`."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
PLOTS = HERE / "plots"


class Size(StrEnum):
    """How long a part may take: seconds, a minute or two, ten minutes, any time."""

    SMOKE = "smoke"
    QUICK = "quick"
    STANDARD = "standard"
    FULL = "full"


@dataclass(frozen=True)
class Section:
    """One part's figures.

    Args:
        title: heading, such as `Utilisation`.
        about: a paragraph: what is measured against what, and the goal.
        head: column names of the table.
        rows: cells of the table as text; the last column says `ok` or `NO`.
        notes: sentences below the table, such as the cause of a goal that was missed.
        plots: PNG files under `plots/`, by caption.
    """

    title: str
    about: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    plots: dict[str, Path] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"## {self.title}", "", self.about, ""]
        lines += [_row(self.head), _row("---" for _ in self.head)]
        lines += [_row(row) for row in self.rows]
        for note in self.notes:
            lines += ["", note]
        for caption, path in self.plots.items():
            lines += ["", f"![{caption}]({PLOTS.name}/{path.name})"]
        return "\n".join([*lines, ""])


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
