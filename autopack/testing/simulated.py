"""The ``simulated`` builder: a seeded agent that spends, edits and fails as a spec declares.

For trials, benchmarks and experiments without a key. The same seed, phase and build always do the
same, whatever the run is called; with ``seed=run`` every run has a seed of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from autopack.agents.agent import Agent
from autopack.agents.edits import OutsideWorktree, write_file
from autopack.agents.options import AgentOptions, Count
from autopack.agents.protocol import (
    BuildRequest,
    BuildResult,
    BuildStatus,
    EndedBy,
)
from autopack.agents.spooled import open_spool, write_record
from autopack.model.locations import expanded

if TYPE_CHECKING:
    from autopack.plan.plan import Plan
    from autopack.process.supervisor import Supervisor
    from autopack.testing.simulation import Simulation

DONE, BROKEN = "done\n", "broken\n"
_FOR_EVER = 10 * 24 * 3600.0


class Options(AgentOptions):
    spec: Path | None = Field(
        None, description="a file as `autopack.testing.simulation` describes it", examples=["FILE"]
    )
    seed: Count | Literal["run"] = Field(
        0, description="the same number does the same; `run` is another one in every run"
    )


class SimulatedBuilder(Agent[Options]):
    """Spends, edits and fails as declared: for trials without a key."""

    name = "simulated"
    options_class = Options
    simulated = True

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._given = _loaded(options.spec)
        self._seed = None if options.seed == "run" else options.seed

    @cached_property
    def _spec(self) -> Simulation:
        from autopack.testing.simulation import Simulation

        return self._given or Simulation()

    def provider(self, model: str | None) -> str:
        """Return whose circuit its errors count against."""
        del model
        return self._spec.provider

    async def build(self, request: BuildRequest, supervisor: Supervisor) -> BuildResult:
        """Make the calls of one build, then write what it amounts to."""
        del supervisor
        seed = request.run_id if self._seed is None else self._seed
        random = Random(f"{seed}/{request.phase_id}/{request.build}")  # noqa: S311
        try:
            async with asyncio.timeout(request.limits.seconds):
                return await self._build(request, random)
        except TimeoutError:
            timed_out = BuildStatus.TIMED_OUT
            return self._result(
                request, timed_out, None, "ran out of time", ended_by=EndedBy.AUTOPACK
            )

    def models(self, plan: Plan, model: str | None) -> Sequence[tuple[str, str]]:
        """Return the provider and the model that it stands in for."""
        del plan, model
        return ((self._spec.provider, self._spec.model),)

    async def _build(self, request: BuildRequest, random: Random) -> BuildResult:
        spec = self._spec
        fate = random.random()
        with_context = spec.success_with_context
        chance = spec.success if request.context is None or with_context is None else with_context
        succeeds = random.random() < chance
        calls = spec.calls if request.files is None else spec.calls_with_files or spec.calls
        count = max(calls.count(random), 1)
        fails_at = count // 2 if fate < spec.error + spec.crash + spec.hang else count
        with open_spool(request.spool) as spool:
            for number in range(count):
                if number == fails_at:
                    break
                reason = await asyncio.to_thread(request.refuse_call, self.calls(request.spool))
                if reason is not None:
                    return self._result(
                        request,
                        BuildStatus.FAILED,
                        None,
                        f"ended: {reason}",
                        ended_by=EndedBy.AUTOPACK,
                    )
                await asyncio.sleep(spec.seconds.draw(random))
                write_record(spool, {"call": self._call(random)})
        if fails_at == count:
            try:
                _edit(request, DONE if succeeds else BROKEN)
            except (OutsideWorktree, OSError) as error:
                return self._result(request, BuildStatus.FAILED, 1, f"cannot write: {error}")
            return self._result(request, BuildStatus.ENDED, 0, "done" if succeeds else "broken")
        if fate < spec.error:
            return self._result(
                request,
                BuildStatus.FAILED,
                1,
                "provider error 500: simulated",
                ended_by=EndedBy.PROVIDER,
                http_status=500,
            )
        if fate < spec.error + spec.crash:
            return self._result(request, BuildStatus.FAILED, -9, "the agent crashed")
        await asyncio.sleep(_FOR_EVER)
        raise AssertionError("unreachable")

    def _call(self, random: Random) -> dict[str, object]:
        spec = self._spec
        return {
            "provider": spec.provider,
            "model": spec.model,
            "input": spec.input.count(random),
            "cache_read": spec.cache_read.count(random),
            "output": spec.output.count(random),
        }

    def _result(
        self,
        request: BuildRequest,
        status: BuildStatus,
        exit_status: int | None,
        summary: str,
        *,
        ended_by: EndedBy = EndedBy.BUILDER,
        http_status: int | None = None,
    ) -> BuildResult:
        return BuildResult(
            status,
            exit_status,
            summary,
            self.calls(request.spool),
            ended_by=ended_by,
            http_status=http_status,
        )


def _edit(request: BuildRequest, text: str) -> None:
    folder = next((path for path in request.scope_paths if path.endswith("/")), "")
    paths = request.deliverables or (f"{folder}{request.phase_id}.txt",)
    for path in paths:
        write_file(request.worktree, path, text)


def _loaded(spec: Path | None) -> Simulation | None:
    if spec is None:
        return None
    from autopack.testing.simulation import load_simulation

    return load_simulation(expanded(spec, "spec"))
