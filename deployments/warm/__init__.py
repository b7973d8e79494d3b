"""Flow runs and commands that start at once: from a process that has loaded everything already."""
