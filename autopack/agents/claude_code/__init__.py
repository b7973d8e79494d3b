"""Anthropic's ``claude`` program."""
