"""`autopack approve`: answering a run that waits for a person."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from cyclopts import Parameter

from autopack.clock import SystemClock
from autopack.model.budget import Resource
from autopack.model.errors import BadInput
from autopack.runs.approval import approve as answer_run
from autopack.runs.approval import who
from autopack.settings import Settings
from autopack.store.approvals import Answer
from autopack.store.database.engine import Database
from autopack.store.runs import get_run
from autopack.views.run_view import run_view
from deployments.cli.shared.output import AsJson, note, print_json, print_run


def approve(
    run_id: Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")],
    *,
    reject: Annotated[bool, Parameter(negative="", help="Say no: the run ends.")] = False,
    token_cap: Annotated[int | None, Parameter(help="The higher cap on tokens.")] = None,
    cost_cap: Annotated[Decimal | None, Parameter(help="The higher cap on US dollars.")] = None,
    minutes_cap: Annotated[float | None, Parameter(help="The higher cap on minutes.")] = None,
    note_: Annotated[str | None, Parameter(name="--note", help="Why, for the record.")] = None,
    as_json: AsJson = False,
) -> int:
    """Answer a run that waits for a person.

    It waits at a cap, which has to be raised, or before a phase. Who answered, when and what is
    recorded. Resume with `autopack resume`; a flow run that waits in Prefect resumes by itself.
    """
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    caps = {
        Resource.TOKENS: token_cap,
        Resource.COST: cost_cap,
        Resource.MINUTES: minutes_cap,
    }
    named = {resource: cap for resource, cap in caps.items() if cap is not None}
    if len(named) > 1 or (reject and named):
        raise BadInput(
            "name one cap, and none with --reject", field="token_cap", hint="see autopack show"
        )
    resource, cap = next(iter(named.items()), (None, None))
    given = Answer(
        approved=not reject,
        by=who(),
        note=note_,
        new_cap=None if cap is None else Decimal(str(cap)),
        resource=resource,
    )
    answer_run(run_id, given, db=db, settings=settings, clock=SystemClock())
    resumed = _resume_in_prefect(get_run(db, run_id).flow_run_id, given, settings)
    view = run_view(db, run_id)
    print_json(view) if as_json else print_run(view)
    if not reject and not resumed:
        note(f"approved; resume with `autopack resume {run_id}`")
    return 0


def _resume_in_prefect(flow_run_id: str | None, given: Answer, settings: Settings) -> bool:
    """Wake the flow run that is suspended until somebody answers; False when there is none."""
    from flows.server import choose_server, server_url

    if flow_run_id is None or server_url(settings) is None:
        return False
    choose_server(settings)
    try:
        return asyncio.run(_wake(UUID(flow_run_id), given))
    except Exception as error:
        # The answer is recorded; only waking the flow run failed, and that can be done by hand.
        note(f"Prefect could not be told: {type(error).__name__}")
        return False


async def _wake(flow_run_id: UUID, given: Answer) -> bool:
    from prefect import get_client
    from prefect.client.schemas.objects import StateType

    async with get_client() as client:
        flow_run = await client.read_flow_run(flow_run_id)
        if flow_run.state is None or flow_run.state.type is not StateType.PAUSED:
            return False
        form: dict[str, Any] = {
            "approve": given.approved,
            "answered_by": given.by,
            "note": given.note or "",
        }
        await client.resume_flow_run(flow_run_id, run_input=form)
        return True
