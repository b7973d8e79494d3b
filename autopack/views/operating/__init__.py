"""How things stand, as an operator reads it: what needs somebody, groups of runs, their lineage."""
