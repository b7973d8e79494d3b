"""Programs that execute runs as users do: `python -m support.programs WAY PARAMETERS`.

PARAMETERS are those of `execute_run`, as JSON; programs that serve take none.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from prefect import flow

from autopack.clock import SystemClock
from autopack.runs.finish.finish import cancel
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.settings import Settings
from autopack.store.database.engine import Database
from flows import ab_experiment, execute_run, execute_runs, reconcile, replay_campaign


@flow
async def parent(parameters: dict[str, Any]) -> dict[str, Any]:
    """A user's own flow."""
    return await execute_run(**parameters)


async def script(parameters: dict[str, Any]) -> None:
    await execute_run(**parameters)


async def killed(parameters: dict[str, Any]) -> None:
    await script(parameters)


async def of_script(parameters: dict[str, Any]) -> None:
    await parent(parameters)


async def fleet(parameters: dict[str, Any], executor: Any = "inline") -> None:
    plans = [parameters.pop("plan")] * 2
    await execute_runs(plans=plans, max_concurrent_runs=1, executor=executor, **parameters)


async def processes(parameters: dict[str, Any]) -> None:
    await fleet(parameters, "process")


async def workers(parameters: dict[str, Any]) -> None:
    await fleet(parameters, "deployment")


async def experiment(parameters: dict[str, Any]) -> None:
    await ab_experiment(spec=parameters["plan"])


async def replay(parameters: dict[str, Any]) -> None:
    """Replay a run that has ended, one lane after the other."""
    settings, clock = Settings.from_environment(), SystemClock()
    db = Database.open(settings.database_url)
    options = dict([parameters["builder_options"].split("=", 1)])
    original = RunRequest(
        plan=parameters["plan"],
        repo=parameters["repo"],
        builder_options=options,
        run_id="original",
    )
    prepare_run(original, db=db, settings=settings, clock=clock)
    cancel("original", db=db, settings=settings, clock=clock)
    db.close()
    await replay_campaign(
        state="DONE_CANCELLED",
        run_id=["original"],
        name="replay",
        enable=["failure_hardening"],
        max_concurrent_runs=1,
    )


async def reconciled(parameters: dict[str, Any]) -> None:
    for _ in range(2):
        sys.stdout.write(json.dumps(await reconcile()) + "\n")


if __name__ == "__main__":
    way = sys.argv[1]
    if way == "serve":
        execute_run.serve(name="served")
    elif way == "serve-parent":
        parent.serve(name="served")
    else:
        asyncio.run(globals()[way.replace("-", "_")](json.loads(sys.argv[2])))
