"""The install steps of the worker image, carried out in a folder of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = ROOT / "deployments" / "Dockerfile"


def steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile in order, as (name, the rest)."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    joined = text.replace("\\\n", " ")
    lines = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(name, rest) for name, rest in lines]


@pytest.mark.full
def test_the_install_steps_give_a_worker_that_starts(tmp_path: Path) -> None:
    system, project = tmp_path / "system", tmp_path / "project"
    subprocess.run([sys.executable, "-m", "venv", str(system)], check=True)
    project.mkdir()
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "AUTOPACK_", "VIRTUAL_ENV", "PYTHON"))
    }
    env["PATH"] = f"{system / 'bin'}{os.pathsep}{env['PATH']}"
    carried_out: list[str] = []
    for name, rest in steps():
        if name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                copy(ROOT / source, project / target)
        elif name == "RUN" and rest.startswith(("pip ", "uv ")):
            # The cache only saves the download.
            line = re.sub(r"--no-cache(-dir)?\b", "", rest)
            done = subprocess.run(
                ["sh", "-ec", line], cwd=project, env=env, capture_output=True, text=True
            )
            assert done.returncode == 0, (line, done.stderr)
            carried_out.append(rest.split()[0])
    assert carried_out == ["pip", "uv", "pip"]

    shutil.rmtree(project / "autopack")
    bin_ = project / ".venv" / "bin"
    clean = {"PATH": f"{bin_}{os.pathsep}/usr/bin:/bin", "AUTOPACK_HOME": str(tmp_path / "home")}
    command = dict(steps())["CMD"]
    assert command.startswith('["prefect", "worker", "start"')
    for argv in (
        ["autopack", "--version"],
        ["autopack", "db", "upgrade"],
        ["prefect", "worker", "start", "--help"],
        ["python", "-c", "import flows.run, pydantic_ai; from deployments.setting_up import *"],
    ):
        done = subprocess.run(
            argv, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (argv, done.stderr)


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)
