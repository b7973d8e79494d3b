"""A verdict as a gate for CI: which decisions let it pass."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches

from autopack.experiments.shapes.matrix import Decision
from autopack.model.errors import BadInput


def required_decisions(
    given: Sequence[str] | None, field: str = "require"
) -> frozenset[Decision] | None:
    """Return the decisions named in ``given``, each entry one or several with commas; None without.

    Raises BadInput naming ``field`` for a name that is no decision.
    """
    if given is None:
        return None
    names = [name.strip().upper() for entry in given for name in entry.split(",") if name.strip()]
    if not names:
        raise BadInput(f"{field} names no decision", field=field, hint=_hint())
    return frozenset(_decision(name, field) for name in names)


def exit_status(
    decision: Decision, also: Collection[Decision], required: Collection[Decision] | None
) -> tuple[int, str | None]:
    """Return the exit code, and what to say where a required decision was not reached.

    ``also`` are weaker decisions that hold, too.
    """
    if required is not None and not {decision, *also} & set(required):
        wanted = " or ".join(one for one in Decision if one in required)
        return 1, f"{wanted} was required, and the decision is {decision}"
    return (1 if decision is Decision.INVALID and required is None else 0), None


def _decision(name: str, field: str) -> Decision:
    if name in frozenset(Decision):
        return Decision(name)
    close = get_close_matches(name, list(Decision), n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    raise BadInput(f"{field}: {name!r} is not a decision{meant}", field=field, hint=_hint())


def _hint() -> str:
    return f"decisions are {', '.join(Decision)}"
