"""The ``api`` builder: an agent of Autopack's own, on pydantic-ai; needs the extra ``api``."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from importlib import metadata
from typing import TYPE_CHECKING, Any

from pydantic import Field

from autopack.agents.agent import Agent
from autopack.agents.endpoint import ENDPOINT_KEY_VARIABLE
from autopack.agents.model_providers import (
    check_served,
    key_variable,
    protocol_of,
    provider_of,
    split_model,
)
from autopack.agents.options import STALL_SECONDS, AtLeastOne, ProviderOptions, Seconds
from autopack.agents.prompt import PROMPT_VERSION, render_prompt
from autopack.agents.protocol import (
    BuildRequest,
    BuildResult,
    BuildStatus,
    EndedBy,
    Probe,
)
from autopack.agents.spooled import open_spool
from autopack.model.errors import BadInput

if TYPE_CHECKING:
    from pydantic_ai.models import Model

    from autopack.plan.plan import Plan
    from autopack.process.supervisor import Supervisor

_TASK = """\
You change code with the tools alone; paths are seen from the root of the repository.
1. Look first: list and search, and read every file that you are going to change.
2. Make the smallest change that solves the task's cause; edit_file rather than write_file where a
   file exists already.
3. Call run_checks. When one fails, read what it says, find the cause, and repair that.
4. Stop when they pass, and answer with one sentence that says what you changed. When they cannot
   pass for a reason outside the task, say which and why.
