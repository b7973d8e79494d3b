"""A run in the hands of this process: taken over, held, stopped."""
