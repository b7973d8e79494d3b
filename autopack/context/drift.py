"""How far a phase's description has drifted from the goal of its run."""

from __future__ import annotations

from dataclasses import dataclass

from autopack.context.embedder import THRESHOLD, Embedder


@dataclass(frozen=True)
class Drift:
    """A measured distance.

    ``similarity`` is the cosine on the common scale of all embedders, 0 to 1, and None when a
    text has no word to compare; ``cosine`` is the embedder's own. ``threshold`` is the similarity
    below which the phase has ``drifted``; what cannot be compared has not.
    """

    similarity: float | None
    cosine: float
    embedder: str
    threshold: float = THRESHOLD

    @property
    def drift(self) -> float | None:
        """1 - similarity."""
        return None if self.similarity is None else 1.0 - self.similarity

    @property
    def drifted(self) -> bool:
        return self.similarity is not None and self.similarity < self.threshold


def measure(
    goal: str, description: str, *, embedder: Embedder, threshold: float = THRESHOLD
) -> Drift:
    """Compare a phase's ``description`` with the ``goal``."""
    vectors = embedder.embed([goal, description])
    cosine = float(vectors[0] @ vectors[1])
    comparable = bool(vectors.any(axis=1).all())
    similarity = embedder.calibration.similarity(cosine) if comparable else None
    return Drift(similarity, cosine, embedder.name, threshold)
