"""Source distributions of real projects, from whatever package index this machine uses."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

# A virtual environment made by uv has no pip; the interpreter behind it, or uv itself, has.
_PIPS = (
    [sys.executable, "-m", "pip"],
    [getattr(sys, "_base_executable", sys.executable), "-m", "pip"],
    ["uv", "tool", "run", "pip"],
)


@cache
def download_source(name: str, version: str) -> Path:
    """A source distribution, downloaded once a test process: pip builds its metadata to get it.

    Raises AssertionError with the reasons if it cannot be had.
    """
    folder = Path(tempfile.mkdtemp(prefix="autopack-sdist-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    reasons: list[str] = []
    for pip in _PIPS:
        arguments = ["download", "--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
        try:
            done = subprocess.run(
                [*pip, *arguments, f"{name}=={version}"],
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
        except OSError as error:
            reasons.append(f"{pip}: {error}")
            continue
        if done.returncode == 0:
            (archive,) = folder.glob("*.tar.gz")
            return archive
        reasons.append(f"{pip}: {done.stderr.strip()}")
    raise AssertionError(f"{name} {version} cannot be downloaded:\n" + "\n".join(reasons))


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a source distribution; return the project's folder."""
    with tarfile.open(archive) as content:
        extract(content, folder)
    (project,) = folder.iterdir()
    return project


def extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack everything, with the filter for data where Python has it (since 3.11.4)."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
    else:
        archive.extractall(folder)
