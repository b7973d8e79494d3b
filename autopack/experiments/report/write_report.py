"""Writes an analysis as JSON, Markdown and one self-contained HTML page with its plots."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from autopack.experiments.report.glossary import glossary
from autopack.experiments.report.plots import Plot, draw_plots
from autopack.experiments.report.tables import UNKNOWN, Table, summary_tables
from autopack.experiments.shapes.analysis_schema import Analysis, PairResult
from autopack.model.errors import BadInput
from autopack.views.escaping import in_html, markdown, markdown_table

# More pairs than this are in the JSON only, which keeps a page under a megabyte.
MOST_PAIRS_SHOWN = 200


def to_json(analysis: Analysis) -> str:
    """Return the one JSON object of the analysis."""
    return analysis.model_dump_json(indent=2) + "\n"


def to_markdown(analysis: Analysis, plots: Sequence[Plot]) -> str:
    """Return the report as Markdown; its plots are the SVG files beside it."""
    parts = [f"# {markdown(analysis.sentence)}"]
    parts.append("\n".join(f"- {markdown(text)}" for text in analysis.reasons))
    if analysis.warnings:
        parts.append("## To keep in mind")
        parts.append("\n".join(f"- {markdown(text)}" for text in analysis.warnings))
    for title, lines in _sections(analysis):
        parts += [f"## {title}", "\n".join(f"- {markdown(text)}" for text in lines)]
    for plot in plots:
        parts += [
            f"## {plot.title}",
            f"![{plot.title}]({plot.name}.svg)",
            f"*{markdown(plot.caption)}*",
        ]
    for table in [*summary_tables(analysis), *_pair_tables(analysis)]:
        parts.append(in_markdown(table))
    parts.append(in_markdown(_glossary(analysis)))
    parts.append(markdown(_footer(analysis)))
    return "\n\n".join(part for part in parts if part) + "\n"


def to_html(analysis: Analysis, plots: Sequence[Plot]) -> str:
    """Return the report as one page that needs nothing else, on screen or paper."""
    escape = in_html
    reasons = "".join(f"<li>{escape(text)}</li>" for text in analysis.reasons)
    warnings = "".join(f"<li>{escape(text)}</li>" for text in analysis.warnings)
    sections = ""
    for title, lines in _sections(analysis):
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        sections += f"<h2>{escape(title)}</h2>\n<ul>{items}</ul>\n"
    figures = "".join(
        f'<figure><img src="data:image/svg+xml;base64,{_base64(plot.svg)}" '
        f'alt="{escape(plot.title)}"><figcaption>{escape(plot.caption)}</figcaption></figure>'
        for plot in plots
    )
    tables = "".join(
        html_table(table) for table in [*summary_tables(analysis), *_pair_tables(analysis)]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(analysis.decision)}: {escape(analysis.test_id)}</title>\n"
        f"<style>{PAGE_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(analysis.sentence)}</h1>\n"
        f"<ul>{reasons}</ul>\n"
        + (f"<h2>To keep in mind</h2>\n<ul>{warnings}</ul>\n" if warnings else "")
        + sections
        + f'<section class="plots">{figures}</section>\n{tables}\n'
        f"{html_table(_glossary(analysis))}\n"
        f"<footer>{escape(_footer(analysis))}</footer>\n</main>\n</body>\n</html>\n"
    )


def write_report(analysis: Analysis, folder: Path) -> list[Path]:
    """Write ``report.json``, ``report.md``, ``report.html`` and an SVG file a plot to ``folder``.

    The same analysis gives the same bytes. Raises BadInput when the folder cannot be written.
    """
    plots = draw_plots(analysis)
    texts = {
        "report.json": to_json(analysis),
        "report.md": to_markdown(analysis, plots),
        "report.html": to_html(analysis, plots),
        **{f"{plot.name}.svg": plot.svg for plot in plots},
    }
    return write_texts(texts, folder)


def write_texts(texts: Mapping[str, str], folder: Path) -> list[Path]:
    """Write the files of a report. Raises BadInput when the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise BadInput(
            f"{folder} cannot hold the report: {error.strerror}",
            field="report",
            hint="name a folder that you may write to",
        ) from error
    return [folder / name for name in texts]


