"""`autopack fleet`: many plans, so many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from autopack.clock import SystemClock
from autopack.model.counted import counted
from autopack.model.errors import BadInput
from autopack.model.ids import check_id, new_run_id
from autopack.model.locations import is_url
from autopack.model.states import RunState
from autopack.runs.prepare.prepare import RunRequest, check_remote, check_request
from autopack.runs.prepare.repository_defaults import with_defaults
from autopack.runs.session.session import is_stopping
from autopack.settings import Settings
from autopack.store.database.engine import Database
from deployments.cli.shared.executing import execute_many
from deployments.cli.shared.options import THREE_INLINE, ManyRuns, RunOptions
from deployments.cli.shared.output import AsJson, note, out, plain_table, print_json, state_text
from deployments.cli.shared.serving import start_server
from flows.process import INTERRUPTED


def fleet(
    *plans: Annotated[str, Parameter(help="Plan files or URLs.")],
    asked: RunOptions,
    many: ManyRuns = THREE_INLINE,
    run_id: Annotated[
        str | None,
        Parameter(
            help="A name for the fleet, whose runs are NAME-1 and so on. The name of an "
            "interrupted fleet resumes it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Run many plans, some at a time.

    All on one repository; a failure of one does not affect the others.
    """
    if not plans:
        raise BadInput("no plan was named", field="plans", hint="autopack fleet PLAN… --repo DIR")
    many.check()
    options = _in_lines(asked.set_ or ())
    settings = Settings.from_environment()
    name = check_id(run_id or new_run_id(SystemClock().now()).replace("run-", "fleet-"), "run_id")
    db = Database.open(settings.database_url)
    _check(
        asked.request(plan=""),
        [(f"{name}-{number}", plan) for number, plan in enumerate(plans, start=1)],
        asked.push,
        db,
        settings,
    )
    answers = start_server(settings)

    async def work() -> list[dict[str, Any]]:
        from flows.fleet import execute_runs

        return await execute_runs(
            plans=[absolute(plan) for plan in plans],
            repo=absolute(asked.repo),
            max_concurrent_runs=many.max_,
            executor=many.executor,
            deployment=many.deployment,
            commit=asked.commit,
            builder=asked.builder,
            builder_options=options,
            model=asked.model,
            features=asked.features or None,
            token_cap=asked.token_cap,
            at_cap=asked.at_cap,
            run_id=name,
            push=asked.push,
        )

    ids = [f"{name}-{number + 1}" for number in range(len(plans))]
    results = execute_many(work, db=db, run_ids=lambda: ids, server_answers=answers)
    print_json({"fleet": name, "results": results}) if as_json else print_results(results)
    code = exit_code(results)
    if code == INTERRUPTED:
        note(f"interrupted; resume with the same command and --run-id {name}")
    return code


def absolute(place: str) -> str:
    """Return a path as a worker has to be told it; a URL is one already."""
    return place if is_url(place) else str(Path(place).resolve())


def print_results(results: list[dict[str, Any]]) -> None:
    """One line a run, and what failed in words."""
    table = plain_table("run", "state", "tokens", "error", right=("tokens",), wraps=("error",))
    for result in results:
        table.add_row(
            result["run_id"],
            state_text(result["state"] or "REFUSED"),
            "" if result["tokens"] is None else f"{result['tokens']:,}",
            result["error"] or "",
        )
    out.print(table)
    done = sum(result["success"] for result in results)
    out.print(f"{done} of {counted(len(results), 'run')} ended in success")


def _check(
    common: RunRequest,
    plans: list[tuple[str, str]],
    push: str | None,
    db: Database,
    settings: Settings,
) -> None:
    """Raise what is wrong with any of the plans or the remote before one of them is started."""
    common = with_defaults(common, db=db, settings=settings)
    if "/" in (common.builder or ""):
        return  # what its block adds is known to the flow only
    for run_id, plan in plans:
        wanted = replace(common, run_id=run_id, plan=plan)
        check_request(wanted, db=db, settings=settings, clock=SystemClock())
    if push is not None:
        ids = [run_id for run_id, _ in plans]
        check_remote(
            push, repo=common.repo, commit=common.commit, run_ids=ids, db=db, settings=settings
        )


def exit_code(results: list[dict[str, Any]]) -> int:
    """0 when all succeeded, 130 after an interruption, 3 when the others wait for a person."""
    if is_stopping():
        return INTERRUPTED
    others = {result["state"] for result in results if not result["success"]}
    if not others:
        return 0
    return 3 if others == {RunState.AWAITING_APPROVAL} else 1


def _in_lines(options: Sequence[str]) -> str:
    """Return the options as flows take them. Raises BadInput for one that is longer than a line."""
    for option in options:
        if len(option.splitlines()) > 1:
            raise BadInput(
                f"--set {option.partition('=')[0]} has several lines, of which a fleet takes one",
                field="set",
                hint="put them in a file that the option names",
            )
    return "\n".join(options)
