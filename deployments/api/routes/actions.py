"""What is done to a run: cancelled, or its question answered."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, Field

from autopack.access.audit import Deed
from autopack.access.scopes import Principal, Scope
from autopack.clock import SystemClock
from autopack.model.budget import Resource
from autopack.model.errors import BadInput, Refused
from autopack.runs.approval import approve as answer_run
from autopack.runs.finish.finish import cancel as cancel_run
from autopack.store.approvals import Answer, pending
from autopack.store.reading import get_run
from deployments.api.answers import Change, Changing
from deployments.api.callers import caller
from deployments.api.routes.runs import status_of
from deployments.api.service import Service, ServiceOf

router = APIRouter(prefix="/runs/{run_id}", tags=["actions"])

Runner = Annotated[Principal, Security(caller, scopes=[Scope.RUN.value])]
Approver = Annotated[Principal, Security(caller, scopes=[Scope.APPROVE.value])]


class Approval(BaseModel):
    """Yes to what the run waits for; at a cap, the higher one."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str | None, Field(max_length=4096, examples=["looks right"])] = None
    token_cap: Annotated[int | None, Field(strict=True, ge=0, examples=[6_000_000])] = None
    cost_cap: Annotated[Decimal | None, Field(ge=0, examples=[12.5])] = None
    minutes_cap: Annotated[float | None, Field(strict=True, ge=0, examples=[240])] = None


class Rejection(BaseModel):
    """No to what the run waits for: it ends."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str | None, Field(max_length=4096, examples=["not now"])] = None


@router.post("/cancel")
def cancel(run_id: str, who: Runner, service: ServiceOf, change: Changing) -> dict[str, Any]:
    """End a run, wherever it is being worked on; nothing is done to one that has ended."""
    run = get_run(service.db, run_id)

    def act() -> tuple[bool, dict[str, Any]]:
        if run.state.is_final:
            return False, status_of(service, run_id)
        cancel_run(run_id, db=service.db, settings=service.settings, clock=SystemClock())
        return True, status_of(service, run_id)

    return change.carry_out(who, Deed("run.cancel", run_id), act)


@router.post("/approve")
def approve(
    run_id: str, wanted: Approval, who: Approver, service: ServiceOf, change: Changing
) -> dict[str, Any]:
    """Say yes to what a run waits for: its flow run resumes, else `autopack resume` does."""
    caps = {
        Resource.TOKENS: wanted.token_cap,
        Resource.COST: wanted.cost_cap,
        Resource.MINUTES: wanted.minutes_cap,
    }
    named = {resource: cap for resource, cap in caps.items() if cap is not None}
    if len(named) > 1:
        raise BadInput("name one cap", field="token_cap", hint="see the question of the run")
    resource, cap = next(iter(named.items()), (None, None))
    given = Answer(
        approved=True,
        by=who.name,
        note=wanted.note,
        new_cap=None if cap is None else Decimal(str(cap)),
        resource=resource,
    )
    return _answer(run_id, given, who, service, change)


@router.post("/reject")
def reject(
    run_id: str, wanted: Rejection, who: Approver, service: ServiceOf, change: Changing
) -> dict[str, Any]:
    """Say no to what a run waits for: it ends."""
    given = Answer(approved=False, by=who.name, note=wanted.note)
    return _answer(run_id, given, who, service, change)


def _answer(
    run_id: str, given: Answer, who: Principal, service: Service, change: Change
) -> dict[str, Any]:
    if (answered := change.before(who)) is not None:
        return answered
    get_run(service.db, run_id)
    with service.db.read() as conn:
        question = pending(conn, run_id)
    if question is None:
        raise Refused("this run waits for no answer", field="run_id", hint="see its status")

    def act() -> tuple[bool, dict[str, Any]]:
        answer_run(run_id, given, db=service.db, settings=service.settings, clock=SystemClock())
        return True, status_of(service, run_id)

    action = "run.approve" if given.approved else "run.reject"
    detail = {"question": question.question, "note": given.note}
    return change.carry_out(who, Deed(action, run_id, detail=detail), act)
