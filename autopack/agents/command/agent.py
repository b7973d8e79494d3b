"""The ``command`` builder: any program, called by a template.

``--set template='my-agent --model {model} --prompt-file {prompt_file}' --set usage=codex``

The template is split as a shell would and run without a shell, in the worktree, with the run's
environment and the user's own home: the user who writes it answers for it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from autopack.agents.agent import Agent
from autopack.agents.bounds import Bounds, ended_early, failed_by, sizes, unattended
from autopack.agents.command.template import name_in_spool, readable, split, uses
from autopack.agents.model_providers import provider_of
from autopack.agents.noted_spend import read_noted, write_spend
from autopack.agents.options import (
    STALL_SECONDS,
    AgentOptions,
    AtLeastOne,
    Seconds,
    VariableName,
)
from autopack.agents.prompt import PROMPT_VERSION, render_prompt
from autopack.agents.protocol import (
    BuildRequest,
    BuildResult,
    BuildStatus,
    EndedBy,
    Probe,
    Spend,
)
from autopack.agents.spooled import SPOOL
from autopack.agents.usage_formats import NEUTRAL, formats, parse, parser_of
from autopack.agents.usage_reading import Usage, add_up, exactness_of, opened
from autopack.files import safe_files
from autopack.model.calls import (
    Exactness,
)
from autopack.model.errors import BadInput
from autopack.process.exit_note import EXIT_NOTE, read_exit
from autopack.process.limits import MAX_FILES
from autopack.process.run_options import RunOptions
from autopack.process.scratch import SCRATCH
from autopack.settings import process_environment

if TYPE_CHECKING:
    from autopack.plan.plan import Plan
    from autopack.process.supervisor import Exit, Supervisor

_PROMPT = "prompt.md"
_NOT_RUN = (126, 127)
_CUT_OFF = 128


def _known_format(usage: str) -> str:
    if usage and usage not in (known := formats()):
        raise BadInput(
            f"invalid usage: {usage!r}", field="usage", hint=f"use one of {', '.join(known)}"
        )
    return usage


class Options(AgentOptions):
    template: Annotated[str, AfterValidator(readable)] = Field(
        description="the command, with `{prompt_file}`, `{worktree}`, `{spool}` (a folder for the"
        " program's own files), `{model}` and `{usage_file}`",
        examples=["'my-agent --prompt-file {prompt_file}'"],
    )
    usage: Annotated[str, AfterValidator(_known_format)] | None = Field(
        None,
        description="the format in which the program reports tokens; without it none are known",
    )
    usage_file: Annotated[str, AfterValidator(name_in_spool)] | None = Field(
        None,
        description="the file in `{spool}` that the program reports in, in place of its output; in"
        " the format `neutral` unless `usage` names another",
    )
    model: str | None = Field(None, description="the model, where run and plan name none")
    key_env: VariableName | None = Field(
        None, description="a variable of Autopack's environment to hand on"
    )
    stall: Seconds = Field(
        STALL_SECONDS, description="seconds of silence after which a build is ended"
    )
    max_files: AtLeastOne = Field(
        MAX_FILES, description="the most new files that a build may leave"
    )


class CommandBuilder(Agent[Options]):
    """Builds phases with any program, called by a template. The prompt is also on its stdin."""

    name = "command"
    options_class = Options

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._template = split(options.template)
        self._usage = options.usage or (NEUTRAL if options.usage_file else None)
        self._bounds = Bounds(options.stall, options.max_files)

    @property
    def tells_usage(self) -> bool:
        """Whether anything can be known of what the program spends."""
        return self._usage is not None

    @property
    def shows_spend(self) -> bool:
        """Whether the format tells of calls while they are made, as not every one does.

        A build whose spend cannot be seen reserves all that is left.
        """
        return self._usage is not None and not parser_of(self._usage).told_at_the_end

    def tells_in(self, spool: Path) -> Sequence[Path]:
        """Return the file in which the program reports tokens."""
        return (self._reports(spool),)

    def check(self, plan: Plan) -> None:
        """Raise BadInput when the program, a key or a model that the template names is missing."""
        program = self._template[0]
        if "{" not in program and shutil.which(program) is None:
            raise BadInput(
                f"the program {program} of the template is not installed",
                field="template",
                hint="install it, or write its path in the template",
            )
        if uses(self._template, "usage_file") and not self.options.usage_file:
            raise BadInput(
                "the template asks for a {usage_file}, and none is named",
                field="usage_file",
                hint="add --set usage_file=usage.jsonl",
            )
        if uses(self._template, "model") and not (plan.models.first_builder or self.model):
            raise BadInput(
                "the template asks for a {model}, and none is named",
                field="model",
                hint="name one with --model, in the plan's models.builder or as --set model=NAME",
            )
        self._keys()

    async def build(self, request: BuildRequest, supervisor: Supervisor) -> BuildResult:
        """Run the program in the worktree until it ends or its time is up."""
        prompt = render_prompt(request)
        own = safe_files.make_folder(request.spool / SCRATCH, below=request.spool)
        # One for the program, which may do with it what it likes, and one that is kept.
        safe_files.write(own / _PROMPT, prompt)
        safe_files.write(request.spool / _PROMPT, prompt)
        values = {
            "prompt_file": str(own / _PROMPT),
            "worktree": str(request.worktree),
            "spool": str(own),
            "model": request.model or self.model or "",
            "usage_file": str(self._reports(request.spool)),
        }
        try:
            end = await supervisor.run(
                [word.format_map(values) for word in self._template],
                cwd=request.worktree,
                env={**request.environment, **self._keys()},
                timeout=request.limits.seconds,
                spool=request.spool / SPOOL,
                options=RunOptions(
                    writable=(request.worktree, own),
                    spends=True,
                    silence=self._bounds.silence,
                    signs=lambda: sizes(self.tells_in(request.spool)),
                    files=self._bounds.of_files(request),
                    input=prompt,
                    exit_note=request.spool / EXIT_NOTE,
                ),
            )
        except BaseException:
            self._note(request.spool, None)
            raise
        return self._result(request.spool, end)

    def left_behind(self, spool: Path) -> tuple[BuildResult, str] | None:
        """Return how a build ended that outlived its process, and the folder that it worked
        in.
        """
        noted = read_exit(spool)
        if noted is None:
            return None
        return self._result(spool, unattended(noted, spool / SPOOL)), noted.folder

    def _result(self, spool: Path, end: Exit) -> BuildResult:
        told = self._note(spool, end)
        calls, early = () if told is None else told.calls, ended_early(end)
        if early is not None:
            return BuildResult(early[0], end.status, early[1], calls, ended_by=EndedBy.AUTOPACK)
        if told is not None and told.error:
            return failed_by(told, told.error, end.status)
        printed = end.tail[-2000:].strip()
        failed = end.status in _NOT_RUN or (told is not None and told.http_status is not None)
        return BuildResult(
            BuildStatus.FAILED if failed else BuildStatus.ENDED,
            end.status,
            printed,
            calls,
            ended_by=EndedBy.PROVIDER if told and told.http_status else EndedBy.BUILDER,
            http_status=told.http_status if told else None,
            retry_after=told.retry_after if told else None,
            evidence=printed,
            said=(told.said if told is not None and told.said else end.tail),
        )

    def spend(self, spool: Path) -> Spend:
        """Return the same, and whether it is all; without a usage format nothing is known."""
        noted = read_noted(spool)
        if noted is not None:
            return noted
        if not safe_files.is_file(spool / SPOOL):
            return Spend()
        told = self._told(spool, by_itself=read_exit(spool) is not None)
        if told is None:
            return Spend(exactness=Exactness.UNKNOWN)
        return Spend(told.calls, told.exactness)

    def _note(self, spool: Path, end: Exit | None) -> Usage | None:
        """Note what the program spent, whose own files may be gone when somebody asks again."""
        by_itself = end is not None and end.limit is None and 0 <= (end.status or 0) < _CUT_OFF
        told = self._told(spool, by_itself=by_itself)
        if told is not None:
            write_spend(spool, Spend(told.calls, told.exactness))
        return told

    def _told(self, spool: Path, *, by_itself: bool) -> Usage | None:
        """Return what the program reported, ``by_itself`` when nobody cut it off."""
        if self._usage is None:
            return None
        said = [file] if (file := opened(self._reports(spool))) is not None else []
        told = parse(
            self._usage,
            said,
            provider=provider_of(self.model),
            model=self.model or "",
            output=self._reports(spool),
        )
        if self._usage == NEUTRAL and told.exactness is Exactness.EXACT and not by_itself:
            # A call that was under way is in no line.
            exactness = exactness_of(told.calls, all_told=False)
            return replace(told, exactness=exactness, total=add_up(told.calls, exactness))
        return told

    def _reports(self, spool: Path) -> Path:
        name = self.options.usage_file
        return spool / SPOOL if name is None else spool / SCRATCH / name

    def configuration(self) -> Mapping[str, str]:
        return {"prompt": PROMPT_VERSION}

    def probe(self) -> Probe:
        """Return whether the template's program is there."""
        found = shutil.which(self._template[0])
        hint = None if found else f"install {self._template[0]}"
        return Probe(installed=found is not None, version=None, hint=hint)

    def _keys(self) -> dict[str, str]:
        name = self.options.key_env
        if name is None:
            return {}
        if name not in process_environment():
            raise BadInput(f"{name} is not set", field="key_env", hint=f"set {name}")
        return {name: process_environment()[name]}
