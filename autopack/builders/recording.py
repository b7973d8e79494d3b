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
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from autopack.builders.protocol import MOST_TOKENS, Exactness, ModelCall
from autopack.errors import BadInput

Tokens = Annotated[int, Field(ge=0, le=MOST_TOKENS, strict=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecordedCall(_Strict):
    """One model call: either the split, or only ``total``."""

    provider: str
    model: str
    input: Tokens | None = None
    cache_read: Tokens | None = None
    cache_write: Tokens | None = None
    cache_write_1h: Tokens | None = None
    output: Tokens | None = None
    reasoning: Tokens | None = None
    total: Tokens | None = None
    response_id: str | None = None

    @model_validator(mode="after")
    def _split_or_total(self) -> RecordedCall:
        split = (
            self.input,
            self.cache_read,
            self.cache_write,
            self.cache_write_1h,
            self.output,
            self.reasoning,
        )
        if self.total is None and None in (self.input, self.output):
            raise ValueError("a call needs input and output, or total")
        if self.total is not None and any(part is not None for part in split):
            raise ValueError("a call has either a split or a total, not both")
        if (self.reasoning or 0) > (self.output or 0) and self.total is None:
            raise ValueError("reasoning is part of the output and cannot exceed it")
        if (self.cache_write_1h or 0) > (self.cache_write or 0):
            raise ValueError("cache_write_1h is part of cache_write and cannot exceed it")
        return self

    def as_model_call(self) -> ModelCall:
        """The call in the terms of the ledger; an absent cache or reasoning figure is 0."""
        if self.total is not None:
            return ModelCall(
                provider=self.provider,
                model=self.model,
                total=self.total,
                response_id=self.response_id,
            )
        new, read = self.input or 0, self.cache_read or 0
        write, output = self.cache_write or 0, self.output or 0
        return ModelCall(
            provider=self.provider,
            model=self.model,
            input=new,
            cache_read=read,
            cache_write=write,
            output=output,
            reasoning=self.reasoning or 0,
            total=new + read + write + output,
            response_id=self.response_id,
            cache_write_1h=self.cache_write_1h,
        )


class Step(_Strict):
    """One thing the recorded agent did; exactly one field is set."""

    output: str | None = None
    call: RecordedCall | None = None
    delay: Annotated[float, Field(ge=0, le=86_400)] | None = None
    files: dict[str, str | None] | None = None
    patch: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Step:
        given = [getattr(self, name) for name in self.model_fields_set]
        if len(given) != 1 or given[0] is None:
            raise ValueError("a step has exactly one of output, call, delay, files, patch")
        for path in self.files or ():
            parts = PurePosixPath(path).parts
            if not parts or path.startswith("/") or ".." in parts or ".git" in parts:
                raise ValueError(f"files: {path!r} must be a relative path inside the repository")
        return self


class RecordedBuild(_Strict):
    """One build that ended."""

    steps: tuple[Step, ...] = ()
    exit: Annotated[int, Field(strict=True)] = 0
    told: Exactness = Exactness.EXACT


class PhaseRecording(_Strict):
    """Every ended build of one phase."""

    builds: tuple[RecordedBuild, ...] = Field(min_length=1)


def load_phase(folder: Path, phase_id: str) -> PhaseRecording:
    """Read one phase's recording, with patch files replaced by their text.

    Raises BadInput that names the file and, in it, the field.
    """
    path = folder / f"{phase_id}.yaml"
    try:
        content: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506
        recording = PhaseRecording.model_validate(content)
    except FileNotFoundError as error:
        raise BadInput(
            f"the recording has no file for phase {phase_id}: {path}",
            field="recording",
            hint=f"write {path.name} into the recording folder",
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(
            f"{path}: cannot be read: {' '.join(str(error).split())}", field="recording"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{path}: {where}: {first['msg']}", field="recording") from error
    return recording.model_copy(
        update={"builds": tuple(_with_patches(folder, build) for build in recording.builds)}
    )


# The libyaml loader reads a recording about ten times faster; both are the safe one.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


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
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"patch {folder / patch} cannot be read", field="recording") from error
