"""Commands of a home whose server runs: they start at once, and are what they were without that."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.processes import Machine
from support.projects import Project, call, make_project

from autopack import home_server
from autopack.store.database.engine import Database
from autopack.store.leases import holder_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="commands are handed over on Linux alone"),
]

KEY = "sk-ant-key-of-a-builder-0123456789"


def until(
    true: Callable[[], bool], seconds: float = 90, *, unless: subprocess.Popen[str] | None = None
) -> None:
    """Wait for something, which is in vain once a process has ended."""
    deadline = time.monotonic() + seconds
    while not true():
        assert unless is None or unless.poll() is None, unless.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    steps = [call(5), {"files": {"a": "1"}}]
    return make_project(tmp_path_factory.mktemp("project"), {"one": [steps]})


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, project: Project) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("warm")
    made = Machine(folder / "home", f"sqlite:///{folder / 'autopack.db'}", None)
    first = made.run("run", *project.run_args, "--run-id", "first", "--json")
    assert first.code == 0, first.stderr
    until(lambda: made.run("health", "--json").json["server"]["warm_commands"])
    yield made
    made.run("down", "--force")


@pytest.fixture
def slow(tmp_path: Path) -> Project:
    steps = [call(5), {"delay": 600}, {"files": {"a": "1"}}]
    return make_project(tmp_path / "slow", {"one": [steps]})


def holder_pid(machine: Machine, run_id: str) -> int | None:
    """The process that executes a run; None when nobody does."""
    db = Database.open(machine.database_url)
    holder = holder_of(db, run_id)
    db.close()
    return None if holder is None else holder.pid


def shown(text: str, run_id: str) -> str:
    """What was said, without what differs from run to run."""
    text = re.sub(r"[0-9a-f]{12,40}|\d\d:\d\d|[0-9.]+Z?\b", "N", text.replace(run_id, "RUN"))
    return "\n".join(line for line in text.splitlines() if "EXECUTING" not in line)


ENDINGS: dict[str, tuple[list[str], int]] = {
    "works": (["--run-id", "RUN"], 0),
    "fails": (["--run-id", "RUN", "--set", "recording=/nowhere"], 2),
    "is bad JSON": (["--run-id", "RUN", "--token-cap", "many", "--json"], 2),
    "is there already": (["--run-id", "first", "--json"], 2),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_command_says_and_does_the_same(ending: str, machine: Machine, project: Project) -> None:
    words, code = ENDINGS[ending]
    told: list[tuple[int, str, Any]] = []
    for name, warm in (("cold", "false"), ("warm", "true")):
        run_id = f"{name}-{list(ENDINGS).index(ending)}"
        own = [run_id if word == "RUN" else word for word in words]
        answer = machine.run(
            "run", *project.run_args, *own, NO_COLOR="1", AUTOPACK_WARM_COMMANDS=warm
        )
        stdout = shown(answer.stdout, run_id)
        if "--json" in words:
            stdout = ",".join(json.loads(answer.stdout))
        lines = [one for one in answer.stderr.splitlines() if not one.startswith("loading; ")]
        told.append((answer.code, stdout, shown("\n".join(lines), run_id)))
    assert told[0] == told[1]
    assert told[0][0] == code


def test_ctrl_c_and_kill_leave_a_run_to_be_resumed(machine: Machine, slow: Project) -> None:
    process = machine.start(
        *("run", *slow.run_args, "--run-id", "stopped", "--json"), ANTHROPIC_API_KEY=KEY
    )
    until((machine.home / "runs" / "stopped" / "spool" / "one").exists, unless=process)
    pid = holder_pid(machine, "stopped")
    assert pid is not None
    assert pid != process.pid, "it was handed over"
    parent = psutil.Process(pid).ppid()
    for one in (pid, parent, process.pid):
        assert Path(f"/proc/{one}/environ").stat().st_uid == 0, "given to root"
    for one in (pid, parent):
        assert KEY.encode() not in Path(f"/proc/{one}/environ").read_bytes()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert json.loads(stdout)["state"] == "PHASE_EXECUTION"

    before = pid
    for ending in (signal.SIGKILL, signal.SIGTERM):
        resumed = machine.start("resume", "stopped", "--json")
        until(lambda: holder_pid(machine, "stopped") not in (before, None), unless=resumed)  # noqa: B023
        before = holder_pid(machine, "stopped")
        assert before != resumed.pid
        resumed.send_signal(ending)
        resumed.communicate(timeout=60)
        assert resumed.returncode == (130 if ending == signal.SIGTERM else -signal.SIGKILL)


def test_down_leaves_nothing_running(machine: Machine) -> None:
    server = home_server.running_server(machine.home)
    assert server is not None
    parts = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    assert any("deployments.warm.command_server" in part.cmdline() for part in parts)
    assert machine.run("down", "--json").code == 0
    until(lambda: not any(part.is_running() for part in parts), 10)
    health = machine.run("health", "--json").json["server"]
    assert (health["running"], health["warm_commands"]) == (False, False)
    assert health["not_warm_because"]
