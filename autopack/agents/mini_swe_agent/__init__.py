"""mini-SWE-agent, the `mini` program."""
