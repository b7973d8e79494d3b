"""The disk and the clock that chaos disturbs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from deployments.chaos.clock import MovedClock
from deployments.chaos.disk import SmallDisk


def test_a_disk_is_full_for_a_while(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    disk = SmallDisk.mount(folder)
    if disk is None:
        pytest.skip("only root may mount one, on Linux")
    try:
        before = os.statvfs(folder).f_bavail
        filling = threading.Thread(target=disk.fill, args=(0.5,))
        filling.start()
        time.sleep(0.3)
        assert os.statvfs(folder).f_bavail == 0
        with pytest.raises(OSError, match="No space left"):
            (folder / "file").write_text("x" * 10_000)
        filling.join()
        assert os.statvfs(folder).f_bavail >= before - 1
    finally:
        disk.close()
    assert not folder.is_mount()


def test_a_clock_is_seen_by_processes_and_by_who_asks_it(tmp_path: Path) -> None:
    clock = MovedClock.where_possible(tmp_path)
    if clock is None:
        pytest.skip("libfaketime has no library for this machine")
    clock.move(3600)
    said = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time(), time.monotonic())"],
        env={**os.environ, **clock.environ},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    wall, monotonic = float(said[0]), float(said[1])
    assert clock.now().timestamp() - time.time() == pytest.approx(3600, abs=1)
    assert wall - time.time() == pytest.approx(3600, abs=60)
    assert monotonic == pytest.approx(time.monotonic(), abs=60)
