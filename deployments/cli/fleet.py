"""`autopack fleet`: many plans, so many at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from autopack.agents.registry import parse_options
from autopack.clock import SystemClock
from autopack.model.errors import BadInput
from autopack.model.ids import check_id, new_run_id
from autopack.model.locations import is_url
from autopack.model.states import RunState
from autopack.runs.prepare.prepare import RunRequest, check_remote, check_request
from autopack.runs.session.session import is_stopping
from autopack.settings import Settings
from autopack.store.database.engine import Database
from deployments.cli.executing import execute_many
from deployments.cli.options import DeploymentName, ExecutorName, MaxRuns, Push
from deployments.cli.output import AsJson, note, out, plain_table, print_json, state_text
from deployments.cli.serving import start_server
from flows.process import INTERRUPTED


def fleet(
    *plans: Annotated[str, Parameter(help="Plan files or URLs.")],
    repo: Annotated[str, Parameter(help="The git repository: a folder or a URL.")],
    max_: MaxRuns = 3,
    executor: ExecutorName = "inline",
    deployment: DeploymentName = None,
    commit: Annotated[str | None, Parameter(help="Where to start; default: HEAD.")] = None,
    builder: Annotated[str | None, Parameter(help="The coding agent; see `builders`.")] = None,
    set_: Annotated[
        list[str] | None, Parameter(name="--set", help="A builder option KEY=VALUE.", negative="")
    ] = None,
    model: Annotated[str | None, Parameter(help="The builder's model.")] = None,
    run_id: Annotated[
        str | None,
        Parameter(
            help="A name for the fleet, whose runs are NAME-1 and so on. The name of an "
            "interrupted fleet resumes it."
        ),
    ] = None,
    token_cap: Annotated[int | None, Parameter(help="The most tokens each run may spend.")] = None,
    at_cap: Annotated[
        Literal["fail", "ask"], Parameter(help="At a cap: fail, or wait for a person.")
    ] = "fail",
    push: Push = None,
    enable: Annotated[list[str] | None, Parameter(help="Turn a feature on.", negative="")] = None,
    disable: Annotated[list[str] | None, Parameter(help="Turn a feature off.", negative="")] = None,
    as_json: AsJson = False,
) -> int:
    """Run many plans on a repository; a failure of one does not affect the others."""
    if not plans:
        raise BadInput("no plan was named", field="plans", hint="autopack fleet PLAN… --repo DIR")
    if max_ < 1:
        raise BadInput(f"--max is {max_}", field="max", hint="use 1 or more")
    settings = Settings.from_environment()
    name = check_id(run_id or new_run_id(SystemClock().now()).replace("run-", "fleet-"), "run_id")
    db = Database.open(settings.database_url)
    on_off = [*(enable or ()), *(f"-{name}" for name in disable or ())]
    _check(
        RunRequest(
            plan="",
            repo=repo,
            commit=commit,
            builder=builder,
            builder_options=parse_options(set_ or []),
            model=model,
            enable=tuple(enable or ()),
            disable=tuple(disable or ()),
            token_cap=token_cap,
            at_cap=at_cap,
        ),
        [(f"{name}-{number}", plan) for number, plan in enumerate(plans, start=1)],
        push,
        db,
        settings,
    )
    answers = start_server(settings)

    async def work() -> list[dict[str, Any]]:
        from flows.fleet import execute_runs

        return await execute_runs(
            plans=[absolute(plan) for plan in plans],
            repo=absolute(repo),
            max_concurrent_runs=max_,
            executor=executor,
            deployment=deployment,
            commit=commit,
            builder=builder,
            builder_options="\n".join(set_ or ()),
            model=model,
            features=on_off or None,
            token_cap=token_cap,
            at_cap=at_cap,
            run_id=name,
            push=push,
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
    out.print(f"{done} of {len(results)} runs ended in success")


def _check(
    common: RunRequest,
    plans: list[tuple[str, str]],
    push: str | None,
    db: Database,
    settings: Settings,
) -> None:
    """Raise what is wrong with any of the plans or the remote before one of them is started."""
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
