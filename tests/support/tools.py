"""Programs of the machine that tests need: there is one when it works, not when it has a file."""

from __future__ import annotations

import functools
import shutil
import subprocess

import pytest


@functools.cache
def works(program: str, *arguments: str) -> bool:
    """Return whether a program answers: a shim of one, or one nobody may run, does not."""
    if shutil.which(program) is None:
        return False
    try:
        done = subprocess.run(
            [program, *(arguments or ("--version",))],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def needs(program: str, *arguments: str) -> pytest.MarkDecorator:
    """Return the mark that skips a test where a program does not work."""
    return pytest.mark.skipif(
        not works(program, *arguments),
        reason=f"nothing was proved: {program} does not work here",
    )
