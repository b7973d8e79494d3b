"""Detectors made from signatures: derived, tested against fixtures, and offered for review."""
