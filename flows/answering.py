"""Research on its own: a run of one research phase, and its report."""

from typing import Any

from autopack.plan.research_plan import PHASE, research_plan
from autopack.runs.prepare.behind_research import sets_up
from autopack.runs.research.stored_reports import stored_report
from flows.cancelling import cancel_its_runs, heeding
from flows.executors import Execution, execute_stored
from flows.naming import own_run_id
from flows.opening import application
from flows.parameters import (
    Asked,
    AtCap,
    Builder,
    BuilderOptions,
    Commit,
    DatabaseBlock,
    Model,
    Names,
    Number,
    Repo,
    Text,
    TokenCap,
)
from flows.returning import cancelled
from flows.starting import started_flow
from tasks.preparing import prepare_run


@started_flow("research", on_cancellation=[cancel_its_runs])
async def research(
    questions: Names = None,
    repo: Repo = None,
    commit: Commit = None,
    sources: Names = None,
    builder: Builder = None,
    builder_options: BuilderOptions = "",
    model: Model = None,
    max_calls: Number = None,
    tokens: Number = None,
    ask: bool = True,
    token_cap: TokenCap = None,
    at_cap: AtCap = "fail",
    run_id: Text = None,
    database: DatabaseBlock = None,
) -> dict[str, Any]:
    """Answer questions about a repository by quotations that can be checked again.

    Returns the report; while a person is asked, or when the run failed, it has no findings and
    says why.

    Args:
        questions: What is asked, one question an entry.
        sources: Where answers are looked for; when empty, where no network is needed.
        max_calls: The most calls of a model, and the most searches; when empty, 20.
        tokens: The most tokens of those calls together; when empty, 60,000.
        ask: Whether a person is asked what no source can answer; else it is left open.
        run_id: A name for the run.
    """
    plan = research_plan(
        questions or (),
        sources=sources or (),
        max_calls=max_calls,
        tokens=tokens,
        ask=ask,
        sets_up=sets_up(sources or ()),
    )
    async with application(database) as (db, settings), heeding(db, settings) as watched:
        asked = Asked(
            plan=plan,
            repo=repo,
            commit=commit,
            builder=builder,
            builder_options=builder_options,
            model=model,
            token_cap=token_cap,
            at_cap=at_cap,
            run_id=run_id or own_run_id(),
        )
        name = await prepare_run(await asked.request(db, settings), db, settings)
        watched.add([name])
        await execute_stored(name, Execution("inline", None, db, settings, database))
        report = stored_report(db, name, PHASE)
    return cancelled(report) if watched.cancelled else report  # pyright: ignore[reportReturnType]
