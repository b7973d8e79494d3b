"""Answers that were paid for and are not stored yet: on disk at once, lost by no crash."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autopack.files import safe_files
from autopack.files.durable import write_whole
from autopack.model.calls import Exactness, ModelCall
from autopack.store.research_records import AnswerRow

_FOLDER = "answers"


@dataclass(frozen=True)
class PaidAnswer:
    """An answer, the number of its call, and what that used."""

    row: AnswerRow
    call: int
    calls: tuple[ModelCall, ...]


class PaidAnswers:
    """The notes of one phase, in the run's folder."""

    def __init__(self, run_folder: Path, phase_id: str) -> None:
        self._run_folder = run_folder
        self._folder = run_folder / _FOLDER / phase_id

    def note(self, row: AnswerRow, call: int, calls: Sequence[ModelCall]) -> None:
        """Have the answer on disk when this returns."""
        safe_files.make_folder(self._folder, below=self._run_folder)
        said = {"call": call, "calls": [asdict(one) for one in calls], "answer": row.answer}
        write_whole(self._path(row.step, row.number), json.dumps(said))

    def noted(self, step: str, number: int) -> PaidAnswer | None:
        """Return the answer that a process left which crashed; None when there is none."""
        path = self._path(step, number)
        if not safe_files.is_file(path):
            return None
        said: Mapping[str, Any] = json.loads(safe_files.read_text(path))
        row = AnswerRow(step=step, number=number, answer=said["answer"], problem=None)
        return PaidAnswer(row, said["call"], tuple(map(_call, said["calls"])))

    def forget(self, row: AnswerRow) -> None:
        """Remove the note of an answer that is stored."""
        safe_files.remove(self._path(row.step, row.number))

    def _path(self, step: str, number: int) -> Path:
        return self._folder / f"{step}-{number}.json"


def _call(said: Mapping[str, Any]) -> ModelCall:
    values: dict[str, Any] = {**said, "exactness": Exactness(said["exactness"])}
    return ModelCall(**values)
