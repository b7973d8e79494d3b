"""A process worker of Prefect's that leaves no flow run of a reconciliation that found all well.

One a minute would bury every other flow run. What reconciliation did stays, as does what an
operator asked for, and what failed.
"""

from __future__ import annotations

import warnings
from typing import Any

import anyio
import httpx
from prefect.client.schemas.objects import Flow as APIFlow
from prefect.client.schemas.objects import FlowRun, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_logger
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker
from pydantic import PrivateAttr

_RECONCILE = "flows.reconciling:reconcile"
_DID = ": "  # in the name of a reconciliation stands before what it did
_HEARD_SECONDS = 2.0
_log = get_logger("worker.quiet")


class QuietJobConfiguration(ProcessJobConfiguration):
    """Prefect's, which knows whether its flow run is one of those that come every minute."""

    _is_regular: bool = PrivateAttr(default=False)

    def prepare_for_flow_run(
        self,
        flow_run: FlowRun,
        deployment: DeploymentResponse | None = None,
        flow: APIFlow | None = None,
        work_pool: WorkPool | None = None,
        worker_name: str | None = None,
        worker_id: Any = None,
    ) -> None:
        """Prepare as Prefect does."""
        reconciles = deployment is not None and deployment.entrypoint == _RECONCILE
        self._is_regular = reconciles and flow_run.auto_scheduled
        super().prepare_for_flow_run(
            flow_run, deployment, flow, work_pool, worker_name, worker_id=worker_id
        )

    @property
    def is_regular(self) -> bool:
        """Whether a schedule asked for a reconciliation."""
        return self._is_regular


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it takes the place of Prefect's on purpose

    class QuietProcessWorker(ProcessWorker):
        """Prefect's process worker, which forgets reconciliations that did nothing."""

        type = "process"
        job_configuration = QuietJobConfiguration

        async def run(self, flow_run: FlowRun, configuration: Any, task_status: Any = None) -> Any:
            """Run as Prefect does."""
            result = await super().run(flow_run, configuration, task_status)
            if configuration.is_regular:
                # The automation for zombies has to hear first that it has ended.
                await anyio.sleep(_HEARD_SECONDS)
                try:
                    await self._forget_unless_it_did_something(flow_run)
                except (httpx.HTTPError, ObjectNotFound) as error:
                    _log.info("flow run %s stays listed: %s", flow_run.id, error)
            return result

        async def _forget_unless_it_did_something(self, flow_run: FlowRun) -> None:
            ended = await self.client.read_flow_run(flow_run.id)
            completed = ended.state is not None and ended.state.is_completed()
            if completed and _DID not in ended.name:
                await self.client.delete_flow_run(flow_run.id)
