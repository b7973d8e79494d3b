"""The tasks that give a run's commits to its remote, and open its pull request there."""

from __future__ import annotations

import asyncio
from typing import Any

from prefect import get_run_logger

from autopack.runs.delivery.pull_request import attempt_pull_request, open_pull_request
from autopack.runs.finish import push
from autopack.runs.session.fetch import refs_of
from autopack.runs.session.session import held
from autopack.runs.session.stop import in_thread
from autopack.store.runs import get_attempts, get_plan_body, set_pull_request
from autopack.views.pull_request_report import report_of
from autopack.views.run_view import run_view
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


async def deliver_if_asked(run_id: str) -> None:
    """Open the run's pull request, or bring it up to date, when it is to have one."""
    if held(run_id).run().pr is not None:
        await deliver(run_id)


@step("open a pull request", "pull request of {run_id}")
async def deliver(run_id: str) -> None:
    """Push the branch and have a pull request; a failure is noted, and the run succeeds all the
    same.
    """
    found = await asyncio.to_thread(_deliver, run_id)
    if found.get("error"):
        get_run_logger().warning("no pull request: %s", found["error"])
    else:
        get_run_logger().info("pull request %s: %s", found["state"], found["url"])


def _deliver(run_id: str) -> dict[str, Any]:
    session = held(run_id)
    run = session.run()
    plan = get_plan_body(session.db, run.plan_hash)
    report = report_of(run_view(session.db, run_id), plan, run.toolchains)
    ready = run.pr == "ready"
    ours = refs_of(get_attempts(session.db, run_id))
    found = attempt_pull_request(
        lambda: open_pull_request(run, session.mirror, report, ours=ours, ready=ready)
    )
    if found.get("error"):
        found["error"] = session.redactor.text(found["error"])
    session.transact(lambda conn: set_pull_request(conn, run_id, found, session.lease))
    return found
