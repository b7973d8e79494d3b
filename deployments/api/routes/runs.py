"""Runs and their phases, as they stand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Security
from starlette.responses import JSONResponse

from autopack.access.scopes import Principal, Scope
from autopack.ledger.period import parse_moment
from autopack.model.errors import NotFound
from autopack.model.pages import DEFAULT_LIMIT, MAX_LIMIT
from autopack.secrecy.credentials import MASK, SHAPES
from autopack.store.leases import token_of
from autopack.store.pauses import list_pauses, pauses_of_run
from autopack.store.reading import Chosen, get_attempts, list_runs
from autopack.store.rows import AttemptRow
from autopack.views.escaping import plain
from autopack.views.run_view import run_line, timestamp
from deployments.api.callers import caller, needs
from deployments.api.service import Service, ServiceOf

router = APIRouter(prefix="/runs", tags=["runs"])

Reader = Annotated[Principal, Security(caller, scopes=[Scope.READ.value])]
WithContent = Annotated[
    bool, Query(description="Show what agents and checks wrote, too; needs the scope content.")
]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
_Json = dict[str, Any]

_MOST = 256 * 1024
"""The most characters of one text that an agent or a check wrote."""


@router.get("", dependencies=[needs(Scope.READ)])
def list_all(
    service: ServiceOf,
    state: Annotated[str | None, Query(examples=["FAILED"])] = None,
    repo: Annotated[str | None, Query(description="A path or URL, as runs name it.")] = None,
    campaign: str | None = None,
    since: Annotated[
        str | None, Query(description="Stored since then: 7d, 24h or a date.", examples=["7d"])
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
) -> dict[str, Any]:
    """List runs, newest first; FAILED means any failed state."""
    moment = None if since is None else parse_moment(since, datetime.now(UTC), "since")
    chosen = Chosen(repo, campaign, moment)
    page = list_runs(service.db, state=state, chosen=chosen, limit=limit, after=after)
    pauses = list_pauses(service.db)
    rows = [
        run_line(row) | {"goal": row.goal, "paused": bool(pauses_of_run(pauses, row))}
        for row in page.rows
    ]
    return {"runs": rows, "next_cursor": page.next_cursor}


# What is asked for all the time is JSON as it stands: the framework would walk through it twice.
@router.get("/{run_id}", response_model=_Json)
def show(
    run_id: str, who: Reader, service: ServiceOf, content: WithContent = False
) -> JSONResponse:
    """Answer what `autopack show --json` prints."""
    return JSONResponse(_allowed(service.views.get(run_id), who, content=content))


@router.get("/{run_id}/status", response_model=_Json, dependencies=[needs(Scope.READ)])
def status(run_id: str, service: ServiceOf) -> JSONResponse:
    """Answer where a run stands: state, times, tokens and money against their caps, phases."""
    return JSONResponse(status_of(service, run_id))


@router.get("/{run_id}/phases", response_model=_Json)
def phases(
    run_id: str, who: Reader, service: ServiceOf, content: WithContent = False
) -> JSONResponse:
    """Answer the run's phases in the plan's order."""
    view = _allowed(service.views.get(run_id), who, content=content)
    return JSONResponse({"run_id": run_id, "phases": view["phases"]})


@router.get("/{run_id}/phases/{phase_id}")
def phase(
    run_id: str, phase_id: str, who: Reader, service: ServiceOf, content: WithContent = False
) -> dict[str, Any]:
    """Answer a phase with its attempts."""
    view = _allowed(service.views.get(run_id), who, content=content)
    found = next((one for one in view["phases"] if one["phase_id"] == phase_id), None)
    if found is None:
        raise NotFound(f"there is no phase {phase_id!r} in this run", field="phase_id")
    rows = get_attempts(service.db, run_id, phase_id)
    return {"run_id": run_id, **found, "attempt_list": [attempt_view(row) for row in rows]}


def phase_of(service: Service, run_id: str, phase_id: str) -> dict[str, Any]:
    """Return a phase with its attempts, without what agents and checks wrote. Raises NotFound."""
    view = without_content(service.views.get(run_id))
    found = next((one for one in view["phases"] if one["phase_id"] == phase_id), None)
    if found is None:
        raise NotFound(f"there is no phase {phase_id!r} in this run", field="phase_id")
    rows = get_attempts(service.db, run_id, phase_id)
    return {"run_id": run_id, **found, "attempt_list": [attempt_view(row) for row in rows]}


def status_of(service: Service, run_id: str) -> dict[str, Any]:
    """Return the status of a run as it is now, and which lease of it is the current one."""
    token = token_of(service.db, run_id) or None
    return status_view(service.views.get(run_id)) | {"lease_token": token}


def status_view(view: dict[str, Any]) -> dict[str, Any]:
    """Return what is asked for most often of a run."""
    names = ("run_id", "state", "created_at", "started_at", "finished_at", "failure_reason")
    counts = ("total_phases", "completed_phases", "failed_phases", "executing_phases")
    limits = view["budget"]["limits"]
    return {
        **{name: view[name] for name in names},
        "tokens": view["tokens"]["total"],
        "unknown_builds": view["tokens"]["unknown_builds"],
        "token_cap": limits["tokens"],
        "cost": view["cost"],
        "cost_known": view["cost_known"],
        "cost_cap": limits["cost"],
        **{name: view[name] for name in counts},
        "percent_complete": view["percent_complete"],
        "minutes_cap": limits["minutes"],
        "paused": view["paused"],
        "questions": [one for one in view["approvals"] if one["answered_at"] is None],
    }


def attempt_view(row: AttemptRow) -> dict[str, Any]:
    """Return an attempt without what its agent wrote."""
    return {
        "attempt": row.attempt,
        "state": row.state.value,
        "builder": row.builder,
        "base_commit": row.base_commit,
        "commit": row.commit,
        "build_status": row.build_status,
        "failure_cause": row.failure_cause,
        "started_at": timestamp(row.started_at),
        "built_at": timestamp(row.built_at),
        "finished_at": timestamp(row.finished_at),
    }


def _allowed(view: dict[str, Any], who: Principal, *, content: bool) -> dict[str, Any]:
    """Return the view; without ``content`` null stands for what agents and checks wrote."""
    if not content:
        return without_content(view)
    who.needs(Scope.CONTENT)
    return view | {"phases": [_told(phase, _bounded) for phase in view["phases"]]}


def without_content(view: dict[str, Any]) -> dict[str, Any]:
    """Return the view of a run with null for what agents, checks and reviewers wrote."""
    return view | {"phases": [_told(phase, lambda _: None) for phase in view["phases"]]}


def _bounded(text: str) -> str:
    return SHAPES.sub(MASK, plain(text[:_MOST]))


def _told(phase: dict[str, Any], say: Callable[[str], str | None]) -> dict[str, Any]:
    """Return a phase with what ``say`` makes of everything that Autopack did not write itself."""

    def fields(found: dict[str, Any] | None, *names: str) -> dict[str, Any] | None:
        if found is None:
            return None
        return found | {
            name: say(found[name]) for name in names if isinstance(found.get(name), str)
        }

    reviews = [
        one
        | {
            "why": say(one["why"]),
            "findings": [fields(each, "quote", "problem") for each in one["findings"]],
            "dropped": [fields(each, *each.keys() - {"path"}) for each in one["dropped"]],
            "notes": [say(each) for each in one["notes"]],
        }
        for one in phase["reviews"]
    ]
    return phase | {
        "last_failure": fields(phase["last_failure"], "lines", "message"),
        "failure": fields(phase["failure"], "message"),
        "reviews": reviews,
    }
