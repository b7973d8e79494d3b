"""A plan that is piped in: `autopack run -`."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from autopack.model.errors import BadInput, PlanError
from autopack.plan.load import MAX_BYTES

STANDARD_INPUT = "-"

PlanArgument = Annotated[
    str,
    Parameter(
        help="A plan file or a URL; - reads it from standard input.", allow_leading_hyphen=True
    ),
]


def plan_source(plan: str) -> str:
    """Return the plan as commands read it: for ``-`` the text on standard input, else itself.

    Raises PlanError for what cannot be a plan.
    """
    if plan != STANDARD_INPUT:
        if plan.startswith("-"):  # it stands where a plan may be, so that - can
            raise BadInput(f"Unknown option: {plan}.", hint="autopack run --help")
        return plan
    from deployments.cli.shared.output import note

    if sys.stdin.isatty():
        note("reading the plan from the terminal; end it with Ctrl-D")
    content = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise PlanError("standard input: a plan may be at most 1 MiB", hint="split the plan")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PlanError(
            f"standard input:{line}: is not UTF-8 text", line=line, hint="save the plan as UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise PlanError(f"standard input:{line}: is not UTF-8 text", line=line)
    if not text.strip():
        raise PlanError(
            "standard input is empty", field="plan", hint="pipe a plan in, or name its file"
        )
    return text if "\n" in text else f"{text}\n"  # what has no line end is a path
