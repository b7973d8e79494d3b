"""The ways in: the command line, the local stack, the demo."""
