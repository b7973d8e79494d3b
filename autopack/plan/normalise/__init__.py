"""Turns free text or Markdown into a plan, or says why it cannot."""

from autopack.plan.normalise.normaliser import (
    CONFIDENCE_THRESHOLD,
    Normalised,
    NotNormalised,
    accept,
    normalise,
)

__all__ = ["CONFIDENCE_THRESHOLD", "Normalised", "NotNormalised", "accept", "normalise"]
