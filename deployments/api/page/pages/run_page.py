"""One run: what it waits for, its phases and attempts, its budget, and how to have its work."""

from __future__ import annotations

import shlex
from collections import defaultdict
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from autopack.model.errors import AutopackError
from autopack.store.database.engine import now
from autopack.store.mitigations import get_consultations
from autopack.store.rows import AttemptRow, RunRow
from autopack.store.run_events import newest_event
from autopack.store.runs import get_attempts, get_run
from autopack.views.branch_location import where_branch_is
from autopack.views.operating.lineage import lineage
from autopack.views.operating.operations import run_cards
from autopack.views.run_view import run_view
from deployments.api.page.attempt_facts import AttemptFacts, facts_of
from deployments.api.page.notices import notice
from deployments.api.page.pages.attempt_page import said_lately
from deployments.api.page.prefect_links import flow_run_address
from deployments.api.page.rendering import Part, at, page, parts
from deployments.api.page.visitors import Visitor, VisitorOf
from deployments.api.problems import status_of
from deployments.api.service import Service, ServiceOf

router = APIRouter()

# Spend grows without an event of the run.
_LIFETIME = 3.0
PARTS = ("head", "question", "controls", "phases", "budget")


@router.get("/runs/{run_id}")
def run(run_id: str, visitor: VisitorOf, service: ServiceOf, done: str | None = None) -> Response:
    """Show a run."""
    return show(run_id, visitor, service, done=done)


def show(
    run_id: str,
    visitor: Visitor,
    service: Service,
    *,
    done: str | None = None,
    problem: AutopackError | None = None,
) -> Response:
    """Show a run, above it what was done, or why it was not."""
    found = values(run_id, visitor, service)
    row: RunRow = found["run"]
    return page(
        "run.html",
        status=200 if problem is None else status_of(problem),
        here="runs",
        live=None if row.state.is_final else at("runs", run_id, "live"),
        notice=notice(done),
        problem=problem,
        parts=parts("run", PARTS, **found),
        lineage=lineage(service.db, row),
        commands=commands(found["view"], service),
        prefect=flow_run_address(service.settings, row.flow_run_id),
        said=said_lately(service, row) if visitor.may("content") else [],
        **found,
    )


def live_parts(found: dict[str, Any], visitor: Visitor) -> dict[str, Part]:
    """Return what changes by itself, made from what ``live_values`` found."""
    return parts("run", PARTS, visitor=visitor, **found)


def live_values(run_id: str, service: Service) -> dict[str, Any]:
    """Return what the parts show, the same object while nothing is new: all who look share it."""
    return service.views.share(
        f"page {run_id}",
        lambda: _values(run_id, service),
        number=lambda: newest_event(service.db, run_id),
        lifetime=_LIFETIME,
    )


def values(run_id: str, visitor: Visitor, service: Service) -> dict[str, Any]:
    """Return what the parts that change by themselves show now."""
    return {"visitor": visitor, **_values(run_id, service)}


def _values(run_id: str, service: Service) -> dict[str, Any]:
    row = get_run(service.db, run_id)
    view = run_view(service.db, run_id)
    with service.db.read() as conn:
        card = run_cards(conn, [row], now(conn))[0]
        consultations = get_consultations(conn, run_id)
        rows = get_attempts(conn, run_id)
    by_phase: defaultdict[str, list[tuple[AttemptRow, AttemptFacts]]] = defaultdict(list)
    for one in rows:
        by_phase[one.phase_id].append((one, facts_of(view, consultations, one)))
    return {
        "run": row,
        "view": view,
        "card": card,
        "attempts": by_phase,
        "tree": _in_order(view["budget"]["tree"]),
    }


def _in_order(tree: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the budget tree with each phase's attempts below it."""
    attempts: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for level in tree:
        if level["level"] == "attempt":
            attempts[level["name"].rpartition("/")[0]].append(level)
    found: list[dict[str, Any]] = []
    for level in tree:
        if level["level"] != "attempt":
            found.append(level)
        if level["level"] == "phase":
            found += attempts.pop(level["name"], [])
    return found + [level for others in attempts.values() for level in others]


def commands(view: dict[str, Any], service: Service) -> list[tuple[str, str]]:
    """Return what to type to see the work of a run and to have it, each with what it does."""
    run_id = shlex.quote(str(view["run_id"]))
    found = [("what the agents say", f"autopack logs {run_id} --follow")]
    if view["head_commit"] is not None:
        branch, repo = shlex.quote(str(view["branch"])), shlex.quote(str(view["repo"]))
        found.append(("everything it changed", f"autopack diff {run_id}"))
        if where_branch_is(view, service.settings.home) is None:
            found.append(("its commits, in your repository", f"git -C {repo} log {branch}"))
    match view["state"]:
        case "DONE_SUCCESS":
            found.append(("fast-forward your checkout to it", f"autopack merge {run_id}"))
            found.append(("as one commit of yours", f"autopack merge {run_id} --squash"))
        case "PHASE_EXECUTION" | "AWAITING_APPROVAL" | "RUN_CREATED" | "DONE_FAILED_ENVIRONMENT":
            found.append(("resume it here", f"autopack resume {run_id}"))
        case _:
            found.append(("try again from what is complete", f"autopack retry {run_id}"))
    return found