def _sections(analysis: Analysis) -> list[tuple[str, list[str]]]:
    """Return what to do next, and what is impossible after this."""
    sections: list[tuple[str, list[str]]] = []
    if analysis.next is not None:
        sections.append(("What to do next", [analysis.next.text]))
    if analysis.rules_out:
        sections.append(
            (
                "What this rules out",
                [f"The 95% interval rules out {x}." for x in analysis.rules_out],
            )
        )
    return sections


def _glossary(analysis: Analysis) -> Table:
    return Table("What the words mean", ("word", "what it is for"), glossary(analysis))


def _pair_tables(analysis: Analysis) -> list[Table]:
    shown = analysis.pairs[:MOST_PAIRS_SHOWN]
    hidden = len(analysis.pairs) - len(shown)
    title = f"Pairs (first {len(shown)}; all are in the JSON)" if hidden else "Pairs"
    header = ("pair", "plan", "control", "treatment", "ratio", "change", "success", "void")
    return [Table(title, header, tuple(_pair_row(pair) for pair in shown))]


def _pair_row(pair: PairResult) -> tuple[str, ...]:
    arms = (pair.control_success, pair.treatment_success)
    return (
        pair.pair,
        pair.plan,
        UNKNOWN if pair.control_tokens is None else f"{pair.control_tokens:,.0f}",
        UNKNOWN if pair.treatment_tokens is None else f"{pair.treatment_tokens:,.0f}",
        UNKNOWN if pair.ratio is None else f"{pair.ratio:.3f}",
        UNKNOWN if pair.percent_change is None else f"{pair.percent_change:+.1f}%",
        " → ".join("yes" if success else "no" for success in arms),
        pair.void or "",
    )


def _footer(analysis: Analysis) -> str:
    return (
        f"Test {analysis.test_id}, inputs {analysis.input_hash[:16]}, "
        f"protocol {analysis.protocol_hash[:16]}, seed {analysis.seed}, "
        f"schema {analysis.schema_version}." + _origin(analysis)
    )


def _origin(analysis: Analysis) -> str:
    """Return what the runs started from, where the pairs are of recorded runs."""
    from_ = analysis.metadata
    if from_ is None:
        return ""
    began = "" if from_.timestamp is None else f" on {from_.timestamp:%Y-%m-%d %H:%M} UTC"
    return (
        f" Commit {(from_.commit_sha or UNKNOWN)[:12]} of {from_.repo_url or UNKNOWN}, Autopack "
        f"{from_.autopack_version or UNKNOWN}, started by {from_.operator or UNKNOWN}{began}."
    )


def in_markdown(table: Table) -> str:
    """Return a table as Markdown under its heading."""
    return f"## {markdown(table.title)}\n\n{markdown_table(table.header, table.rows)}"


def html_table(table: Table) -> str:
    head = "".join(f"<th>{in_html(cell)}</th>" for cell in table.header)
    body = "".join(
        f"<tr>{''.join(f'<td>{in_html(cell)}</td>' for cell in row)}</tr>" for row in table.rows
    )
    return (
        f'<h2>{in_html(table.title)}</h2>\n<div class="scroll"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n"
    )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


PAGE_STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #222; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem; }
h1 { font-size: 1.45rem; line-height: 1.35; margin: .2rem 0 1rem; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; break-after: avoid; }
footer, figcaption { color: #595959; font-size: .85rem; }
footer { margin-top: 2rem; overflow-wrap: anywhere; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(27rem, 100%), 1fr));
  gap: 1.5rem; margin-top: 1.5rem; align-items: start; }
figure { margin: 0; break-inside: avoid; }
img { width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: left; padding: .25rem 1rem .25rem 0; border-bottom: 1px solid #ddd;
  vertical-align: top; }
th { border-bottom: 2px solid #222; white-space: nowrap; }
tr { break-inside: avoid; }
@media print { body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  .scroll { overflow: visible; } }
"""
