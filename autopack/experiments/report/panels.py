"""What each of the plots shows.

Blue solid means fewer tokens, vermillion dashed more: colours that the colour-blind tell apart,
and line styles that survive a black-and-white printer.
"""

# matplotlib leaves the keyword arguments of its methods untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from autopack.experiments.report.axes import log_axis, short_number
from autopack.experiments.shapes.analysis_schema import Analysis, PairResult
from autopack.experiments.statistics.sequential import MONITORING_ALPHA, monitor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEWER, MORE, INK, MUTED, BAND = "#0072B2", "#D55E00", "#222222", "#777777", "#56B4E9"
MOST_LINES = 150
MOST_STEPS = 400


def _valid(analysis: Analysis) -> list[PairResult]:
    return [pair for pair in analysis.pairs if pair.void is None]


def _amounts(analysis: Analysis, pairs: list[PairResult]) -> tuple[Floats, Floats]:
    """Return the primary resource of both arms."""
    if analysis.primary == "tokens":
        return _arrays(pairs)
    arms = [
        np.array([metrics.get("cost") for metrics in arm], dtype=np.float64)
        for arm in (
            [pair.control_metrics for pair in pairs],
            [pair.treatment_metrics for pair in pairs],
        )
    ]
    return arms[0], arms[1]


def noun(analysis: Analysis) -> str:
    """Return what is compared, in a word."""
    return "tokens" if analysis.primary == "tokens" else "money"


def _arrays(pairs: list[PairResult]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    control = np.array([pair.control_tokens for pair in pairs], dtype=np.float64)
    return control, np.array([pair.treatment_tokens for pair in pairs], dtype=np.float64)


def slopes(axes: Axes, analysis: Analysis) -> None:
    """Paired slopes: tokens of control and treatment, joined, on a log axis."""
    pairs = _valid(analysis)
    step = math.ceil(len(pairs) / MOST_LINES)
    control, treatment = _amounts(analysis, pairs)
    shown = control[::step], treatment[::step]
    faint = min(0.8, 12 / len(shown[0]) + 0.2)
    for first, second in zip(*shown, strict=True):
        fewer = second < first
        axes.plot(
            [0, 1],
            [first, second],
            color=FEWER if fewer else MORE,
            linestyle="-" if fewer else (0, (4, 2)),
            linewidth=1.1,
            alpha=faint,
            marker="o",
            markersize=3,
            markeredgewidth=0,
        )
    means = [math.exp(float(np.log(arm).mean())) for arm in (control, treatment)]
    axes.plot([0, 1], means, color=INK, linewidth=3, marker="D", markersize=7, zorder=5)
    for x, mean, side in ((0, means[0], "right"), (1, means[1], "left")):
        text = short_number(mean)
        axes.text(x + (0.06 if x else -0.06), mean, text, ha=side, va="center", weight="bold")
    log_axis(axes.yaxis, float(np.min(shown)), float(np.max(shown)))
    axes.set_xlim(-0.3, 1.3)
    axes.set_xticks([0, 1], ["control", "treatment"], fontsize=11)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("tokens of a run" if analysis.primary == "tokens" else "dollars of a run")
    less = int((treatment < control).sum())
    axes.plot([], [], color=FEWER, label=f"fewer with treatment ({less:,})")
    axes.plot([], [], color=MORE, linestyle=(0, (4, 2)), label=f"not fewer ({len(pairs) - less:,})")
    axes.plot([], [], color=INK, linewidth=3, marker="D", label="geometric mean")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3, frameon=False)
    if step > 1:
        axes.set_title(
            f"every {step}th of {len(pairs):,} pairs", loc="right", fontsize=9, weight="normal"
        )


def ecdf(axes: Axes, analysis: Analysis) -> None:
    """The distribution of ratios, with the interval of their geometric mean."""
    control, treatment = _amounts(analysis, _valid(analysis))
    ratios = np.sort(treatment / control)
    shares = np.arange(1, len(ratios) + 1) / len(ratios)
    keep = _thin(len(ratios))
    lo, hi = min(ratios[0], 0.9), max(ratios[-1], 1.1)
    if analysis.gmr is not None:
        label = f"geometric mean {analysis.gmr:.2f}"
        axes.axvline(analysis.gmr, color=FEWER, linewidth=1.2, linestyle=(0, (5, 2)), label=label)
    if analysis.ci.lo is not None and analysis.ci.hi is not None:
        axes.axvspan(
            analysis.ci.lo,
            analysis.ci.hi,
            color=BAND,
            alpha=0.3,
            linewidth=0,
            label="its 95% interval",
        )
    axes.axvline(1, color=INK, linewidth=1, linestyle=(0, (1, 2)), label="no difference")
    x = np.concatenate([[lo / 1.1], ratios[keep], [hi * 1.1]])
    y = np.concatenate([[0], shares[keep], [1]])
    axes.step(x, y, where="post", color=FEWER, linewidth=2)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, frameon=False)
    log_axis(axes.xaxis, lo, hi)
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
    axes.set_ylabel("share of pairs")
    axes.set_xlabel(f"{noun(analysis)}, treatment / control")


