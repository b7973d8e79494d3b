"""Handing what a run made to a forge."""
