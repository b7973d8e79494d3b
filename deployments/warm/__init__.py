"""Flow runs and commands that start at once: from a process that has loaded everything already."""

HANDED_OVER = frozenset({"run", "resume", "retry", "fleet"})
"""The commands that are, by their first word: those that run flows in their process."""
