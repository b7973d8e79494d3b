"""What a plan costs in the unit that was declared: tokens, or money with the models' prices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from autopack.experiments.pairs.pair_table import ARMS
from autopack.model.errors import BadInput

if TYPE_CHECKING:
    from autopack.experiments.pairs.pair_table import PairTable

Primary = Literal["tokens", "cost"]


@dataclass(frozen=True)
class Resource:
    """How a unit is spoken of: ``12% fewer tokens``, ``12% less money``."""

    primary: Primary
    noun: str
    less: str


TOKENS = Resource("tokens", "tokens", "fewer")
MONEY = Resource("cost", "money", "less")


def resource(primary: Primary) -> Resource:
    """Return the words for a unit."""
    return TOKENS if primary == "tokens" else MONEY


def with_primary(table: PairTable, primary: Primary) -> PairTable:
    """Return the table in which every pair that lacks the declared unit is void, and says so.

    Raises BadInput where the table has no such column at all.
    """
    if primary == "tokens":
        return table
    if primary not in table.metrics:
        raise BadInput(
            "the table has no cost of its pairs",
            field="primary",
            hint="add the columns control_cost and treatment_cost, or compare tokens",
        )
    frame = table.frame.copy()
    for arm in ARMS:
        values = frame[f"{arm}_{primary}"].to_numpy(dtype=np.float64)
        for unusable, why in (
            (~np.isfinite(values), f"the cost of {arm} is unknown"),
            (values == 0, f"the cost of {arm} is zero, which has no ratio"),
        ):
            frame.loc[unusable & (frame["void"] == ""), "void"] = why
    return replace(table, frame=frame)
