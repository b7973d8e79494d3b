"""Real projects with a fault put into them: mended by a run, on a branch, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.packages import download_source, unpack
from support.processes import Machine
from support.projects import Project, fingerprint, git, write_yaml

pytestmark = pytest.mark.slow

PATCHES = Path(__file__).parent.parent / "data" / "repos"


@dataclass(frozen=True)
class Sample:
    """A project on the package index, and what its mended suite says."""

    name: str
    version: str
    broken_file: str
    passed: str
    fails: str


INFLECTION = Sample("inflection", "0.5.1", "inflection/__init__.py", "455 passed", "test_ordinal")
HUMANIZE = Sample("humanize", "4.17.0", "src/humanize/number.py", " passed", "test_ordinal")


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[Sample], Path]:
    """The project as a repository: its release, and the fault committed on top.

    A run on real input is not optional: without a package index these tests fail.
    """

    def make(sample: Sample) -> Path:
        repository = unpack(download_source(sample.name, sample.version), tmp_path / "project")
        git(repository, "init", "-q", "-b", "main")
        git(repository, "add", "-A")
        git(repository, "commit", "-qm", f"{sample.name} {sample.version}")
        git(repository, "tag", "release")
        git(repository, "apply", str(PATCHES / f"{sample.name}.mutation.patch"))
        git(repository, "commit", "-qam", "Ordinals by the last digit")
        return repository

    return make


def plan_for(sample: Sample, repository: Path, folder: Path, builds: list[Any]) -> Project:
    """A plan of one phase that leaves setup and checks to be inferred."""
    phase = {
        "id": "mend",
        "instructions": 'Make the ordinal of 111 "111th".',
        "deliverables": [sample.broken_file],
        "scope": {"paths": [f"{Path(sample.broken_file).parent}/"], "read_only": ["tests/"]},
    }
    recording = folder / "recording"
    recording.mkdir()
    fix = (PATCHES / f"{sample.name}.fix.patch").read_text(encoding="utf-8")
    (recording / "fix.patch").write_text(fix, encoding="utf-8")
    write_yaml(recording / "mend.yaml", {"builds": builds})
    plan = {"goal": "Ordinals of 111 to 113 are wrong", "phases": [phase]}
    return Project(repository, write_yaml(folder / "plan.yaml", plan), recording)


def build(*steps: dict[str, Any]) -> dict[str, Any]:
    call = {"provider": "anthropic", "model": "claude-sonnet-4-5", "input": 900, "output": 120}
    return {"steps": [{"call": call}, *steps]}


FIX = build({"patch": "fix.patch"}, {"output": "ordinal() looks at the last two digits now"})


def validation_log(machine: Machine, attempt: int) -> str:
    path = machine.home / "runs" / "real" / "spool" / "mend" / str(attempt) / "validation.log"
    return path.read_text(encoding="utf-8")


def is_mended(machine: Machine, project: Project, answer: Any, sample: Sample) -> None:
    """The branch is the release again, and the whole suite passed on it."""
    assert answer.code == 0, answer.stderr
    run = answer.json
    assert (run["state"], run["branch"]) == ("DONE_SUCCESS", "autopack/real")
    assert [phase["state"] for phase in run["phases"]] == ["COMPLETE"]
    repository = project.repository
    assert git(repository, "rev-parse", "autopack/real").strip() == run["head_commit"]
    assert git(repository, "diff", "--stat", "release", "autopack/real") == ""
    assert git(repository, "rev-list", "--count", "main..autopack/real").strip() == "1"
    log = validation_log(machine, run["phases"][0]["attempts"])
    assert sample.passed in log
    assert " failed" not in log
    assert not (machine.home / "runs" / "real" / "work").exists()


@pytest.mark.parametrize(
    "sample",
    [INFLECTION, pytest.param(HUMANIZE, marks=pytest.mark.full)],
    ids=lambda sample: sample.name,
)
def test_a_fault_is_mended_with_inferred_setup_and_checks(
    sample: Sample, machine: Machine, broken: Callable[[Sample], Path], tmp_path: Path
) -> None:
    project = plan_for(sample, broken(sample), tmp_path, [FIX])
    before = fingerprint(project.repository)

    answer = machine.run("run", *project.run_args, "--run-id", "real", "--json", timeout=600)

    is_mended(machine, project, answer, sample)
    assert answer.json["tokens"]["total"] == 1020
    assert fingerprint(project.repository) == before


def test_the_real_suite_fails_first_and_its_words_reach_the_next_attempt(
    machine: Machine, broken: Callable[[Sample], Path], tmp_path: Path
) -> None:
    repository = broken(INFLECTION)
    text = (repository / INFLECTION.broken_file).read_text(encoding="utf-8")
    useless = build({"files": {INFLECTION.broken_file: text + "\n# looked at\n"}})
    undo = {"files": {INFLECTION.broken_file: text}}
    second = build(undo, *FIX["steps"][1:])
    project = plan_for(INFLECTION, repository, tmp_path, [useless, second])
    # What is red before is ignored where checks are inferred, so this plan names its own.
    plan = yaml.safe_load(project.plan.read_text(encoding="utf-8"))
    plan["phases"][0]["validate"] = ["python -m pytest -q"]
    write_yaml(project.plan, plan)

    answer = machine.run("run", *project.run_args, "--run-id", "real", "--json", timeout=600)

    is_mended(machine, project, answer, INFLECTION)
    (phase,) = answer.json["phases"]
    assert phase["attempts"] == 2
    assert [decision["kind"] for decision in phase["decisions"]] == ["retry", "complete"]
    assert INFLECTION.fails in validation_log(machine, 1)
    assert answer.json["tokens"]["total"] == 2040


def test_a_checkout_full_of_the_users_own_things_stays_as_it_is(
    machine: Machine, broken: Callable[[Sample], Path], tmp_path: Path
) -> None:
    repository = broken(INFLECTION)
    _work_in(repository)
    project = plan_for(INFLECTION, repository, tmp_path, [FIX])
    before = fingerprint(repository), git(repository, "status", "--porcelain", "--ignored")

    answer = machine.run("run", *project.run_args, "--run-id", "real", "--json", timeout=600)

    is_mended(machine, project, answer, INFLECTION)
    assert "uncommitted changes" in answer.stderr
    assert (
        fingerprint(repository),
        git(repository, "status", "--porcelain", "--ignored"),
    ) == before
    assert not (repository / "hook-ran").exists()


def _work_in(repository: Path) -> None:
    """Leave what people leave: ignored files by the thousand, changes of every kind, a hook."""
    exclude = repository / ".git" / "info" / "exclude"
    exclude.write_text("build/\nnode_modules/\n.venv/\n*.log\n", encoding="utf-8")
    for number in range(3_000):
        folder = repository / ("node_modules", "build", ".venv")[number % 3] / str(number % 40)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.py").write_text(f"raise SystemExit({number})\n", encoding="utf-8")
    # A package manifest among ignored files says nothing about the project.
    (repository / "node_modules" / "package.json").write_text('{"scripts": {"test": "false"}}')
    (repository / "conftest.py").write_text("raise SystemExit('this is not committed')\n")
    (repository / "stashed.txt").write_text("put away\n")
    git(repository, "add", "stashed.txt")
    git(repository, "stash")
    (repository / "staged.txt").write_text("staged\n")
    git(repository, "add", "staged.txt")
    readme = next(repository.glob("README*"))
    readme.write_text("half a thought", encoding="utf-8")
    (repository / "noise.log").write_text("noise\n")
    for name in ("pre-commit", "post-checkout", "post-commit", "reference-transaction"):
        hook = repository / ".git" / "hooks" / name
        hook.write_text("#!/bin/sh\ntouch hook-ran\nexit 1\n", encoding="utf-8")
        if name != "reference-transaction":
            hook.chmod(0o755)
    git(repository, "config", "commit.gpgSign", "true")
