"""A run from preparation to its end, without an engine: flows call these steps in order.

prepare   a request becomes a stored run
session   one process takes the lease, recovers what a crashed one left, opens the workspace
attempt   start → build → validate → conclude
finish    publish the branch, close the run
"""
