"""How likely each decision is for a number of pairs: the very rule, simulated."""
