"""Reconciliation: what crashed processes left behind, found and repaired."""
