"""Turns free text or Markdown into a plan, or says why it cannot."""

from autopack.plan.normalise.normaliser import (
    CONFIDENCE_THRESHOLD,
    NotNormalised,
    Normalised,
    accept,
    normalise,
)

__all__ = ["CONFIDENCE_THRESHOLD", "NotNormalised", "Normalised", "accept", "normalise"]
