"""What is wrong with a file that people write, in their words: which field, on which line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from autopack.model.errors import BadInput, PlanError, PlanProblem
from autopack.plan.dependencies import NO_SUCH_PHASE
from autopack.plan.document import Document, Loc, Problem, read_document
from autopack.plan.values import shown
from autopack.secrecy.credentials import MASK, SHAPES

REQUIRED = "is required"
UNKNOWN_KEY = "is not a known key"

Shapes = Mapping[tuple[str, ...], type[BaseModel]]
"""Which value has which keys, by place, without the indices."""


def typed_values(text: str, what: str) -> object:
    """Return what a YAML or JSON text of another kind than a plan holds, bounded as a plan is.

    Raises BadInput naming the line and the key at fault, or ``what`` as the field.
    """
    document = read_document(text, typed=True)
    if document.problems:
        problem = min(document.problems, key=lambda each: each.line)
        field = field_name(problem.loc)
        place = f"line {problem.line}: " + (f"{field}: " if field else "")
        raise BadInput(f"{place}{problem.message}", field=field or what, hint=problem.hint)
    return document.data


def explained(error: ValidationError, document: Document, shapes: Shapes) -> list[Problem]:
    """Return what pydantic found in ``document``, with its lines; ``shapes`` tell which keys are
    known.
    """
    return [_explained(details, document, shapes) for details in error.errors()]


def first_problem(
    name: str, problems: Sequence[Problem], error: type[PlanError] = PlanError
) -> PlanError:
    """Return the first of ``problems``, and how many more there are, as ``error`` that holds them
    all.

    By line, but what may only follow from another comes last: a key is missed where one that is
    not known stands beside it.
    """
    problem, *others = sorted(problems, key=lambda each: (_follows(each, problems), each.line))
    field = field_name(problem.loc)
    more = f" (and {len(others)} more problem{'s' * (len(others) > 1)})" if others else ""
    place = f"{name}:{problem.line}: " + (f"{field}: " if field else "")
    return error(
        f"{place}{problem.message}{more}",
        field=field or None,
        line=problem.line,
        hint=problem.hint,
        problems=[
            PlanProblem(each.message, field_name(each.loc) or None, each.line, each.hint)
            for each in (problem, *others)
        ],
    )


def _follows(problem: Problem, problems: Sequence[Problem]) -> bool:
    """Return whether ``problem`` may be gone once another is solved, such as a key misspelt beside
    it.
    """
    if problem.message == REQUIRED:
        return any(
            other.loc[:-1] == problem.loc[:-1] and other.message.startswith(UNKNOWN_KEY)
            for other in problems
        )
    return problem.message.startswith(NO_SUCH_PHASE) and any(
        other.loc[:1] == ("phases",) and other.loc[2:] == ("id",) for other in problems
    )


def field_name(loc: Loc) -> str:
    """Return ``("phases", 1, "id")`` as people write it: ``phases[1].id``."""
    text = ""
    for step in loc:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if step.isprintable() and 0 < len(step) <= 60 else shown(step)
            name = SHAPES.sub(MASK, name)
            text += f".{name}" if text else name
    return text


def _explained(details: ErrorDetails, document: Document, shapes: Shapes) -> Problem:
    loc = details["loc"]
    message, hint = _message(details), None
    if details["type"] == "extra_forbidden":
        known = _keys(loc[:-1], shapes)
        close = get_close_matches(str(loc[-1]).lower().replace("-", "_"), known, n=1)
        message = UNKNOWN_KEY + (f"; did you mean {close[0]}?" if close else "")
        hint = f"known here: {', '.join(known)}"
    return Problem(document.line_of(loc), message, loc, hint)


def _keys(parent: Loc, shapes: Shapes) -> list[str]:
    model = shapes[tuple(step for step in parent if isinstance(step, str))]
    return [str(field.serialization_alias or name) for name, field in model.model_fields.items()]


def _message(details: ErrorDetails) -> str:
    """Return what pydantic found, in words for the author of the plan."""
    kind, context, given = details["type"], details.get("ctx", {}), details["input"]
    if kind == "missing":
        return REQUIRED
    if kind == "misfit":
        return details["msg"]
    if given is None:
        return "is empty; give a value or leave the key out"
    if kind == "value_error":
        return str(context["error"])
    if kind == "enum":
        expected = str(context["expected"]).replace("'", "").replace(" or ", ", ")
        close = get_close_matches(str(given), expected.split(", "), n=1)
        suggestion = f"; did you mean {close[0]}?" if close else ""
        return f"{shown(given)} is not one of {expected}{suggestion}"
    if kind.endswith(("_parsing", "_type", "from_float", "finite_number")):
        return _WANTED.get(kind.partition("_")[0], details["msg"])
    if kind == "literal_error":
        return f"must be {str(context['expected']).replace(chr(39), '')}"
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**context)
    return details["msg"]


_WANTED = {
    "int": "must be a whole number",
    "float": "must be a number",
    "finite": "must be a number",
    "decimal": "must be a number",
    "bool": "must be true or false",
    "string": "must be text",
    "tuple": "must be a list",
    "model": "must be a mapping",
    "dict": "must be a mapping",
}
_BOUNDS = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:,}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "decimal_max_digits": "must have at most {max_digits} digits",
}