def forest_rows(analysis: Analysis) -> list[tuple[str, float, float | None, float | None, bool]]:
    """Label, ratio, limits and whether it is the primary measure, from the top."""
    totals, ranks = analysis.ratio_of_totals_ci, analysis.hodges_lehmann
    what, success = noun(analysis), analysis.cost_per_success
    rows = [
        (f"{what} per plan: decides", analysis.gmr, analysis.ci.lo, analysis.ci.hi, True),
        (f"{what} in all", analysis.ratio_of_totals, totals.lo, totals.hi, False),
        (f"{what} per plan, pseudo-median", ranks.ratio, ranks.lo, ranks.hi, False),
    ]
    if success is not None:
        row = (f"{what} per success", success.ratio, success.lo, success.hi, False)
        rows.insert(1, row)
    rows += [
        (item.metric.replace("_", " "), item.ratio, item.lo, item.hi, False)
        for item in analysis.secondary
    ]
    return [(name, ratio, lo, hi, main) for name, ratio, lo, hi, main in rows if ratio is not None]


def forest(axes: Axes, analysis: Analysis) -> None:
    """Intervals of all metrics on one ratio axis."""
    rows = forest_rows(analysis)
    axes.axvline(1, color=INK, linewidth=1, linestyle=(0, (1, 2)))
    seen = [1.0]
    for row, (_, ratio, lo, hi, main) in enumerate(rows):
        colour = FEWER if main else INK
        limits = "no interval"
        if lo is not None and hi is not None:
            axes.plot([lo, hi], [row, row], color=colour, linewidth=3 if main else 1.6)
            seen += [lo, hi]
            limits = f"{_ratio_text(lo)} to {_ratio_text(hi)}"
        axes.plot(ratio, row, "D" if main else "o", color=colour, markersize=8 if main else 5.5)
        axes.annotate(
            f"{_ratio_text(ratio)}  ({limits})",
            (1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
            weight="bold" if main else "normal",
        )
        seen.append(ratio)
    log_axis(axes.xaxis, min(seen), max(seen))
    axes.set_yticks(range(len(rows)), [_shorten(name) for name, *_ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("treatment / control")


def sequence(axes: Axes, analysis: Analysis) -> None:
    """The ratio and its confidence sequence after each pair."""
    pairs = _valid(analysis)
    control, treatment = _amounts(analysis, pairs)
    looks = monitor(np.log(treatment / control), [pair.plan for pair in pairs])
    ratio, lo, hi = np.exp(looks.mean), np.exp(looks.lo), np.exp(np.minimum(looks.hi, 700))
    number = np.arange(1, len(pairs) + 1)
    # As far as the ratio itself went; the band is cut where it is wider than three times that.
    bottom = min(float(ratio.min()), 0.8)
    top = max(float(ratio.max()), 1.25)
    closed = np.isfinite(looks.lo) & np.isfinite(looks.hi)
    if closed.any():
        bottom = min(bottom, max(float(lo[closed].min()), bottom / 3))
        top = max(top, min(float(hi[closed].max()), top * 3))
    keep = _thin(len(pairs))
    axes.fill_between(
        number[keep],
        np.clip(lo[keep], bottom, top),
        np.clip(hi[keep], bottom, top),
        color=BAND,
        alpha=0.3,
        linewidth=0,
        label=f"{1 - MONITORING_ALPHA:.0%} confidence sequence",
    )
    axes.plot(number[keep], ratio[keep], color=FEWER, linewidth=2, label="geometric mean ratio")
    axes.axhline(1, color=INK, linewidth=1, linestyle=(0, (1, 2)))
    if analysis.stopped_at is not None:
        axes.axvline(analysis.stopped_at, color=MORE, linewidth=1.5, linestyle=(0, (4, 2)))
        on_the_left = analysis.stopped_at > len(pairs) ** 0.7
        axes.annotate(
            f"stopped at {analysis.stopped_at}",
            (analysis.stopped_at, 0.04),
            xycoords=("data", "axes fraction"),
            xytext=(-6 if on_the_left else 6, 0),
            textcoords="offset points",
            color=INK,
            ha="right" if on_the_left else "left",
        )
    log_axis(axes.yaxis, bottom, top)
    log_axis(axes.xaxis, 1, max(len(pairs), 2), whole=True)
    axes.set_xlabel("valid pairs")
    axes.set_ylabel("treatment / control")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)


def _thin(n: int) -> NDArray[np.int64]:
    """At most some hundreds of 0..n-1, denser at the start, both ends kept."""
    if n <= MOST_STEPS:
        return np.arange(n)
    early = np.geomspace(1, n, MOST_STEPS // 2).astype(int) - 1
    return np.unique(np.concatenate([early, np.linspace(0, n - 1, MOST_STEPS // 2).astype(int)]))


def _ratio_text(value: float) -> str:
    return f"{value:.3f}" if 0.1 <= value < 10 else short_number(value)


def _shorten(name: str) -> str:
    return name if len(name) <= 34 else f"{name[:33]}…"
