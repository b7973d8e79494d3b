"""The four plots of an analysis as SVG text, the same bytes for the same analysis.

Blue solid means fewer tokens, vermillion dashed more: colours that the colour-blind tell apart,
and line styles that survive a black-and-white printer.
"""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autopack.experiments.axes import log_axis, short_number
from autopack.experiments.schema import Analysis, PairResult
from autopack.experiments.sequential import monitor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWER, MORE, INK, MUTED, BAND = "#0072B2", "#D55E00", "#222222", "#777777", "#56B4E9"
MOST_LINES = 150
MOST_STEPS = 400

_STYLE: dict[str, object] = {
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


def draw_plots(analysis: Analysis) -> list[Plot]:
    """Draw all four, in the order in which they are read."""
    drawings: tuple[tuple[str, str, str, float, Callable[[Axes, Analysis], None]], ...] = (
        (
            "pairs",
            "Tokens of each pair",
            "One line a pair from control to treatment, on a log axis; the thick line joins the "
            "geometric means.",
            4.6,
            _slopes,
        ),
        (
            "ratios",
            "How the ratios are distributed",
            "Share of pairs whose ratio treatment / control is at most the value on the axis; "
            "the band is the 95% interval of the geometric mean ratio.",
            3.8,
            _ecdf,
        ),
        (
            "metrics",
            "Treatment over control, all metrics",
            "Ratio and 95% interval of tokens and of every secondary metric; left of 1 the "
            "treatment needs less.",
            1.7 + 0.36 * len(_forest_rows(analysis)),
            _forest,
        ),
        (
            "sequence",
            "What was known after each pair",
            "Geometric mean ratio after each pair with the 98% confidence sequence, which may "
            "be looked at any time.",
            3.8,
            _sequence,
        ),
    )
    return [
        Plot(name, title, caption, _draw(title, height, analysis, draw))
        for name, title, caption, height, draw in drawings
    ]


def _draw(
    title: str, height: float, analysis: Analysis, draw: Callable[[Axes, Analysis], None]
) -> str:
    import matplotlib as mpl  # a second to import
    from matplotlib.figure import Figure

    with _drawing, _settings(mpl.rc_context, mpl.rcdefaults, mpl.rcParams.update):
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


@contextmanager
def _settings(
    context: Callable[[], object], defaults: Callable[[], None], update: Callable[..., None]
) -> Iterator[None]:
    """Our style on matplotlib's defaults, whatever the user's own settings file says."""
    with context():  # type: ignore[attr-defined]
        defaults()
        update(_STYLE)
        yield


def _valid(analysis: Analysis) -> list[PairResult]:
    return [pair for pair in analysis.pairs if pair.void is None]


def _arrays(pairs: list[PairResult]) -> tuple[np.ndarray, np.ndarray]:
    control = np.array([pair.control_tokens for pair in pairs], dtype=np.float64)
    return control, np.array([pair.treatment_tokens for pair in pairs], dtype=np.float64)


def _slopes(axes: Axes, analysis: Analysis) -> None:
    pairs = _valid(analysis)
    step = math.ceil(len(pairs) / MOST_LINES)
    control, treatment = _arrays(pairs)
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
    axes.set_ylabel("tokens of a run")
    less = int((treatment < control).sum())
    axes.plot([], [], color=FEWER, label=f"fewer with treatment ({less:,})")
    axes.plot([], [], color=MORE, linestyle=(0, (4, 2)), label=f"not fewer ({len(pairs) - less:,})")
    axes.plot([], [], color=INK, linewidth=3, marker="D", label="geometric mean")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3, frameon=False)
    if step > 1:
        axes.set_title(f"every {step}th of {len(pairs):,} pairs", loc="right", fontsize=9, weight="normal")


def _ecdf(axes: Axes, analysis: Analysis) -> None:
    control, treatment = _arrays(_valid(analysis))
    ratios = np.sort(treatment / control)
    shares = np.arange(1, len(ratios) + 1) / len(ratios)
    keep = _thin(len(ratios))
    lo, hi = min(ratios[0], 0.9), max(ratios[-1], 1.1)
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
    if analysis.gmr is not None:
        label = f"geometric mean {analysis.gmr:.2f}"
        axes.axvline(analysis.gmr, color=FEWER, linewidth=1.2, linestyle=(0, (5, 2)), label=label)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, frameon=False)
    log_axis(axes.xaxis, lo, hi)
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
    axes.set_ylabel("share of pairs")
    axes.set_xlabel("tokens, treatment / control")


