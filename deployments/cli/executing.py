"""Executing a run in this process: Prefect quiet, progress on stderr, Ctrl-C orderly."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any

from autopack.execution.session import stop_all
from autopack.execution.stopping import StopReason
from autopack.settings import Settings
from autopack.store.engine import Database
from deployments.cli.output import err
from deployments.cli.progress import Progress
from flows.server import choose_server

INTERRUPTED = 130
_EXIT_CODES = {"DONE_SUCCESS": 0, "AWAITING_APPROVAL": 3, "PHASE_EXECUTION": INTERRUPTED}


def execute(
    run_id: str, *, db: Database, settings: Settings, ephemeral: bool = False
) -> dict[str, Any]:
    """Execute a stored run to its end, or until Ctrl-C; return its JSON."""
    return carry_out(
        lambda flows: flows.execute_run(run_id=run_id),
        settings=settings,
        watching=lambda: Progress(db, run_id, err),
        ephemeral=ephemeral,
    )


def carry_out(
    work: Callable[[Any], Coroutine[Any, Any, dict[str, Any]]],
    *,
    settings: Settings,
    watching: Callable[[], AbstractContextManager[Any]],
    ephemeral: bool = False,
) -> dict[str, Any]:
    """Execute a flow (``work`` gets the package ``flows``) while something watches it.

    A first Ctrl-C stops the runs of this process in order.
    """
    # Prefect's own lines would run through the progress display; its server still has them.
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    choose_server(settings, ephemeral=ephemeral)
    with _orderly_signals():
        # Before the progress thread starts: two threads must not load SQLAlchemy at once.
        import flows
        import flows.run

        with watching():
            return _in_a_thread(lambda: asyncio.run(work(flows)))


def exit_code(run: dict[str, Any]) -> int:
    """The exit code that a run's state stands for."""
    return _EXIT_CODES.get(run["state"], 1)


def _in_a_thread(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Leave the main thread to the signals: Prefect replaces their handlers only there."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="flow") as pool:
        return pool.submit(work).result()


@contextmanager
def _orderly_signals() -> Generator[None]:
    """Let a first SIGINT or SIGTERM stop the runs of this process, and a second one itself."""
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            # The lease is left behind: its holder is gone, and so the run can be taken over.
            os._exit(INTERRUPTED)
        asked = True
        stop_all(StopReason.INTERRUPTED, "interrupted")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
