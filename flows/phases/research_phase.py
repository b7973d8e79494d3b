"""A research phase: clarify, gather, write; again while its provider is in trouble."""

from prefect import get_run_logger

from autopack.research.researcher import ResearchFailed
from tasks.attempting import wait_to_start
from tasks.research_tasks.three_steps import (
    clarify_research,
    gather_research,
    meet_trouble,
    publish_report,
    write_research,
)


async def execute_research(run_id: str, phase_id: str) -> None:
    """Bring a research phase to its end, or to where a person is asked.

    Whatever was answered is kept, so that it is not asked again when the steps are repeated.
    """
    log = get_run_logger()
    while True:
        try:
            waits = await clarify_research(run_id, phase_id)
            if waits is not None:
                log.info("%s", waits.reason)
                return
            await gather_research(run_id, phase_id)
            report = await write_research(run_id, phase_id)
        except ResearchFailed as error:
            decision = await meet_trouble(run_id, phase_id, error)
            log.warning("%s", decision.reason)
            if decision.run_state is not None:
                return
            await wait_to_start(run_id, phase_id, decision.seconds, decision.idle)
        else:
            await publish_report(report)
            return
