"""The report of an analysis as one Markdown text that carries its plots, fit for Prefect."""

from __future__ import annotations

import base64

from autopack.experiments.report.plots import draw_plots
from autopack.experiments.report.write_report import to_markdown
from autopack.experiments.shapes.analysis_schema import Analysis

# A Prefect server does not announce an artifact of more than 1.5 million bytes.
MOST_BYTES = 1_000_000


def self_contained(analysis: Analysis) -> str:
    """Return the Markdown report with its plots inside; without those that would make it
    too large.
    """
    plots = draw_plots(analysis)
    text = to_markdown(analysis, plots)
    for plot in plots:
        inside = "data:image/svg+xml;base64," + base64.b64encode(plot.svg.encode()).decode("ascii")
        image, there = f"![{plot.title}]({plot.name}.svg)", f"![{plot.title}]({inside})"
        if len(text.encode()) + len(there) > MOST_BYTES:
            there = "*(too large to be shown here; it is in the report's folder)*"
        text = text.replace(image, there)
    return text
