"""Chaos: fault injection into simulated runs, of which nothing may be lost."""
