"""An attempt as JSON, where the phases of a run are shown: who built it, and how it ended."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from autopack.store.rows import AttemptRow
from autopack.views.json_values import timestamp


def build_view(attempt: AttemptRow) -> dict[str, Any]:
    """Return who built an attempt; ``model_level`` counts the models of its ladder from 0.

    ``conversation`` is null unless retries continue the agent's own.
    """
    return {
        "attempt": attempt.attempt,
        "state": attempt.state.value,
        "counts": attempt.counts,
        "builder": attempt.builder,
        "model": attempt.model,
        "model_level": attempt.model_level,
        "conversation": attempt.conversation,
        "started_at": timestamp(attempt.started_at),
        "built_at": timestamp(attempt.built_at),
        "finished_at": timestamp(attempt.finished_at),
        "seconds": None
        if attempt.finished_at is None
        else round((attempt.finished_at - attempt.started_at).total_seconds(), 1),
    }


def built_by(run: dict[str, Any]) -> list[str]:
    """Return who built each phase (of the JSON of `show`) whose plan chose for itself or whose
    ladder was climbed, a line each.
    """
    own, lines = (run["builder"].partition("/")[0], run["model"]), list[str]()
    for phase in run["phases"]:
        builders = [(one["builder"], one["model"]) for one in phase["builds"]]
        is_usual = len({*builders}) < 2 and all(
            builder == own[0] and own[1] in (None, model) for builder, model in builders
        )
        if is_usual:
            continue
        told = ", then ".join(_times(*who, len(list(same))) for who, same in groupby(builders))
        lines.append(f"{phase['phase_id']} was built by {told}")
    return lines


def _times(builder: str, model: str | None, count: int) -> str:
    with_model = f" with {model}" if model else ""
    return f"{builder}{with_model}" + (f" ({count} attempts)" if count > 1 else "")
