"""What is ordered while runs are worked on: pauses and caps."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, Field, model_validator

from autopack.access.audit import Deed
from autopack.access.scopes import Principal, Scope
from autopack.model.errors import Refused
from autopack.store.caps import Caps, set_caps
from autopack.store.pauses import Latch, check_latch, lift_pause, list_pauses, set_pause
from autopack.store.reading import get_run
from autopack.views.pause_view import pause_view
from deployments.api.answers import Change, Changing
from deployments.api.callers import caller, needs
from deployments.api.routes.runs import status_of
from deployments.api.service import ServiceOf

router = APIRouter(tags=["actions"])

Runner = Annotated[Principal, Security(caller, scopes=[Scope.RUN.value])]
Note = Annotated[str | None, Field(max_length=4096, examples=["the provider is in trouble"])]


class PauseOfRun(BaseModel):
    """No build of the run starts; ``now`` also interrupts the one under way, to be repeated."""

    model_config = ConfigDict(extra="forbid")

    now: bool = False
    note: Note = None


class Many(BaseModel):
    """Every build by a builder, or that a provider is paid for, or all of them: name one."""

    model_config = ConfigDict(extra="forbid")

    builder: Annotated[str | None, Field(max_length=200, examples=["codex"])] = None
    provider: Annotated[str | None, Field(max_length=64, examples=["anthropic"])] = None
    all: Literal[True] | None = None

    @property
    def latch(self) -> Latch:
        """What is named."""
        if self.builder is not None:
            return Latch("builder", self.builder)
        return Latch("all") if self.provider is None else Latch("provider", self.provider)

    @model_validator(mode="after")
    def _name_one(self) -> Self:
        if sum(one is not None for one in (self.builder, self.provider, self.all)) != 1:
            raise ValueError("name one of builder, provider and all")
        return self


class PauseOfMany(PauseOfRun, Many):
    """No build of those that are named starts."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"builder": "codex"}})


class NewCaps(BaseModel):
    """Caps to be raised or lowered; those that are not named stay."""

    model_config = ConfigDict(extra="forbid")

    token_cap: Annotated[int | None, Field(strict=True, ge=0, examples=[6_000_000])] = None
    cost_cap: Annotated[Decimal | None, Field(ge=0, examples=[12.5])] = None
    minutes_cap: Annotated[float | None, Field(strict=True, ge=0, examples=[240])] = None


@router.post("/runs/{run_id}/pause")
def pause_run(
    run_id: str, wanted: PauseOfRun, who: Runner, service: ServiceOf, change: Changing
) -> dict[str, Any]:
    """Keep builds of a run from starting; it waits and spends nothing until it is resumed."""
    if (answered := change.before(who)) is not None:
        return answered
    if (state := get_run(service.db, run_id).state).is_final:
        raise Refused(f"run {run_id} has ended: {state}", field="run_id", hint="see its status")
    latch = Latch("run", run_id)
    return _set(latch, "run.pause", run_id, wanted, who, change)


@router.post("/runs/{run_id}/resume")
def resume_run(run_id: str, who: Runner, service: ServiceOf, change: Changing) -> dict[str, Any]:
    """Lift the pause of a run, and no other that is about it; `execute` starts one that nobody
    works on.
    """
    get_run(service.db, run_id)
    return _lift(Latch("run", run_id), "run.resume", run_id, who, change)


@router.get("/pauses", dependencies=[needs(Scope.READ)])
def pauses(service: ServiceOf) -> dict[str, Any]:
    """Answer what is paused."""
    return {"pauses": [pause_view(one) for one in list_pauses(service.db)]}


@router.post("/pauses/set")
def pause_many(
    wanted: PauseOfMany, who: Runner, service: ServiceOf, change: Changing
) -> dict[str, Any]:
    """Keep builds from starting, of whatever run."""
    latch = wanted.latch
    check_latch(service.db, latch)
    return _set(latch, "pause.set", str(latch), wanted, who, change)


@router.post("/pauses/lift")
def resume_many(wanted: Many, who: Runner, service: ServiceOf, change: Changing) -> dict[str, Any]:
    """Lift a pause, and no other."""
    latch = wanted.latch
    check_latch(service.db, latch)
    return _lift(latch, "pause.lift", str(latch), who, change)


@router.post("/runs/{run_id}/caps")
def caps(
    run_id: str, wanted: NewCaps, who: Runner, service: ServiceOf, change: Changing
) -> dict[str, Any]:
    """Raise or lower caps of a run; the build under way obeys them."""
    if (answered := change.before(who)) is not None:
        return answered
    new = Caps(**wanted.model_dump())
    if (state := get_run(service.db, run_id).state).is_final:
        raise Refused(f"run {run_id} has ended: {state}", field="run_id", hint="see its status")
    named = {name: str(cap) for name, cap in new.given().items()}

    def act() -> tuple[bool, dict[str, Any]]:
        changed = set_caps(service.db, run_id, new)
        return changed, status_of(service, run_id)

    return change.carry_out(who, Deed("run.caps", run_id, detail=named), act)


def _set(
    latch: Latch, action: str, target: str, wanted: PauseOfRun, who: Principal, change: Change
) -> dict[str, Any]:
    db = change.service.db

    def act() -> tuple[bool, dict[str, Any]]:
        changed = set_pause(db, latch, by=who.name, note=wanted.note, interrupt=wanted.now)
        return changed, {"pauses": [pause_view(one) for one in list_pauses(db)]}

    detail = {"now": wanted.now, "note": wanted.note}
    return change.carry_out(who, Deed(action, target, detail=detail), act)


def _lift(latch: Latch, action: str, target: str, who: Principal, change: Change) -> dict[str, Any]:
    db = change.service.db

    def act() -> tuple[bool, dict[str, Any]]:
        changed = lift_pause(db, latch)
        return changed, {"pauses": [pause_view(one) for one in list_pauses(db)]}

    return change.carry_out(who, Deed(action, target), act)
