"""Durations of a run, and what its reader may want to type next."""

from __future__ import annotations

from typing import Any

from autopack.model.locations import is_url
from autopack.model.states import RunState


def duration_text(seconds: float | None) -> str:
    """Return ``0:42``, ``3:07`` or ``1:02:00``; nothing while it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def next_steps(run: dict[str, Any]) -> list[str]:
    """Return the commands that make sense for a run (the JSON of `show`) as it stands."""
    run_id, state = run["run_id"], RunState(run["state"])
    failed = next((phase["phase_id"] for phase in run["phases"] if phase["failure"]), None)
    logs = f"autopack logs {run_id}" + (f" --phase {failed}" if failed else "")
    match state:
        case RunState.DONE_SUCCESS:
            steps = [f"autopack diff {run_id} --stat"]
            return steps if is_url(run["repo"]) else [*steps, f"autopack merge {run_id}"]
        case RunState.AWAITING_APPROVAL:
            return [f"autopack approve {run_id}", f"autopack approve {run_id} --reject"]
        case RunState.RUN_CREATED:
            return [f"autopack resume {run_id}"]
        case RunState.PHASE_EXECUTION:
            return [f"autopack logs {run_id} --follow", f"autopack resume {run_id}, if it stopped"]
        case RunState.DONE_FAILED_ENVIRONMENT:
            return [f"autopack resume {run_id}, once the cause is gone"]
        case RunState.DONE_FAILED_BUDGET_EXHAUSTED:
            return [logs, f"autopack retry {run_id} --token-cap N"]
        case _:
            return [logs, f"autopack retry {run_id}"]


def attempt_times(phase: dict[str, Any]) -> str | None:
    """Return how long each attempt of a phase took; None where it took one, and that is all."""
    told = [
        f"{one['attempt']} {one['state'].lower()} after {duration_text(one['seconds'])}"
        for one in phase.get("builds") or ()
        if one.get("seconds") is not None
    ]
    return f"attempts of {phase['phase_id']}: {', '.join(told)}" if told else None
