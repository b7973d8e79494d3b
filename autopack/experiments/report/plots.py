"""The plots of an analysis as SVG text, the same bytes for the same analysis."""

# matplotlib leaves the keyword arguments of its methods untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopack.experiments.report import panels
from autopack.experiments.report.panels import INK, MUTED
from autopack.experiments.report.success_panel import success
from autopack.experiments.shapes.analysis_schema import Analysis
from autopack.experiments.statistics.sequential import MONITORING_ALPHA

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "autopack",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlepad": 12,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "figure.constrained_layout.use": True,
}
# matplotlib's settings belong to the process: one drawing at a time.
_drawing = threading.Lock()


@dataclass(frozen=True)
class Plot:
    """One plot: ``name`` for its file, ``title``, ``caption`` for those who cannot see it."""

    name: str
    title: str
    caption: str
    svg: str


Drawing = tuple[str, str, str, float, Callable[["Axes", Analysis], None]]


def draw_plots(analysis: Analysis) -> list[Plot]:
    """Draw all, in the order in which they are read.

    What was known after each pair is drawn only where somebody could have looked.
    """
    what = panels.noun(analysis)
    drawings: list[Drawing] = [
        (
            "pairs",
            f"{what.capitalize()} of each pair",
            "One line a pair from control to treatment, on a log axis; the thick line joins the "
            "geometric means.",
            4.6,
            panels.slopes,
        ),
        (
            "success",
            "Success of each pair",
            "To the left the pairs that control alone won, to the right those that treatment alone "
            "won; below, the difference in success with its 95% interval. Success is lost when the "
            "whole interval lies left of the margin.",
            2.6,
            success,
        ),
        (
            "ratios",
            "How the ratios are distributed",
            "Share of pairs whose ratio treatment / control is at most the value on the axis; "
            "the band is the 95% interval of the geometric mean ratio.",
            3.8,
            panels.ecdf,
        ),
        (
            "metrics",
            "Treatment over control, all metrics",
            f"Ratio and 95% interval; left of 1 the treatment needs less. The thick line, {what} "
            "per plan, is the one that decides about resources; the others stand beside it.",
            1.7 + 0.36 * len(panels.forest_rows(analysis)),
            panels.forest,
        ),
    ]
    if analysis.monitored:
        sequence: Drawing = (
            "sequence",
            "What was known after each pair",
            "Geometric mean ratio after each pair with the "
            f"{1 - MONITORING_ALPHA:.0%} confidence sequence, which may be looked at any time.",
            3.8,
            panels.sequence,
        )
        drawings.append(sequence)
    return [
        Plot(name, title, caption, _draw(title, height, analysis, draw))
        for name, title, caption, height, draw in drawings
    ]


def _draw(
    title: str, height: float, analysis: Analysis, draw: Callable[[Axes, Analysis], None]
) -> str:
    import matplotlib as mpl  # a second to import
    from matplotlib.figure import Figure

    with _drawing, mpl.rc_context():
        # Our style on matplotlib's defaults, whatever the user's own settings file says.
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=(7.2, height))
        axes = figure.add_subplot()
        axes.set_title(title)
        if analysis.n_pairs:
            draw(axes, analysis)
        else:
            axes.text(0.5, 0.5, "no valid pairs", ha="center", color=MUTED)
            axes.set_axis_off()
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return buffer.getvalue()
