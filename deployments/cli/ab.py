"""``autopack ab analyse``: the verdict about pairs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from autopack.model.errors import BadInput
from deployments.cli.output import AsJson, discard_stdout, note, out, plain_table, print_json
from deployments.cli.terminal import styled

if TYPE_CHECKING:
    from autopack.experiments.pairs.pair_table import PairTable
    from autopack.experiments.report.tables import Table
    from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
    from autopack.experiments.shapes.analysis_schema import Analysis

_PROGRESS_SECONDS = 2.0
_MANY_PAIRS = 100_000

Varies = Literal["features", "builder", "options", "model", "prompt", "budget"]


def _several(text: str) -> Parameter:
    """Return an option that takes any number of words."""
    return Parameter(negative="", consume_multiple=True, help=text)


def analyse(
    test: Annotated[str | None, Parameter(help="An experiment that `ab run` registered.")] = None,
    *,
    csv: Annotated[
        Path | None,
        Parameter(
            help="Table of pairs, one a row, in the order they ran; - is the standard input.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    control_runs: Annotated[list[str] | None, _several("Finished runs of one arm.")] = None,
    treatment_runs: Annotated[
        list[str] | None, _several("Those of the other, matched by plan and order.")
    ] = None,
    varies: Annotated[
        list[Varies] | None,
        Parameter(
            negative="",
            help="What may differ between the lists; anything but the model if left out.",
        ),
    ] = None,
    monitored: Annotated[
        int | None,
        Parameter(help="Results were looked at while pairs ran, with at most this many planned."),
    ] = None,
    min_pairs: Annotated[
        int | None,
        Parameter(help="Monitoring was not to end before so many pairs, for the sake of success."),
    ] = None,
    ni_margin: Annotated[
        float | None,
        Parameter(help="How much lower phase completion may be, as a share; 0.10 if left out."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="A secondary metric declared beforehand; all in the table when absent.",
        ),
    ] = None,
    earlier_controls: Annotated[
        Path | None,
        Parameter(help="CSV file of earlier control runs with the columns plan and tokens."),
    ] = None,
    primary: Annotated[
        Literal["tokens", "cost"] | None,
        Parameter(help="What the resource axis compares; tokens if left out."),
    ] = None,
    success_endpoint: Annotated[
        Literal["runs", "phases"] | None,
        Parameter(help="What decides about success; phases where they are known if left out."),
    ] = None,
    margin_alpha: Annotated[
        float | None,
        Parameter(help="How often 'within the margin' may be false; 0.05 if left out."),
    ] = None,
    seed: Annotated[
        int | None, Parameter(help="Seed of permutations and bootstrap; 0 if left out.")
    ] = None,
    report: Annotated[
        Path | None, Parameter(help="Folder for the report as JSON, Markdown, HTML and SVG.")
    ] = None,
    require: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="Exit with 1 unless the decision is one of these, such as SAVES,EQUIVALENT.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Say whether the treatment saves tokens and keeps success, and how sure that is.

    The pairs are those of a TEST, of a CSV file, or of two lists of finished runs.
    """
    from autopack.experiments.verdicts.gate import exit_status, required_decisions

    required = required_decisions(require)
    runs = control_runs or treatment_runs
    if sum(bool(source) for source in (test, csv, runs)) != 1:
        raise BadInput(
            "the pairs are needed once",
            field="test",
            hint="name a test, or give --csv, or --control-runs and --treatment-runs",
        )
    if earlier_controls is not None and csv is None:
        raise BadInput(
            "earlier_controls goes with --csv",
            field="earlier_controls",
            hint="recorded runs are found by earlier_days in the experiment file",
        )
    if test is not None:
        declared = {
            "monitored": monitored,
            "min_pairs": min_pairs,
            "ni_margin": ni_margin,
            "metric": metric,
            "primary": primary,
            "success_endpoint": success_endpoint,
            "margin_alpha": margin_alpha,
            "seed": seed,
        }
        for name, given in declared.items():
            if given is not None:
                raise BadInput(
                    f"{name} was declared when {test} was registered", field=name, hint="drop it"
                )
        analysis = _of_test(test)
    else:
        protocol = _protocol(
            monitored=monitored,
            min_pairs=min_pairs,
            ni_margin=0.10 if ni_margin is None else ni_margin,
            metric=metric,
            primary=primary or "tokens",
            success_endpoint=success_endpoint,
            margin_alpha=0.05 if margin_alpha is None else margin_alpha,
            seed=seed or 0,
        )
        if csv is not None:
            analysis = _of_csv(csv, protocol, earlier_controls)
        else:
            analysis = _of_runs(control_runs, treatment_runs, varies, protocol)
    if report is not None:
        from autopack.experiments.report.write_report import write_report

        for path in write_report(analysis, report):
            note(f"wrote {path}")
    status, unmet = exit_status(analysis.decision, analysis.also_holds, required)
    if unmet is not None:
        note(unmet)
    try:
        if as_json:
            print_json(analysis.model_dump(mode="json"))
        else:
            print_analysis(analysis)
    except (BrokenPipeError, SystemExit):
        # That its reader has seen enough lets nothing pass.
        if status == 0:
            raise
        discard_stdout()
    return status


