"""A reviewer behind a provider's API: a model at the endpoint of the builder ``api``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.agents.api.agent import ApiBuilder
from autopack.agents.api.answered_calls import answered_calls
from autopack.model.calls import ModelCall
from autopack.repair.review.answer import ReviewAnswer
from autopack.repair.review.reviewer import Question, Reply, ReviewFailed

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage

_SECONDS = 180.0
# Text that is no prose has some three bytes a token; models think before they answer.
_BYTES_A_TOKEN, _ANSWER_TOKENS = 3, 10_000


class ApiReviewer:
    """Asks a model for one answer, without tools: it can do nothing but answer."""

    name = "api"
    simulated = False

    def __init__(self, builder: ApiBuilder, model: str | None, seconds: float) -> None:
        self._reached = builder.reached(model)
        self.model: str | None = model or builder.model
        self.seconds = min(_SECONDS, seconds)

    def most(self, question: Question) -> ModelCall:
        """Return the question and a long answer."""
        asked = len(question.text.encode("utf-8", "replace")) // _BYTES_A_TOKEN + 1
        return ModelCall(
            provider=self._reached.provider,
            model=self._reached.model,
            input=asked,
            cache_read=0,
            cache_write=0,
            output=_ANSWER_TOKENS,
            total=asked + _ANSWER_TOKENS,
        )

    async def ask(self, question: Question) -> Reply:
        """Return the model's words."""
        from pydantic_ai import Agent, capture_run_messages
        from pydantic_ai.exceptions import AgentRunError, UserError

        with capture_run_messages() as messages:
            try:
                agent = Agent(
                    self._reached.connect(),
                    # The answer as a tool's arguments, which models keep to better, or in words.
                    output_type=[ReviewAnswer, str],
                    retries=0,
                    model_settings={"timeout": _SECONDS},
                )
                done = await agent.run(question.text)
            except (AgentRunError, UserError, ValueError) as error:
                raise ReviewFailed(str(error), self._calls(messages)) from error
        said = done.output
        text = said.model_dump_json() if isinstance(said, ReviewAnswer) else said
        return Reply(text, self._calls(messages))

    def left_behind(self, spool: Path) -> Reply | None:
        """Return None: a call ends with its process."""
        del spool

    def spent(self, spool: Path) -> Sequence[ModelCall]:
        """Return nothing: what a call used is in its answer."""
        del spool
        return ()

    def _calls(self, messages: Sequence[ModelMessage]) -> tuple[ModelCall, ...]:
        return answered_calls(messages, provider=self._reached.provider, model=self._reached.model)
