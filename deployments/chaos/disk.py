"""A small file system for what runs write, which can be filled up."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from pathlib import Path

SIZE_BYTES = 64_000_000
MIN_FREE_MB = 8
"""How much of it a build wants free."""

_CHUNK = bytes(1_000_000)


class SmallDisk:
    """Mounted on a folder until it is closed. Needs root on Linux; see `mount`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def mount(cls, folder: Path) -> SmallDisk | None:
        """Mount one; None where this process may not."""
        mount = shutil.which("mount")
        if mount is None or os.name != "posix" or os.geteuid() != 0:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        options = f"size={SIZE_BYTES},mode=0700"
        done = subprocess.run(
            [mount, "-t", "tmpfs", "-o", options, "autopack-chaos", str(folder)],
            capture_output=True,
            check=False,
        )
        return cls(folder) if done.returncode == 0 else None

    def fill(self, seconds: float) -> None:
        """Leave no byte free for so long."""
        filler = self._folder / ".filler"
        try:
            with filler.open("wb", buffering=0) as out:
                _write_until_full(out.fileno())
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    time.sleep(0.05)
                    _write_until_full(out.fileno())  # what others gave back meanwhile
        finally:
            filler.unlink(missing_ok=True)

    def close(self) -> None:
        """Take it away, with everything on it."""
        subprocess.run(["umount", "--lazy", str(self._folder)], capture_output=True, check=False)


def _write_until_full(descriptor: int) -> None:
    for chunk in (_CHUNK, _CHUNK[:4096]):
        try:
            while True:
                os.write(descriptor, chunk)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
