"""What builds printed and spent: kept, counted once, redacted."""
