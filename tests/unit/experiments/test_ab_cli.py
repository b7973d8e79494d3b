"""``autopack ab analyse`` and ``ab power`` answer people and programs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autopack.experiments.pairs.pair_table import PairTable
from autopack.experiments.verdicts.next_step import _needed  # pyright: ignore[reportPrivateUsage]
from autopack.model.errors import BadInput
from deployments.cli.experiments.ab import analyse as weigh
from deployments.cli.experiments.ab_declared import Declared, Pairs
from deployments.cli.experiments.ab_power import Noise, Rule, Truth, Wanted
from deployments.cli.experiments.ab_power import power as plan

Arms = Callable[..., tuple[list[float], list[float]]]
MakeTable = Callable[..., PairTable]
WriteTable = Callable[..., Path]


def grouped(given: dict[str, Any], **groups: type) -> dict[str, Any]:
    """Options as the command takes them: each in the group that declares it."""
    found = dict(given)
    for name, group in groups.items():
        mine = {one.name for one in fields(group)} & set(found)
        found[name] = group(**{one: found.pop(one) for one in mine})
    return found


def analyse(**given: Any) -> int:
    return weigh(**grouped(given, pairs=Pairs, declared=Declared))


def power(**given: Any) -> int:
    return plan(**grouped(given, noise=Noise, truth=Truth, rule=Rule, wanted=Wanted))


@pytest.fixture
def write_table(make_table: MakeTable, noisy_arms: Arms, tmp_path: Path) -> WriteTable:
    def write(n: int, ratio: float, **columns: list[object]) -> Path:
        path = tmp_path / "pairs.csv"
        make_table(*noisy_arms(n, ratio), **columns).frame.to_csv(path, index=False)
        return path

    return write


def test_people_read_the_verdict_first(
    write_table: WriteTable, capsys: pytest.CaptureFixture[str]
) -> None:
    assert analyse(csv=write_table(20, 0.6)) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("SAVES: the treatment needs ")
    assert "20 pairs of 20 plans, 0 void" in shown.splitlines()[0]


def test_programs_read_one_object(
    write_table: WriteTable, capsys: pytest.CaptureFixture[str]
) -> None:
    assert analyse(csv=write_table(20, 0.6), as_json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["decision"] == "SAVES"
    assert answer["ci"]["kind"] == "fixed"


def test_an_invalid_experiment_exits_with_1(write_table: WriteTable) -> None:
    path = write_table(20, 0.6, void=["drift"] * 10 + [""] * 10)
    assert analyse(csv=path, as_json=True) == 1


def test_monitored_and_declared_metrics(
    write_table: WriteTable, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_table(20, 0.5, control_x=[1] * 20, treatment_x=[2] * 20)
    analyse(csv=path, monitored=40, metric=["x"], ni_margin=0.05, seed=3, as_json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["stopped_at"] < 20
    assert [item["metric"] for item in answer["secondary"]] == ["x"]
    assert (answer["ni_margin"], answer["seed"], answer["max_pairs"]) == (0.05, 3, 40)


def test_the_report_is_written(
    write_table: WriteTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    analyse(csv=write_table(20, 0.6), report=tmp_path / "report", as_json=True)
    captured = capsys.readouterr()
    assert (tmp_path / "report" / "report.html").exists()
    assert "report.html" in captured.err
    assert (tmp_path / "report" / "report.json").read_text(encoding="utf-8").startswith("{")
    assert json.loads(captured.out)["decision"] == "SAVES"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"ni_margin": 0.0}, "ni_margin"),
        ({"ni_margin": 1e-300}, "ni_margin"),
        ({"monitored": 0}, "monitored"),
        ({"seed": -1}, "seed"),
    ],
)
def test_options_out_of_range(
    write_table: WriteTable, options: dict[str, float], field: str
) -> None:
    with pytest.raises(BadInput) as caught:
        analyse(csv=write_table(8, 0.6), **options)
    assert caught.value.field == field


def test_an_unknown_metric_is_refused(write_table: WriteTable) -> None:
    path = write_table(8, 0.5, control_cost=[1] * 8, treatment_cost=[2] * 8)
    with pytest.raises(BadInput, match="no metric 'costs'; did you mean cost") as caught:
        analyse(csv=path, metric=["costs"])
    assert caught.value.field == "metric"


@pytest.mark.parametrize(
    ("require", "status"),
    [
        (["SAVES"], 0),
        (["saves, equivalent"], 0),
        (["EQUIVALENT", "SAVES"], 0),
        (["EQUIVALENT,COSTS_MORE"], 1),
        (["INVALID"], 1),
    ],
)
def test_a_verdict_as_a_gate(
    write_table: WriteTable, capsys: pytest.CaptureFixture[str], require: list[str], status: int
) -> None:
    assert analyse(csv=write_table(20, 0.6), require=require, as_json=True) == status
    captured = capsys.readouterr()
    assert json.loads(captured.out)["decision"] == "SAVES"
    assert ("was required, and the decision is SAVES" in captured.err) is bool(status)


def test_a_gate_that_asks_for_an_invalid_experiment_gets_it(write_table: WriteTable) -> None:
    path = write_table(20, 0.6, void=["drift"] * 10 + [""] * 10)
    assert analyse(csv=path, require=["INVALID"], as_json=True) == 0
    assert analyse(csv=path, require=["SAVES"], as_json=True) == 1


@pytest.mark.parametrize("require", [["SAVE"], [","], ["SAVES,NO"]])
def test_a_gate_of_no_decision(write_table: WriteTable, require: list[str]) -> None:
    with pytest.raises(BadInput) as caught:
        analyse(csv=write_table(8, 0.6), require=require)
    assert caught.value.field == "require"


def test_pairs_come_through_a_pipe_and_a_gate_holds_when_its_reader_leaves(
    write_table: WriteTable,
) -> None:
    program = "from deployments.cli import main; raise SystemExit(main())"
    words = ["ab", "analyse", "--csv", "-", "--require", "COSTS_MORE"]
    with write_table(20, 0.6).open("rb") as pairs:
        done = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            stdin=pairs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert done.stdout is not None
        done.stdout.close()
        _, errors = done.communicate(timeout=60)
    assert done.returncode == 1
    assert b"COSTS_MORE was required, and the decision is SAVES" in errors


def test_power_from_an_sd(capsys: pytest.CaptureFixture[str]) -> None:
    assert power(sd=0.83, pairs=40, as_json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["pairs_for"] == {"0.9": 490, "0.8": 111, "0.7": 45, "0.6": 23, "0.5": 14}
    assert 0.6 < answer["smallest_saving_monitored"] < answer["smallest_saving"] < 0.8
    assert [plan["bottleneck"] for plan in answer["verdict"]] == ["success", "success"]
    assert all(
        plan["pairs"] >= answer["pairs_for"][f"{plan['ratio']:g}"] for plan in answer["verdict"]
    )


def test_power_from_a_pilot(write_table: WriteTable, capsys: pytest.CaptureFixture[str]) -> None:
    power(pilot=write_table(12, 0.7), ratio=[0.75], as_json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["sd"] == pytest.approx(0.3, abs=1e-3)
    assert list(answer["pairs_for"]) == ["0.75"]


def test_power_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    power(sd=0.83, ratio=[0.6], pairs=40)
    power(sd=0.83, ratio=[0.6], pairs=5)
    shown = capsys.readouterr().out
    assert "40 pairs show a saving of 31.4% or more" in shown
    assert "5 pairs can show nothing" in shown


@pytest.mark.parametrize("given", [{}, {"sd": 0.8, "pilot": Path("x")}])
def test_power_needs_its_noise_once(given: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="needed once"):
        power(**given)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"sd": 1e9}, "sd"),
        ({"sd": 20.1}, "sd"),
        ({"sd": 0.8, "ni_margin": 1e-300}, "ni_margin"),
        ({"sd": 0.8, "ni_margin": 0.0009}, "ni_margin"),
    ],
)
def test_what_no_float_can_plan_is_refused(given: dict[str, float], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        power(**given)
    assert caught.value.field == field


def test_a_pilot_without_spread(write_table: WriteTable) -> None:
    with pytest.raises(BadInput, match="no spread"):
        power(pilot=write_table(5, 0.7, plan=["one"] * 5))


def test_ten_thousand_pairs_take_seconds_and_little_memory(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    control = random.lognormal(11, 0.8, 10_000).round() + 1
    treatment = (control * random.lognormal(-0.1, 0.8, 10_000)).round() + 1
    rows = [
        f"p{i},plan{i},{c:.0f},{t:.0f},1,1,{c:.0f},{t:.0f}"
        for i, (c, t) in enumerate(zip(control, treatment, strict=True))
    ]
    header = (
        "pair,plan,control_tokens,treatment_tokens,control_success,treatment_success,"
        "control_cost,treatment_cost"
    )
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    program = (
        "import sys, psutil; from pathlib import Path;"
        "from deployments.cli.experiments.ab import analyse;"
        "from deployments.cli.experiments.ab_declared import Pairs;"
        "analyse(pairs=Pairs(csv=Path(sys.argv[1])), as_json=True);"
        "process = psutil.Process(); info, cpu = process.memory_info(), process.cpu_times();"
        "print(getattr(info, 'peak_wset', info.rss), cpu.user + cpu.system, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    memory, seconds = done.stderr.split()[-2:]
    assert int(memory) < 500_000_000
    # Of the processor, so that a busy machine does not fail the test.
    assert float(seconds) < 5
    assert json.loads(done.stdout)["n_pairs"] == 10_000


@pytest.mark.parametrize(
    ("quotient", "plans"),
    [(10.0, 25), (-10.0, 25), (1e6, 250_000_000_000), (1e7, None), (1e300, None)],
)
def test_no_number_of_plans_shows_what_is_next_to_nothing(
    quotient: float, plans: int | None
) -> None:
    assert _needed(0.25, quotient) == plans
