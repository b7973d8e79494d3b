"""Caps, reservations and what the ledger says is spent, as one tree."""
