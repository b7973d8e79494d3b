"""Status updates of phases by a builder that works outside of Autopack."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, Field

from autopack.access.audit import Deed
from autopack.access.scopes import Principal, Scope
from autopack.model.causes import FailureCause
from autopack.model.errors import BadInput
from autopack.model.states import PhaseState
from autopack.store.phase_updates import PhaseUpdate, update_phase
from autopack.store.reading import get_run
from autopack.store.rows import PhaseFailure
from deployments.api.answers import Changing
from deployments.api.callers import caller
from deployments.api.routes.runs import phase_of
from deployments.api.service import ServiceOf

router = APIRouter(prefix="/runs", tags=["actions"])

Runner = Annotated[Principal, Security(caller, scopes=[Scope.RUN.value])]


class Failed(BaseModel):
    """Why a phase failed or was skipped."""

    model_config = ConfigDict(extra="forbid")

    cause: FailureCause = FailureCause.BUILDER_ERROR
    message: Annotated[str, Field(max_length=65_536, examples=["2 tests failed"])]


class WantedState(BaseModel):
    """Where a phase is now, by the word of the holder of the run's lease."""

    model_config = ConfigDict(extra="forbid")

    state: PhaseState
    lease_token: Annotated[
        int,
        Field(strict=True, ge=1, le=2**63 - 1, description="`lease_token` of the run's status."),
    ]
    commit: Annotated[
        str | None,
        Field(
            pattern="^[0-9a-f]{40}([0-9a-f]{24})?$", examples=["0" * 40], description="Of COMPLETE."
        ),
    ] = None
    failure: Failed | None = None


@router.patch("/{run_id}/phases/{phase_id}")
def update(
    run_id: str,
    phase_id: str,
    wanted: WantedState,
    who: Runner,
    service: ServiceOf,
    change: Changing,
) -> dict[str, Any]:
    """Move a phase along the table of transitions; 409 for any other move or another lease.

    Where a commit is named it is recorded, and not brought to the run's branch: that is for its
    builder to do.
    """
    ends_badly = wanted.state in (PhaseState.FAILED, PhaseState.SKIPPED)
    if wanted.commit is not None and wanted.state is not PhaseState.COMPLETE:
        raise BadInput("only a completed phase has a commit", field="commit", hint="leave it out")
    if (wanted.failure is not None) != ends_badly:
        raise BadInput(
            "FAILED and SKIPPED say why, and no other state does",
            field="failure",
            hint='name it for those two: {"cause": "builder_error", "message": "why"}',
        )
    get_run(service.db, run_id)
    phase_of(service, run_id, phase_id)
    failure = wanted.failure and PhaseFailure(wanted.failure.cause.value, wanted.failure.message)
    new = PhaseUpdate(wanted.state, wanted.commit, failure)

    def act() -> tuple[bool, dict[str, Any]]:
        changed = update_phase(service.db, run_id, phase_id, wanted.lease_token, new)
        return changed, phase_of(service, run_id, phase_id)

    detail = {"phase_id": phase_id, "state": wanted.state.value}
    return change.carry_out(who, Deed("phase.update", f"{run_id}/{phase_id}", detail=detail), act)
