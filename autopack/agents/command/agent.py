"""The ``command`` builder: any program, called by a template.

``--set template='my-agent --model {model} --prompt-file {prompt_file}' --set usage=codex``

The template is split as a shell would and run without a shell, in the worktree, with the run's
environment and the user's own home: the user who writes it answers for it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import string
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from autopack.agents.agent import Agent
from autopack.agents.bounds import Bounds, ended_early, unattended
from autopack.agents.model_providers import provider_of
from autopack.agents.options import AgentOptions, AtLeastOne, Seconds, VariableName
from autopack.agents.prompt import render_prompt
from autopack.agents.protocol import (
    BuildRequest,
    BuildResult,
    BuildStatus,
    EndedBy,
    Probe,
    Spend,
)
from autopack.agents.spooled import SPOOL
from autopack.agents.usage_formats import formats, parse, parser_of
from autopack.agents.usage_reading import Usage
from autopack.files import safe_files
from autopack.model.calls import (
    Exactness,
)
from autopack.model.errors import BadInput
from autopack.process.exit_note import EXIT_NOTE, read_exit
from autopack.process.limits import MAX_FILES
from autopack.process.scratch import SCRATCH

if TYPE_CHECKING:
    from autopack.plan.plan import Plan
    from autopack.process.supervisor import Exit, Supervisor

_FIELDS = ("prompt_file", "worktree", "spool", "model")
_PROMPT = "prompt.md"
_NOT_RUN = (126, 127)


def _readable(template: str) -> str:
    _split(template)
    return template


def _known_format(usage: str) -> str:
    if usage and usage not in (known := formats()):
        raise BadInput(f"usage is {usage!r}", field="usage", hint=f"use one of {', '.join(known)}")
    return usage


class Options(AgentOptions):
    template: Annotated[str, AfterValidator(_readable)] = Field(
        description="the command, with `{prompt_file}`, `{worktree}`, `{spool}` (a folder for the"
        " program's own files) and `{model}`",
        examples=["'my-agent --prompt-file {prompt_file}'"],
    )
    usage: Annotated[str, AfterValidator(_known_format)] | None = Field(
        None,
        description="the format in which the program reports tokens; without it none are known",
    )
    model: str | None = Field(None, description="the model, where run and plan name none")
    key_env: VariableName | None = Field(
        None, description="a variable of Autopack's environment to hand on"
    )
    stall: Seconds | None = Field(
        None, description="seconds of silence after which a build is ended; never when unset"
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
        self._template = _split(options.template)
        self._usage = options.usage or None
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

    def check(self, plan: Plan) -> None:
        """Raise BadInput when the program, a key or a model that the template names is missing."""
        program = self._template[0]
        if "{" not in program and shutil.which(program) is None:
            raise BadInput(
                f"the program {program} of the template is not installed",
                field="template",
                hint="install it, or write its path in the template",
            )
        wants_model = any("{model}" in word for word in self._template)
        if wants_model and not (plan.models.builder or self.model):
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
        }
        end = await supervisor.run(
            [word.format_map(values) for word in self._template],
            cwd=request.worktree,
            env={**request.environment, **self._keys()},
            timeout=request.limits.seconds,
            spool=request.spool / SPOOL,
            writable=(request.worktree, own),
            spends=True,
            silence=self._bounds.silence,
            files=self._bounds.of_files(request),
            input=prompt,
            exit_note=request.spool / EXIT_NOTE,
        )
        return self._result(request.spool, end)

    def left_behind(self, spool: Path) -> tuple[BuildResult, str] | None:
        """How a build ended whose process died before it did, and the folder that it worked in."""
        noted = read_exit(spool)
        if noted is None:
            return None
        return self._result(spool, unattended(noted, spool / SPOOL)), noted.folder

    def _result(self, spool: Path, end: Exit) -> BuildResult:
        early, calls = ended_early(end), self.calls(spool)
        if early is not None:
            return BuildResult(early[0], end.status, early[1], calls, ended_by=EndedBy.AUTOPACK)
        told, printed = self._told(spool), end.tail[-2000:].strip()
        failed = end.status in _NOT_RUN or (told is not None and told.http_status is not None)
        return BuildResult(
            BuildStatus.FAILED if failed else BuildStatus.ENDED,
            end.status,
            printed,
            calls,
            ended_by=EndedBy.PROVIDER if told and told.http_status else EndedBy.BUILDER,
            http_status=told.http_status if told else None,
            retry_after=told.retry_after if told else None,
            evidence=(told.error if told and told.error else printed)[-2000:],
        )

    def spend(self, spool: Path) -> Spend:
        """The same, and whether it is all; without a usage format nothing is known."""
        if not safe_files.is_file(spool / SPOOL):
            return Spend()
        told = self._told(spool)
        return (
            Spend(exactness=Exactness.UNKNOWN)
            if told is None
            else Spend(told.calls, told.exactness)
        )

    def _told(self, spool: Path) -> Usage | None:
        output = spool / SPOOL
        if self._usage is None or not safe_files.is_file(output):
            return None
        provider, said = provider_of(self.model), [safe_files.open_read(output)]
        return parse(self._usage, said, provider=provider, model=self.model or "")

    def probe(self) -> Probe:
        """Whether the template's program is there."""
        found = shutil.which(self._template[0])
        hint = None if found else f"install {self._template[0]}"
        return Probe(installed=found is not None, version=None, hint=hint)

    def _keys(self) -> dict[str, str]:
        name = self.options.key_env
        if name is None:
            return {}
        if name not in os.environ:
            raise BadInput(f"{name} is not set", field="key_env", hint=f"set {name}")
        return {name: os.environ[name]}


def _split(template: str) -> list[str]:
    if not template.strip():
        raise BadInput(
            "the command builder needs a template",
            field="template",
            hint="for example template='my-agent --prompt-file {prompt_file}'",
        )
    try:
        words = shlex.split(template)
        fields = [name for word in words for _, name, *_ in string.Formatter().parse(word)]
    except ValueError as error:
        raise BadInput(f"the template cannot be read: {error}", field="template") from error
    for name in fields:
        if name is not None and name not in _FIELDS:
            known = ", ".join(f"{{{field}}}" for field in _FIELDS)
            raise BadInput(
                f"the template has {{{name}}}", field="template", hint=f"it may have {known}"
            )
    return words
