"""Attempts that a test begins itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from autopack.repair.decide import Decision
from autopack.runs import attempt as steps
from autopack.runs.session.session import RunSession
from autopack.store.runs import AttemptRow


def begun(session: RunSession, phase_id: str) -> AttemptRow:
    """Begin an attempt, or take up the open one; AssertionError when it is decided otherwise."""
    started = steps.begin(session, phase_id)
    assert not isinstance(started, Decision), started
    return started


def built_by(session: RunSession, builder: Any) -> None:
    """Have every phase of a run built by ``builder``."""
    session.crew = replace(
        session.crew, name=builder.name, models=(None,), _made={(builder.name, None): builder}
    )
