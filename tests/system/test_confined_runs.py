"""`autopack run` with AUTOPACK_SANDBOX=bwrap: builder and checks are confined, or it is refused."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.processes import Machine
from support.projects import git, make_project

from autopack.process import sandbox

pytestmark = pytest.mark.slow

OBSTACLE = sandbox.obstacle(os.environ)

# It tries to read the user's secret and the database, and to write to the repository.
NOSY = """
import os, pathlib, sys
home, repository, database = map(pathlib.Path, sys.argv[1:])
seen = [str(path) for path in (home / "secret", database) if path.exists()]
try:
    (repository / "README.md").write_text("taken over")
    seen.append("wrote")
except OSError:
    pass
pathlib.Path("seen").write_text("\\n".join(seen))
"""


@pytest.mark.skipif(
    OBSTACLE is not None, reason=f"nothing was proved about confinement: {OBSTACLE}"
)
def test_builder_and_checks_see_nothing_of_the_user(machine: Machine, tmp_path: Path) -> None:
    home = tmp_path / "user"
    home.mkdir()
    (home / "secret").write_text("mine")
    # What a check writes beside its worktree is gone with it.
    check = ["sh", "-c", f"test ! -e {home}/secret && touch {tmp_path}/made here"]
    project = make_project(tmp_path, {"one": []}, phase={"validate": [check]})
    program = tmp_path / "nosy.py"
    program.write_text(NOSY, encoding="utf-8")
    database = machine.home / "autopack.db"
    words = [sys.executable, str(program), str(home), str(project.repository), str(database)]
    machine = replace(machine, database_url=f"sqlite:///{database}")

    answer = machine.run(
        "run",
        str(project.plan),
        "--repo",
        str(project.repository),
        "--builder",
        "command",
        "--set",
        f"template={shlex.join(words)}",
        "--run-id",
        f"r-{secrets.token_hex(4)}",
        "--json",
        HOME=str(home),
        AUTOPACK_SANDBOX="bwrap",
        AUTOPACK_SANDBOX_READABLE=str(program),
    )

    assert answer.code == 0, answer.stdout + answer.stderr
    assert git(project.repository, "show", f"{answer.json['branch']}:seen") == ""
    assert (project.repository / "README.md").read_text() == "hello\n"
    assert not (tmp_path / "made").exists()


def test_where_it_does_not_work_nothing_is_run_and_health_says_why(
    machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    for program in ("git", "sh"):
        found = next(
            Path(folder) / program
            for folder in os.environ["PATH"].split(os.pathsep)
            if (Path(folder) / program).exists()
        )
        (tmp_path / "bin" / program).symlink_to(found)
    project = make_project(tmp_path, {"one": [[{"files": {"a": "1"}}]]})
    asked: dict[str, Any] = {"AUTOPACK_SANDBOX": "bwrap", "PATH": str(tmp_path / "bin")}

    refused = machine.run("run", *project.run_args, "--json", **asked)
    health = machine.run("health", "--json", **asked)

    assert refused.code == 2
    assert refused.json["error"]["field"] == "AUTOPACK_SANDBOX"
    assert "bwrap is not installed" in refused.json["error"]["message"]
    assert health.code == 1
    assert health.json["sandbox"] == "unavailable: bwrap is not installed"
