"""Failures: what caused one, and what is done about it."""
