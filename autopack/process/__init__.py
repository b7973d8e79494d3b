"""Programs of a run: supervised, confined, bounded and ended, and what they print."""
