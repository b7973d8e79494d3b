"""Coding agents behind one protocol; ``registry`` finds them by name."""
