"""A worker that starts flow runs from a process that has loaded everything already."""