A refused call tells why: do something else rather than the same again."""


class Options(ProviderOptions):
    provider: str | None = Field(
        None,
        description="one that pydantic-ai knows, by default told by the model's name; with"
        " `base_url` the protocol spoken there, by default `openai-chat`",
    )
    max_turns: AtLeastOne = Field(100, description="the most answers of one build")
    stall: Seconds = Field(
        STALL_SECONDS,
        description="seconds after which a build ends whose model leaves a call unanswered",
    )


@dataclass(frozen=True)
class Reached:
    """A model at a provider or an endpoint, and the key for it, which is never stored."""

    provider: str
    model: str
    key: str = field(repr=False)
    base_url: str | None

    def connect(self) -> Model:
        """Return it as pydantic-ai knows it."""
        from autopack.agents.api.model import open_model

        protocol = protocol_of(self.provider)
        return open_model(protocol, self.model, key=self.key, base_url=self.base_url)


class ApiBuilder(Agent[Options]):
    """Builds phases with an agent of Autopack's own, on any provider's API."""

    name = "api"
    options_class = Options

    def provider(self, model: str | None) -> str:
        """Return who is paid."""
        return self.options.provider or provider_of(model or self.model)

    def check(self, plan: Plan) -> None:
        """Raise BadInput when the extra, the model or the key is missing."""
        _require_extra()
        self._key(self._model(plan.models.first_builder))

    def probe(self) -> Probe:
        """Return whether the extra is installed, and what is missing to use it."""
        try:
            _require_extra()
        except BadInput as error:
            return Probe(installed=False, version=None, hint=error.hint)
        version = metadata.version("pydantic-ai-slim")  # loading it takes a second
        about = Probe(True, version, None, model=self.model)
        try:
            self._key(self._model(None))
        except BadInput as error:
            return replace(about, hint=error.hint)
        return about

    def secrets(self) -> Sequence[str]:
        printed = self.options.printed_key()
        return (printed,) if printed else ()

    def configuration(self) -> Mapping[str, str]:
        return {"prompt": PROMPT_VERSION}

    async def build(self, request: BuildRequest, supervisor: Supervisor) -> BuildResult:
        """Let the model work with confined tools until it says that it is done."""
        try:
            async with asyncio.timeout(request.limits.seconds):
                end = await self._work(request, supervisor)
        except TimeoutError:
            end = BuildResult(
                BuildStatus.TIMED_OUT, None, "ran out of time", ended_by=EndedBy.AUTOPACK
            )
        return replace(end, calls=self.calls(request.spool))

    async def _work(self, request: BuildRequest, supervisor: Supervisor) -> BuildResult:
        from pydantic_ai import Agent, UsageLimits
        from pydantic_ai.exceptions import AgentRunError, ModelAPIError, ModelHTTPError

        from autopack.agents.api.model import (
            BudgetSpent,
            RecordingModel,
            Stalled,
        )

        reached = self.reached(request.model)
        with open_spool(request.spool) as spool:
            try:
                model = RecordingModel(
                    reached.connect(),
                    request=request,
                    spool=spool,
                    provider=reached.provider,
                    model=reached.model,
                    stall=self.options.stall,
                )
                agent = Agent(model, tools=_tools(request, supervisor), instructions=_TASK)
                done = await agent.run(
                    render_prompt(request, reads=()),
                    usage_limits=UsageLimits(request_limit=self.options.max_turns),
                )
            except BudgetSpent as error:
                return _failed(f"ended: {error}", ended_by=EndedBy.AUTOPACK)
            except Stalled as error:
                end = _failed(str(error), ended_by=EndedBy.AUTOPACK)
                return replace(end, status=BuildStatus.TIMED_OUT)
            except ModelHTTPError as error:
                return _failed(
                    f"provider error {error.status_code}: {error.message}",
                    ended_by=EndedBy.PROVIDER,
                    http_status=error.status_code,
                    retry_after=error.retry_after,
                    evidence=f"{error.message} {error.body or ''}".strip()[:2000],
                )
            except ModelAPIError as error:
                # No answer at all: the connection failed.
                return _failed(
                    f"{type(error).__name__}: {error}",
                    ended_by=EndedBy.PROVIDER,
                    retry_after=error.retry_after,
                    evidence=error.message,
                )
            except AgentRunError as error:
                words = f"{type(error).__name__}: {error}"
                return _failed(words, ended_by=EndedBy.BUILDER, evidence=words[:2000])
        return BuildResult(BuildStatus.ENDED, None, str(done.output)[:2000])

    def reached(self, wanted: str | None) -> Reached:
        """Return how the model is reached, which others than builds may ask, too. Raises BadInput
        when the extra, the model or the key is missing.
        """
        _require_extra()
        full = self._model(wanted)
        provider = self.provider(full)
        named, own = split_model(full)
        model = own if named == provider else full
        return Reached(provider, model, self._key(full), self.endpoint)

    def _model(self, wanted: str | None) -> str:
        model = wanted or self.model
        if model is None:
            raise BadInput(
                "the api builder needs a model",
                field="model",
                hint="name one with --model, for example --model claude-sonnet-4-5",
            )
        return model

    def _key(self, model: str) -> str:
        name = self.options.key_env or (
            ENDPOINT_KEY_VARIABLE if self.endpoint else key_variable(self.provider(model))
        )
        key = self.options.key(name)
        if key:
            return key
        if self.endpoint:
            return "unused"
        if self.options.key_env is None:
            check_served(self.name, model, self.provider(model))
        raise BadInput(
            f"the api builder has no key: {name} is not set",
            field="key_env",
            hint=f"set {name}, or name the variable that holds the key: --set key_env=NAME",
        )


def _failed(
    summary: str,
    *,
    ended_by: EndedBy,
    http_status: int | None = None,
    retry_after: float | None = None,
    evidence: str = "",
) -> BuildResult:
    return BuildResult(
        BuildStatus.FAILED,
        None,
        summary,
        ended_by=ended_by,
        http_status=http_status,
        retry_after=retry_after,
        evidence=evidence,
    )


def _require_extra() -> None:
    if importlib.util.find_spec("pydantic_ai") is None:
        raise BadInput(
            "the api builder needs pydantic-ai, which is not installed",
            field="builder",
            hint="pip install 'autopack[api]'",
        )


def _tools(request: BuildRequest, supervisor: Supervisor) -> list[Any]:
    """Return the tools as pydantic-ai takes them: a refusal is told to the model, which may try
    again.
    """
    from autopack.agents.api.confined_tools import ConfinedTools, ToolRefused

    tools = ConfinedTools(request, supervisor)

    def telling(tool: Any) -> Any:
        @wraps(tool)
        def call(*args: Any, **kwargs: Any) -> str:
            try:
                return tool(*args, **kwargs)
            except (ToolRefused, OSError) as error:
                return f"refused: {error}"

        return call

    @wraps(tools.search)
    async def search(*args: Any, **kwargs: Any) -> str:
        try:
            return await tools.search(*args, **kwargs)
        except (ToolRefused, OSError) as error:
            return f"refused: {error}"

    files = (
        tools.list_files,
        tools.read_file,
        tools.edit_file,
        tools.write_file,
        tools.delete_file,
    )
    return [*map(telling, files), search, tools.run_checks]
