"""Recorded runs as pairs: how each ended, whether it counts, and whether its treatment acted."""
