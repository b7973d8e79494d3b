"""A flow called where no Prefect server is named: Prefect starts one itself, in that process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import Machine
from support.projects import call, make_project

pytestmark = pytest.mark.slow

SCRIPT = """
import asyncio
import sys
from flows import execute_run

plan, repository, recording = sys.argv[1:]
run = asyncio.run(
    execute_run(plan=plan, repo=repository, builder_options=f"recording={recording}")
)
print(run["state"])
"""


def test_a_script_needs_no_server(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"one": [[call(5), {"files": {"a": "1"}}]]})
    machine = Machine(tmp_path / "home", f"sqlite:///{tmp_path / 'autopack.db'}", None)
    done = subprocess.run(
        [
            *(sys.executable, "-c", SCRIPT),
            *map(str, (project.plan, project.repository, project.recording)),
        ],
        env=machine.environment(PREFECT_HOME=str(tmp_path / "prefect")),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "DONE_SUCCESS"
    assert "Traceback" not in done.stderr