def _of_csv(csv: Path, protocol: AnalysisProtocol, earlier: Path | None) -> Analysis:
    from autopack.experiments.analysis import analyse as analyse_table
    from autopack.experiments.pairs.earlier_csv import read_earlier
    from autopack.experiments.pairs.pairs_reading import check_metrics

    table = read_table(csv)
    check_metrics(table, protocol.metrics)
    if earlier is None:
        return analyse_table(table, protocol)
    # A file has no dates: the user who names it has chosen the window.
    said = protocol.model_copy(update={"earlier_days": 1.0})
    return analyse_table(table, said, earlier=read_earlier(earlier, protocol.primary))


def read_table(path: Path) -> PairTable:
    """Return the pairs of a file, or of the standard input, telling how far it is with a
    large one.
    """
    from autopack.experiments.pairs.pairs_csv import read_pairs

    told = time.monotonic()

    def progress(pairs: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _PROGRESS_SECONDS:
            told = time.monotonic()
            note(f"read {pairs:,} pairs")

    table = read_pairs(path, progress=progress)
    if len(table.frame) >= _MANY_PAIRS:
        note(f"read {len(table.frame):,} pairs; weighing them takes some seconds")
    return table


def _of_test(test_id: str) -> Analysis:
    from autopack.experiments.concluding import conclude
    from autopack.experiments.design.registration import Registered
    from autopack.model.errors import Refused
    from autopack.settings import Settings
    from autopack.store.database.engine import Database
    from autopack.store.experiment_records import get_test

    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    concluded = conclude(db, Registered.of(get_test(db, test_id)), settings=settings)
    if concluded is None:
        raise Refused(
            f"no pair of {test_id} has finished", field="test", hint="go on with autopack ab run"
        )
    return concluded.analysis


def _of_runs(
    control: list[str] | None,
    treatment: list[str] | None,
    varies: list[Varies] | None,
    protocol: AnalysisProtocol,
) -> Analysis:
    from autopack.experiments.concluding import conclude_runs
    from autopack.model.fingerprint import Treatment
    from autopack.settings import Settings
    from autopack.store.database.engine import Database

    for name, given in (("control_runs", control), ("treatment_runs", treatment)):
        if not given:
            raise BadInput(
                f"{name} are needed, too", field=name, hint="give the finished runs of both arms"
            )
    db = Database.open(Settings.from_environment().database_url)
    kinds = None if varies is None else [Treatment(name) for name in varies]
    return conclude_runs(db, control or [], treatment or [], varies=kinds, protocol=protocol)


def _protocol(
    *,
    monitored: int | None,
    min_pairs: int | None,
    ni_margin: float,
    metric: list[str] | None,
    primary: Literal["tokens", "cost"],
    success_endpoint: Literal["runs", "phases"] | None,
    margin_alpha: float,
    seed: int,
) -> AnalysisProtocol:
    from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol

    for name, wrong, hint in (
        ("monitored", monitored is not None and monitored < 1, "give the number of planned pairs"),
        (
            "min_pairs",
            min_pairs is not None and not 1 <= min_pairs <= (monitored or 0),
            "give a number up to that of --monitored, which it goes with",
        ),
        ("ni_margin", not 0 < ni_margin < 1, "give a share between 0 and 1, such as 0.10"),
        ("margin_alpha", not 0 < margin_alpha <= 0.05, "give a share up to 0.05, such as 0.025"),
        ("seed", seed < 0, "give a whole number from 0 on"),
    ):
        if wrong:
            raise BadInput(f"{name} is out of range", field=name, hint=hint)
    return AnalysisProtocol(
        monitored=monitored is not None,
        max_pairs=monitored,
        min_pairs=min_pairs,
        ni_margin=ni_margin,
        metrics=None if metric is None else tuple(metric),
        primary=primary,
        success_endpoint=success_endpoint,
        margin_alpha=margin_alpha,
        seed=seed,
    )


def print_analysis(analysis: Analysis) -> None:
    """The verdict first, then its reasons, then the numbers."""
    from autopack.experiments.report.tables import summary_tables

    out.print(styled(analysis.sentence, "bold"))
    for reason in analysis.reasons:
        out.print(f"  • {reason}")
    for text in analysis.rules_out:
        out.print(f"  ruled out: {text}")
    if analysis.next is not None:
        out.print(f"  next: {analysis.next.text}")
    for warning in analysis.warnings:
        out.print(" ", styled("!", "yellow"), warning)
    for table in summary_tables(analysis):
        print_table(table)


def print_table(table: Table) -> None:
    shown = plain_table(*table.header)
    shown.columns[-1].no_wrap = False
    for row in table.rows:
        shown.add_row(*(cell for cell in row))
    out.print("\n", styled(table.title, "bold"), sep="")
    out.print(shown)
