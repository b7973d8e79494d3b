"""The ``opencode`` agent."""
