"""Elixir and Mix."""
