"""A process worker of Prefect's that forks the flow runs of Autopack.

It is Prefect's own worker but for how the process of a flow run comes to be: from a fork server
that has loaded everything (`deployments.warm.fork_server`) instead of a new Python. Flow runs of
other code, and those whose environment only a new Python can obey, get a new Python.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
from prefect.client.schemas.objects import Flow as APIFlow
from prefect.client.schemas.objects import FlowRun, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.logging import get_logger
from prefect.runner import _starter_engine as starting
from prefect.settings import get_current_settings
from prefect.utilities.processutils import command_to_string, run_process, sanitize_subprocess_env

from autopack.process.python_module import module_command
from autopack.settings import process_environment
from deployments.setting_up import ENGINE, declared_deployments
from deployments.spawning import HIDDEN
from deployments.warm.forked import ForkServer, NotForked
from deployments.warm.heeding import heed
from deployments.warm.quiet import QuietJobConfiguration, QuietProcessWorker

_ENGINE = module_command(HIDDEN, ENGINE)
"""What a forked process is instead of."""

_log = get_logger("worker.warm")


class WarmJobConfiguration(QuietJobConfiguration):
    """Prefect's, where a deployment of Autopack needs no Python that fetches its code first."""

    def prepare_for_flow_run(
        self,
        flow_run: FlowRun,
        deployment: DeploymentResponse | None = None,
        flow: APIFlow | None = None,
        work_pool: WorkPool | None = None,
        worker_name: str | None = None,
        worker_id: Any = None,
    ) -> None:
        """Prepare as Prefect does, with the engine's command for what is installed here."""
        if self.command is None and deployment is not None and _is_ours(deployment):
            self.command = command_to_string(_ENGINE)
        super().prepare_for_flow_run(
            flow_run, deployment, flow, work_pool, worker_name, worker_id=worker_id
        )


def _is_ours(deployment: DeploymentResponse) -> bool:
    return any(
        deployment.entrypoint == one.entrypoint and list(one.pull) == deployment.pull_steps
        for one in declared_deployments()
    )


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it takes the place of Prefect's on purpose

    class WarmProcessWorker(QuietProcessWorker):
        """Prefect's process worker, with a fork server while it runs; hears of flow runs."""

        type = "process"
        job_configuration = WarmJobConfiguration

        async def setup(self) -> None:
            """Start the fork server, too."""
            await super().setup()
            settings = get_current_settings().to_environment_variables(exclude_unset=True)
            self._forks = _Forks(
                ForkServer(sanitize_subprocess_env({**process_environment(), **settings})),
                run_process,
            )
            await self._forks.server.start()
            self._heeding = asyncio.create_task(heed(self.get_and_submit_flow_runs))
            setattr(starting, "run_process", self._forks.run_process)  # noqa: B010 - Prefect's place for it

        async def teardown(self, *exc_info: Any) -> None:
            """End the fork server, too."""
            self._heeding.cancel()
            await super().teardown(*exc_info)
            setattr(starting, "run_process", self._forks.plainly)  # noqa: B010
            self._forks.server.close()


class _Forks:
    """Stands in for Prefect's `run_process` where that would start a flow run's engine."""

    def __init__(self, server: ForkServer, plainly: Callable[..., Any]) -> None:
        self.server, self.plainly = server, plainly

    async def run_process(
        self,
        command: list[str],
        *,
        stream_output: Any = False,
        task_status: Any = None,
        task_status_handler: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> Any:
        """Run an engine to its end in a forked process; anything else as Prefect does."""
        environ, cwd = options.get("env"), options.get("cwd")
        process = None
        is_engine = list(command) == _ENGINE and options.keys() == {"env", "cwd"}
        if is_engine and isinstance(stream_output, bool) and self.server.can_start(environ or {}):
            try:
                process = await self.server.fork(
                    environ or {}, cwd or Path.cwd(), shows=stream_output
                )
            except NotForked as error:
                _log.warning("starting a flow run from a new Python: %s", error)
        if process is None:
            return await self.plainly(
                command,
                stream_output=stream_output,
                task_status=task_status,
                task_status_handler=task_status_handler,
                **options,
            )
        try:
            if task_status is not None:
                task_status.started(
                    task_status_handler(process) if task_status_handler else process.pid
                )
            await process.wait()
        except BaseException:
            with anyio.CancelScope(shield=True):
                process.kill()
                await process.wait()
            raise
        return process
