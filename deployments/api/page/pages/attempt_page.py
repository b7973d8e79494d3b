"""One attempt: what it changed, what the checks said, what was decided and why."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from autopack.model.errors import AutopackError, NotFound
from autopack.process.informative_excerpt import select
from autopack.store.rows import AttemptRow, RunRow
from autopack.store.runs import get_attempts, get_plan_body, get_run
from autopack.views.agent_lines import AgentLine, AgentLines
from autopack.views.run_changes import run_changes
from autopack.views.run_view import run_view
from deployments.api.page.attempt_facts import attempt_facts
from deployments.api.page.difference.diff_html import MOST_BYTES, DiffFile, diff_files
from deployments.api.page.rendering import page
from deployments.api.page.visitors import VisitorOf
from deployments.api.service import Service, ServiceOf

router = APIRouter()

TAIL_BYTES = 128 * 1024
MOST_LINES = 400


@dataclass(frozen=True)
class Difference:
    """What an attempt changed; ``missing`` says why nothing can be shown."""

    files: list[DiffFile]
    is_cut: bool = False
    missing: str | None = None


@router.get("/runs/{run_id}/phases/{phase_id}/attempts/{number}")
def attempt(
    run_id: str, phase_id: str, number: int, visitor: VisitorOf, service: ServiceOf
) -> Response:
    """Show one attempt."""
    run = get_run(service.db, run_id)
    rows = get_attempts(service.db, run_id, phase_id)
    row = next((one for one in rows if one.attempt == number), None)
    if row is None:
        raise NotFound(f"there is no attempt {number} of this phase", field="attempt")
    sees = visitor.may("content")
    return page(
        "attempt.html",
        here="runs",
        visitor=visitor,
        run=run,
        attempt=row,
        numbers=[one.attempt for one in rows],
        checks=_checks(service, run, phase_id),
        facts=attempt_facts(service.db, run_view(service.db, run_id), row),
        difference=_difference(service, run, row) if sees else None,
        failing=select(row.failure_output or "") if sees else "",
        said=said_lately(service, run, row) if sees else [],
    )


def _checks(service: Service, run: RunRow, phase_id: str) -> list[str]:
    """Return the commands of the plan that check this phase; none where they were inferred."""
    plan = get_plan_body(service.db, run.plan_hash)
    phases: list[dict[str, Any]] = plan.get("phases", [])
    phase = next(one for one in phases if one["id"] == phase_id)
    found: list[str | list[str]] = phase.get("validate") or []
    return [one if isinstance(one, str) else shlex.join(one) for one in found]


def said_lately(service: Service, run: RunRow, row: AttemptRow | None = None) -> list[AgentLine]:
    """Return the last lines of what the agent of an attempt said, or all agents of the run."""
    reader = AgentLines(
        service.db,
        service.settings,
        run,
        phase=None if row is None else row.phase_id,
        attempt=None if row is None else row.attempt,
        tail_bytes=TAIL_BYTES,
    )
    return list(reader.new())[-MOST_LINES:]


def _difference(service: Service, run: RunRow, row: AttemptRow) -> Difference:
    if row.commit is None:
        return Difference([], missing="It has left no commit yet.")
    try:
        changes = run_changes(service.db, service.settings, run, row.phase_id, row.attempt)
        text, more = changes.beginning(MOST_BYTES)
    except AutopackError as error:
        return Difference([], missing=error.message)
    return Difference(diff_files(text), more)
