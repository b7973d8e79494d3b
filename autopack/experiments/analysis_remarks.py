"""What is said of an analysis beside its verdict: lines that stand alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autopack.experiments.statistics.replicates import Replicated
from autopack.experiments.statistics.sensitivity import (
    EarlyEndings,
)
from autopack.experiments.statistics.token_evidence import (
    OUTLIER_MADS,
    TokenEvidence,
)
from autopack.experiments.verdicts.verdict import (
    DESCRIPTIVE_BELOW,
)
from autopack.experiments.verdicts.wording import count, p_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autopack.experiments.pairs.pair_table import PairTable

    Floats = NDArray[np.float64]

from autopack.experiments.published import MOST_PAIRS_LISTED, void_reasons


def about_replicates(rule: Replicated | None) -> list[str]:
    """Return what was run again, where a rule says so."""
    if rule is None:
        return []
    again = rule.second >= 0
    told = int((again & rule.discordant).sum())
    return [
        f"{count(int(again.sum()), 'plan')} of {len(again)} were run again, {told} of them because "
        "one arm alone had succeeded: their second pairs refine the ratio and the difference in "
        "success, weighted by how likely they were to be run; totals and single outcomes are of "
        "first pairs"
    ]


def earlier_lines(tokens: TokenEvidence) -> list[str]:
    """Return what came of earlier control runs, where they were declared."""
    found = tokens.earlier
    if found is None:
        return []
    if not found.used:
        return [f"earlier control runs do not count: {found.why_not}"]
    left = "" if found.variance is None else f", which leaves {found.variance:.0%} of the variance"
    drift = "" if found.drift is None else f"{found.drift:.3f} of the fresh ones"
    return [
        f"{count(found.runs, 'earlier control run')} of {count(found.plans, 'plan')} count as "
        f"further controls{left} (they used {drift}, p {p_value(found.p)})"
    ]


def void_lines(table: PairTable) -> list[str]:
    """Return a line for each reason that made pairs void."""
    return [
        f"{count(number, 'pair')} void: {reason}" for reason, number in void_reasons(table).items()
    ]


def warnings_of(table: PairTable, tokens: TokenEvidence, early: EarlyEndings) -> list[str]:
    """Return what a reader should know beside the verdict."""
    found = list(table.notes)
    if len(table.frame) > MOST_PAIRS_LISTED:
        found.append(
            f"of {len(table.frame):,} pairs the first {MOST_PAIRS_LISTED:,} are listed and drawn; "
            "every figure is of all of them"
        )
    if early.drive_the_mean:
        rest = "no pair is left" if early.without is None else f"the ratio is {early.without:.3f}"
        found.append(
            f"{early.treatment} treatment and {early.control} control runs ended without success "
            "on less than half of what their partner used, which counts as cheap: without their "
            f"pairs {rest}"
        )
    if table.ignored:
        found.append(f"columns without a meaning were ignored: {', '.join(table.ignored)}")
    if tokens.has_outlier:
        found.append(
            f"a plan lies over {OUTLIER_MADS} median absolute deviations from the median; "
            "look at its runs"
        )
    if 0 < tokens.summary.n < DESCRIPTIVE_BELOW:
        found.append(
            f"below {DESCRIPTIVE_BELOW} plans the interval of the ratio of totals is description"
        )
    if len(table.valid) > tokens.summary.n:
        found.append(
            "pairs of one plan were averaged, and a plan counts once where success is judged; "
            "the figures of single runs (Tango, McNemar) treat its pairs as independent"
        )
    return found
