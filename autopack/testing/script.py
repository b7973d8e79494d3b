"""The ``script`` builder: replays a recording, so that a run costs nothing and always agrees.

It is the deterministic stand-in for a coding agent: it edits, prints, waits, spends and exits as
recorded, through the same spool that every other builder uses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pydantic import Field

from autopack.agents.agent import Agent
from autopack.agents.edits import OutsideWorktree, delete_file, write_file
from autopack.agents.options import AgentOptions
from autopack.agents.protocol import (
    BuildRequest,
    BuildResult,
    BuildStatus,
    EndedBy,
)
from autopack.agents.spooled import (
    open_spool,
    read_calls,
    write_record,
)
from autopack.model.calls import (
    Exactness,
)
from autopack.model.errors import BadInput, GitFailed
from autopack.model.locations import expanded, is_folder

if TYPE_CHECKING:
    from autopack.plan.plan import Plan
    from autopack.process.supervisor import Supervisor
    from autopack.testing.recording import PhaseRecording, RecordedBuild, Step


class Options(AgentOptions):
    recording: Path = Field(description="a folder with one YAML file per phase", examples=["DIR"])


class ScriptBuilder(Agent[Options]):
    """Replays a recording: deterministic runs without a model or a key."""

    name = "script"
    options_class = Options
    simulated = True

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._folder = expanded(options.recording, "recording").absolute()
        if not is_folder(self._folder):
            raise BadInput(
                f"the recording {self._folder} is not a folder",
                field="recording",
                hint="name a folder with one YAML file per phase",
            )
        self._phases: dict[str, PhaseRecording] = {}

    def check(self, plan: Plan) -> None:
        """Read every phase's recording; raises BadInput at the first that cannot be used."""
        for phase in plan.phases:
            self._recording(phase.id)

    async def build(self, request: BuildRequest, supervisor: Supervisor) -> BuildResult:
        """Carry out the steps of the recorded build that this attempt asks for."""
        builds = self._recording(request.phase_id).builds
        if request.build > len(builds):
            return BuildResult(
                status=BuildStatus.FAILED,
                exit_status=None,
                summary=f"the recording of {request.phase_id} has {len(builds)} builds, "
                f"and build {request.build} was asked for",
                ended_by=EndedBy.AUTOPACK,
            )
        with open_spool(request.spool) as spool:
            try:
                async with asyncio.timeout(request.limits.seconds):
                    summary = await _replay(builds[request.build - 1], request, spool)
            except _BudgetSpent as error:
                return BuildResult(
                    BuildStatus.FAILED,
                    None,
                    f"ended: {error}",
                    self.calls(request.spool),
                    ended_by=EndedBy.AUTOPACK,
                )
            except TimeoutError:
                return BuildResult(
                    BuildStatus.TIMED_OUT,
                    None,
                    "ran out of time",
                    self.calls(request.spool),
                    ended_by=EndedBy.AUTOPACK,
                )
        exit_status = builds[request.build - 1].exit
        return BuildResult(
            BuildStatus.ENDED, exit_status, summary, self.calls(request.spool), evidence=summary
        )

    def models(self, plan: Plan, model: str | None) -> Iterable[tuple[str, str]]:
        """Return the provider and the model of every recorded call."""
        del model
        return {
            (step.call.provider, step.call.model)
            for phase in plan.phases
            for build in self._recording(phase.id).builds
            for step in build.steps
            if step.call is not None
        }

    def _recording(self, phase_id: str) -> PhaseRecording:
        from autopack.testing.recording import load_phase

        if phase_id not in self._phases:
            self._phases[phase_id] = load_phase(self._folder, phase_id)
        return self._phases[phase_id]


class _BudgetSpent(Exception):
    """The build may make no further call."""


async def _replay(build: RecordedBuild, request: BuildRequest, spool: TextIO) -> str:
    """Carry out the steps; return the last line the agent printed.

    Raises _BudgetSpent where the next call may not be made.
    """
    summary, made = "", list(read_calls(request.spool))
    if build.told is not Exactness.EXACT:
        write_record(spool, {"told": build.told.value})
    for step in build.steps:
        if step.delay is not None:
            await asyncio.sleep(step.delay)
        elif step.call is not None:
            reason = await asyncio.to_thread(request.refuse_call, made)
            if reason is not None:
                raise _BudgetSpent(reason)
            write_record(spool, {"call": step.call.model_dump(exclude_none=True)})
            made.append(step.call.as_model_call())
        elif step.output is not None:
            summary = step.output
            write_record(spool, {"output": step.output})
        else:
            problem = _edit(step, request.worktree)
            if problem:
                summary = problem
                write_record(spool, {"output": problem})
    return summary


def _edit(step: Step, worktree: Path) -> str | None:
    """Change files as recorded; return what went wrong when that cannot be done."""
    for path, content in (step.files or {}).items():
        try:
            if content is None:
                delete_file(worktree, path)
            else:
                write_file(worktree, path, content)
        except (OutsideWorktree, OSError) as error:
            return f"{path} cannot be changed: {error}"
    if step.patch is not None:
        from autopack.workspace.git import Git

        try:
            Git(folder=worktree).run("apply", "--whitespace=nowarn", "-", input=step.patch)
        except GitFailed as error:
            return f"patch does not apply: {error.message}"
    return None
