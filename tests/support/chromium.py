"""A real browser for tests: Debian's Chromium by its path, nothing is downloaded for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

AXE = "4.10.3"


def need_chromium() -> str:
    """Return where Chromium is. Without one the test is skipped, and the summary says so."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip("NO CHROMIUM HERE: nothing was proved about the page in a real browser")


def axe_core() -> str | None:
    """Return the script of axe-core, kept in a cache; None where npm cannot bring it."""
    folder = Path("~/.cache/autopack-tests").expanduser() / f"axe-core-{AXE}"
    script = folder / "package" / "axe.min.js"
    if not script.is_file():
        npm = shutil.which("npm")
        if npm is None:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(
            [npm, "pack", f"axe-core@{AXE}", "--silent"],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        archive = folder / f"axe-core-{AXE}.tgz"
        if packed.returncode != 0 or not archive.is_file():
            return None
        shutil.unpack_archive(archive, folder, filter="data")
        archive.unlink()
    return script.read_text(encoding="utf-8")
