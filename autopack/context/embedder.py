"""What turns texts into vectors whose angle tells how far their meanings are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:  # numpy takes a tenth of a second, and an intention needs none of it
    import numpy as np
    from numpy.typing import NDArray

Vectors: TypeAlias = "NDArray[np.float64]"
"""One row a text, of length 1, or of zeros for a text without a word."""

THRESHOLD = 0.7
"""The similarity below which a phase has drifted from the goal."""


@dataclass(frozen=True)
class Calibration:
    """Brings an embedder's cosine to the one scale on which 0.7 divides aligned from drifted.

    Cosines are not comparable between embedders: for related sentences MiniLM gives about 0.5,
    TF-IDF 0.2. ``threshold`` is the cosine that best divides the labelled pairs; the scale is
    linear on either side of it, so 0 stays 0, 1 stays 1 and the order of pairs never changes.
    """

    threshold: float

    def similarity(self, cosine: float) -> float:
        """``cosine`` on the common scale, from 0 to 1."""
        if cosine < self.threshold:
            return max(cosine, 0.0) / self.threshold * THRESHOLD
        share = (min(cosine, 1.0) - self.threshold) / (1.0 - self.threshold)
        return THRESHOLD + share * (1.0 - THRESHOLD)


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def name(self) -> str: ...

    @property
    def calibration(self) -> Calibration: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row for each of ``texts``."""
        ...
