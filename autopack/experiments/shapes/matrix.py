"""The matrix of verdicts: resources on one axis, success on the other, a decision in each cell.

A cell that asserts two proven statements (fewer tokens AND maintained success) needs each of them
at its own level: an intersection-union test, without correction between the axes. The headline
may be any cell, because its sentence claims exactly what was shown on each axis. ``ErrorSplit``
says how often each statement may be false.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Decision(StrEnum):
    """What an experiment has shown."""

    INVALID = "INVALID"
    INSUFFICIENT = "INSUFFICIENT"
    SAVES = "SAVES"
    RAISES_SUCCESS = "RAISES_SUCCESS"
    BUYS_SUCCESS = "BUYS_SUCCESS"
    EQUIVALENT = "EQUIVALENT"
    COSTS_MORE = "COSTS_MORE"
    LOSES_SUCCESS = "LOSES_SUCCESS"
    SAVES_SUCCESS_UNPROVEN = "SAVES_SUCCESS_UNPROVEN"
    MEDIAN_SAVES_TOTAL_DOES_NOT = "MEDIAN_SAVES_TOTAL_DOES_NOT"
    INCONCLUSIVE = "INCONCLUSIVE"


class ResourceAxis(StrEnum):
    """What is shown of the tokens (or the money) of a plan: treatment against control."""

    FEWER = "fewer"
    SAME = "same"
    MORE = "more"
    UNCLEAR = "unclear"


class SuccessAxis(StrEnum):
    """What is shown of success.

    ``higher``: the whole interval lies above zero. ``lower``: it lies below minus the margin.
    ``maintained``: success is lower by less than the margin.
    """

    HIGHER = "higher"
    MAINTAINED = "maintained"
    LOWER = "lower"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Cell:
    """One cell. ``also`` are weaker decisions that hold whenever this one does."""

    decision: Decision
    also: tuple[Decision, ...] = ()


def _cells() -> dict[tuple[ResourceAxis, SuccessAxis], Cell]:
    r, s, d = ResourceAxis, SuccessAxis, Decision
    return {
        (r.FEWER, s.HIGHER): Cell(d.RAISES_SUCCESS, (d.SAVES,)),
        (r.FEWER, s.MAINTAINED): Cell(d.SAVES),
        (r.FEWER, s.LOWER): Cell(d.LOSES_SUCCESS),
        (r.FEWER, s.UNCLEAR): Cell(d.SAVES_SUCCESS_UNPROVEN),
        (r.SAME, s.HIGHER): Cell(d.RAISES_SUCCESS),
        (r.SAME, s.MAINTAINED): Cell(d.EQUIVALENT),
        (r.SAME, s.LOWER): Cell(d.LOSES_SUCCESS),
        (r.SAME, s.UNCLEAR): Cell(d.INCONCLUSIVE),
        (r.MORE, s.HIGHER): Cell(d.BUYS_SUCCESS),
        (r.MORE, s.MAINTAINED): Cell(d.COSTS_MORE),
        (r.MORE, s.LOWER): Cell(d.LOSES_SUCCESS),
        (r.MORE, s.UNCLEAR): Cell(d.COSTS_MORE),
        (r.UNCLEAR, s.HIGHER): Cell(d.INCONCLUSIVE),
        (r.UNCLEAR, s.MAINTAINED): Cell(d.INCONCLUSIVE),
        (r.UNCLEAR, s.LOWER): Cell(d.LOSES_SUCCESS),
        (r.UNCLEAR, s.UNCLEAR): Cell(d.INCONCLUSIVE),
    }


CELLS: Mapping[tuple[ResourceAxis, SuccessAxis], Cell] = MappingProxyType(_cells())


def cell(
    resource: ResourceAxis,
    success: SuccessAxis,
    *,
    bounded_above: bool = True,
    total_saves: bool = True,
) -> Cell:
    """Return the cell of two axes.

    ``bounded_above``: success is not higher by the margin or more either, which EQUIVALENT needs.
    ``total_saves``: all plans together need less, which any saving needs.
    """
    found = CELLS[resource, success]
    if found.decision is Decision.EQUIVALENT and not bounded_above:
        return Cell(Decision.INCONCLUSIVE)
    if resource is ResourceAxis.FEWER and success is not SuccessAxis.LOWER and not total_saves:
        return Cell(Decision.MEDIAN_SAVES_TOTAL_DOES_NOT)
    return found


@dataclass(frozen=True)
class ErrorSplit:
    """How often each statement may be false under its own null; registered with the protocol.

    ``resource_side``: fewer, and more. ``success_side``: higher, and lower by the margin.
    ``margin``: each "within the margin" (success maintained; resources the same, on each side).
    Of twice ``resource_side``, a monitored experiment spends ``looks`` on stopping early and
    ``last_look`` at the end; of ``success_side`` it spends ``loss_looks`` on stopping because
    success is lost, and the rest at the end.
    """

    resource_side: float = 0.025
    success_side: float = 0.025
    margin: float = 0.025
    looks: float | None = None
    last_look: float | None = None
    loss_looks: float | None = None
