"""Tests that need npm: they run wherever it is, and continuous integration has to have it."""

from __future__ import annotations

import os
import shutil

import pytest

from support.tools import works


def need_npm() -> str:
    """The npm program. Without one the test is skipped, which says so; under CI it fails."""
    npm = shutil.which("npm")
    if npm is not None and works("npm"):
        return npm
    missing = "npm does not work here: nothing was proved about what needs it"
    if os.environ.get("CI"):
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
