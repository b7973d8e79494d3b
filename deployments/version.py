"""Which code a deployment runs: the commit, where the installation knows it."""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from autopack import __version__

ROOT = Path(__file__).parent.parent


def code_version() -> str:
    """Return the commit of a checkout, or of an installation from a repository; else the
    version.
    """
    return _commit_of_checkout() or _commit_of_installation() or __version__


def _commit_of_checkout() -> str | None:
    if not (ROOT / ".git").exists():
        return None
    asked = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _commit_of_installation() -> str | None:
    """Return what pip and uv note of a package that came from version control."""
    try:
        text = distribution("autopack").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    return json.loads(text).get("vcs_info", {}).get("commit_id") if text else None
