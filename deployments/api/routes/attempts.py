"""What an attempt changed and what was printed meanwhile: figures, and content where asked for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Security

from autopack.access.scopes import Principal, Scope
from autopack.model.errors import NotFound, RepositoryError
from autopack.model.ids import AttemptKey
from autopack.secrecy.credentials import MASK, SHAPES, environment_secrets
from autopack.secrecy.redaction import Redactor
from autopack.store.reading import get_attempts, get_run
from autopack.store.rows import AttemptRow
from autopack.views.attempt_log import attempt_log, has_log
from autopack.views.escaping import one_line, plain
from autopack.views.run_changes import run_changes
from deployments.api.callers import caller
from deployments.api.routes.runs import WithContent, attempt_view
from deployments.api.service import Service, ServiceOf

router = APIRouter(prefix="/runs/{run_id}/phases/{phase_id}/attempts/{number}", tags=["runs"])

Reader = Annotated[Principal, Security(caller, scopes=[Scope.READ.value])]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Which attempt, from 1.")]


@router.get("")
def attempt(
    run_id: str, phase_id: str, number: Number, who: Reader, service: ServiceOf
) -> dict[str, Any]:
    """Answer one attempt: its state, its commits, how its build and its checks ended."""
    row = find_attempt(service, AttemptKey(run_id, phase_id, number))
    return {"run_id": run_id, "phase_id": phase_id, **attempt_view(row)}


@router.get("/diff")
def diff(
    run_id: str,
    phase_id: str,
    number: Number,
    who: Reader,
    service: ServiceOf,
    content: WithContent = False,
    limit: Annotated[
        int, Query(ge=1, le=1024 * 1024, description="The most bytes of the difference.")
    ] = 256 * 1024,
) -> dict[str, Any]:
    """Answer which files an attempt changed; the difference itself with `content`.

    Only the machine that made the attempt has it, and those that it was pushed to.
    """
    if content:
        who.needs(Scope.CONTENT)
    run = get_run(service.db, run_id)
    find_attempt(service, AttemptKey(run_id, phase_id, number))
    try:
        changes = run_changes(service.db, service.settings, run, phase_id, number)
        files = changes.files()
        text, more = changes.beginning(limit) if content else ("", None)
    except RepositoryError as error:
        raise NotFound(error.message, field="attempt", hint=error.hint) from error
    redact = Redactor(environment_secrets(service.environ)).text
    return {
        "run_id": run_id,
        "phase_id": phase_id,
        "attempt": number,
        "base": changes.before,
        "commit": changes.after,
        "files": [
            {"path": one_line(one.path), "added": one.added, "removed": one.removed}
            for one in files
        ],
        "diff": SHAPES.sub(MASK, redact(plain(text))) if content else None,
        "truncated": more,
    }


@router.get("/log")
def log(
    run_id: str,
    phase_id: str,
    number: Number,
    who: Reader,
    service: ServiceOf,
    of: Annotated[Literal["agent", "checks"], Query(description="Who printed it.")] = "agent",
    content: WithContent = False,
    start: Annotated[int, Query(ge=0, le=10**9, description="The first line, from 0.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> dict[str, Any]:
    """Answer a range of lines that an attempt's agent or its checks printed.

    Without `content` only whether the machine that serves this has them. Long lines are cut, and
    no more than a million characters are sent at once: `next` is where to go on.
    """
    if content:
        who.needs(Scope.CONTENT)
    key = AttemptKey(run_id, phase_id, number)
    run, row = get_run(service.db, run_id), find_attempt(service, key)
    found = (
        attempt_log(service.db, service.settings, run, key, of, start, limit) if content else None
    )
    return {
        "run_id": run_id,
        "phase_id": phase_id,
        "attempt": number,
        "of": of,
        "is_here": has_log(service.db, service.settings, key, of),
        "is_live": row.state.is_open,
        "start": start,
        "lines": None if found is None else list(found.lines),
        "next": None if found is None else found.next,
    }


def find_attempt(service: Service, key: AttemptKey) -> AttemptRow:
    """Return the attempt. Raises NotFound."""
    rows = get_attempts(service.db, key.run_id, key.phase_id)
    row = next((one for one in rows if one.attempt == key.attempt), None)
    if row is None:
        raise NotFound(f"there is no attempt {key.attempt} of this phase", field="attempt")
    return row
