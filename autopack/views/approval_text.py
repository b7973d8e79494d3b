"""What a person is shown who is asked: the question, what is done and spent, what comes next."""

from __future__ import annotations

import textwrap
from typing import Any

from autopack.model.counted import counted
from autopack.model.errors import AutopackError
from autopack.model.states import PhaseState
from autopack.runs.stored_run import plan_of
from autopack.settings import Settings
from autopack.store.approvals import Approval
from autopack.store.database.engine import Database
from autopack.store.runs import get_run
from autopack.views.board import tokens_text
from autopack.views.escaping import code, markdown
from autopack.views.run_changes import run_changes
from autopack.views.run_view import run_view

_MOST_FILES = 12


def approval_text(db: Database, settings: Settings, run_id: str, question: Approval) -> str:
    """Return Markdown for the form in which a person answers ``question``."""
    run = run_view(db, run_id)
    cost = "cost unknown" if run["cost"] is None else f"${run['cost']:,.4f}"
    tokens = tokens_text(run["tokens"]["total"], run["tokens"]["unknown_builds"])
    done = f"{run['completed_phases']} of {counted(run['total_phases'], 'phase')} complete"
    lines = [
        f"**{markdown(question.question)}**",
        "",
        f"Run {code(run_id)}: {markdown(run['goal'])}",
        "",
        f"So far: {done}, {tokens} tokens, {cost}.",
        "",
        *_changed(db, settings, run_id),
        f"If you approve: {_next(db, run, run_id)}",
        "",
        "If you do not, the run ends; what it has completed stays on its branch.",
    ]
    return "\n".join(lines)


def _next(db: Database, run: dict[str, Any], run_id: str) -> str:
    plan = plan_of(db, get_run(db, run_id))
    states = {one["phase_id"]: one["state"] for one in run["phases"]}
    to_come = [one for one in plan.ordered() if states.get(one.id) not in _ENDED]
    if not to_come:
        return "the run goes to its end."
    first = to_come[0]
    task = textwrap.shorten(first.instructions, 300, placeholder="…")
    more = f" Then {counted(len(to_come) - 1, 'further phase')}." if len(to_come) > 1 else ""
    return f"{code(first.id)} is built: {markdown(task)}.{more}"


_ENDED = {PhaseState.COMPLETE, PhaseState.FAILED, PhaseState.SKIPPED}


def _changed(db: Database, settings: Settings, run_id: str) -> list[str]:
    """Return the files that the run has changed; nothing where another machine has its clone."""
    try:
        files = run_changes(db, settings, get_run(db, run_id)).files()
    except AutopackError:
        return []
    listed = [
        f"- {code(one.path)}" + ("" if one.added is None else f" +{one.added}, -{one.removed}")
        for one in files[:_MOST_FILES]
    ]
    more = [f"- and {len(files) - _MOST_FILES} more"] if len(files) > _MOST_FILES else []
    return ["Changed so far:", "", *listed, *more, ""] if files else []
