"""The usage ledger: every model call once, its sums, and what may be spent."""
