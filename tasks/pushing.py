"""The task that gives a run's commits to its remote."""

from __future__ import annotations

from prefect import get_run_logger

from autopack.runs.finish import push
from autopack.runs.session.session import held
from autopack.runs.session.stop import in_thread
from tasks.step import step


async def push_if_asked(run_id: str) -> None:
    """Push what the run has so far, when it has a remote; a failure is said and tried again."""
    if held(run_id).run().push is not None:
        await push_run(run_id)


@step("push", "push {run_id}")
async def push_run(run_id: str) -> None:
    """Push the run's branch and attempts to its remote."""
    session = held(run_id)
    error = await session.switch.guard(in_thread(lambda ending: push.push_run(session, ending)))
    if error is not None:
        get_run_logger().warning("not pushed, and tried again with the next attempt: %s", error)
