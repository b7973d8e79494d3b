"""Writes the report of a campaign as JSON, Markdown and one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from autopack.campaigns.compare import CampaignReport, Effect, Replayed
from autopack.experiments.report.tables import UNKNOWN, Table
from autopack.experiments.report.write_report import (
    PAGE_STYLE,
    html_table,
    in_markdown,
    write_texts,
)
from autopack.experiments.verdicts.wording import points
from autopack.views.board import tokens_text
from autopack.views.escaping import in_html, markdown

# More items than this are in the JSON only, which keeps an artifact under a megabyte.
MOST_ITEMS_SHOWN = 500


def to_markdown(report: CampaignReport) -> str:
    """Return the report as Markdown, its sentence first."""
    parts = [f"# {markdown(report.sentence)}"]
    parts += [f"- {markdown(note)}" for note in report.notes]
    for table in report_tables(report):
        parts.append(in_markdown(table))
    return "\n\n".join(parts) + "\n"


def to_html(report: CampaignReport) -> str:
    """Return the report as one page that needs nothing else, on screen or paper."""
    notes = "".join(f"<li>{in_html(note)}</li>" for note in report.notes)
    tables = "".join(html_table(table) for table in report_tables(report))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{in_html(report.campaign)}</title>\n<style>{PAGE_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{in_html(report.sentence)}</h1>\n"
        f"<ul>{notes}</ul>\n{tables}</main>\n</body>\n</html>\n"
    )


def write_report(report: CampaignReport, folder: Path) -> list[Path]:
    """Write ``report.json``, ``report.md`` and ``report.html`` to ``folder``.

    Raises BadInput when the folder cannot be written.
    """
    texts = {
        "report.json": report.model_dump_json(indent=2) + "\n",
        "report.md": to_markdown(report),
        "report.html": to_html(report),
    }
    return write_texts(texts, folder)


def report_tables(report: CampaignReport) -> list[Table]:
    """Lanes, effects, what still fails, every run, and those that were left out."""
    lanes = tuple(
        (
            name,
            str(lane.runs),
            str(lane.outcomes),
            str(lane.successes),
            UNKNOWN if lane.success_rate is None else f"{lane.success_rate:.0%}",
            tokens_text(lane.tokens, lane.unknown_builds),
        )
        for name, lane in report.lanes.items()
    )
    effects = (
        ("candidate minus baseline: what the features bring", *_effect(report.effect)),
        ("candidate minus original: the naive comparison", *_effect(report.naive)),
        (
            "baseline minus original: regression to the mean",
            *_effect(report.regression_to_the_mean),
        ),
    )
    failing = tuple(
        (one.pattern_id or UNKNOWN, one.cause, str(len(one.runs)), ", ".join(one.runs[:5]))
        for one in report.still_failing
    )
    lost = tuple((one.run_id, one.reason) for one in report.left_out[:MOST_ITEMS_SHOWN])
    shown = report.items[:MOST_ITEMS_SHOWN]
    hidden = len(report.items) - len(shown)
    title = f"Runs (first {len(shown)}; all are in the JSON)" if hidden else "Runs"
    runs = tuple(
        (
            item.replay_of,
            _run(item.original),
            UNKNOWN if item.baseline is None else _run(item.baseline),
            _run(item.candidate),
            item.goal,
        )
        for item in shown
    )
    return [
        Table("Lanes", ("lane", "runs", "outcomes", "successes", "rate", "tokens"), lanes),
        Table("Success", ("comparison", "points", "95% interval"), effects),
        *(
            [Table("Still failing", ("pattern", "cause", "runs", "such as"), failing)]
            if failing
            else []
        ),
        Table(title, ("run", "original", "baseline", "candidate", "goal"), runs),
        *([Table("Left out", ("run", "reason"), lost)] if lost else []),
    ]


def _effect(effect: Effect | None) -> tuple[str, str]:
    if effect is None:
        return UNKNOWN, UNKNOWN
    if effect.lo is None or effect.hi is None:
        return points(effect.diff), UNKNOWN
    return points(effect.diff), f"{points(effect.lo)} to {points(effect.hi)}"


def _run(run: Replayed) -> str:
    return f"{run.state} {tokens_text(run.tokens, run.unknown_builds)}"
