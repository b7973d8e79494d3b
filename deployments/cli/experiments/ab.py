"""``autopack ab analyse``: the verdict about pairs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from autopack.model.errors import BadInput
from deployments.cli.experiments.ab_declared import Declared, Pairs
from deployments.cli.shared.output import AsJson, note, out, plain_table, print_json
from deployments.cli.shared.streams import discard_stdout
from deployments.cli.shared.terminal import styled

if TYPE_CHECKING:
    from autopack.experiments.pairs.pair_table import PairTable
    from autopack.experiments.report.tables import Table
    from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
    from autopack.experiments.shapes.analysis_schema import Analysis

_PROGRESS_SECONDS = 2.0
_MANY_PAIRS = 100_000


# Every group of options, with nothing said.
_NO_PAIRS, _NOTHING_DECLARED = Pairs(), Declared()


def analyse(
    test: Annotated[str | None, Parameter(help="An experiment that `ab run` registered.")] = None,
    *,
    pairs: Pairs = _NO_PAIRS,
    declared: Declared = _NOTHING_DECLARED,
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
    """Analyse pairs, and give the verdict with its uncertainty.

    It says whether the treatment saves tokens and keeps success. The pairs are those of a TEST, of
    a CSV file, or of two lists of finished runs.
    """
    from autopack.experiments.verdicts.gate import exit_status, required_decisions

    required = required_decisions(require)
    runs = pairs.control_runs or pairs.treatment_runs
    if sum(bool(source) for source in (test, pairs.csv, runs)) != 1:
        raise BadInput(
            "the pairs are needed once",
            field="test",
            hint="name a test, or give --csv, or --control-runs and --treatment-runs",
        )
    if pairs.earlier_controls is not None and pairs.csv is None:
        raise BadInput(
            "earlier_controls goes with --csv",
            field="earlier_controls",
            hint="recorded runs are found by earlier_days in the experiment file",
        )
    if test is not None:
        declared.refuse(test)
        analysis = _of_test(test)
    elif pairs.csv is not None:
        analysis = _of_csv(pairs.csv, declared.protocol(), pairs.earlier_controls)
    else:
        analysis = _of_runs(pairs, declared.protocol())
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
            f"no pair of {test_id} has finished", field="test", hint="resume with autopack ab run"
        )
    return concluded.analysis


def _of_runs(pairs: Pairs, protocol: AnalysisProtocol) -> Analysis:
    from autopack.experiments.concluding import conclude_runs
    from autopack.model.fingerprint import Treatment
    from autopack.settings import Settings
    from autopack.store.database.engine import Database

    control, treatment = pairs.control_runs or [], pairs.treatment_runs or []
    for name, given in (("control_runs", control), ("treatment_runs", treatment)):
        if not given:
            raise BadInput(
                f"{name} are needed, too", field=name, hint="give the finished runs of both arms"
            )
    db = Database.open(Settings.from_environment().database_url)
    kinds = None if pairs.varies is None else [Treatment(name) for name in pairs.varies]
    return conclude_runs(db, control, treatment, varies=kinds, protocol=protocol)


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
