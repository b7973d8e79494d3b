"""The ``pi`` coding agent."""
