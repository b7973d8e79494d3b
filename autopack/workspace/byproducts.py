"""What tools leave in a folder that is never part of a change, whatever .gitignore forgot."""

from __future__ import annotations

# Committing one of these would put a tool's cache into the user's branch and fail the phase's
# scope; cleaning one away between attempts would break the run's installed environment.
PATTERNS = (
    "__pycache__/",
    "*.py[cod]",
    "*.egg-info/",
    ".pytest_cache/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".hypothesis/",
    ".tox/",
    ".nox/",
    ".venv/",
    ".coverage",
    "node_modules/",
    ".gradle/",
    ".aider*",
    ".DS_Store",
    "Thumbs.db",
)

# The text of a repository's info/exclude. Files that a commit holds stay tracked all the same.
EXCLUDES = "\n".join(PATTERNS) + "\n"
