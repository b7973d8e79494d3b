"""The table of A/B pairs: which columns it has, and the checks every cell must pass.

One row is one pair: the same plan run once as control and once as treatment, in the order in
which the pairs were finished (sequential monitoring replays that order).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

ARMS = ("control", "treatment")
REQUIRED = (
    "pair",
    "plan",
    "control_tokens",
    "treatment_tokens",
    "control_success",
    "treatment_success",
)
FRACTIONS = ("control_phase_fraction", "treatment_phase_fraction")
OPTIONAL_TEXT = ("void", "first")
# How many phases of a pair both arms completed, control only, treatment only, neither.
PHASE_COUNTS = ("phases_n11", "phases_n10", "phases_n01", "phases_n00")


@dataclass(frozen=True)
class PairTable:
    """Checked pairs, void ones included.

    ``frame`` has one row a pair and the columns

    ======================================  =====  =============================================
    pair                                    str    unique
    plan                                    str    pairs of one plan are replicates of it
    control_tokens, treatment_tokens        float  > 0; NaN only in a void pair
    control_success, treatment_success      bool   False where a void pair does not say
    control_phase_fraction, treatment_…     float  0 to 1; success where the source has none
    void                                    str    why the pair does not count, else ""
    first                                   str    control, treatment, together, else ""
    phases_n11, phases_n10, …               float  phases by outcome, all four or none of them
    control_<metric>, treatment_<metric>    float  >= 0, NaN where missing
    ======================================  =====  =============================================

    ``metrics`` names the secondary metrics in the order of the source's columns,
    ``has_phase_fractions`` says whether the fractions were given or success stands in,
    ``ignored`` lists columns that mean nothing here, and ``notes`` what a reader should know of
    how the source was read.
    """

    frame: pd.DataFrame
    metrics: tuple[str, ...]
    has_phase_fractions: bool
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def valid(self) -> pd.DataFrame:
        """The pairs that count, in order."""
        return self.frame[self.frame["void"] == ""].reset_index(drop=True)

    @cached_property
    def void(self) -> pd.DataFrame:
        """The pairs that do not count, with their reasons."""
        return self.frame[self.frame["void"] != ""].reset_index(drop=True)

    @property
    def has_phase_counts(self) -> bool:
        """Whether the outcomes of single phases are known."""
        return set(PHASE_COUNTS) <= set(self.frame.columns)

    def values(self, column: str) -> NDArray[np.float64]:
        """One numeric column of the pairs that count."""
        return self.valid[column].to_numpy(dtype=np.float64)
