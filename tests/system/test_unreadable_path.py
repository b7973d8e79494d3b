"""A folder on PATH that may not be read is passed over, by Autopack as by a shell."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.processes import AUTOPACK, Machine
from support.projects import make_repository
from support.tools import works

# Root may read everything, unless it gives that up.
WITHOUT_PRIVILEGES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


@pytest.mark.skipif(
    os.geteuid() == 0 and not works("setpriv"), reason="needs setpriv to give up what root may do"
)
@pytest.mark.parametrize("words", [["builders"], ["toolchain"]])
def test_commands_work(tmp_path: Path, words: list[str]) -> None:
    closed = tmp_path / "closed"
    (closed / "git").parent.mkdir()
    (closed / "git").write_text("#!/bin/sh\nexit 1\n")
    (closed / "git").chmod(0o755)
    closed.chmod(0)
    project = make_repository(tmp_path / "project", {"go.mod": "module x\n", "x.go": "package x\n"})
    machine = Machine(tmp_path / "home", f"sqlite:///{tmp_path / 'autopack.db'}", None)
    try:
        done = subprocess.run(
            [
                *(WITHOUT_PRIVILEGES if os.geteuid() == 0 else []),
                AUTOPACK,
                *words,
                *([str(project)] if words == ["toolchain"] else []),
                "--json",
            ],
            env=machine.environment(PATH=f"{closed}:{os.environ['PATH']}"),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        closed.chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
