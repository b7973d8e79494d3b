"""The real agents, installed from npm once, and a tiny repository for them to repair."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.npm import need_npm

from autopack.agents.protocol import BuildLimits, BuildRequest

# The versions whose output the usage parsers are known to read.
PACKAGES = (
    "@anthropic-ai/claude-code@2.1.197",
    "@openai/codex@0.169.0",
    "opencode-ai@1.18.33",
    "@mariozechner/pi-coding-agent@0.73.1",
)
CACHE = Path("~/.cache/autopack-tests").expanduser()
PATIENCE = 600.0


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder with ``claude``, ``codex``, ``opencode`` and ``pi``."""
    versions = "+".join(name.rpartition("@")[2] for name in PACKAGES)
    folder = CACHE / f"agents-{versions}"
    if not folder.exists():
        _install_once(folder)
    return folder / "node_modules" / ".bin"


def _install_once(folder: Path) -> None:
    """Install beside ``folder`` and rename; of several test processes one does it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f"{folder.name}.part")
    try:
        part.mkdir()
    except FileExistsError:
        _await_other(folder, part)
        return
    try:
        _npm_install(part)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _await_other(folder: Path, part: Path) -> None:
    end = time.monotonic() + PATIENCE
    while part.exists() and time.monotonic() < end:
        time.sleep(1)
    if not folder.exists():
        pytest.fail(f"the agents were not installed; remove {part} if no test runs", pytrace=False)


def _npm_install(folder: Path) -> None:
    command = [need_npm(), "install", "--prefix", str(folder), "--no-audit", "--no-fund", *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        pytest.fail(f"npm could not install the agents:\n{done.stderr[-3000:]}", pytrace=False)


@pytest.fixture
def make_request(tmp_path: Path) -> Callable[..., BuildRequest]:
    """Makes a request to repair ``calc.py``, whose test fails."""

    def make(*, seconds: float = 120) -> BuildRequest:
        worktree, spool = tmp_path / "worktree", tmp_path / "spool"
        worktree.mkdir()
        spool.mkdir()
        (worktree / "calc.py").write_text("def add(a, b):\n    return a - b\n")
        (worktree / "test_calc.py").write_text(
            "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
        )
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
        for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
            subprocess.run([*git, *arguments], cwd=worktree, check=True)
        return BuildRequest(
            run_id="run",
            phase_id="fix-calc",
            attempt=1,
            build=1,
            goal="calc adds",
            instructions="Make add(1, 2) return 3.",
            worktree=worktree,
            spool=spool,
            limits=BuildLimits(seconds=seconds),
            environment=dict(os.environ),
        )

    return make
