"""The three steps of a research phase, each a task of its own."""

from __future__ import annotations

import asyncio
from typing import Any

from autopack.repair.decide import Decision
from autopack.research.researcher import ResearchFailed
from autopack.runs.attempt.orders import wait_while_paused
from autopack.runs.research import concluding_research, research_steps
from autopack.runs.research.desk import Desk
from autopack.runs.session.session import held
from autopack.views.research_text import report_markdown
from tasks.artifacts import artifact_key, publish_markdown
from tasks.step import step

_desks: dict[tuple[str, str], Desk] = {}
"""The work that this process has under way: Prefect would look through what tasks are given."""


@step("clarify", "clarify {phase_id}")
async def clarify_research(run_id: str, phase_id: str) -> Decision | None:
    """Find out what the questions mean, what is known, and what only a person can answer.

    A decision says that a person is waited for.
    """
    session = held(run_id)
    await wait_while_paused(session)
    found = await research_steps.clarify(session, phase_id)
    if isinstance(found, Decision):
        return found
    _desks[run_id, phase_id] = found
    return None


@step("gather", "gather for {phase_id}")
async def gather_research(run_id: str, phase_id: str) -> None:
    """Search the sources."""
    await wait_while_paused(held(run_id))
    await research_steps.gather(_desks[run_id, phase_id])


@step("write", "write the report of {phase_id}")
async def write_research(run_id: str, phase_id: str) -> dict[str, Any]:
    """Write the report, of evidence that holds, and complete the phase."""
    await wait_while_paused(held(run_id))
    desk = _desks.pop((run_id, phase_id))
    findings, found = await research_steps.write(desk)
    return await asyncio.to_thread(concluding_research.conclude, desk, findings, found)


async def meet_trouble(run_id: str, phase_id: str, error: ResearchFailed) -> Decision:
    """Decide what follows when the provider did not answer; no task, for it does nothing."""
    return await asyncio.to_thread(concluding_research.meet_trouble, held(run_id), phase_id, error)


async def publish_report(report: dict[str, Any]) -> None:
    """Show a report in Prefect."""
    await publish_markdown(
        report_markdown(report),
        key=artifact_key("research", report["report_id"]),
        description=f"What {report['phase_id']} of {report['run_id']} found out",
    )
