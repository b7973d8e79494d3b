"""Chaos: simulated runs go on while what they depend on is killed, and nothing may be lost."""
