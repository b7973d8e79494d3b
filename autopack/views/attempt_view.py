"""An attempt as JSON, where the phases of a run are shown: who built it, and how it ended."""

from __future__ import annotations

from typing import Any

from autopack.store.rows import AttemptRow


def build_view(attempt: AttemptRow) -> dict[str, Any]:
    """Return who built an attempt; ``model_level`` counts the models of its ladder from 0."""
    return {
        "attempt": attempt.attempt,
        "state": attempt.state.value,
        "counts": attempt.counts,
        "builder": attempt.builder,
        "model": attempt.model,
        "model_level": attempt.model_level,
    }
