"""The precision of a pattern from its judged hits, by evidence that may be looked at after each.

For a bar b, the e-value averages the likelihood ratios of precisions q above the bar against b,
each weighted the same (a beta mixture, cut off at the bar):

    e = 1/(1 - b) * integral from b to 1 of (q/b)^right ((1-q)/(1-b))^wrong dq

While the precision is at most b, each factor has an expectation of at most one, so that the chance
that e ever reaches 20 is at most 1/20 (Ville), however often one looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

EVIDENCE = 20.0
"""The e-value that shows a precision to exceed a bar: wrongly in at most one of 20 histories."""

LEVEL = 1 - 2 / EVIDENCE
"""The level of the interval, whose bounds are each wrong in at most one of 20 histories."""

_STEPS = 40


@dataclass(frozen=True)
class Judged:
    """How many hits were right, and how many wrong."""

    right: int = 0
    wrong: int = 0

    @property
    def count(self) -> int:
        return self.right + self.wrong

    @property
    def precision(self) -> float | None:
        """The share of right ones; None where nothing is judged."""
        return self.right / self.count if self.count else None

    def e_value(self, bar: float) -> float:
        """Return the evidence that the precision exceeds ``bar``; at most the largest float."""
        return math.exp(min(log_e(self.right, self.wrong, bar), 700.0))

    def exceeds(self, bar: float) -> bool:
        """Return whether the precision is shown to be above ``bar``."""
        return log_e(self.right, self.wrong, bar) >= math.log(EVIDENCE)

    def is_below(self, bar: float) -> bool:
        """Return whether the precision is shown to be below ``bar``."""
        return log_e(self.wrong, self.right, 1 - bar) >= math.log(EVIDENCE)

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds that hold at every look at once: 0 and 1 where nothing is known."""
        return _lower(self.right, self.wrong), 1 - _lower(self.wrong, self.right)


def log_e(right: int, wrong: int, bar: float) -> float:
    """Return the natural logarithm of the e-value against precisions of at most ``bar``."""
    count = right + wrong
    beta = math.lgamma(right + 1) + math.lgamma(wrong + 1) - math.lgamma(count + 2)
    # The beta tail above the bar is a binomial one: P(Bin(count + 1, bar) <= right).
    tail = _log_binomial_cdf(right, count + 1, bar)
    against = right * math.log(bar) + (wrong + 1) * math.log1p(-bar)
    return beta + tail - against


def _log_binomial_cdf(most: int, count: int, chance: float) -> float:
    """Return ln P(X <= most), by whichever tail has fewer terms."""
    upper = count - most
    if upper < most + 1:
        above = math.fsum(math.exp(_log_term(k, count, chance)) for k in range(most + 1, count + 1))
        if above < 0.5:
            return math.log1p(-above)
    terms = [_log_term(k, count, chance) for k in range(most + 1)]
    highest = max(terms)
    return highest + math.log(math.fsum(math.exp(term - highest) for term in terms))


def _log_term(k: int, count: int, chance: float) -> float:
    ways = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
    return ways + k * math.log(chance) + (count - k) * math.log1p(-chance)


def _lower(right: int, wrong: int) -> float:
    """Return the highest bar that the precision is shown to exceed."""
    if right == 0:
        return 0.0
    low, high = 0.0, right / (right + wrong)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if log_e(right, wrong, middle) >= math.log(EVIDENCE):
            low = middle
        else:
            high = middle
    return low
