"""The report of a mining as Markdown and as one HTML page with a Pareto plot."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autopack.experiments.report.tables import UNKNOWN, Table
from autopack.experiments.report.write_report import PAGE_STYLE, html_table, write_texts
from autopack.mining.mine import Mined
from autopack.mining.stored.recurring import Recurring
from autopack.views.escaping import code, in_html, markdown, markdown_table

# matplotlib leaves the keyword arguments of its methods untyped.
# pyright: reportUnknownMemberType=false

MOST_SHOWN = 100
_BARS = 20
_LINE = 160
_HEADER = ("signature", "type", "priority", "count", "runs", "phases", "tokens", "cost", "failure")
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "autopack",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "text.parse_math": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
}
_drawing = threading.Lock()


def to_markdown(mined: Mined) -> str:
    """Return the report as Markdown, with every text from elsewhere escaped."""
    parts = ["# What keeps failing", markdown(_sentence(mined))]
    if mined.signatures:
        rows = [_cells(each) for each in mined.signatures[:MOST_SHOWN]]
        parts.append(markdown_table(_HEADER, rows))
        for each in mined.signatures[:_BARS]:
            parts.append(f"## {markdown(each.normalised[:_LINE]) or 'An error without text'}")
            parts.append(markdown(_details(each)))
            parts += [code(sample) for sample in each.samples[:1]]
    return "\n\n".join(parts) + "\n"


def to_html(mined: Mined) -> str:
    """Return the report as one page that needs nothing else."""
    title = "What keeps failing"
    rows = tuple(_cells(each) for each in mined.signatures[:MOST_SHOWN])
    table = Table(title, _HEADER, rows)
    figure = ""
    if mined.signatures:
        picture = base64.b64encode(pareto(mined.signatures).encode()).decode()
        figure = (
            f'<figure><img src="data:image/svg+xml;base64,{picture}" alt="Pareto plot">'
            f"<figcaption>{in_html(_caption(mined.signatures))}</figcaption></figure>"
        )
    samples = "".join(
        f"<h2>{in_html(each.normalised[:_LINE])}</h2>\n<p>{in_html(_details(each))}</p>\n"
        + "".join(f"<pre>{in_html(sample)}</pre>\n" for sample in each.samples)
        for each in mined.signatures[:_BARS]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{PAGE_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{title}</h1>\n<p>{in_html(_sentence(mined))}</p>\n{figure}\n{html_table(table)}\n"
        f"{samples}</main>\n</body>\n</html>\n"
    )


def write_report(mined: Mined, folder: Path) -> list[Path]:
    """Write ``patterns.md`` and ``patterns.html``. Raises BadInput naming ``report``."""
    return write_texts({"patterns.md": to_markdown(mined), "patterns.html": to_html(mined)}, folder)


def pareto(signatures: Sequence[Recurring]) -> str:
    """Return what the costliest failures cost, and their share of all, as SVG text."""
    costs = [_weight(each, signatures) for each in signatures]
    total = sum(costs) or 1
    bars = costs[:_BARS]
    shares = [sum(costs[: place + 1]) / total * 100 for place in range(len(bars))]
    with _drawing:
        import matplotlib as mpl
        from matplotlib.figure import Figure

        with mpl.rc_context(_STYLE):
            figure = Figure(figsize=(9, 4))
            axes = figure.subplots()
            places = list(range(1, len(bars) + 1))
            axes.bar(places, bars, color="#4269d0")
            axes.set_xticks(places)
            axes.set_xlabel("failure, by rank")
            axes.set_ylabel(_unit(signatures))
            right = axes.twinx()
            right.plot(places, shares, color="#222", marker="o", markersize=3)
            right.set_ylim(0, 105)
            right.set_ylabel("share of all, %")
            written = io.StringIO()
            figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def _unit(signatures: Sequence[Recurring]) -> str:
    if any(each.cost_known for each in signatures):
        return "US dollars"
    return "tokens" if any(each.tokens for each in signatures) else "failed attempts"


def _weight(each: Recurring, among: Sequence[Recurring]) -> float:
    unit = _unit(among)
    if unit == "US dollars":
        return float(each.cost_known or 0)
    return float(each.tokens or 0) if unit == "tokens" else float(each.count)


def _caption(signatures: Sequence[Recurring]) -> str:
    shown = min(len(signatures), _BARS)
    return f"The {shown} costliest failures in {_unit(signatures)}, and their share of all."


def _sentence(mined: Mined) -> str:
    if not mined.signatures:
        return "No failure that no pattern caught."
    when = "" if mined.since is None else f" since {mined.since:%Y-%m-%d}"
    return (
        f"{mined.errors:,} failed attempts{when} that no pattern caught have"
        f" {len(mined.signatures):,} signatures, the costliest first."
    )


def _cells(each: Recurring) -> tuple[str, ...]:
    return (
        each.signature[:12],
        each.type,
        each.priority,
        f"{each.count:,}",
        f"{each.runs:,}",
        f"{each.phases:,}",
        UNKNOWN if each.tokens is None else f"{each.tokens:,}",
        UNKNOWN if each.cost is None else f"${each.cost:,.4f}",
        each.normalised[:_LINE],
    )


def _details(each: Recurring) -> str:
    after = each.ended_by
    parts = [
        f"{each.count:,} attempts in {each.phases:,} phases of {each.runs:,} runs, from"
        f" {each.first_seen:%Y-%m-%d} to {each.last_seen:%Y-%m-%d}.",
        f"In {after.passed:,} of them a later attempt passed, in {after.not_passed:,} none did.",
    ]
    if after.changed_files is not None:
        parts.append(f"The passing attempts changed {after.changed_files} files in the median.")
    if after.decisions:
        decided = ", ".join(f"{kind} {n:,}" for kind, n in sorted(after.decisions.items()))
        parts.append(f"Decided after them: {decided}.")
    if after.doctor:
        advised = ", ".join(f"{action} {n:,}" for action, n in sorted(after.doctor.items()))
        parts.append(f"The doctor's actions: {advised}.")
    if each.known_pattern:
        parts.append(f"The pattern {each.known_pattern} recognises it, but was not on.")
    return " ".join(parts)
