"""The chart of a run's tokens: what each purpose used, stacked, as SVG text."""

# matplotlib leaves the keyword arguments of its methods untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import io
import threading
from typing import Any

from autopack.ledger.events.usage_events import TokenTotals
from autopack.store.tables import CATEGORIES, Category

_COLOURS: dict[Category, str] = {
    "base": "#4269d0",
    "retrieval": "#3ca951",
    "second_opinion": "#efb118",
    "evidence_request": "#ff725c",
}
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "autopack",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "figure.constrained_layout.use": True,
}
# matplotlib's settings belong to the process: one drawing at a time.
_drawing = threading.Lock()


def spent_chart(run_id: str, spent: TokenTotals) -> str:
    """One bar, stacked by category, so that its whole length is the total; the same bytes for
    the same figures. What was avoided is not drawn: it was never spent."""
    with _drawing:
        import matplotlib as mpl
        from matplotlib.figure import Figure

        with mpl.rc_context(_STYLE):
            figure = Figure(figsize=(8, 2.2))
            axes = figure.subplots()
            left = 0
            for category in CATEGORIES:
                tokens = spent.by_category[category]
                label = f"{category.replace('_', ' ')} {tokens:,}"
                axes.barh([0], [tokens], left=left, color=_COLOURS[category], label=label)
                left += tokens
            axes.set_yticks([])
            axes.set_xlim(0, max(left, 1))
            axes.xaxis.set_major_formatter(lambda tokens, _: f"{tokens:,.0f}")
            axes.set_title(f"{run_id}: {_words(spent)} tokens spent", loc="left")
            figure.legend(loc="outside lower left", ncols=4, frameon=False)
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _words(spent: TokenTotals) -> str:
    if spent.told is None:
        return "unknown"
    return f"at least {spent.told:,}" if spent.unknown_builds else f"{spent.told:,}"
