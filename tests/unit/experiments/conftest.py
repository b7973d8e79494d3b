"""Tables of pairs to test with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from support.ended_runs import projects, ran

from autopack.experiments.pairs.pair_table import PairTable
from autopack.experiments.pairs.pairs_reading import table_of

__all__ = ["projects", "ran"]

MakeTable = Callable[..., PairTable]


@pytest.fixture
def make_table() -> MakeTable:
    """Build a table from tokens; other columns by name, success true where not given."""

    def make(
        control: Sequence[float], treatment: Sequence[float], **columns: Sequence[object]
    ) -> PairTable:
        size = len(control)
        everything: dict[str, Sequence[object]] = {
            "pair": [f"p{n}" for n in range(size)],
            "plan": [f"plan{n}" for n in range(size)],
            "control_tokens": control,
            "treatment_tokens": treatment,
            "control_success": [True] * size,
            "treatment_success": [True] * size,
            **columns,
        }
        return table_of(
            [
                dict(zip(everything, row, strict=True))
                for row in zip(*everything.values(), strict=True)
            ]
        )

    return make


@pytest.fixture
def noisy_arms() -> Callable[..., tuple[list[float], list[float]]]:
    """Whole token counts of ``n`` pairs with a mean log ratio of exactly ln(ratio), nearly."""

    def arms(
        n: int, ratio: float, sd: float = 0.3, seed: int = 0
    ) -> tuple[list[float], list[float]]:
        random = np.random.default_rng(seed)
        noise = random.standard_normal(n)
        noise = (noise - noise.mean()) / noise.std(ddof=1)
        control = np.exp(13 + 0.8 * random.standard_normal(n))
        treatment = control * ratio * np.exp(sd * noise)
        return control.round().tolist(), treatment.round().tolist()

    return arms
