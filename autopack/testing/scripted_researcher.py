"""A researcher that answers from a recording: ``<phase id>.research.yaml`` in its folder.

answers:                     # those of each step in order, as often as it is asked
  - step: clarify            # clarify, gather or write
    answer: {questions: [{question: 1, aspects: [rounding], queries: [ordinal], ask: []}]}
    call: {provider: anthropic, model: claude-haiku-4-5, input: 900, output: 60}
  - step: gather
    answer: {queries: [def ordinal]}     # none when enough was found
  - step: write
    answer:
      claims:                # passages are numbered as they were found
        - {question: 1, claim: It takes a number., passage: 1, quote: "def ordinal(n):"}
      contradictions: []     # {between: [1, 2], about: …}
      missing: []
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from autopack.agents.recorded_call import RecordedCall
from autopack.model.calls import ModelCall
from autopack.model.errors import BadInput
from autopack.plan.problems import typed_values
from autopack.research.researcher import (
    ANSWERS,
    Ask,
    AskedFor,
    Clarified,
    Reply,
    ResearchFailed,
    Searches,
    Written,
)

_NO_CALL = ModelCall(provider="script", model="script", total=0)


class _Recorded(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    step: AskedFor
    answer: dict[str, Any]
    call: RecordedCall | None = None

    def read(self) -> Clarified | Searches | Written:
        return ANSWERS[self.step].model_validate(self.answer)


class _Recording(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    answers: tuple[_Recorded, ...]


class ScriptResearcher:
    """Replays the answers recorded for a phase."""

    name = "script"
    model: str | None = None
    simulated = True
    seconds = 60.0
    overhead_tokens = 0
    least_answer = 1

    def __init__(self, folder: Path, phase_id: str) -> None:
        self._path = recording_of(folder, phase_id)

    def most(self, ask: Ask) -> ModelCall:
        """Return the recorded call; nothing where none is recorded."""
        try:
            call = self._recorded(ask).call
        except ResearchFailed:
            return _NO_CALL
        return call.as_model_call() if call else _NO_CALL

    async def ask(self, ask: Ask) -> Reply:
        """Return the recorded answer."""
        recorded = self._recorded(ask)
        calls = (recorded.call.as_model_call(),) if recorded.call else ()
        try:
            return Reply(recorded.read(), calls)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ResearchFailed(
                f"the answer could not be read: {where}: {first['msg']}", calls
            ) from error

    def _recorded(self, ask: Ask) -> _Recorded:
        answers = [one for one in self._all() if one.step is ask.step]
        if ask.number > len(answers):
            raise ResearchFailed(
                f"{self._path} has {len(answers)} answers for {ask.step.value}, and answer "
                f"{ask.number} was asked for"
            )
        return answers[ask.number - 1]

    def _all(self) -> tuple[_Recorded, ...]:
        try:
            content = typed_values(self._path.read_text(encoding="utf-8"), "recording")
            return _Recording.model_validate(content).answers
        except FileNotFoundError as error:
            raise ResearchFailed(f"{self._path}: no such file") from error
        except (OSError, UnicodeDecodeError, BadInput) as error:
            raise ResearchFailed(f"{self._path}: cannot be read: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ResearchFailed(f"{self._path}: {where}: {first['msg']}") from error


def recording_of(folder: Path, phase_id: str) -> Path:
    """Return the file that holds the answers of a phase's research."""
    return folder / f"{phase_id}.research.yaml"
