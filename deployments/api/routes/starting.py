"""Runs are made and executed: what `autopack run` and `autopack resume` do, from elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, Field

from autopack.access.audit import Deed
from autopack.access.scopes import Principal, Scope
from autopack.agents.registry import parse_options
from autopack.clock import SystemClock
from autopack.model.errors import BadInput
from autopack.runs.prepare.prepare import RunRequest, check_request, prepare_run
from autopack.runs.prepare.repository_defaults import with_defaults
from autopack.store.reading import find_run
from deployments.api.answers import Changing
from deployments.api.callers import caller
from deployments.api.routes.runs import status_of
from deployments.api.service import Service, ServiceOf
from deployments.api.starting import Executing, check_startable, start

router = APIRouter(prefix="/runs", tags=["actions"])

Runner = Annotated[Principal, Security(caller, scopes=[Scope.RUN.value])]

_PLAN = {
    "goal": "Ordinals of 11th to 13th are wrong",
    "phases": [{"id": "fix", "instructions": 'Make ordinal(111) return "111th".'}],
}


class WantedRun(BaseModel):
    """What `execute_run` takes; paths are of the machine that serves this."""

    model_config = ConfigDict(extra="forbid")

    plan: Annotated[
        str | dict[str, Any],
        Field(description="The plan: its text, or the plan itself.", examples=[_PLAN]),
    ]
    repo: Annotated[
        str, Field(description="The git repository: a path or a URL.", examples=["/srv/inflection"])
    ]
    commit: Annotated[str | None, Field(examples=["main"])] = None
    builder: Annotated[str | None, Field(examples=["codex"])] = None
    builder_options: Annotated[
        dict[str, str] | str, Field(description="Its options, or KEY=VALUE lines.")
    ] = Field(default_factory=dict, examples=[{"sandbox": "on"}])
    model: str | None = None
    features: Annotated[
        list[str], Field(description="To turn on; with a minus sign before it, off.")
    ] = Field(default_factory=list, examples=[["failure_hardening"]])
    token_cap: Annotated[int | None, Field(strict=True, examples=[5_000_000])] = None
    at_cap: Literal["fail", "ask"] = "fail"
    run_id: Annotated[str | None, Field(examples=["nightly-17"])] = None
    campaign: str | None = None
    push: Annotated[str | None, Field(examples=["origin"])] = None

    def request(self, run_id: str | None) -> RunRequest:
        """Return this as the command line would ask it; ``run_id`` where it names none."""
        options = self.builder_options
        if isinstance(options, str):
            options = parse_options(options.splitlines())
        return RunRequest(
            plan=self._plan(),
            repo=self.repo,
            commit=self.commit,
            builder=self.builder,
            builder_options=options,
            model=self.model,
            enable=tuple(name for name in self.features if not name.startswith("-")),
            disable=tuple(name[1:] for name in self.features if name.startswith("-")),
            token_cap=self.token_cap,
            at_cap=self.at_cap,
            run_id=self.run_id or run_id,
            campaign=self.campaign,
            push=self.push,
        )

    def _plan(self) -> str:
        if not isinstance(self.plan, str):
            return json.dumps(self.plan, indent=1)
        if "\n" not in self.plan.strip() and not self.plan.lstrip().startswith("{"):
            raise BadInput(
                "the plan is neither text of several lines nor JSON",
                field="plan",
                hint="send the plan itself: nothing is read from paths or URLs",
            )
        return self.plan.strip() + "\n"


@router.post("")
def create(wanted: WantedRun, who: Runner, service: ServiceOf, change: Changing) -> dict[str, Any]:
    """Store a run and start it: by a worker of `execute-run/run`, else in a process of its own.

    A run of that id with the same plan, repository and commit is the same run: it is not made
    again, and started only where nobody executes it.
    """
    if (answered := change.before(who)) is not None:
        return _of_run(answered)
    request = with_defaults(
        _with_block(wanted.request(_own_id(who, change.key)), service),
        db=service.db,
        settings=service.settings,
    )
    if change.dry_run:
        check_request(request, db=service.db, settings=service.settings, clock=SystemClock())

    def act() -> tuple[bool, dict[str, Any]]:
        known = find_run(service.db, request.run_id) if request.run_id else None
        run = prepare_run(request, db=service.db, settings=service.settings, clock=SystemClock())
        try:
            started = start(service, run.run_id)
        except Executing:
            if known is None:
                raise
            return False, {"run": status_of(service, run.run_id), "started": None}
        return True, {"run": status_of(service, run.run_id), "started": started}

    return _of_run(change.carry_out(who, Deed("run.create", request.run_id or wanted.repo), act))


@router.post("/{run_id}/execute")
def execute(run_id: str, who: Runner, service: ServiceOf, change: Changing) -> dict[str, Any]:
    """Start a stored run, or resume one that nobody works on; 409 when it is being executed, has
    ended or waits for an answer.
    """
    if change.dry_run:
        check_startable(service, run_id)

    def act() -> tuple[bool, dict[str, Any]]:
        started = start(service, run_id)
        return True, {"run": status_of(service, run_id), "started": started}

    return change.carry_out(who, Deed("run.execute", run_id), act)


def _of_run(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer with the run's id as its target, which may have been made only now."""
    if answer["detail"] is None:
        return answer
    return answer | {"target": answer["detail"]["run"]["run_id"]}


def _own_id(who: Principal, key: str | None) -> str | None:
    """Return the id of a run that names none: the same again where the request is repeated."""
    if key is None:
        return None
    return f"run-{hashlib.sha256(f'{who.name} {key}'.encode()).hexdigest()[:16]}"


def _with_block(request: RunRequest, service: Service) -> RunRequest:
    """Return the request with the options of its builder's block, which Prefect holds."""
    if "/" not in (request.builder or ""):
        return request
    from flows.server import choose_server, server_url

    if server_url(service.settings) is None:
        raise BadInput(
            f"the options of {request.builder} are in a block of Prefect, and no server runs",
            field="builder",
            hint="autopack up, or name a builder without its block",
        )
    choose_server(service.settings)
    from blocks.configured import configured

    block = asyncio.run(configured(request.builder))
    options = {**block.options, **request.builder_options}
    return replace(request, builder_options=options, builder_secrets=block.secrets)