def _forest_rows(analysis: Analysis) -> list[tuple[str, float, float | None, float | None, bool]]:
    """Label, ratio, limits and whether it is the primary measure, from the top."""
    totals, ranks = analysis.ratio_of_totals_ci, analysis.hodges_lehmann
    rows = [
        ("tokens per plan", analysis.gmr, analysis.ci.lo, analysis.ci.hi, True),
        ("tokens per plan, pseudo-median", ranks.ratio, ranks.lo, ranks.hi, False),
        ("tokens in all", analysis.ratio_of_totals, totals.lo, totals.hi, False),
        ("tokens per success", analysis.tokens_per_success_ratio, None, None, False),
    ]
    rows += [
        (item.metric.replace("_", " "), item.ratio, item.lo, item.hi, False)
        for item in analysis.secondary
    ]
    return [(name, ratio, lo, hi, main) for name, ratio, lo, hi, main in rows if ratio is not None]


def _forest(axes: Axes, analysis: Analysis) -> None:
    rows = _forest_rows(analysis)
    axes.axvline(1, color=INK, linewidth=1, linestyle=(0, (1, 2)))
    seen = [1.0]
    for row, (_, ratio, lo, hi, main) in enumerate(rows):
        colour = FEWER if main else INK
        if lo is not None and hi is not None:
            axes.plot([lo, hi], [row, row], color=colour, linewidth=3 if main else 1.6)
            seen += [lo, hi]
        axes.plot(ratio, row, "D" if main else "o", color=colour, markersize=8 if main else 5.5)
        limits = f"{lo:.2f} to {hi:.2f}" if lo is not None and hi is not None else "no interval"
        axes.annotate(
            f"{ratio:.2f}  ({limits})",
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


def _sequence(axes: Axes, analysis: Analysis) -> None:
    pairs = _valid(analysis)
    control, treatment = _arrays(pairs)
    looks = monitor(np.log(treatment / control), [pair.plan for pair in pairs])
    ratio, lo, hi = np.exp(looks.mean), np.exp(looks.lo), np.exp(np.minimum(looks.hi, 700))
    number = np.arange(1, len(pairs) + 1)
    known = np.isfinite(looks.lo)
    settled = ratio[min(4, len(ratio) - 1) :]
    closed = np.concatenate([lo[known], hi[known]]) if known.any() else settled
    bottom = max(min(settled.min(), closed.min(), 0.8), float(np.median(settled)) / 6)
    top = min(max(settled.max(), closed.max(), 1.25), float(np.median(settled)) * 6)
    keep = _thin(len(pairs))
    axes.fill_between(
        number[keep],
        np.maximum(lo[keep], bottom / 2),
        np.minimum(hi[keep], top * 2),
        color=BAND,
        alpha=0.3,
        linewidth=0,
        label="98% confidence sequence",
    )
    axes.plot(number[keep], ratio[keep], color=FEWER, linewidth=2, label="geometric mean ratio")
    axes.axhline(1, color=INK, linewidth=1, linestyle=(0, (1, 2)))
    if analysis.stopped_at is not None:
        axes.axvline(analysis.stopped_at, color=MORE, linewidth=1.5, linestyle=(0, (4, 2)))
        axes.annotate(
            f" stopped at {analysis.stopped_at}",
            (analysis.stopped_at, 0.97),
            xycoords=("data", "axes fraction"),
            color=MORE,
            ha="right" if analysis.stopped_at > len(pairs) ** 0.7 else "left",
        )
    log_axis(axes.yaxis, bottom, top)
    log_axis(axes.xaxis, 1, max(len(pairs), 2), whole=True)
    axes.set_xlabel("valid pairs")
    axes.set_ylabel("treatment / control")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)


def _thin(n: int) -> np.ndarray:
    """At most some hundreds of 0..n-1, denser at the start, both ends kept."""
    if n <= MOST_STEPS:
        return np.arange(n)
    early = np.geomspace(1, n, MOST_STEPS // 2).astype(int) - 1
    return np.unique(np.concatenate([early, np.linspace(0, n - 1, MOST_STEPS // 2).astype(int)]))


def _shorten(name: str) -> str:
    return name if len(name) <= 34 else f"{name[:33]}…"
