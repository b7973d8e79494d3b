"""Commands that compare: A/B experiments and replay campaigns."""
