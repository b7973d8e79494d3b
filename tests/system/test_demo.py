"""The demo, in a fresh home: what a newcomer sees first."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from support.documents import ROOT, fences
from support.modes import open_to_others
from support.processes import AUTOPACK, Answer, Machine
from support.projects import git

from autopack.model.features import Feature

pytestmark = pytest.mark.slow


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A fresh home and nothing else: the demo starts a Prefect server of its own.

    The umask closes nothing.
    """
    return Machine(tmp_path / "home", f"sqlite:///{tmp_path / 'autopack.db'}", None, umask=0)


@pytest.fixture
def demo(machine: Machine, tmp_path: Path):
    """Runs `autopack demo`; its temporary folder is the test's."""
    (tmp_path / "tmp").mkdir()

    def run(*options: str, **environment: str) -> Answer:
        environment["TMPDIR"] = str(tmp_path / "tmp")
        return machine.run("demo", *options, timeout=300, **environment)

    return run


def processes_of(home: Path) -> list[psutil.Process]:
    """Everything that runs for this home: builders, checks, the Prefect server."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AUTOPACK_HOME") == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found


def is_quiet(home: Path) -> bool:
    """Whether all processes end, or have; a server may take a moment to."""
    deadline = time.monotonic() + 5
    while processes_of(home) and time.monotonic() < deadline:
        time.sleep(0.1)
    return processes_of(home) == []


def test_the_demo(
    demo: Any, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    answer = demo(COLUMNS="160")

    assert answer.code == 0, answer.stderr
    (shown,) = [fence for fence in fences(ROOT / "README.md") if "demo" in fence.info]
    (typed,) = shown.typed()
    assert typed.lacking(answer.stdout) == [], answer.stdout
    (told,) = re.findall(r"^branch  autopack/(run-\S+)", answer.stdout, re.MULTILINE)
    run = machine.run("show", told, "--json").json
    assert run["state"] == "DONE_SUCCESS"
    assert [phase["state"] for phase in run["phases"]] == ["COMPLETE"] * 4
    assert sorted(phase["attempts"] for phase in run["phases"]) == [1, 1, 1, 2]
    assert run["features"] == sorted(one.value for one in list(Feature)[:5])
    assert run["tokens"]["total"] == sum(phase["tokens"] for phase in run["phases"]) > 0
    assert "Traceback" not in answer.stderr
    assert is_quiet(machine.home)
    _tokens_are_those_of_the_recording(machine.run("tokens", run["run_id"], "--json").json)
    _it_did_what_it_says_on_a_real_repository(run)
    assert list(elsewhere.iterdir()) == [], "the folder it is called in is left alone"
    assert open_to_others(machine.home) == {}


def _tokens_are_those_of_the_recording(answer: dict[str, Any]) -> None:
    recording = Path(__file__).parents[2] / "deployments" / "demo" / "recording"
    recorded = [
        step["call"]
        for file in recording.glob("*.yaml")
        for build in yaml.safe_load(file.read_text(encoding="utf-8"))["builds"]
        for step in build["steps"]
        if "call" in step
    ]
    spent = answer["spent"]
    for part in ("input", "cache_read", "cache_write", "output"):
        assert spent[part] == sum(call.get(part, 0) for call in recorded) > 0
    assert answer["events"] == len(recorded)
    assert sum(spent["by_category"].values()) == sum(spent["by_role"].values()) == spent["total"]
    assert answer["unreconciled_calls"] == 0


def _it_did_what_it_says_on_a_real_repository(run: dict[str, Any]) -> None:
    repository = Path(run["repo"])

    commits = git(repository, "log", "--format=%s", f"main..{run['branch']}").splitlines()
    assert [line.split(":")[0] for line in reversed(commits)] == [
        phase["phase_id"] for phase in run["phases"]
    ]
    last = git(repository, "show", "--stat", "--format=", run["branch"])
    assert "tests/" in last
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "branch", "--show-current").strip() == "main"


@pytest.mark.full
def test_the_demo_as_json(demo: Any, machine: Machine) -> None:
    run = demo("--json").json
    assert machine.run("show", run["run_id"], "--json").json == run


@pytest.mark.full
def test_the_demo_for_people(demo: Any, machine: Machine) -> None:
    answer = demo()

    assert answer.code == 0, answer.stderr
    lines = answer.stdout.splitlines()
    (header,) = [line for line in lines if line.startswith("phase ")]
    assert header.split() == ["phase", "tier", "state", "attempts", "tokens", "commit"]
    assert sum(" COMPLETE " in line for line in lines) == 4
    assert re.search(r"^tokens  [\d,]+ of ", answer.stdout, re.MULTILINE)
    assert re.search(r"^branch  autopack/run-", answer.stdout, re.MULTILINE)
    # Progress belongs to stderr, and there it is plain when nobody watches.
    assert "attempts 2" in answer.stderr
    assert "\x1b" not in answer.stdout + answer.stderr
    assert is_quiet(machine.home)
    _the_next_commands_work(lines, machine)


def _the_next_commands_work(lines: list[str], machine: Machine) -> None:
    """The commands that the demo tells a newcomer to type."""
    told = [line.partition("#")[0].strip() for line in lines[lines.index("next:") + 1 :]]
    assert [command.split()[:2] for command in told] == [
        ["autopack", "show"],
        ["autopack", "tokens"],
        ["git", "-C"],
        ["autopack", "run"],
        ["autopack", "up"],
    ]
    for command in told[:3]:
        program, *arguments = shlex.split(command)
        done = subprocess.run(
            [AUTOPACK if program == "autopack" else program, *arguments],
            env=machine.environment(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
