"""The steps of research."""
