"""A reviewer that replies from a recording: ``<phase id>.review.yaml`` in the recording's folder.

answers:                     # one per review of the phase, in order
  - verdict: reject
    summary: The sign is wrong.
    findings:
      - path: src/sum.py
        quote: "+    return a - b"
        problem: It subtracts; return a + b.
    call: {provider: anthropic, model: claude-haiku-4-5, input: 900, output: 60}
  - verdict: approve
  - text: words that are no answer, or none at all
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from autopack.agents.recorded_call import RecordedCall
from autopack.model.calls import ModelCall
from autopack.model.errors import BadInput
from autopack.plan.problems import typed_values
from autopack.repair.review.reviewer import Question, Reply, ReviewFailed
from autopack.testing.scripted_doctor import NO_CALL


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecordedFinding(_Strict):
    """One objection."""

    path: str = ""
    """The file, as the diff names it."""
    quote: str
    """Lines of the diff, whole and exactly as they stand there."""
    problem: str
    """What is wrong."""


class RecordedReview(_Strict):
    """One review: a verdict, or a ``text`` that is replied as it is."""

    verdict: Literal["approve", "reject"] | None = None
    """What the reviewer says of the change."""
    summary: str = ""
    """Its sentence."""
    findings: tuple[RecordedFinding, ...] = ()
    """What it objects to."""
    text: str | None = None
    """Its words in place of the others; empty for a reviewer that is silent."""
    call: RecordedCall | None = None
    """The model call that it took."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.verdict is None) == (self.text is None):
            raise ValueError("an answer has either a verdict or a text")
        return self

    @property
    def words(self) -> str:
        """The reply."""
        if self.text is not None:
            return self.text
        return json.dumps(self.model_dump(include={"verdict", "summary", "findings"}))


class ReviewRecording(_Strict):
    """Every review of one phase."""

    answers: tuple[RecordedReview, ...]
    """One entry a review, in order."""


class ScriptReviewer:
    """Replays the reviews of ``folder``."""

    name = "script"
    model: str | None = None
    simulated = True
    seconds = 60.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def most(self, question: Question) -> ModelCall:
        """Return the recorded call; nothing where none is recorded."""
        try:
            recorded = self._answers(question.phase_id)[question.round - 1].call
        except (ReviewFailed, IndexError):
            recorded = None
        return recorded.as_model_call() if recorded else NO_CALL

    async def ask(self, question: Question) -> Reply:
        """Return the recorded reply to this review."""
        answers = self._answers(question.phase_id)
        if question.round > len(answers):
            raise ReviewFailed(
                f"the recording of {question.phase_id} has {len(answers)} reviews, and review "
                f"{question.round} was asked for"
            )
        recorded = answers[question.round - 1]
        calls = (recorded.call.as_model_call(),) if recorded.call else ()
        return Reply(recorded.words, calls)

    def left_behind(self, spool: Path) -> Reply | None:
        """Return None: it leaves nothing."""
        del spool

    def spent(self, spool: Path) -> Sequence[ModelCall]:
        """Return nothing: what it spends is in its reply."""
        del spool
        return ()

    def _answers(self, phase_id: str) -> tuple[RecordedReview, ...]:
        path = self._folder / f"{phase_id}.review.yaml"
        try:
            content = typed_values(path.read_text(encoding="utf-8"), "recording")
            return ReviewRecording.model_validate(content).answers
        except FileNotFoundError as error:
            raise ReviewFailed(f"{path}: no such file") from error
        except (OSError, UnicodeDecodeError, BadInput) as error:
            raise ReviewFailed(f"{path}: cannot be read: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ReviewFailed(f"{path}: {where}: {first['msg']}") from error
