"""What became of the pull request of a run, as JSON."""

from __future__ import annotations

from typing import Any

from autopack.store.rows import RunRow


def pull_request_view(run: RunRow) -> dict[str, Any] | None:
    """Return what became of the pull request of a run that has or wants one, else None."""
    if run.pr is None and run.pull_request is None:
        return None
    nothing = {"number": None, "url": None, "state": None, "error": None}
    return {"mode": run.pr, **nothing, **(run.pull_request or {})}
