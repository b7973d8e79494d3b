"""Usage from files: CSV, JSON lines, and the database of an earlier Autopack."""
