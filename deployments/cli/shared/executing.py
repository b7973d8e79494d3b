"""Executing flows for a command: Prefect quiet, progress on stderr, Ctrl-C orderly."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from autopack.model.errors import WorkFailed
from autopack.model.states import RunState
from autopack.settings import PREFECT_API_URL, process_environment
from autopack.store.database.engine import Database
from autopack.views.run_view import run_view
from deployments.cli.shared.output import err, note
from deployments.cli.shared.progress import ManyProgress, Progress
from deployments.turns import turn
from flows.process import INTERRUPTED, orderly_signals, run_in_order

Result = TypeVar("Result")

_EXIT_CODES = {"DONE_SUCCESS": 0, "AWAITING_APPROVAL": 3, "PHASE_EXECUTION": INTERRUPTED}


def execute(
    run_id: str,
    *,
    db: Database,
    server_answers: Callable[[], None],
    meanwhile: Callable[[], None] = lambda: None,
    repo: str | None = None,
    home: Path | None = None,
) -> dict[str, Any]:
    """Execute a stored run to its end, or until Ctrl-C; return its JSON.

    ``server_answers`` returns when there is a Prefect server to talk to; ``meanwhile`` is what can
    be done without one. ``repo`` is this
    machine's clone of the run's repository, where that has another path here. With ``home`` it
    waits for its turn among the commands that start there.
    """
    _quiet()
    progress = Progress(db, run_id, err)
    waiting = nullcontext(lambda: None) if home is None else turn(home, note)
    with progress.standing(), waiting as has_begun, orderly_signals():
        # Before the progress thread starts: two threads must not load SQLAlchemy at once.
        from flows.run import execute_run

        meanwhile()
        server_answers()
        progress.when_begun(has_begun)
        try:
            with progress:
                return run_in_order(_tagged(lambda: execute_run(run_id=run_id, repo=repo)))
        except Exception as error:
            from flows.run_watch import has_stopped

            _check_away(error)
            run = run_view(db, run_id)
            if not has_stopped(RunState(run["state"])):
                raise WorkFailed(
                    f"run {run_id} stopped: {_away(error)}",
                    field="PREFECT_API_URL",
                    hint=f"autopack resume {run_id}, once it is back",
                ) from error
            note("the Prefect server was away when the run ended, and may show it as running")
            return run


def execute_many(
    work: Callable[[], Coroutine[Any, Any, Result]],
    *,
    db: Database,
    run_ids: Callable[[], Sequence[str]],
    server_answers: Callable[[], None],
) -> Result:
    """Run a flow that executes many runs, and show those that ``run_ids`` names by now."""
    return execute_watched(
        work, watching=ManyProgress(db, run_ids, err), server_answers=server_answers
    )


def execute_watched(
    work: Callable[[], Coroutine[Any, Any, Result]],
    *,
    watching: AbstractContextManager[Any],
    server_answers: Callable[[], None],
) -> Result:
    """Run a flow while ``watching`` shows how far it is."""
    _quiet()
    with orderly_signals():
        server_answers()
        try:
            with watching:
                return run_in_order(_tagged(work))
        except Exception as error:
            _check_away(error)
            raise WorkFailed(
                f"stopped: {_away(error)}",
                field="PREFECT_API_URL",
                hint="run the same command again to resume, once the server is back",
            ) from error


def _away(error: Exception) -> str:
    return f"the Prefect server at {PREFECT_API_URL.of()} is away: {error}"


def _check_away(error: Exception) -> None:
    """Raise the error again unless it says that the Prefect server does not answer."""
    from tasks.away import is_away

    if not is_away(error):
        raise error


def _tagged(
    work: Callable[[], Coroutine[Any, Any, Result]],
) -> Callable[[], Coroutine[Any, Any, Result]]:
    """Return the work, its flow runs tagged as those of the deployments are."""

    async def tagged() -> Result:
        from prefect import tags

        from flows.server import tags_of_runs

        with tags(*tags_of_runs()):
            return await work()

    return tagged


def _quiet() -> None:
    # Prefect's own lines would run through the progress display; its server still has them.
    process_environment()["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"


def exit_code(run: dict[str, Any]) -> int:
    """Return the exit code that a run's state stands for."""
    return _EXIT_CODES.get(run["state"], 1)
