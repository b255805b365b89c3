"""Plots of calls over time against what the vendors allow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.sandbox.limits import Rate
from tests.bench.arrivals import Arrivals

COLUMNS = 3
PANEL_INCHES = (5.2, 3.0)
DOTS_PER_INCH = 100
"""Three panels beside each other are 1,560 pixels wide."""


@dataclass(frozen=True)
class Panel:
    """One cell: both vendors' calls, and the rate that each of them allows."""

    title: str
    vendors: Sequence[Arrivals]
    rate: Rate


def draw(title: str, panels: Sequence[Panel], path: Path) -> None:
    """Write one PNG with a panel for each cell.

    Args:
        path: its folder is made.
    """
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    width, height = PANEL_INCHES
    figure = Figure((columns * width, rows * height + 0.8), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for panel, axis in zip(panels, axes, strict=False):
        _draw_panel(axis, panel)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _draw_panel(axis: Axes, panel: Panel) -> None:
    seconds = panel.rate.seconds
    start = min(arrivals.moments[0] for arrivals in panel.vendors)
    # By name, so that a vendor has one colour in all panels.
    for arrivals in sorted(panel.vendors, key=lambda each: each.vendor):
        moments = [moment - start for moment in arrivals.moments]
        axis.plot(moments, arrivals.sliding(seconds), lw=1, label=arrivals.vendor)
    axis.axhline(panel.rate.calls, color="black", ls="--", lw=1, label="allowance")
    axis.set_title(panel.title, fontsize=9)
    axis.set_xlabel("seconds since the first call")
    axis.set_ylabel(f"calls in the last {seconds:g} s")
    axis.set_ylim(0, panel.rate.calls * 1.12)
    axis.set_xlim(left=0)
    axis.grid(alpha=0.3)
