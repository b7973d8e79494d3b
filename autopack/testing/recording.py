"""Recordings: what a scripted build does, one YAML file per phase in a folder.

    builds:                       # one entry per build that ended, in order
      - steps:                    # carried out one after the other
          - output: Reading the module          # a line (or lines) the agent printed
          - call: {provider: anthropic, model: claude-sonnet-4-5, input: 900, output: 120}
          - delay: 0.5                          # seconds
          - files: {src/x.py: "...", old.py: null}   # whole files; null deletes
          - patch: fix.patch                    # a file beside this one, or the diff itself
        exit: 0                   # exit status of the agent, 0 when absent
        told: exact               # or partial, unknown: how much of its use the agent tells

The file is named ``<phase id>.yaml``. A call may carry ``cache_read``, ``cache_write``,
``cache_write_1h`` (a part of it), ``reasoning`` and ``response_id``, or only ``total`` when the
split is unknown.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from autopack.agents.recorded_call import RecordedCall
from autopack.model.calls import (
    Exactness,
)
from autopack.model.errors import BadInput
from autopack.plan.problems import typed_values
from autopack.plan.values import shown


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Step(_Strict):
    """One thing the recorded agent did; exactly one field is set."""

    output: str | None = None
    """A line (or lines) that the agent printed."""
    call: RecordedCall | None = None
    """A model call."""
    delay: Annotated[float, Field(ge=0, le=86_400)] | None = None
    """Seconds to wait."""
    files: dict[str, str | None] | None = None
    """Whole files by their paths; null deletes one."""
    patch: str | None = None
    """A diff, or the name of a file beside this one that holds it."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Step:
        given = [getattr(self, name) for name in self.model_fields_set]
        if len(given) != 1 or given[0] is None:
            raise ValueError("a step has exactly one of output, call, delay, files, patch")
        for path in self.files or ():
            parts = PurePosixPath(path).parts
            outside = not parts or path.startswith("/") or ".." in parts or ".git" in parts
            if outside or "\0" in path:
                raise ValueError(
                    f"files: {shown(path)} must be a relative path inside the repository"
                )
        return self


class RecordedBuild(_Strict):
    """One build that ended."""

    steps: tuple[Step, ...] = ()
    """What the agent did, in order; each step has exactly one key."""
    exit: Annotated[int, Field(strict=True)] = 0
    """The agent's exit status."""
    told: Exactness = Exactness.EXACT
    """How much of its use the agent tells."""


class PhaseRecording(_Strict):
    """Every ended build of one phase."""

    builds: tuple[RecordedBuild, ...] = Field(min_length=1)
    """One entry a build that ended, in order."""


def load_phase(folder: Path, phase_id: str) -> PhaseRecording:
    """Read one phase's recording, with patch files replaced by their text.

    Raises BadInput that names the file and, in it, the field.
    """
    path = folder / f"{phase_id}.yaml"
    try:
        content = typed_values(path.read_text(encoding="utf-8"), "recording")
        recording = PhaseRecording.model_validate(content)
    except FileNotFoundError as error:
        raise BadInput(
            f"the recording has no file for phase {phase_id}: {path}",
            field="recording",
            hint=f"write {path.name} into the recording folder",
        ) from error
    except BadInput as error:
        raise BadInput(
            f"{path}: cannot be read: {error.message}", field="recording", hint=error.hint
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {error}", field="recording") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{path}: {where}: {first['msg']}", field="recording") from error
    return recording.model_copy(
        update={"builds": tuple(_with_patches(folder, build) for build in recording.builds)}
    )


def _with_patches(folder: Path, build: RecordedBuild) -> RecordedBuild:
    steps = tuple(
        Step(patch=_patch_text(folder, step.patch)) if step.patch is not None else step
        for step in build.steps
    )
    return build.model_copy(update={"steps": steps})


def _patch_text(folder: Path, patch: str) -> str:
    if "\n" in patch:
        return patch
    try:
        return (folder / patch).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # no text, or a name that no file can have
        raise BadInput(
            f"{folder}: patch {shown(patch)} cannot be read",
            field="recording",
            hint="write the diff itself, or the name of a file beside the recording",
        ) from error
