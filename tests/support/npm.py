"""Tests that need npm: they run wherever it is, and continuous integration has to have it."""

from __future__ import annotations

import os
import shutil

import pytest


def need_npm() -> str:
    """The npm program. Without one the test is skipped, which says so; under CI it fails."""
    npm = shutil.which("npm")
    if npm is not None:
        return npm
    missing = "npm is not installed: nothing was proved about what needs it"
    if os.environ.get("CI"):
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
