"""`autopack retry`: a new run from what a finished one completed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from autopack.agents.registry import parse_options
from autopack.clock import SystemClock
from autopack.runs.prepare.retry import RetryRequest, prepare_retry
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import get_run
from deployments.cli.runs.runs import configured, execute_stored
from deployments.cli.shared.output import AsJson, note
from deployments.cli.shared.serving import check_server


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RetryOptions:
    """What shall be different in the new run."""

    plan: Annotated[
        str | None, Parameter(help="A plan that differs in phases that are not complete.")
    ] = None
    phase: Annotated[
        str | None, Parameter(help="The first phase to do again; else the first not completed.")
    ] = None
    from_attempt: Annotated[
        int | None, Parameter(help="The failed attempt at it whose work to begin with.")
    ] = None
    new_run_id: Annotated[
        str | None, Parameter(name="--run-id", help="A name for the new run.")
    ] = None
    token_cap: Annotated[int | None, Parameter(help="The most tokens the new run may spend.")] = (
        None
    )
    set_: Annotated[
        list[str] | None,
        Parameter(name="--set", help="A builder option KEY=VALUE to change.", negative=""),
    ] = None
    repo: Annotated[
        str | None,
        Parameter(help="This machine's clone of its repository, when that lies elsewhere here."),
    ] = None


_AS_IT_WAS = RetryOptions()


def retry(
    run_id: Annotated[
        str, Parameter(name="RUN-ID", help="The run that ended, as `autopack runs` lists it.")
    ],
    /,
    *,
    asked: RetryOptions = _AS_IT_WAS,
    as_json: AsJson = False,
) -> int:
    """Run what a finished run did not complete, as a new run.

    The new run has a budget of its own. Completed phases and their commits are kept. The first
    attempt is told how the phase failed.
    """
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    check_server(settings)
    options, secrets = configured(get_run(db, run_id).builder, settings)
    stored = prepare_retry(
        RetryRequest(
            run_id=run_id,
            plan=asked.plan,
            phase=asked.phase,
            from_attempt=asked.from_attempt,
            new_id=asked.new_run_id,
            token_cap=asked.token_cap,
            repo=asked.repo,
            builder_options=options | parse_options(asked.set_ or []),
            builder_secrets=secrets,
        ),
        db=db,
        settings=settings,
        clock=SystemClock(),
    )
    note(f"retrying {run_id} as {stored.run_id}")
    return execute_stored(stored.run_id, db, settings, as_json, asked.repo)
