"""Asking an agent's program for its version, where it can leave nothing behind."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from autopack.process.scratch import Scratch
from autopack.settings import program_environment


def version_of(program: str) -> str | None:
    """Return the version that a program tells; None where it tells none."""
    with tempfile.TemporaryDirectory(prefix="autopack-probe-") as home:
        own = {"HOME": home, "USERPROFILE": home, **Scratch.variables(Path(home))}
        try:
            done = subprocess.run(
                [program, "--version"],
                env={**program_environment(), **own},
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=30,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    words = (done.stdout + b" " + done.stderr).decode(errors="replace").split()
    return next((word.rstrip(".") for word in words if word[:1].isdigit()), None)
