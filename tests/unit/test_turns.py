"""Some commands of a home start at a time, in the order in which they came."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autopack import home_server
from deployments.turns import turn

pytestmark = pytest.mark.skipif(not home_server.is_possible(), reason="has no such locks")


def start(home: Path, name: str) -> subprocess.Popen[str]:
    """Another command that says when its turn comes, and has begun once it reads a line."""
    code = (
        "import sys; from pathlib import Path; from deployments.turns import turn\n"
        "home, name = Path(sys.argv[1]), sys.argv[2]\n"
        "print('drawing', flush=True)\n"
        "with turn(home, lambda text: print(text, flush=True), at_once=2) as begun:\n"
        "    print(name, flush=True); sys.stdin.readline(); begun(); print('begun', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(home), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert said(process) == "drawing"
    folder, deadline = home / "prefect" / "turns", time.monotonic() + 30
    while not any(path.name.endswith(f"-{process.pid}") for path in folder.glob("*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_turns_come_in_order_and_pass_on_what_begins_or_is_killed(tmp_path: Path) -> None:
    first, second = start(tmp_path, "first"), start(tmp_path, "second")
    assert [said(first), said(second)] == ["first", "second"]
    third = start(tmp_path, "third")
    assert said(third) == "waiting for 2 other commands of this home, 2 start at a time"
    fourth = start(tmp_path, "fourth")
    assert said(fourth) == "waiting for 3 other commands of this home, 2 start at a time"

    tell(second)
    assert [said(second), said(third)] == ["begun", "third"]
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert said(fourth) == "fourth"

    for one in (second, third, fourth):
        one.communicate("\n\n", timeout=30)
    assert list((tmp_path / "prefect" / "turns").iterdir()) == []


def test_a_command_alone_waits_for_nobody(tmp_path: Path) -> None:
    with turn(tmp_path, pytest.fail) as begun:
        begun()
        begun()
    assert list((tmp_path / "prefect" / "turns").iterdir()) == []
