"""The form in which the Prefect UI asks a person; the answer is recorded like any other."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment
from pydantic import Field

from autopack.model.errors import AutopackError
from autopack.runs.approval import is_waiting
from autopack.settings import Settings
from autopack.store.approvals import Answer, answer, pending
from autopack.store.database.engine import Database
from autopack.views.approval_text import approval_text
from autopack.views.escaping import markdown

_PATIENCE_SECONDS = 30 * 24 * 3600
_TRIES = 5


class ApprovalForm(RunInput):
    """What a person answers to a run that waits."""

    approve: bool = Field(
        default=True, description="Continue? Take the mark away to end the run instead."
    )
    new_cap: Decimal | None = Field(
        default=None, description="For a run at a cap: the higher cap, in the unit of the question."
    )
    answered_by: str = Field(default="", description="Your name, for the record.")
    note: str = Field(default="", description="Anything to remember about it.")


async def still_waits(db: Database, run_id: str) -> bool:
    """Return whether the flow has nothing to do until somebody answers.

    A flow run of a deployment is suspended, its process ends, and it starts again with the
    answer; any other flow returns, and is called again once the run was approved.
    """
    unusable: list[str] = []
    while await asyncio.to_thread(is_waiting, db, run_id):
        question = pending(db, run_id)
        if deployment.get_id() is None or question is None:
            return True
        settings = Settings.from_environment()
        text = await asyncio.to_thread(approval_text, db, settings, run_id, question)
        again = f"That could not be used: {markdown(unusable[-1])}\n\n" if unusable else ""
        # What was answered to a key is there at once when the flow starts again.
        form = await asuspend_flow_run(
            wait_for_input=ApprovalForm.with_initial_data(description=again + text),
            timeout=_PATIENCE_SECONDS,
            key=f"approval-{question.id}" + (f"-{len(unusable)}" if unusable else ""),
        )
        given = Answer(
            approved=form.approve,
            by=form.answered_by or "Prefect",
            note=form.note or None,
            new_cap=form.new_cap,
            resource=question.resource if form.new_cap is not None else None,
        )
        try:
            await asyncio.to_thread(answer, db, run_id, given)
        except AutopackError as error:
            # A form cannot be refused any more; what it could not mean is asked once more, and
            # somebody who never says what they mean has said no.
            unusable.append(error.message)
            if len(unusable) > _TRIES:
                refused = Answer(approved=False, by=given.by, note=error.message)
                await asyncio.to_thread(answer, db, run_id, refused)
    return False
