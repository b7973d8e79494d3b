"""The neutral usage format, which any program can write."""
