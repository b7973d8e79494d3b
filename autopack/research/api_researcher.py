"""A researcher behind a provider's API: the model and the endpoint of the ``api`` builder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autopack.agents.api.answered_calls import answered_calls
from autopack.model.calls import ModelCall
from autopack.research.research_prompts import INSTRUCTIONS
from autopack.research.researcher import ANSWERS, BYTES_A_TOKEN, Ask, Reply, ResearchFailed

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage

    from autopack.agents.api.agent import ApiBuilder

_SECONDS = 180.0
# Instructions and the schema of an answer.
_OVERHEAD_TOKENS, _LEAST_ANSWER = 2_000, 300


class ApiResearcher:
    """Asks the model of an ``api`` builder for structured answers, one call each."""

    name = "api"
    simulated = False
    seconds = _SECONDS
    overhead_tokens = _OVERHEAD_TOKENS
    least_answer = _LEAST_ANSWER

    def __init__(self, builder: ApiBuilder, model: str | None) -> None:
        self._builder = builder
        self._reached = builder.reached(model)
        self.model: str | None = self._reached.model

    def most(self, ask: Ask) -> ModelCall:
        """Return the question and the longest answer."""
        asked = len(ask.prompt.encode("utf-8", "replace")) // BYTES_A_TOKEN + _OVERHEAD_TOKENS
        return ModelCall(
            provider=self._reached.provider,
            model=self._reached.model,
            input=asked,
            cache_read=0,
            cache_write=0,
            output=ask.answer_tokens,
            total=asked + ask.answer_tokens,
        )

    async def ask(self, ask: Ask) -> Reply:
        """Return the model's answer; one that is not as it has to be is a failure."""
        from pydantic_ai import Agent, UnexpectedModelBehavior, capture_run_messages
        from pydantic_ai.exceptions import AgentRunError, ModelAPIError, ModelHTTPError, UserError

        with capture_run_messages() as messages:
            try:
                agent = Agent(
                    self._reached.connect(),
                    output_type=ANSWERS[ask.step],
                    instructions=INSTRUCTIONS[ask.step],
                    retries=0,
                    model_settings={"timeout": _SECONDS, "max_tokens": ask.answer_tokens},
                )
                done = await agent.run(ask.prompt)
            except ModelHTTPError as error:
                raise ResearchFailed(
                    f"provider error {error.status_code}: {error.message}",
                    self._calls(messages),
                    is_provider=True,
                    http_status=error.status_code,
                    retry_after=error.retry_after,
                ) from error
            except ModelAPIError as error:
                raise ResearchFailed(
                    f"{type(error).__name__}: {error}",
                    self._calls(messages),
                    is_provider=True,
                    retry_after=error.retry_after,
                ) from error
            except (UnexpectedModelBehavior, AgentRunError, UserError) as error:
                raise ResearchFailed(
                    f"the answer could not be read: {error}", self._calls(messages)
                ) from error
        return Reply(done.output, self._calls(messages))

    def _calls(self, messages: Sequence[ModelMessage]) -> tuple[ModelCall, ...]:
        return answered_calls(messages, provider=self._reached.provider, model=self._reached.model)
