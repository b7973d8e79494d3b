"""The operations page: rendered here, readable without JavaScript, over the same database."""
