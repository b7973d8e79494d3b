"""Reads a plan file and says what is wrong with it: which field, on which line."""

from __future__ import annotations

import math
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import cast

from pydantic import BaseModel, ValidationError

from autopack.model.errors import NotFound, PlanError
from autopack.plan.dependencies import misfits
from autopack.plan.document import Document, Loc, Problem, read_document
from autopack.plan.plan import (
    Models,
    PhaseBudget,
    PhaseSpec,
    Plan,
    Policy,
    RunBudget,
    Scope,
)
from autopack.plan.problems import explained, first_problem
from autopack.plan.researching import ResearchSpec

MAX_BYTES = 1024 * 1024

_PROSE = frozenset({".md", ".markdown", ".rst", ".txt"})
_STRUCTURED = frozenset({".yaml", ".yml", ".json"})
_PLAN_LINE = re.compile(r"""^["']?(goal|phases)["']?\s*:""", re.MULTILINE)
_PROSE_HINT = (
    "turn the plan_normalization feature on to run plain text, "
    "or write YAML or JSON with goal and phases"
)

# Which value has which keys, by place, without the indices.
MODELS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): Plan,
    ("policy",): Policy,
    ("models",): Models,
    ("budget",): RunBudget,
    ("phases",): PhaseSpec,
    ("phases", "scope"): Scope,
    ("phases", "budget"): PhaseBudget,
    ("phases", "research"): ResearchSpec,
}


def load_plan(path: Path) -> Plan:
    """Return the plan in the file at ``path``. Raises NotFound, or PlanError with field and
    line.
    """
    return parse_plan(read_plan_text(path), name=str(path))


def read_plan_text(path: Path, *, what: str = "plan") -> str:
    """Return the text of a plan file of any kind, or of another that errors call ``what``.

    Raises NotFound or PlanError.
    """
    try:
        with path.open("rb") as file:
            status = path.stat()
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(
            f"{path}: no such file", field=what, hint=f"give the path of the {what} file"
        ) from error
    except IsADirectoryError as error:
        raise PlanError(f"{path}: is a folder", hint=f"give the path of the {what} file") from error
    except OSError as error:
        raise PlanError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise _too_large(str(path), status.st_size if stat.S_ISREG(status.st_mode) else None)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _binary(str(path), line) from error
    if "\0" in text:
        raise _binary(str(path), text.count("\n", 0, text.index("\0")) + 1)
    return text


def parse_plan(text: str, *, name: str = "plan") -> Plan:
    """Return the plan that ``text`` spells in YAML or JSON; ``name`` is what errors call it.

    Raises PlanError with the first problem by line, and how many more there are.
    """
    size = len(text.encode("utf-8", "replace"))
    if size > MAX_BYTES:
        raise _too_large(name, size)
    if PurePath(name).suffix.lower() in _PROSE:
        raise _plain_text(name)
    document = read_document(text)
    if _is_prose(document, text, name):
        raise _plain_text(name)
    if not document.readable:
        raise first_problem(name, document.problems)
    if document.data is None:
        raise PlanError(f"{name}: is empty", hint="write at least goal and phases")
    if not isinstance(document.data, dict):
        line = document.line_of(())
        raise PlanError(
            f"{name}:{line}: must be a mapping with goal and phases", line=line, hint=_PROSE_HINT
        )
    problems = list(document.problems)
    data = cast("dict[str, object]", document.data)
    try:
        plan = Plan.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        problems += explained(error, document, MODELS)
        problems += _misplaced(data, document, {each.loc for each in problems})
        raise first_problem(name, problems) from error
    if problems:
        raise first_problem(name, problems)
    return plan


@dataclass(frozen=True)
class _Placed:
    """What a phase says of its place, though something else in it is wrong."""

    id: str
    tier: str
    depends_on: tuple[str, ...]


def _misplaced(data: dict[str, object], document: Document, told: set[Loc]) -> list[Problem]:
    """Return what is wrong between phases, in a plan whose values have faults of their own."""
    phases = data.get("phases")
    if not isinstance(phases, list):
        return []
    places = [_place(index, each) for index, each in enumerate(cast("list[object]", phases))]
    found = misfits(places, most=len(places))
    return [
        Problem(document.line_of(misfit.loc), misfit.message, misfit.loc)
        for misfit in found
        if misfit.loc not in told
    ]


def _place(index: int, phase: object) -> _Placed:
    values = cast("dict[str, object]", phase) if isinstance(phase, dict) else {}
    name, tier, needs = values.get("id"), values.get("tier"), values.get("depends_on")
    listed = cast("list[object]", needs) if isinstance(needs, list) else []
    return _Placed(
        name if isinstance(name, str) else f"phases[{index}]",
        tier.strip() if isinstance(tier, str) else "T1",
        tuple(each for each in listed if isinstance(each, str)),
    )


def is_plain_text(text: str, *, name: str = "plan") -> bool:
    """Return whether ``text`` is for the normaliser: prose by the ending of its name, else by its
    look.

    A text without a telling name is a plan when it is a mapping with a key of the plan file, or
    a broken one that seems meant to be.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix in _PROSE | _STRUCTURED:
        return suffix in _PROSE
    return _is_prose(read_document(text), text, name)


def _is_prose(document: Document, text: str, name: str) -> bool:
    if PurePath(name).suffix.lower() in _STRUCTURED:
        return False
    if not document.readable:
        return not (text.lstrip().startswith("{") or _PLAN_LINE.search(text))
    data = document.data
    if isinstance(data, dict):
        return Plan.model_fields.keys().isdisjoint(cast("dict[str, object]", data))
    return data is not None


def _plain_text(name: str) -> PlanError:
    return PlanError(f"{name}: is plain text, not a plan in YAML or JSON", hint=_PROSE_HINT)


def _binary(name: str, line: int) -> PlanError:
    return PlanError(
        f"{name}:{line}: is not UTF-8 text", line=line, hint="save the plan as UTF-8 text"
    )


def _too_large(name: str, size: int | None) -> PlanError:
    # Rounded up, so that nothing over the limit is said to have 1.0 MiB.
    has = "more" if size is None else f"{math.ceil(size * 10 / MAX_BYTES) / 10:.1f} MiB"
    return PlanError(
        f"{name}: a plan may be at most 1 MiB; this one has {has}", hint="split the plan"
    )
