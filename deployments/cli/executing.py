"""Executing a run in this process: Prefect quiet, progress on stderr, Ctrl-C orderly."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from autopack.execution.session import stop_all
from autopack.execution.stopping import StopReason
from autopack.settings import Settings
from autopack.store.engine import Database
from deployments.cli.output import err
from deployments.cli.progress import Progress
from flows.server import choose_server

EXIT_CODES = {"DONE_SUCCESS": 0, "AWAITING_APPROVAL": 3, "PHASE_EXECUTION": 130}


def execute(
    run_id: str, *, db: Database, settings: Settings, ephemeral: bool = False
) -> dict[str, Any]:
    """Execute a stored run to its end, or until Ctrl-C; return its JSON."""
    # Prefect's own lines would run through the progress display; its server still has them.
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    choose_server(settings, ephemeral=ephemeral)
    with Progress(db, run_id, err):
        from flows.run import execute_run

        return asyncio.run(_interruptible(execute_run(run_id=run_id)))


def exit_code(run: dict[str, Any]) -> int:
    """The exit code that a run's state stands for."""
    return EXIT_CODES.get(run["state"], 1)


async def _interruptible(work: Any) -> dict[str, Any]:
    """Await ``work``; a first SIGINT or SIGTERM stops the runs, a second the process."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if not stop_all(StopReason.INTERRUPTED, "interrupted") and task is not None:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, interrupt)
        except NotImplementedError:
            # Windows: Ctrl-C reaches the loop as KeyboardInterrupt instead.
            break
    try:
        return await work
    except asyncio.CancelledError as error:
        raise KeyboardInterrupt from error
