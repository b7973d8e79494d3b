"""The tools of a run's own environment, installed and restored."""
