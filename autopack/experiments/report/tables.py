"""The numbers of an analysis as tables of text, for the terminal and for every report."""

from __future__ import annotations

from dataclasses import dataclass

from autopack.experiments.shapes.analysis_schema import Analysis, ArmDescription
from autopack.experiments.statistics.sequential import STOPPING_E
from autopack.experiments.verdicts.wording import p_value, points

UNKNOWN = "—"


@dataclass(frozen=True)
class Table:
    """Rows of text under a header."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def summary_tables(analysis: Analysis) -> list[Table]:
    """Tokens, success, secondary metrics, description and planning, in this order."""
    tables = [_tokens(analysis), _success(analysis)]
    if analysis.secondary:
        tables.append(_secondary(analysis))
    tables += [_description(analysis), *_metrics(analysis), _planning(analysis)]
    if analysis.void_reasons:
        rows = tuple((reason, str(number)) for reason, number in analysis.void_reasons.items())
        tables.append(Table("Void pairs", ("reason", "pairs"), rows))
    return tables


def _tokens(analysis: Analysis) -> Table:
    totals, ranks = analysis.ratio_of_totals_ci, analysis.hodges_lehmann
    kind = ", may be read at any time" if analysis.ci.kind == "anytime" else ""
    noun = "tokens" if analysis.primary == "tokens" else "money"
    success, both = analysis.cost_per_success, analysis.both_succeeded
    achieved, skew = ranks.achieved_confidence, analysis.skew_interval
    rows = (
        (
            "geometric mean ratio",
            _ratio(analysis.gmr),
            _range(analysis.ci.lo, analysis.ci.hi),
            f"95% interval{kind}; decides about {noun}",
        ),
        (
            "the same, corrected for skewness",
            UNKNOWN,
            UNKNOWN if skew is None else _range(skew.lo, skew.hi),
            "has to agree where few plans differ unevenly",
        ),
        (
            "sign-flip permutation",
            UNKNOWN,
            UNKNOWN,
            f"p {p_value(analysis.p_signflip)}, for less {p_value(analysis.p_signflip_less)}",
        ),
        (
            "pseudo-median (Hodges-Lehmann)",
            _ratio(ranks.ratio),
            _range(ranks.lo, ranks.hi),
            (f"{achieved:.1%} interval; " if achieved else "")
            + f"Wilcoxon p {p_value(analysis.wilcoxon_p)}; sensitivity only",
        ),
        (
            "ratio of totals",
            _ratio(analysis.ratio_of_totals),
            _range(totals.lo, totals.hi),
            "95% BCa bootstrap over plans",
        ),
        (
            f"{noun} per success",
            UNKNOWN if success is None else _ratio(success.ratio),
            UNKNOWN if success is None else _range(success.lo, success.hi),
            "95% interval, jackknife over plans",
        ),
        (
            "pairs in which both succeeded",
            UNKNOWN if both is None else _ratio(both.ratio),
            UNKNOWN if both is None else _range(both.lo, both.hi),
            f"{both.n if both is not None else 0} pairs; sensitivity only",
        ),
    )
    if analysis.monitored:
        rows += (
            (
                "e-value",
                _number(analysis.e_value),
                UNKNOWN,
                f"{STOPPING_E:.3g} stops the experiment",
            ),
            ("betting e-value", _number(analysis.e_bet), UNKNOWN, "for less, without assumptions"),
        )
    title = f"{noun.capitalize()}, treatment / control"
    return Table(title, ("measure", "value", "interval", "note"), rows)


def _success(analysis: Analysis) -> Table:
    runs, phases, found = analysis.success, analysis.phase_fraction, analysis.success_interval
    shown = "shown" if analysis.ni_shown else "not shown"
    margin = f"maintained within {100 * analysis.ni_margin:g} points: {shown}"
    decides = "phases" if found is not None and found.endpoint == "phases" else "runs"
    tango = (
        "runs that succeed",
        _points(runs.diff),
        f"{_points(runs.tango_lo)} to {_points(runs.tango_hi)}",
        f"Tango's 95% interval; McNemar mid-p {p_value(runs.mid_p)}",
    )
    rows: tuple[tuple[str, ...], ...] = (
        (
            "pairs by outcome",
            f"{runs.n11} both",
            f"{runs.n10} control only, {runs.n01} treatment only",
            f"{runs.n00} neither",
        ),
    )
    if decides == "phases":
        rows = (tango, *rows)
    if found is None:
        rows = (("difference", _points(phases.diff), UNKNOWN, margin), *rows)
    else:
        row = (
            "decides about success",
            _points(found.diff),
            f"{_points(found.lo)} to {_points(found.hi)}",
            f"95% interval of {decides}; {margin}",
        )
        # Where whole runs decide, their interval stands once.
        mid_p = ("equally often", UNKNOWN, UNKNOWN, f"McNemar mid-p of runs {p_value(runs.mid_p)}")
        rows = (row, *((mid_p,) if decides == "runs" else ()), *rows)
    header = ("measure", "points", "interval", "note")
    return Table("Success, treatment minus control", header, rows)


def _secondary(analysis: Analysis) -> Table:
    rows = tuple(
        (
            item.metric.replace("_", " "),
            _ratio(item.ratio),
            _range(item.lo, item.hi),
            p_value(item.p),
            p_value(item.p_holm),
            f"{item.n} plans"
            + (f"; {item.offset:g} added because of zeros" if item.offset else ""),
        )
        for item in analysis.secondary
    )
    header = ("metric", "ratio", "95% interval", "p", "p (Holm)", "note")
    return Table("Secondary metrics", header, rows)


def _description(analysis: Analysis) -> Table:
    described = analysis.description

    def row(name: str, arm: ArmDescription) -> tuple[str, ...]:
        return (name, *(_tokens_text(x) for x in (arm.mean, arm.median, arm.sd, arm.total)))

    change = described.percent_change
    title = "Tokens as description" + (f" ({change:+.1f}% in all)" if change is not None else "")
    rows = (
        row("control", described.control),
        row("treatment", described.treatment),
        row("difference of a pair", described.delta),
    )
    return Table(title, ("arm", "mean", "median", "SD", "total"), rows)


def _metrics(analysis: Analysis) -> list[Table]:
    """Return every further metric as description; those that no pair has are omitted."""
    rows: list[tuple[str, ...]] = []
    for name, of_metric in analysis.metric_descriptions.items():
        change = of_metric.percent_change
        for arm, values in (("control", of_metric.control), ("treatment", of_metric.treatment)):
            if values.mean is not None:
                told = "" if arm == "control" or change is None else f"{change:+.1f}%"
                figures = (values.mean, values.median, values.sd, values.total)
                rows.append((name.replace("_", " "), arm, *map(_figure, figures), told))
    header = ("metric", "arm", "mean", "median", "SD", "total", "change")
    return [Table("Metrics as description", header, tuple(rows))] if rows else []


def _planning(analysis: Analysis) -> Table:
    sd = analysis.power.sd_used
    icc = f", {analysis.icc:.2f} of its variance between plans" if analysis.icc is not None else ""
    rows = tuple(
        (ratio, UNKNOWN if plans is None else f"{plans:,}")
        for ratio, plans in analysis.power.pairs_for.items()
    )
    known = f"SD of the log ratio {sd:.2f}{icc}" if sd is not None else "SD unknown"
    unit = "tokens" if analysis.primary == "tokens" else "money"
    return Table(
        f"Plans for 80% power by {unit} alone ({known})",
        ("true ratio", "plans"),
        rows,
    )


def _ratio(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3g}"


def _range(lo: float | None, hi: float | None) -> str:
    return UNKNOWN if lo is None or hi is None else f"{lo:.3f} to {hi:.3f}"


def _points(value: float | None) -> str:
    return UNKNOWN if value is None else points(value)


def _figure(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3g}"


def _tokens_text(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"
