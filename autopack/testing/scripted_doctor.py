"""A doctor that answers from a recording: ``<phase id>.doctor.yaml`` in the recording's folder.

answers:                     # one per call about the phase, in order
  - action: retry_with_fix
    confidence: 0.9
    rationale: The sign is wrong.
    hint: Swap the operands.
    call: {provider: anthropic, model: claude-haiku-4-5, input: 900, output: 60}
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from autopack.agents.recorded_call import (
    RecordedCall,
)
from autopack.model.calls import (
    ModelCall,
)
from autopack.model.errors import BadInput
from autopack.plan.problems import typed_values
from autopack.repair.doctor.doctor import Answer, DoctorFailed, Opinion
from autopack.repair.doctor.routing import DoctorTier

NO_CALL = ModelCall(provider="script", model="script", total=0)


class _Recorded(Answer):
    call: RecordedCall | None = None


class _Recording(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    answers: tuple[_Recorded, ...]


class ScriptDoctor:
    """Replays answers from ``folder``."""

    seconds = 60.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def most(self, question: str, *, tier: DoctorTier, phase_id: str, call: int) -> ModelCall:
        """Return the recorded call; nothing where none is recorded, for then nothing is
        answered.
        """
        try:
            recorded = self._answers(phase_id)[call - 1].call
        except (DoctorFailed, IndexError):
            recorded = None
        return recorded.as_model_call() if recorded else NO_CALL

    async def ask(self, question: str, *, tier: DoctorTier, phase_id: str, call: int) -> Opinion:
        """Return the recorded answer to this call."""
        answers = self._answers(phase_id)
        if call > len(answers):
            raise DoctorFailed(
                f"the recording of {phase_id} has {len(answers)} answers, and answer {call} "
                "was asked for"
            )
        recorded = answers[call - 1]
        answer = Answer.model_validate(recorded.model_dump(exclude={"call"}))
        return Opinion(answer, (recorded.call.as_model_call(),) if recorded.call else ())

    def _answers(self, phase_id: str) -> tuple[_Recorded, ...]:
        path = self._folder / f"{phase_id}.doctor.yaml"
        try:
            content = typed_values(path.read_text(encoding="utf-8"), "recording")
            return _Recording.model_validate(content).answers
        except FileNotFoundError as error:
            raise DoctorFailed(f"{path}: no such file") from error
        except (OSError, UnicodeDecodeError, BadInput) as error:
            raise DoctorFailed(f"{path}: cannot be read: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DoctorFailed(f"{path}: {where}: {first['msg']}") from error
