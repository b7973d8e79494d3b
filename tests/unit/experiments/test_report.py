"""Reports: the verdict first, the same bytes every time, small, safe and self-contained."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from autopack.experiments.analysis import analyse
from autopack.experiments.pairs.pair_table import PairTable
from autopack.experiments.report.axes import MOST_TICKS, log_ticks
from autopack.experiments.report.plots import draw_plots
from autopack.experiments.report.write_report import to_html, write_report
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.shapes.analysis_schema import Analysis
from autopack.model.errors import BadInput

Arms = Callable[..., tuple[list[float], list[float]]]
MakeTable = Callable[..., PairTable]
NAMES = {"report.json", "report.md", "report.html"} | {
    f"{name}.svg" for name in ("pairs", "success", "ratios", "metrics", "sequence")
}


@pytest.fixture
def analysis(make_table: MakeTable, noisy_arms: Arms) -> Analysis:
    return analyse(
        make_table(
            *noisy_arms(36, 0.5),
            control_doctor_calls=list(range(36)),
            treatment_doctor_calls=[n // 2 for n in range(36)],
        ),
        AnalysisProtocol(monitored=True, max_pairs=40),
    )


def test_the_same_analysis_gives_the_same_bytes(analysis: Analysis, tmp_path: Path) -> None:
    first, second = (
        {path.name: path.read_bytes() for path in write_report(analysis, tmp_path / name)}
        for name in ("one", "two")
    )
    assert set(first) == NAMES
    assert first == second


def test_the_verdict_is_the_first_line(analysis: Analysis, tmp_path: Path) -> None:
    write_report(analysis, tmp_path)
    assert (tmp_path / "report.md").read_text(encoding="utf-8").startswith("# SAVES: the treat")
    body = (tmp_path / "report.html").read_text(encoding="utf-8").partition("<body>")[2]
    assert re.sub(r"<[^>]*>", "", body).strip().startswith("SAVES: the treatment needs 5")


def test_a_reader_without_statistics_is_told_what_the_words_mean(analysis: Analysis) -> None:
    page = to_html(analysis, draw_plots(analysis))
    for said in (
        "What to do next",
        "What this rules out",
        "the treatment typically needs 20% less",
        "Tango&#x27;s interval",
        "decides about tokens",
    ):
        assert said in page


def test_the_page_needs_nothing_else(analysis: Analysis) -> None:
    page = to_html(analysis, draw_plots(analysis))
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert len(sources) == 5
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "url(" not in page


def test_plots_are_svg_without_a_date(analysis: Analysis) -> None:
    for plot in draw_plots(analysis):
        assert ElementTree.fromstring(plot.svg).tag == "{http://www.w3.org/2000/svg}svg"
        assert "dc:date" not in plot.svg


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_few_pairs_can_be_drawn(make_table: MakeTable, n: int, tmp_path: Path) -> None:
    table = make_table([100.0] * 8, [90.0] * 8, void=[""] * n + ["x"] * (8 - n))
    write_report(analyse(table, AnalysisProtocol()), tmp_path)


def test_ratios_as_far_apart_as_they_may_be_can_be_drawn(
    make_table: MakeTable, tmp_path: Path
) -> None:
    table = make_table([1e15, 1e-6] * 4, [1e-6, 1e15] * 4)
    write_report(analyse(table, AnalysisProtocol()), tmp_path)


def test_a_large_report_stays_under_a_megabyte(
    make_table: MakeTable, noisy_arms: Arms, tmp_path: Path
) -> None:
    large = analyse(make_table(*noisy_arms(5000, 0.9)), AnalysisProtocol())
    write_report(large, tmp_path)
    # Nobody looked while its pairs ran, so nothing is said of what could have been seen.
    assert not (tmp_path / "sequence.svg").exists()
    assert "e-value" not in (tmp_path / "report.md").read_text(encoding="utf-8")
    for name in NAMES - {"report.json", "sequence.svg"}:
        assert (tmp_path / name).stat().st_size < 1_000_000, name


def test_names_from_outside_stay_text(make_table: MakeTable, tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>|`$\\frac$[x]'
    table = make_table(
        [100.0] * 8,
        [90.0] * 8,
        plan=[f"{evil}{n}" for n in range(8)],
        **{f"control_{evil}": [1] * 8, f"treatment_{evil}": [2] * 8},
    )
    write_report(analyse(table, AnalysisProtocol()), tmp_path)
    assert "<script" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    lines = (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert not any(re.search(r"(?<!\\)[<`]", line) for line in lines)
    assert all(len(re.findall(r"(?<!\\)\|", row)) in {3, 5, 6, 7, 8, 9} for row in rows)


def test_the_users_matplotlib_settings_are_left_alone(analysis: Analysis) -> None:
    import matplotlib as mpl

    before = mpl.rcParams["font.size"]
    with mpl.rc_context({"font.size": 31.0}):
        changed = draw_plots(analysis)[0].svg
        assert mpl.rcParams["font.size"] == 31
    assert mpl.rcParams["font.size"] == before
    assert draw_plots(analysis)[0].svg == changed


def test_a_folder_that_cannot_be_written(analysis: Analysis, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BadInput, match="cannot hold the report"):
        write_report(analysis, tmp_path / "file")


@pytest.mark.parametrize("most", [2, 3, 8, 86, 10_000])
def test_ticks_that_count_are_whole(most: int) -> None:
    ticks = log_ticks(1, most, whole=True)
    assert ticks[0] == 1
    assert all(tick % 1 == 0 for tick in ticks)


@pytest.mark.parametrize("lo", [1e-6, 0.02, 0.31, 0.97, 1, 7, 4321])
@pytest.mark.parametrize("factor", [1.02, 1.2, 2, 7, 50, 3e3, 1e8, 1e21])
def test_log_ticks_are_few_rising_and_inside(lo: float, factor: float) -> None:
    ticks = log_ticks(lo, lo * factor)
    assert 2 <= len(ticks) <= MOST_TICKS + 1
    assert (np.diff(ticks) > 0).all()
    assert lo * 0.999 <= ticks[0]
    assert ticks[-1] <= lo * factor * 1.001
