"""A campaign over failed runs: killed, resumed, and honest about what it found."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.failed_run import fail_as, request_of
from support.processes import Machine, kill_tree
from support.projects import make_project, make_simulated, write_yaml

from autopack.campaigns.lanes import replays_of
from autopack.settings import Settings
from autopack.store.database.engine import Database

pytestmark = pytest.mark.slow

# How many runs, and how many of them succeed by chance and by the features under these names.
FEW, MANY = (5, 1, 2), (20, 4, 10)


@pytest.fixture
def counts(request: pytest.FixtureRequest) -> tuple[int, int, int]:
    return MANY if request.config.getoption("--full") else FEW


def finished_replays(machine: Machine, campaign: str) -> int:
    db = Database.open(machine.database_url)
    try:
        return sum(run.state.is_final for run in replays_of(db, campaign).values())
    finally:
        db.close()


def test_what_the_features_bring_is_told_from_what_running_again_brings(
    machine: Machine, tmp_path: Path, counts: tuple[int, int, int]
) -> None:
    number, by_chance, by_features = counts
    project = make_simulated(tmp_path / "project", {"success": 0, "calls": 1})
    settings = Settings(machine.home, machine.database_url)
    for run in range(number):
        request = replace(
            request_of(project, f"night-{run + 1}"),
            builder="simulated",
            builder_options={"spec": str(project.recording), "seed": "run"},
        )
        fail_as(request, settings)

    # The world has changed: running again succeeds in a fifth, the features in half of all cases.
    write_yaml(project.recording, {"success": 0.2, "success_with_context": 0.5, "calls": 1})
    command = ["replay", "--enable", "intention_context", "--name", "anew", "--max", "4"]
    selection = machine.run(*command, "--dry-run", "--json").json
    assert len(selection["runs"]) == number
    assert selection["reserved_tokens"] == 2 * number * 5_000_000

    process = machine.start(*command, "--json")
    deadline = time.monotonic() + 120
    while finished_replays(machine, "anew") < number // 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    kill_tree(process.pid)
    process.communicate()

    report = machine.run(*command, "--json").json
    assert report["finished"], report
    replays = [item[lane] for item in report["items"] for lane in ("baseline", "candidate")]
    assert len({run["run_id"] for run in replays}) == 2 * number
    assert len(machine.run("runs", "--json").json["runs"]) == 3 * number
    lanes = {name: lane["successes"] for name, lane in report["lanes"].items()}
    assert lanes == {"original": 0, "baseline": by_chance, "candidate": by_features}
    assert report["naive"]["diff"] == pytest.approx(by_features / number)
    assert report["effect"]["diff"] == pytest.approx((by_features - by_chance) / number)
    assert report["effect"]["lo"] < 0.30 < report["effect"]["hi"]
    assert report["regression_to_the_mean"]["diff"] == pytest.approx(by_chance / number)
    assert sum(len(kind["runs"]) for kind in report["still_failing"]) == number - by_features
    for name in ("report.json", "report.md", "report.html"):
        text = (machine.home / "reports" / "anew" / name).read_text(encoding="utf-8")
        assert "regression to the mean" in text

    other = machine.run("replay", "--enable", "failure_hardening", "--name", "anew", "--json")
    assert (other.code, other.json["error"]["field"]) == (2, "campaign")


@pytest.mark.full
def test_a_campaign_that_waits_for_a_person_says_so_and_goes_on_by_its_name(
    machine: Machine, tmp_path: Path
) -> None:
    phases = {"one": [[{"files": {"a": "1"}}]]}
    asks = make_project(tmp_path / "asks", phases, phase={"approval": True})
    lost = make_project(tmp_path / "lost", phases, phase={"approval": True})
    for name, project in (("asks", asks), ("lost", lost)):
        assert machine.run("run", *project.run_args, "--run-id", name).code == 3
        machine.run("cancel", name)
    lost.recording.rename(tmp_path / "away")
    command = ["replay", "--state", "DONE_CANCELLED", "--enable", "intention_context"]

    dry = machine.run(*command, "--dry-run")
    assert dry.code == 0, dry.stderr
    assert "is not a folder" in dry.stdout
    waiting = machine.run(*command, "--name", "anew", "--token-cap", "1000000")

    assert waiting.code == 3, waiting.stderr
    assert "skipped: lost: " in waiting.stderr
    assert "autopack approve RUN" in waiting.stderr
    assert "autopack replay --name anew" in waiting.stderr
    for lane in ("baseline", "candidate"):
        assert f"anew-1-{lane}" in waiting.stdout
        assert machine.run("approve", f"anew-1-{lane}").code == 0

    report = machine.run("replay", "--name", "anew", "--json")
    assert report.code == 0, report.stderr
    assert report.json["enabled"] == ["intention_context"]
    assert [one["run_id"] for one in report.json["left_out"]] == ["lost"]
    budget = machine.run("budget", "show", "anew", "--json").json
    assert budget["limits"]["tokens"] == 1_000_000
