"""The end of a run: checked as a whole, delivered, closed."""
