"""Differences as HTML: whatever they hold, it shows as text."""
