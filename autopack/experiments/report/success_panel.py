"""The picture of success: discordant pairs, and the difference with its interval."""

# matplotlib leaves the keyword arguments of its methods untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from autopack.experiments.shapes.analysis_schema import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BETTER, WORSE, INK, BAND = "#0072B2", "#D55E00", "#222222", "#56B4E9"


def success(axes: Axes, analysis: Analysis) -> None:
    """Bars of the pairs in which one arm alone succeeded, and the difference below them."""
    counts, found = analysis.success, analysis.success_interval
    total = analysis.n_pairs
    lost, won = 100 * counts.n10 / total, 100 * counts.n01 / total
    axes.barh(0, -lost, color=WORSE, height=0.45, hatch="//", edgecolor="white", linewidth=0)
    axes.barh(0, won, color=BETTER, height=0.45)
    left = -lost
    if counts.n10 == 0:  # beside the line of the margin, not across it
        left = min(left, -100 * analysis.ni_margin)
    axes.text(left - 1.5, 0, f"control alone {counts.n10}", ha="right", va="center", fontsize=9)
    axes.text(won + 1.5, 0, f"treatment alone {counts.n01}", ha="left", va="center", fontsize=9)
    label = "difference"
    edges = [-lost, won]
    if found is not None and found.diff is not None:
        label = "difference in runs" if found.endpoint == "runs" else "difference in phases"
        axes.plot(100 * found.diff, 1, "D", color=INK, markersize=8)
        told = f"{100 * found.diff:+.1f}"
        if found.lo is not None and found.hi is not None:
            axes.plot([100 * found.lo, 100 * found.hi], [1, 1], color=INK, linewidth=3)
            edges += [100 * found.lo, 100 * found.hi]
            told += f"  ({100 * found.lo:+.1f} to {100 * found.hi:+.1f})"
        axes.annotate(
            told,
            (100 * found.diff, 1),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            weight="bold",
        )
    margin = -100 * analysis.ni_margin
    axes.axvline(0, color=INK, linewidth=1, linestyle=(0, (1, 2)))
    axes.axvline(margin, color=WORSE, linewidth=1.2, linestyle=(0, (5, 2)))
    axes.annotate(
        f"margin {margin:+g}",
        (margin, 0.02),
        xycoords=("data", "axes fraction"),
        xytext=(-4, 0),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=WORSE,
    )
    reach = max(25.0, *(abs(edge) for edge in edges))
    # Room for the labels of the bars, which stand outside them.
    axes.set_xlim(-1.45 * reach, 1.45 * reach)
    axes.set_ylim(1.55, -0.55)
    axes.set_yticks([0, 1], ["pairs that differ", label])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(
        "percentage points of success, treatment minus control\n"
        f"both succeeded in {counts.n11} pairs, neither in {counts.n00}"
    )
